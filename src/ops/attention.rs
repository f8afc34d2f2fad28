//! Scaled dot-product attention of one head of one clip, on views into packed buffers.
//!
//! Scores exist for a tile of queries at a time and are never stored: forward saves the logarithm of each softmax's
//! denominator, from which backward recomputes the probabilities (Dao et al., arXiv 2205.14135).

use pulp::{Arch, Simd};

use super::{
    mat::{Into, Mat, MatMut, product},
    packed::{Arithmetic, Operand, Start, View, WIDTH, multiply, words},
    simd::{LANES, exp, sum},
};

/// Scores in a tile. Products pack keys and values once per tile, so a tile should be tall; two or four times as many
/// make no difference.
const TILE: usize = 1 << 17;

/// Scores in a tile where keys and values are packed beforehand: few, so that they stay in the second-level cache.
const PACKED_TILE: usize = 1 << 15;

/// Queries in a tile of so many scores.
fn tile_rows(tile: usize, queries: usize, keys: usize) -> usize {
    let most = (tile / keys.max(1)).clamp(16, 512);
    // Tiles of equal height rather than full ones and a small rest.
    queries.div_ceil(queries.div_ceil(most).max(1)).max(1)
}

/// Fewest keys worth packing: with fewer the other product is as fast, and with few it is faster.
const FEWEST_KEYS: usize = 512;

/// How keys and values are packed, where that gains time.
fn packing(keys: usize) -> Option<Arithmetic> {
    Arithmetic::f32().filter(|_| keys >= FEWEST_KEYS)
}

/// How the forward pass is computed.
struct Form {
    /// How keys and values are packed, if they are.
    packing: Option<Arithmetic>,
    /// Scores in a row: one for each key, and those of the zeros after them that fill a panel.
    width: usize,
    /// Queries in a tile.
    rows: usize,
    /// Words of packed keys, and of packed values.
    words: [usize; 2],
}

impl Form {
    fn of(packing: Option<Arithmetic>, queries: usize, keys: usize, size: usize) -> Self {
        let Some(packing) = packing else {
            return Self { packing: None, width: keys, rows: tile_rows(TILE, queries, keys), words: [0; 2] };
        };
        let width = keys.next_multiple_of(WIDTH);
        let words = [words(size, width, packing), words(keys, size, packing)];
        Self { packing: Some(packing), width, rows: tile_rows(PACKED_TILE, queries, width), words }
    }

    fn scratch(&self) -> usize {
        self.rows * (self.width + 1) + self.words.iter().sum::<usize>()
    }
}

/// Scratch for [`forward`].
pub fn forward_scratch(queries: usize, keys: usize, size: usize) -> usize {
    Form::of(packing(keys), queries, keys, size).scratch()
}

/// `out = softmax(q k^T / sqrt(size)) v`; `lse`, if not empty, receives each query's log-sum-exp of scaled scores.
pub fn forward(q: Mat<'_>, k: Mat<'_>, v: Mat<'_>, out: MatMut<'_>, lse: &mut [f32], scratch: &mut [f32]) {
    let form = Form::of(packing(k.rows()), q.rows(), k.rows(), q.columns());
    forward_as(&form, [q, k, v], out, lse, scratch);
}

