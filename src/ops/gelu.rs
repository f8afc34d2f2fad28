//! Exact GELU: x Phi(x), with the normal distribution (not the tanh approximation).
//!
//! Backward recomputes the slope from the pre-activation, or reads the one that forward saved, in 32 or in 16 bits.

use pulp::{Arch, Simd};

use super::simd::{fma, normal};

/// 1 / sqrt(2 pi).
const DENSITY: f32 = 0.398_942_3;

/// Slopes in 16 bits: so many steps to one, from a quarter below zero on. The slope lies between -0.13 and 1.13; 0 and 1
/// are exact, everything else is off by at most half a step, 1.6e-5.
const STEPS: f32 = 32768.0;
const ZERO: f32 = 8192.0;
/// 2^23: with it a number below has no room for fractions, and its last bits are its nearest integer.
const INTEGERS: f32 = 8_388_608.0;

/// GELU's slope from its input and the normal distribution there.
#[inline(always)]
fn slope<S: Simd>(pre: f32, (phi, bell): (f32, f32)) -> f32 {
    fma::<S>(pre * DENSITY, bell, phi)
}

#[inline(always)]
fn shorten(slope: f32) -> u16 {
    (slope * STEPS + (INTEGERS + ZERO)).to_bits() as u16
}

#[inline(always)]
fn widen(slope: u16) -> f32 {
    (f32::from(slope) - ZERO) * (1.0 / STEPS)
}

/// Adds `bias` to each row of `pre` (rows, columns) and writes the GELU of it to `out`.
#[pulp::with_simd(bias_gelu = Arch::new())]
#[inline(always)]
pub fn bias_gelu_with_simd<'a, S: Simd>(_simd: S, pre: &'a mut [f32], bias: &'a [f32], out: &'a mut [f32]) {
    for (pre, out) in pre.chunks_exact_mut(bias.len()).zip(out.chunks_exact_mut(bias.len())) {
        for ((pre, out), bias) in pre.iter_mut().zip(out).zip(bias) {
            *pre += bias;
            *out = *pre * normal::<S>(*pre).0;
        }
    }
}

/// Adds `bias` to each row of `x` (rows, columns) and replaces it by its GELU; saves nothing.
#[pulp::with_simd(bias_gelu_in_place = Arch::new())]
#[inline(always)]
pub fn bias_gelu_in_place_with_simd<'a, S: Simd>(_simd: S, x: &'a mut [f32], bias: &'a [f32]) {
    for x in x.chunks_exact_mut(bias.len()) {
        for (x, bias) in x.iter_mut().zip(bias) {
            let pre = *x + bias;
            *x = pre * normal::<S>(pre).0;
        }
    }
}

/// Adds `bias` to each row of `x` (rows, columns) and replaces it by its GELU; `slopes` receives GELU's slope there.
#[pulp::with_simd(bias_gelu_slope = Arch::new())]
#[inline(always)]
pub fn bias_gelu_slope_with_simd<'a, S: Simd>(_simd: S, x: &'a mut [f32], bias: &'a [f32], slopes: &'a mut [f32]) {
    for (x, slopes) in x.chunks_exact_mut(bias.len()).zip(slopes.chunks_exact_mut(bias.len())) {
        for ((x, to), bias) in x.iter_mut().zip(slopes).zip(bias) {
            let pre = *x + bias;
            let normal = normal::<S>(pre);
            *x = pre * normal.0;
            *to = slope::<S>(pre, normal);
        }
    }
}

/// The same with slopes in 16 bits.
#[pulp::with_simd(bias_gelu_short_slope = Arch::new())]
#[inline(always)]
pub fn bias_gelu_short_slope_with_simd<'a, S: Simd>(
    _simd: S,
    x: &'a mut [f32],
    bias: &'a [f32],
    slopes: &'a mut [u16],
) {
    for (x, slopes) in x.chunks_exact_mut(bias.len()).zip(slopes.chunks_exact_mut(bias.len())) {
        for ((x, to), bias) in x.iter_mut().zip(slopes).zip(bias) {
            let pre = *x + bias;
            let normal = normal::<S>(pre);
            *x = pre * normal.0;
            *to = shorten(slope::<S>(pre, normal));
        }
    }
}

/// Multiplies `gradient` by the slopes that [`bias_gelu_slope`] saved.
#[pulp::with_simd(backward_slope = Arch::new())]
#[inline(always)]
pub fn backward_slope_with_simd<'a, S: Simd>(_simd: S, gradient: &'a mut [f32], slope: &'a [f32]) {
    for (gradient, slope) in gradient.iter_mut().zip(slope) {
        *gradient *= slope;
    }
}

/// Multiplies `gradient` by the slopes that [`bias_gelu_short_slope`] saved.
#[pulp::with_simd(backward_short_slope = Arch::new())]
#[inline(always)]
pub fn backward_short_slope_with_simd<'a, S: Simd>(_simd: S, gradient: &'a mut [f32], slopes: &'a [u16]) {
    for (gradient, &slope) in gradient.iter_mut().zip(slopes) {
        *gradient *= widen(slope);
    }
}

