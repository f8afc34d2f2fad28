//! Layer normalisation over the last axis.

use candle_core::{D, Result, Tensor};

use super::graft;

/// (x - mean) / sqrt(variance + eps) * weight + bias over the last axis; weight and bias are (last,).
///
/// With h the gradient of the result times `weight` and n the normalised x, the gradient of x is
/// (h - mean(h) - n mean(h n)) / sqrt(variance + eps).
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let (gamma, beta) = (weight.detach(), bias.detach());
    let centred = x.detach();
    let centred = centred.broadcast_sub(&centred.mean_keepdim(D::Minus1)?)?;
    let scale = ((centred.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?).recip()?;
    let normal = centred.broadcast_mul(&scale)?;
    let value = normal.broadcast_mul(&gamma)?.broadcast_add(&beta)?;
    graft("layer-norm", &[x, weight, bias], value, move |grad, wanted| {
        let rows_of = |t: Tensor| {
            let last = t.dim(D::Minus1)?;
            t.reshape(((), last))?.sum(0)
        };
        let mut gradients = Vec::with_capacity(3);
        if wanted.has(0) {
            let h = grad.broadcast_mul(&gamma)?;
            let mean = h.mean_keepdim(D::Minus1)?;
            let along = (&h * &normal)?.mean_keepdim(D::Minus1)?;
            let inner = (h.broadcast_sub(&mean)? - normal.broadcast_mul(&along)?)?;
            gradients.push(inner.broadcast_mul(&scale)?);
        }
        if wanted.has(1) {
            gradients.push(rows_of((grad * &normal)?)?);
        }
        if wanted.has(2) {
            gradients.push(rows_of(grad.clone())?);
        }
        Ok(gradients)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ops::portable::check::{gradients_are_right, noise};

    #[test]
    fn gradients() {
        gradients_are_right(&[noise(&[2, 3, 6], 1), noise(&[6], 2), noise(&[6], 3)], |inputs| {
            layer_norm(&inputs[0], &inputs[1], &inputs[2], 1e-3)
        });
    }

    #[test]
    fn normalises() {
        let x = Tensor::new(&[[1f32, 3.0], [-2.0, 2.0]], &candle_core::Device::Cpu).unwrap();
        let one = Tensor::new(&[1f32, 1.0], x.device()).unwrap();
        let zero = Tensor::new(&[0f32, 0.5], x.device()).unwrap();
        let y: Vec<Vec<f32>> = layer_norm(&x, &one, &zero, 0.0).unwrap().to_vec2().unwrap();
        assert_eq!(y, [[-1.0, 1.5], [-1.0, 1.5]]);
    }
}