fn forward_as(form: &Form, [q, k, v]: [Mat<'_>; 3], mut out: MatMut<'_>, lse: &mut [f32], scratch: &mut [f32]) {
    let (queries, keys, size) = (q.rows(), k.rows(), q.columns());
    let scale = 1.0 / (size as f32).sqrt();
    let Form { packing, width, rows: tile, words: [of_k, of_v] } = *form;
    let (of_k, scratch) = scratch.split_at_mut(of_k);
    let (of_v, scratch) = scratch.split_at_mut(of_v);
    let (shares, scratch) = scratch.split_at_mut(tile);
    let (k, v) = match packing {
        Some(packing) => (
            Operand::whole(View::pack(k.t(), [size, width], packing, of_k)),
            Operand::whole(View::pack(v, [keys, size], packing, of_v)),
        ),
        None => (Operand::Plain(k.t()), Operand::Plain(v)),
    };
    let mut lse = lse.chunks_mut(tile);
    for from in (0..queries).step_by(tile) {
        let rows = tile.min(queries - from);
        let (scores, shares) = (&mut scratch[..rows * width], &mut shares[..rows]);
        multiply(MatMut::new(scores, width), Start::Zeros, q.rows_at(from, rows), &k);
        exponentials(scores, keys, scale, shares, lse.next().unwrap_or_default());
        let mut out = out.reborrow().split_rows(from).1.split_rows(rows).0;
        multiply(out.reborrow(), Start::Zeros, Mat::new(scores, width).columns_at(0, keys), &v);
        for (row, share) in shares.iter().enumerate() {
            out.row(row).iter_mut().for_each(|out| *out *= share);
        }
    }
}

/// Scratch for [`backward`].
pub fn backward_scratch(queries: usize, keys: usize, size: usize) -> usize {
    2 * tile_rows(TILE, queries, keys) * keys + 2 * keys * size
}

/// Gradients of queries, keys and values, written over them.
pub fn backward(
    mut q: MatMut<'_>,
    mut k: MatMut<'_>,
    mut v: MatMut<'_>,
    dout: Mat<'_>,
    lse: &[f32],
    scratch: &mut [f32],
) {
    let (queries, keys, size) = (q.rows(), k.rows(), q.columns());
    let scale = 1.0 / (size as f32).sqrt();
    let tile = tile_rows(TILE, queries, keys);
    let (dk, scratch) = scratch.split_at_mut(keys * size);
    let (dv, scratch) = scratch.split_at_mut(keys * size);
    let (scores, dscores) = scratch.split_at_mut(tile * keys);
    for from in (0..queries).step_by(tile) {
        let rows = tile.min(queries - from);
        let into = if from == 0 { Into::Set } else { Into::Add };
        let scores = &mut scores[..rows * keys];
        let dscores = &mut dscores[..rows * keys];
        let dout = dout.rows_at(from, rows);
        let mut q = q.reborrow().split_rows(from).1.split_rows(rows).0;

        product(MatMut::new(scores, keys), Into::Set, scale, q.view(), k.view().t());
        product(MatMut::new(dscores, keys), Into::Set, 1.0, dout, v.view().t());
        softmax_backward(scores, dscores, &lse[from..from + rows]);
        product(MatMut::new(dv, size), into, 1.0, Mat::new(scores, keys).t(), dout);
        product(MatMut::new(dk, size), into, scale, Mat::new(dscores, keys).t(), q.view());
        product(q.reborrow(), Into::Set, scale, Mat::new(dscores, keys), k.view());
    }
    for row in 0..keys {
        k.row(row).copy_from_slice(&dk[row * size..(row + 1) * size]);
        v.row(row).copy_from_slice(&dv[row * size..(row + 1) * size]);
    }
}

/// Turns the first `keys` scores of each row into exponentials, the largest of which is 1; the others are not read.
/// `shares` receives the inverse of each row's sum, and `lse`, as far as it goes, the log-sum-exp of scaled scores.
#[pulp::with_simd(exponentials = Arch::new())]
#[inline(always)]
fn exponentials_with_simd<'a, S: Simd>(
    _simd: S,
    scores: &'a mut [f32],
    keys: usize,
    scale: f32,
    shares: &'a mut [f32],
    lse: &'a mut [f32],
) {
    let mut lse = lse.iter_mut();
    let width = scores.len() / shares.len().max(1);
    for (row, share) in scores.chunks_exact_mut(width.max(1)).zip(shares) {
        // A last block that is filled up takes less time than its numbers one by one.
        let (row, _) = row.split_at_mut(keys.next_multiple_of(LANES).min(width));
        row[keys..].fill(f32::NEG_INFINITY);
        let most = maximum(row);
        let mut lanes = [0.0; LANES];
        let (blocks, rest) = row.as_chunks_mut::<LANES>();
        for block in blocks {
            for (score, lane) in block.iter_mut().zip(&mut lanes) {
                *score = exp::<S>((*score - most) * scale);
                *lane += *score;
            }
        }
        for (score, lane) in rest.iter_mut().zip(&mut lanes) {
            *score = exp::<S>((*score - most) * scale);
            *lane += *score;
        }
        let [total] = sum(LANES, |i| [lanes[i]]);
        *share = 1.0 / total;
        if let Some(lse) = lse.next() {
            *lse = most * scale + total.ln();
        }
    }
}

/// Turns scaled scores into probabilities, and gradients of probabilities into gradients of scaled scores.
#[pulp::with_simd(softmax_backward = Arch::new())]
#[inline(always)]
fn softmax_backward_with_simd<'a, S: Simd>(_simd: S, scores: &'a mut [f32], dscores: &'a mut [f32], lse: &'a [f32]) {
    let keys = scores.len() / lse.len().max(1);
    for ((p, d), lse) in scores.chunks_exact_mut(keys).zip(dscores.chunks_exact_mut(keys)).zip(lse) {
        for p in p.iter_mut() {
            *p = exp::<S>(*p - lse);
        }
        let (p, d) = (&p[..keys], &mut d[..keys]);
        let [along] = sum(keys, |i| [p[i] * d[i]]);
        for (d, p) in d.iter_mut().zip(p) {
            *d = p * (*d - along);
        }
    }
}