/// Multiplies `gradient` by the slopes that [`bias_gelu_short_slope`] would have saved of `pre`, which has its bias.
#[pulp::with_simd(backward_shortened = Arch::new())]
#[inline(always)]
pub fn backward_shortened_with_simd<'a, S: Simd>(_simd: S, gradient: &'a mut [f32], pre: &'a [f32]) {
    for (gradient, &pre) in gradient.iter_mut().zip(pre) {
        *gradient *= widen(shorten(slope::<S>(pre, normal::<S>(pre))));
    }
}

/// Multiplies `gradient` by GELU's slope at `pre`.
#[pulp::with_simd(backward = Arch::new())]
#[inline(always)]
pub fn backward_with_simd<'a, S: Simd>(_simd: S, gradient: &'a mut [f32], pre: &'a [f32]) {
    for (gradient, &pre) in gradient.iter_mut().zip(pre) {
        *gradient *= slope::<S>(pre, normal::<S>(pre));
    }
}

/// Multiplies `gradient` by GELU's slope at `pre`, and replaces `pre` by its GELU (the input of the next weights).
#[pulp::with_simd(backward_and_forward = Arch::new())]
#[inline(always)]
pub fn backward_and_forward_with_simd<'a, S: Simd>(_simd: S, gradient: &'a mut [f32], pre: &'a mut [f32]) {
    for (gradient, pre) in gradient.iter_mut().zip(pre) {
        let normal = normal::<S>(*pre);
        *gradient *= slope::<S>(*pre, normal);
        *pre *= normal.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// erf by the series whose terms are all positive, so that nothing cancels in f64.
    fn erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..400 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        sum * 2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp()
    }

    #[test]
    fn value_and_slope_are_exact_to_a_millionth() {
        let pre: Vec<f32> = (-8000..8000).map(|i| i as f32 * 1.01e-3).collect();
        let mut value = pre.clone();
        let mut slope = vec![1.0; pre.len()];
        let mut out = vec![0.0; pre.len()];
        bias_gelu(&mut pre.clone(), &vec![0.0; pre.len()], &mut out);
        backward_and_forward(&mut slope, &mut value);
        for (((&x, &value), &slope), &out) in pre.iter().zip(&value).zip(&slope).zip(&out) {
            let x = f64::from(x);
            let phi = 0.5 * (1.0 + erf(x / 2f64.sqrt()));
            let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert_eq!(value, out);
            assert!((f64::from(value) - x * phi).abs() < 1e-6, "GELU({x}) = {value}");
            assert!((f64::from(slope) - (phi + x * density)).abs() < 1e-6, "GELU'({x}) = {slope}");
        }
    }

    #[test]
    fn a_saved_slope_is_the_recomputed_one() {
        let pre: Vec<f32> = (-8000..8000).map(|i| i as f32 * 1.01e-3).collect();
        let (mut again, mut kept) = (vec![1.5; pre.len()], vec![1.5; pre.len()]);
        let (mut act, mut plain, bias) = (pre.clone(), pre.clone(), vec![0.0; pre.len()]);
        let mut slope = vec![0.0; pre.len()];
        backward(&mut again, &pre);
        bias_gelu_slope(&mut act, &bias, &mut slope);
        bias_gelu_in_place(&mut plain, &bias);
        backward_slope(&mut kept, &slope);
        assert_eq!((act, kept), (plain, again));
    }

    #[test]
    fn a_short_slope_is_near_the_slope_and_exact_at_both_ends() {
        let pre: Vec<f32> = (-8000..8000).map(|i| i as f32 * 1.01e-3).chain([-40.0, 40.0, 0.0]).collect();
        let bias = vec![0.0; pre.len()];
        let [mut exact, mut kept, mut again] = [(); 3].map(|()| vec![1.0; pre.len()]);
        let (mut act, mut plain, mut slopes) = (pre.clone(), pre.clone(), vec![0; pre.len()]);
        backward(&mut exact, &pre);
        bias_gelu_short_slope(&mut act, &bias, &mut slopes);
        bias_gelu_in_place(&mut plain, &bias);
        backward_short_slope(&mut kept, &slopes);
        backward_shortened(&mut again, &pre);
        assert_eq!((&act, &kept), (&plain, &again));
        let far = exact.iter().zip(&kept).map(|(exact, kept)| (exact - kept).abs()).fold(0.0, f32::max);
        assert!(far > 1e-5 && far < 1.6e-5, "{far}");
        assert_eq!(kept[pre.len() - 3..], [0.0, 1.0, 0.5]);
    }

    #[test]
    fn bias_goes_to_every_row() {
        let (mut pre, bias, mut out) = (vec![0.5; 6], [0.0, 1.0, -1.0], vec![0.0; 6]);
        let mut in_place = pre.clone();
        bias_gelu(&mut pre, &bias, &mut out);
        bias_gelu_in_place(&mut in_place, &bias);
        assert_eq!(pre, [0.5, 1.5, -0.5, 0.5, 1.5, -0.5]);
        assert_eq!(out, in_place);
        let mut gradient = [2.0; 6];
        backward(&mut gradient, &pre);
        assert!((gradient[1] / 2.0 - 1.127_469_2).abs() < 1e-6, "{gradient:?}");
    }
}
