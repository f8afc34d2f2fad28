//! LayerNorm over the last axis. Backward recomputes mean and deviation: one more pass over a row in the first-level
//! cache costs less than saving them.

use pulp::{Arch, Simd};

use super::simd::{fma, sum};

/// A LayerNorm: scale and shift of each feature, and epsilon.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// Scale, (features).
    pub weight: &'a [f32],
    /// Shift, (features).
    pub bias: &'a [f32],
    /// Added to the variance.
    pub eps: f32,
}

/// Mean and reciprocal standard deviation of a row.
#[inline(always)]
fn moments(x: &[f32], eps: f32) -> (f32, f32) {
    let n = x.len() as f32;
    let [total] = sum(x.len(), |i| [x[i]]);
    let mean = total / n;
    let [squares] = sum(x.len(), |i| {
        let centred = x[i] - mean;
        [centred * centred]
    });
    (mean, 1.0 / (squares / n + eps).sqrt())
}

/// `out = norm(x)` for each row.
#[pulp::with_simd(forward = Arch::new())]
#[inline(always)]
pub fn forward_with_simd<'a, S: Simd>(_simd: S, norm: LayerNorm<'a>, x: &'a [f32], out: &'a mut [f32]) {
    let features = norm.weight.len();
    let bias = &norm.bias[..features];
    for (x, out) in x.chunks_exact(features).zip(out.chunks_exact_mut(features)) {
        let (mean, scale) = moments(x, norm.eps);
        for i in 0..features {
            out[i] = fma::<S>((x[i] - mean) * scale, norm.weight[i], bias[i]);
        }
    }
}

/// `dx += d norm(x)^T dy` for each row.
#[pulp::with_simd(backward = Arch::new())]
#[inline(always)]
pub fn backward_with_simd<'a, S: Simd>(_simd: S, norm: LayerNorm<'a>, x: &'a [f32], dy: &'a [f32], dx: &'a mut [f32]) {
    let features = norm.weight.len();
    let n = features as f32;
    for ((x, dy), dx) in x.chunks_exact(features).zip(dy.chunks_exact(features)).zip(dx.chunks_exact_mut(features)) {
        let (mean, scale) = moments(x, norm.eps);
        let [plain, along] = sum(features, |i| {
            let g = dy[i] * norm.weight[i];
            [g, g * (x[i] - mean)]
        });
        let plain = plain / n;
        let along = along / n * scale * scale;
        for i in 0..features {
            let g = dy[i] * norm.weight[i];
            dx[i] = fma::<S>(scale, g - plain - (x[i] - mean) * along, dx[i]);
        }
    }
}

/// `dweight += sum of dy (x - mean) / deviation`, `dbias += sum of dy`, over the rows.
#[pulp::with_simd(backward_weights = Arch::new())]
#[inline(always)]
pub fn backward_weights_with_simd<'a, S: Simd>(
    _simd: S,
    eps: f32,
    x: &'a [f32],
    dy: &'a [f32],
    dweight: &'a mut [f32],
    dbias: &'a mut [f32],
) {
    let features = dweight.len();
    let dbias = &mut dbias[..features];
    for (x, dy) in x.chunks_exact(features).zip(dy.chunks_exact(features)) {
        let (mean, scale) = moments(x, eps);
        for i in 0..features {
            dweight[i] = fma::<S>(dy[i], (x[i] - mean) * scale, dweight[i]);
            dbias[i] += dy[i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(x: &[f64], weight: &[f64], bias: &[f64], eps: f64) -> Vec<f64> {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        (0..x.len()).map(|i| (x[i] - mean) / (variance + eps).sqrt() * weight[i] + bias[i]).collect()
    }

    #[test]
    fn agrees_with_the_definition_and_its_finite_differences() {
        for features in [1usize, 5, 16, 33, 192] {
            let wave = |step: f64| (0..2 * features).map(|i| (i as f64 * step).sin() + 0.1).collect::<Vec<_>>();
            let (x, dy) = (wave(0.7), wave(1.3));
            let (weight, bias) = (wave(0.5)[..features].to_vec(), wave(0.2)[..features].to_vec());
            let narrow = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<_>>();
            let (x32, dy32, weight32, bias32) = (narrow(&x), narrow(&dy), narrow(&weight), narrow(&bias));
            let eps = 1e-3;
            let norm = LayerNorm { weight: &weight32, bias: &bias32, eps: eps as f32 };

            let mut out = vec![0.0; x.len()];
            forward(norm, &x32, &mut out);
            let loss = |x: &[f64], weight: &[f64], bias: &[f64]| -> f64 {
                let rows = x.chunks(features).flat_map(|row| reference(row, weight, bias, eps));
                rows.zip(&dy).map(|(y, dy)| y * dy).sum()
            };
            let rows = x.chunks(features).flat_map(|row| reference(row, &weight, &bias, eps));
            for (out, expected) in out.iter().zip(rows) {
                assert!((f64::from(*out) - expected).abs() < 2e-5, "{features}: {out} {expected}");
            }

            let mut dx = vec![1.0; x.len()];
            let (mut dweight, mut dbias) = (vec![0.0; features], vec![0.0; features]);
            backward(norm, &x32, &dy32, &mut dx);
            backward_weights(norm.eps, &x32, &dy32, &mut dweight, &mut dbias);
            let slope = |values: &[f64], at: usize, f: &dyn Fn(&[f64]) -> f64| {
                let mut moved = values.to_vec();
                moved[at] += 1e-6;
                let up = f(&moved);
                moved[at] -= 2e-6;
                (up - f(&moved)) / 2e-6
            };
            for i in 0..x.len() {
                let expected = slope(&x, i, &|x| loss(x, &weight, &bias));
                assert!((f64::from(dx[i]) - 1.0 - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{features} dx {i}");
            }
            for i in 0..features {
                let expected = slope(&weight, i, &|w| loss(&x, w, &bias));
                assert!((f64::from(dweight[i]) - expected).abs() < 1e-4, "{features} dweight {i}");
                let expected = slope(&bias, i, &|b| loss(&x, &weight, b));
                assert!((f64::from(dbias[i]) - expected).abs() < 1e-4, "{features} dbias {i}");
            }
        }
    }
}
