//! Rows and columns of biases, sums and copies: small memory-bound operations, vectorised.

use pulp::{Arch, Simd};

use super::Mat;

/// Sets every row of `out` to `bias`, before a product is added to it.
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

/// Adds to `sums` the column sums of `x` from row `from` on.
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

/// Sum of squares, for root-mean-square norms.
#[pulp::with_simd(squares = Arch::new())]
#[inline(always)]
pub fn squares_with_simd<S: Simd>(_simd: S, x: &[f32]) -> f32 {
    let [total] = super::simd::sum(x.len(), |i| [x[i] * x[i]]);
    total
}

#[cfg(test)]
mod tests {
    use super::*;

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
