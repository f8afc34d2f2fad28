//! Softmax over the last axis, with a gradient.

use candle_core::{D, Result, Tensor};

use super::graft;

/// exp(x) over its sum along the last axis. With y the result and g its gradient, that of x is y (g - sum(g y)).
///
/// # Errors
/// When the device fails.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let input = x.detach();
    let raised = input.broadcast_sub(&input.max_keepdim(D::Minus1)?)?.exp()?;
    let value = raised.broadcast_div(&raised.sum_keepdim(D::Minus1)?)?;
    graft("softmax", &[x], value, |grad, wanted| {
        let value = wanted.value();
        let along = (grad * &value)?.sum_keepdim(D::Minus1)?;
        Ok(vec![(&value * grad.broadcast_sub(&along)?)?])
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ops::portable::check::{gradients_are_right, noise};

    #[test]
    fn gradients() {
        gradients_are_right(&[noise(&[3, 5], 1)], |inputs| softmax(&inputs[0]));
    }

    #[test]
    fn sums_to_one_far_from_zero() {
        let x = Tensor::new(&[[1000f32, 1000.0], [-1e30, 0.0]], &candle_core::Device::Cpu).unwrap();
        assert_eq!(softmax(&x).unwrap().to_vec2::<f32>().unwrap(), [[0.5, 0.5], [0.0, 1.0]]);
    }
}