/// The largest element; NaN is never the largest, but it stays in the row and so in the softmax.
#[inline(always)]
fn maximum(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for (most, &x) in lanes.iter_mut().zip(block) {
            *most = if x > *most { x } else { *most };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |most, &x| if x > most { x } else { most })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, step: f64) -> Vec<f32> {
        (0..n).map(|i| (i as f64 * step).sin() as f32).collect()
    }

    /// softmax(q k^T / sqrt(size)) v in f64.
    fn reference(q: &[f64], k: &[f64], v: &[f64], size: usize) -> Vec<f64> {
        let mut out = Vec::new();
        for q in q.chunks(size) {
            let dot = |k: &[f64]| q.iter().zip(k).map(|(q, k)| q * k).sum::<f64>() / (size as f64).sqrt();
            let weights: Vec<f64> = k.chunks(size).map(|k| dot(k).exp()).collect();
            let total: f64 = weights.iter().sum();
            for c in 0..size {
                out.push(v.chunks(size).zip(&weights).map(|(v, w)| v[c] * w).sum::<f64>() / total);
            }
        }
        out
    }

    #[test]
    fn agrees_with_the_definition_and_its_finite_differences() {
        // The last one takes several tiles.
        for (queries, keys, size) in [(1, 1, 3), (2, 7, 4), (5, 5, 8), (9, 50, 64), (70, 4100, 2)] {
            // One buffer as a packed projection writes it: q, k and v side by side, `keys` rows.
            let mut packed = wave(keys * 3 * size, 0.77);
            let dout = wave(queries * size, 1.9);
            let wide = |v: Mat<'_>| -> Vec<f64> {
                (0..v.rows()).flat_map(|r| v.row(r).iter().map(|&x| f64::from(x)).collect::<Vec<_>>()).collect()
            };
            let view = Mat::new(&packed, 3 * size);
            let [q, k, v] = [0, 1, 2].map(|part| view.columns_at(part * size, size));
            let q = q.rows_at(0, queries);
            let (q64, k64, v64) = (wide(q), wide(k), wide(v));

            let exact = reference(&q64, &k64, &v64, size);
            let mut lse = vec![0.0; queries];
            // With each kernel that this processor has, and without one.
            let kernels = [Arithmetic::F32Avx512, Arithmetic::F32Avx2].into_iter().filter(|kernel| kernel.is_here());
            for packing in kernels.map(Some).chain([None, Arithmetic::f32()]) {
                let form = Form::of(packing, queries, keys, size);
                let mut out = vec![f32::NAN; queries * size];
                let mut scratch = vec![f32::NAN; form.scratch()];
                forward_as(&form, [q, k, v], MatMut::new(&mut out, size), &mut lse, &mut scratch);
                for (out, exact) in out.iter().zip(&exact) {
                    assert!((f64::from(*out) - exact).abs() < 2e-6, "{packing:?}: {out} {exact}");
                }
            }

            let (q, rest) = MatMut::new(&mut packed, 3 * size).split_columns(size);
            let (k, v) = rest.split_columns(size);
            let mut scratch = vec![0.0; backward_scratch(queries, keys, size)];
            backward(q.split_rows(queries).0, k, v, Mat::new(&dout, size), &lse, &mut scratch);
            let loss = |q: &[f64], k: &[f64], v: &[f64]| -> f64 {
                reference(q, k, v, size).iter().zip(&dout).map(|(o, d)| o * f64::from(*d)).sum()
            };
            let view = Mat::new(&packed, 3 * size);
            for (part, values) in [&q64, &k64, &v64].into_iter().enumerate() {
                let rows = values.len() / size;
                for at in (0..values.len()).step_by(1 + values.len() / 11) {
                    let moved = |by: f64| {
                        let mut values = values.clone();
                        values[at] += by;
                        match part {
                            0 => loss(&values, &k64, &v64),
                            1 => loss(&q64, &values, &v64),
                            _ => loss(&q64, &k64, &values),
                        }
                    };
                    let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                    let got = f64::from(view.columns_at(part * size, size).row(at / size)[at % size]);
                    assert!(
                        (got - expected).abs() < 1e-5 * (1.0 + expected.abs()),
                        "{part} of {rows}: {got} {expected}"
                    );
                }
            }
        }
    }
}
