//! Rows and columns of biases, sums and copies: the memory-bound odds and ends, vectorised.

use pulp::{Arch, Simd};

use super::Mat;

/// Every row of `out` becomes `bias`: where a product is then added to.
pub fn fill(out: &mut [f32], bias: &[f32]) {
    for out in out.chunks_exact_mut(bias.len()) {
        out.copy_from_slice(bias);
    }
}

/// Adds `bias` to each row of `x`.
#[pulp::with_simd(add_to_rows = Arch::new())]
#[inline(always)]
pub fn add_to_rows_with_simd<'a, S: Simd>(_simd: S, x: &'a mut [f32], bias: &'a [f32]) {
    for x in x.chunks_exact_mut(bias.len()) {
        for (x, bias) in x.iter_mut().zip(bias) {
            *x += bias;
        }
    }
}

/// `x += y`, elementwise.
#[pulp::with_simd(add = Arch::new())]
#[inline(always)]
pub fn add_with_simd<'a, S: Simd>(_simd: S, x: &'a mut [f32], y: &'a [f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

/// Adds to `sums` the sums over the rows of the columns of `x` from `from` on.
#[pulp::with_simd(add_sums = Arch::new())]
#[inline(always)]
pub fn add_sums_with_simd<'a, S: Simd>(_simd: S, sums: &'a mut [f32], x: Mat<'a>, from: usize) {
    let columns = sums.len();
    for row in 0..x.rows() {
        for (sum, x) in sums.iter_mut().zip(&x.row(row)[from..from + columns]) {
            *sum += x;
        }
    }
}

/// Rows and columns of a block that [`transpose`] moves at a time: its two sides stay in the first-level cache.
const BLOCK: usize = 16;

/// `out` (columns, rows) from `x` (rows, columns), whose rows must be contiguous.
pub fn transpose(x: Mat<'_>, out: &mut [f32]) {
    let (rows, columns) = (x.rows(), x.columns());
    let out = &mut out[..rows * columns];
    for top in (0..rows).step_by(BLOCK) {
        let height = BLOCK.min(rows - top);
        let from: [&[f32]; BLOCK] = std::array::from_fn(|row| x.row(top + row.min(height - 1)));
        for left in (0..columns).step_by(BLOCK) {
            for column in left..(left + BLOCK).min(columns) {
                let to = &mut out[column * rows + top..][..height];
                for (to, from) in to.iter_mut().zip(&from) {
                    *to = from[column];
                }
            }
        }
    }
}

/// Sum of squares, for root-mean-square norms.
#[pulp::with_simd(squares = Arch::new())]
#[inline(always)]
pub fn squares_with_simd<S: Simd>(_simd: S, x: &[f32]) -> f32 {
    let [total] = super::lanes::sum(x.len(), |i| [x[i] * x[i]]);
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_changes_nothing() {
        for (rows, columns) in [(1, 1), (16, 32), (17, 5), (3, 40)] {
            let x: Vec<f32> = (0..rows * (columns + 2)).map(|i| i as f32).collect();
            let view = Mat::new(&x, columns + 2).columns_at(1, columns);
            let (mut across, mut back) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
            transpose(view, &mut across);
            transpose(Mat::new(&across, rows), &mut back);
            assert_eq!(across[0], x[1]);
            assert_eq!(across[(columns - 1) * rows], x[columns]);
            assert!((0..rows).all(|row| view.row(row) == &back[row * columns..(row + 1) * columns]));
        }
    }

    #[test]
    fn rows_and_columns() {
        let mut x = vec![0.0; 6];
        fill(&mut x, &[1.0, 2.0, 3.0]);
        add_to_rows(&mut x, &[1.0, 0.0, 0.0]);
        add(&mut x, &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!(x, [2.0, 2.0, 3.0, 3.0, 3.0, 4.0]);
        let mut sums = [10.0, 0.0];
        add_sums(&mut sums, Mat::new(&x, 3), 1);
        assert_eq!(sums, [15.0, 7.0]);
        assert_eq!(squares(&x[..3]), 17.0);
    }
}
