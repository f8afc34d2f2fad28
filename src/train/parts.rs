//! Clips gradients before the optimizer uses them.

use candle_core::Tensor;

use super::TrainError;

/// Gradients scaled down so that their norm over all parameters is at most `most`; unchanged when it is 0. `None` when
/// the norm is not a number, which is tested where `most` or `check` asks for it.
pub(super) fn clipped(gradients: Vec<Tensor>, most: f64, check: bool) -> Result<Option<Vec<Tensor>>, TrainError> {
    if gradients.is_empty() || (most <= 0.0 && !check) {
        return Ok(Some(gradients));
    }
    // One read for all: each read from a device waits for everything before it.
    let squares = gradients.iter().map(|gradient| gradient.sqr()?.sum_all()).collect::<Result<Vec<_>, _>>()?;
    let squares: Vec<f32> = Tensor::stack(&squares, 0)?.to_vec1()?;
    let norm = squares.into_iter().map(f64::from).sum::<f64>().sqrt();
    if !norm.is_finite() {
        return Ok(None);
    }
    if most <= 0.0 || norm <= most {
        return Ok(Some(gradients));
    }
    Ok(Some(gradients.iter().map(|gradient| gradient.affine(most / norm, 0.0)).collect::<Result<_, _>>()?))
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
        let values = |most| -> Vec<f32> {
            let clipped = clipped(gradients(), most, false).unwrap().unwrap();
            clipped.iter().map(|gradient| gradient.to_vec1::<f32>().unwrap()[0]).collect()
        };
        assert_eq!(values(0.0), [3.0, 4.0]);
        assert_eq!(values(5.0), [3.0, 4.0]);
        assert!((values(1.0)[0] - 0.6).abs() < 1e-6 && (values(1.0)[1] - 0.8).abs() < 1e-6);
        let wild = || vec![Tensor::new(&[f32::NAN], &Device::Cpu).unwrap()];
        assert!(clipped(wild(), 1.0, false).unwrap().is_none());
        assert!(clipped(wild(), 0.0, true).unwrap().is_none());
        assert!(clipped(wild(), 0.0, false).unwrap().is_some());
    }
}
