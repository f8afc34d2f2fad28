//! The optimizer's step on the weights' own device.

use candle_core::{Result, Tensor};

use crate::ops::adamw::Coefficients;

/// Updates weights and both moments, all of one shape, by one step of AdamW; false where the device has no kernel for
/// it.
///
/// # Errors
/// When the device fails.
pub fn adamw(
    update: Coefficients,
    weights: &Tensor,
    gradient: &Tensor,
    first: &Tensor,
    second: &Tensor,
) -> Result<bool> {
    #[cfg(feature = "cuda")]
    if weights.device().is_cuda() {
        use super::{cuda, cuda::Argument::*};
        let Coefficients { keep, rate, beta1, beta2, unbias2, eps } = update;
        let gradient = gradient.contiguous()?;
        let count = weights.elem_count();
        let numbers = [beta1[0], beta1[1], beta2[0], beta2[1], rate, unbias2, keep, eps];
        let tensors = [Of(weights), Of(&gradient), Of(first), Of(second), Count(count)];
        let arguments: Vec<_> = tensors.into_iter().chain(numbers.map(|number| Float(number.into()))).collect();
        let blocks = [count.div_ceil(cuda::THREADS), 1, 1];
        cuda::launch(weights.device(), cuda::File::Rows, "adamw", blocks, cuda::THREADS, &arguments)?;
        return Ok(true);
    }
    let _ = (update, weights, gradient, first, second);
    Ok(false)
}
