//! What the gradients of a batch's parts come to.

use candle_core::Tensor;

use super::TrainError;
use crate::model::StepOutput;

/// Gradients scaled down so that their norm over all parameters is at most `most`; as they are when it is 0.
pub(super) fn clipped(gradients: Vec<Tensor>, most: f64) -> Result<Vec<Tensor>, TrainError> {
    if most <= 0.0 {
        return Ok(gradients);
    }
    let mut squares = 0.0;
    for gradient in &gradients {
        squares += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
    }
    let norm = squares.sqrt();
    if !norm.is_finite() {
        return Err(TrainError::Failed("a gradient is no number: train again with a lower --lr".to_owned()));
    }
    if norm <= most {
        return Ok(gradients);
    }
    Ok(gradients.iter().map(|gradient| gradient.affine(most / norm, 0.0)).collect::<Result<_, _>>()?)
}

/// Two parts of a batch together.
pub(super) fn add(sum: StepOutput, part: StepOutput) -> Result<StepOutput, TrainError> {
    let gradients = sum.gradients.iter().zip(&part.gradients).map(|(a, b)| a + b).collect::<Result<_, _>>()?;
    Ok(StepOutput {
        loss: sum.loss + part.loss,
        logits: [sum.logits, part.logits].concat(),
        gradients,
        norms: sum.norms,
    })
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
            let clipped = clipped(gradients(), most).unwrap();
            clipped.iter().map(|gradient| gradient.to_vec1::<f32>().unwrap()[0]).collect()
        };
        assert_eq!(values(0.0), [3.0, 4.0]);
        assert_eq!(values(5.0), [3.0, 4.0]);
        assert!((values(1.0)[0] - 0.6).abs() < 1e-6 && (values(1.0)[1] - 0.8).abs() < 1e-6);
        let wild = vec![Tensor::new(&[f32::NAN], &Device::Cpu).unwrap()];
        assert!(clipped(wild, 1.0).unwrap_err().to_string().contains("lower --lr"));
    }
}
