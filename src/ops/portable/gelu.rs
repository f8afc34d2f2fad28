//! The exact (erf) GELU.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use candle_core::{Result, Tensor};

use super::graft;

/// x times the standard normal's distribution function at x.
///
/// candle's own backward pass has constants of six digits; this one is exact.
///
/// # Errors
/// When the device fails.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    let input = x.detach();
    let value = input.gelu_erf()?;
    graft("gelu", &[x], value, move |grad, _| {
        let below = (((&input * FRAC_1_SQRT_2)?.erf()? * 0.5)? + 0.5)?;
        let density = ((input.sqr()? * -0.5)?.exp()? * (0.5 * PI.recip()).sqrt())?;
        Ok(vec![(grad * (below + (&input * density)?)?)?])
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ops::portable::check::{gradients_are_right, noise};

    #[test]
    fn gradients() {
        gradients_are_right(&[noise(&[4, 5], 1)], |inputs| gelu(&inputs[0]));
    }

    /// Values of torch.nn.functional.gelu.
    #[test]
    fn is_the_exact_one() {
        let x = Tensor::new(&[-3f32, -1.0, 0.0, 0.5, 2.0], &candle_core::Device::Cpu).unwrap();
        let expected = [-0.004_049_69, -0.158_655_26, 0.0, 0.345_731_23, 1.954_499_7];
        for (got, want) in gelu(&x).unwrap().to_vec1::<f32>().unwrap().into_iter().zip(expected) {
            assert!((got - want).abs() < 1e-6, "{got} is not {want}");
        }
    }
}
