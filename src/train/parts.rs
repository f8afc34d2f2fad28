//! Clipping of gradients.

use candle_core::Tensor;

use super::TrainError;
use crate::ops::fused;

/// What gradients are multiplied by so that their norm over all parameters is at most `most`; 1 when it is smaller, or
/// when `most` is 0. `None` when the norm is not a number, which is tested where `most` or `check` asks for it.
pub(super) fn clipping(gradients: &[Tensor], most: f64, check: bool) -> Result<Option<f64>, TrainError> {
    if gradients.is_empty() || (most <= 0.0 && !check) {
        return Ok(Some(1.0));
    }
    // One read for all: each read from a device waits for everything before it.
    let squares = match fused::squares(gradients)? {
        Some(squares) => squares,
        None => {
            let squares = gradients.iter().map(|gradient| gradient.sqr()?.sum_all()).collect::<Result<Vec<_>, _>>()?;
            Tensor::stack(&squares, 0)?.to_vec1()?
        }
    };
    let norm = squares.into_iter().map(f64::from).sum::<f64>().sqrt();
    if !norm.is_finite() {
        return Ok(None);
    }
    if most <= 0.0 || norm <= most {
        return Ok(Some(1.0));
    }
    Ok(Some(most / norm))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::Device;

    use super::*;

    #[test]
    fn clipping_scales_all_gradients_alike_and_leaves_small_ones() {
        let gradients =
            || vec![Tensor::new(&[3f32], &Device::Cpu).unwrap(), Tensor::new(&[4f32], &Device::Cpu).unwrap()];
        let factor = |most| clipping(&gradients(), most, false).unwrap().unwrap();
        assert_eq!([factor(0.0), factor(5.0)], [1.0, 1.0]);
        assert!((factor(1.0) - 0.2).abs() < 1e-6);
        let wild = || vec![Tensor::new(&[f32::NAN], &Device::Cpu).unwrap()];
        assert!(clipping(&wild(), 1.0, false).unwrap().is_none());
        assert!(clipping(&wild(), 0.0, true).unwrap().is_none());
        assert!(clipping(&wild(), 0.0, false).unwrap().is_some());
    }
}
