//! AdamW (Loshchilov and Hutter, arXiv 1711.05101) as one pass over memory.

use pulp::{Arch, Simd};
use rayon::prelude::*;

use super::lanes::fma;

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
    /// Decoupled weight decay: the share of a weight, times the learning rate, lost each step.
    pub weight_decay: f64,
    /// This step's number, from 1.
    pub step: u64,
}

/// A piece that one core takes at a time: its four streams fit the second-level cache.
const PIECE: usize = 1 << 15;

/// Moves `theta` by one step along `grad`, and the two moments with it. All four are of one length.
pub fn update(theta: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32], settings: &AdamW) {
    let n = theta.len();
    assert!(grad.len() == n && m.len() == n && v.len() == n, "{n}, {}, {}, {}", grad.len(), m.len(), v.len());
    // Bias corrections 1 - beta^t, in f64: in f32 the second one has lost half its digits at step 1.
    let t = i32::try_from(settings.step).unwrap_or(i32::MAX);
    let first = 1.0 - settings.beta1.powi(t);
    let second = 1.0 - settings.beta2.powi(t);
    let step = Step {
        keep: (1.0 - settings.lr * settings.weight_decay) as f32,
        rate: (settings.lr / first) as f32,
        beta1: settings.beta1 as f32,
        beta2: settings.beta2 as f32,
        new1: (1.0 - settings.beta1) as f32,
        new2: (1.0 - settings.beta2) as f32,
        unbias2: (1.0 / second.sqrt()) as f32,
        eps: settings.eps as f32,
    };
    if n <= PIECE {
        return piece(step, theta, grad, m, v);
    }
    let pieces = theta.par_chunks_mut(PIECE).zip(grad.par_chunks(PIECE));
    let moments = m.par_chunks_mut(PIECE).zip(v.par_chunks_mut(PIECE));
    pieces.zip(moments).for_each(|((theta, grad), (m, v))| piece(step, theta, grad, m, v));
}

#[derive(Clone, Copy)]
struct Step {
    keep: f32,
    rate: f32,
    beta1: f32,
    beta2: f32,
    new1: f32,
    new2: f32,
    unbias2: f32,
    eps: f32,
}

#[pulp::with_simd(piece = Arch::new())]
#[inline(always)]
fn piece_with_simd<'a, S: Simd>(
    _simd: S,
    step: Step,
    theta: &'a mut [f32],
    grad: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
) {
    for (((theta, &grad), m), v) in theta.iter_mut().zip(grad).zip(m).zip(v) {
        *m = fma::<S>(step.beta1, *m, step.new1 * grad);
        *v = fma::<S>(step.beta2, *v, step.new2 * grad * grad);
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
            update(&mut theta, &grad, &mut m, &mut v, &settings);
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
