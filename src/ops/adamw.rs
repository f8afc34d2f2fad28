//! AdamW (Loshchilov and Hutter, arXiv 1711.05101) as one pass over memory.

use pulp::{Arch, Simd};
use rayon::prelude::*;

use super::simd::fma;

/// Settings of one AdamW step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay: the share of a weight, times the learning rate, that each step removes.
    pub weight_decay: f64,
    /// This step's number, from 1.
    pub step: u64,
}

/// An AdamW step as multipliers of each value, the same on every device.
#[derive(Clone, Copy, Debug)]
pub struct Coefficients {
    /// Share of a weight that remains after decay.
    pub keep: f32,
    /// Learning rate over the first moment's bias correction.
    pub rate: f32,
    /// Weights of the old first moment and of the gradient.
    pub beta1: [f32; 2],
    /// The same for the second moment.
    pub beta2: [f32; 2],
    /// Reciprocal root of the second moment's bias correction.
    pub unbias2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
}

impl From<AdamW> for Coefficients {
    fn from(settings: AdamW) -> Self {
        let AdamW { lr, beta1, beta2, eps, weight_decay, step } = settings;
        // Bias corrections 1 - beta^t, in f64: in f32 the second one loses half its digits at step 1.
        let t = i32::try_from(step).unwrap_or(i32::MAX);
        Self {
            keep: (1.0 - lr * weight_decay) as f32,
            rate: (lr / (1.0 - beta1.powi(t))) as f32,
            beta1: [beta1 as f32, (1.0 - beta1) as f32],
            beta2: [beta2 as f32, (1.0 - beta2) as f32],
            unbias2: (1.0 / (1.0 - beta2.powi(t)).sqrt()) as f32,
            eps: eps as f32,
        }
    }
}

/// Values that a core processes at a time: its four streams fit the second-level cache.
const PIECE: usize = 1 << 15;

/// Updates `theta` along `grad` by one step, and the two moments with it. All four have the same length.
pub fn update(theta: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32], step: Coefficients) {
    let n = theta.len();
    assert!(grad.len() == n && m.len() == n && v.len() == n, "{n}, {}, {}, {}", grad.len(), m.len(), v.len());
    if n <= PIECE {
        return piece(step, theta, grad, m, v);
    }
    let pieces = theta.par_chunks_mut(PIECE).zip(grad.par_chunks(PIECE));
    let moments = m.par_chunks_mut(PIECE).zip(v.par_chunks_mut(PIECE));
    pieces.zip(moments).for_each(|((theta, grad), (m, v))| piece(step, theta, grad, m, v));
}

#[pulp::with_simd(piece = Arch::new())]
#[inline(always)]
fn piece_with_simd<'a, S: Simd>(
    _simd: S,
    step: Coefficients,
    theta: &'a mut [f32],
    grad: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
) {
    for (((theta, &grad), m), v) in theta.iter_mut().zip(grad).zip(m).zip(v) {
        *m = fma::<S>(step.beta1[0], *m, step.beta1[1] * grad);
        *v = fma::<S>(step.beta2[0], *v, step.beta2[1] * grad * grad);
        let deviation = fma::<S>(v.sqrt(), step.unbias2, step.eps);
        *theta = fma::<S>(step.keep, *theta, -step.rate * *m / deviation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_papers_algorithm() {
        let n = PIECE + 77;
        let mut theta: Vec<f32> = (0..n).map(|i| (i as f32).sin()).collect();
        let mut exact: Vec<[f64; 3]> = theta.iter().map(|&t| [f64::from(t), 0.0, 0.0]).collect();
        let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
        for step in 1..=20 {
            let grad: Vec<f32> = (0..n).map(|i| ((i as f32 + 3.0) * step as f32 * 0.37).cos() * 0.1).collect();
            let settings = AdamW { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.05, step };
            update(&mut theta, &grad, &mut m, &mut v, settings.into());
            for (state, &g) in exact.iter_mut().zip(&grad) {
                let g = f64::from(g);
                state[1] = 0.9 * state[1] + 0.1 * g;
                state[2] = 0.999 * state[2] + 0.001 * g * g;
                let m = state[1] / (1.0 - 0.9f64.powi(step as i32));
                let v = state[2] / (1.0 - 0.999f64.powi(step as i32));
                state[0] -= 1e-2 * 0.05 * state[0] + 1e-2 * m / (v.sqrt() + 1e-8);
            }
        }
        for (theta, exact) in theta.iter().zip(&exact) {
            assert!((f64::from(*theta) - exact[0]).abs() < 3e-6, "{theta} {}", exact[0]);
        }
    }
}
