//! Scalar pieces of the elementwise kernels, written so that the compiler vectorises them: no branch, no table, one
//! fused multiply-add where the machine has one.

use pulp::Simd;

/// Partial sums side by side: one AVX-512 register, two of AVX2, four of NEON.
pub(super) const LANES: usize = 16;

/// `a * b + c`, fused where the target has the instruction (the library call otherwise is slow).
#[inline(always)]
pub(super) fn fma<S: Simd>(a: f32, b: f32, c: f32) -> f32 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

/// The exponent below which e^x is 0 here: 1e-30, far enough from the smallest normal number that a share of it is normal.
const LEAST: f32 = -69.0;

/// e^x to 2 units in the last place, 0 below -69: range reduction and polynomial of Cephes' `expf`.
///
/// What is smaller would make subnormal numbers of attention's shares and of GELU's left tail, and a product with one takes
/// an Intel processor a hundred times as long: a prediction of Whisper-tiny took five times as long with them.
#[inline(always)]
pub(super) fn exp<S: Simd>(x: f32) -> f32 {
    /// 1.5 * 2^23: adding it leaves the rounded integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let is_zero = x < LEAST;
    let x = x.clamp(LEAST, 88.3);
    let shifted = fma::<S>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<S>(n, 2.121_944_4e-4, fma::<S>(n, -0.693_359_4, x));
    let p = fma::<S>(r, 1.987_569_2e-4, 1.398_199_9e-3);
    let p = fma::<S>(p, r, 8.333_452e-3);
    let p = fma::<S>(p, r, 4.166_579_6e-2);
    let p = fma::<S>(p, r, 1.666_666_5e-1);
    let p = fma::<S>(p, r, 0.5);
    let p = fma::<S>(p, r * r, r + 1.0);
    let value = p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    if is_zero { 0.0 } else { value }
}

/// Phi(x), the standard normal's cumulative distribution, and e^(-x^2/2).
///
/// Abramowitz and Stegun 7.1.26: the error of erf is below 1.5e-7, and being a polynomial times the
/// exponential it stays small beside the left tail too.
#[inline(always)]
pub(super) fn normal<S: Simd>(x: f32) -> (f32, f32) {
    let bell = exp::<S>(-0.5 * x * x);
    let t = 1.0 / fma::<S>(x.abs(), 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2, 1.0);
    let p = fma::<S>(t, 0.5 * 1.061_405_4, 0.5 * -1.453_152);
    let p = fma::<S>(p, t, 0.5 * 1.421_413_7);
    let p = fma::<S>(p, t, 0.5 * -0.284_496_74);
    let p = fma::<S>(p, t, 0.5 * 0.254_829_6);
    let tail = p * t * bell;
    (if x < 0.0 { tail } else { 1.0 - tail }, bell)
}

/// Sum of `f(i)` over `0..n`, in an order that depends only on `n`.
#[inline(always)]
pub(super) fn sum<const TERMS: usize>(n: usize, f: impl Fn(usize) -> [f32; TERMS]) -> [f32; TERMS] {
    let mut lanes = [[0.0f32; LANES]; TERMS];
    for block in 0..n / LANES {
        for lane in 0..LANES {
            let terms = f(block * LANES + lane);
            for term in 0..TERMS {
                lanes[term][lane] += terms[term];
            }
        }
    }
    for i in n / LANES * LANES..n {
        let terms = f(i);
        for term in 0..TERMS {
            lanes[term][i % LANES] += terms[term];
        }
    }
    lanes.map(|mut lanes| {
        let mut half = LANES / 2;
        while half > 0 {
            for lane in 0..half {
                lanes[lane] += lanes[lane + half];
            }
            half /= 2;
        }
        lanes[0]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units() {
        for i in -690_000..=880_000 {
            let x = i as f32 * 1e-4;
            let exact = f64::from(x).exp();
            assert!(((f64::from(exp::<pulp::Scalar>(x)) - exact) / exact).abs() < 2.4e-7, "e^{x}");
        }
        assert_eq!([-69.1, -87.3, -1e9, f32::NEG_INFINITY].map(exp::<pulp::Scalar>), [0.0; 4]);
        assert!(exp::<pulp::Scalar>(f32::NAN).is_nan());
    }

    /// Neither the normal distribution's tail, nor GELU and its slope, nor a share of a sum of exponentials is subnormal.
    #[test]
    fn nothing_becomes_subnormal() {
        let is_subnormal = |value: f32| value.is_subnormal();
        for i in -400_000..=400_000 {
            let x = i as f32 * 1e-4;
            let (phi, bell) = normal::<pulp::Scalar>(x);
            let values = [phi, bell, x * phi, x * bell * 0.4];
            // Next to zero the product with x itself is small.
            assert!(x.abs() < 1e-3 || !values.into_iter().any(is_subnormal), "{x}: {values:?}");
            let share = exp::<pulp::Scalar>(2.0 * x.min(0.0)) / 5_000.0;
            assert!(!is_subnormal(share), "{x}: {share:e}");
        }
    }

    #[test]
    fn sums_cover_every_element() {
        for n in [0, 1, 15, 16, 17, 100] {
            let [count, total] = sum(n, |i| [1.0, i as f32]);
            assert_eq!((count, total), (n as f32, (0..n).sum::<usize>() as f32));
        }
    }
}
