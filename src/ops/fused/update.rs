//! The optimizer's step on the weights' own device, for all parameters in few launches.

use candle_core::{DType, Result, Tensor};

use crate::ops::adamw::Coefficients;
#[cfg(feature = "cuda")]
use {
    super::{PIECE, SUMMED, TENSORS, cuda, cuda::Argument::*, cuda::Each},
    candle_core::Device,
};

/// A parameter's step, on tensors of one shape.
pub struct Stepped<'a> {
    /// The parameter.
    pub weights: &'a Tensor,
    /// Its gradient.
    pub gradient: &'a Tensor,
    /// Its first and second moment.
    pub moments: [&'a Tensor; 2],
    /// Those of one step differ in `keep` and `rate` alone.
    pub update: Coefficients,
}

/// Moves all parameters and their moments by one step of AdamW along `scale` times their gradients, which stay as they
/// are; false where the device has no kernel for it.
///
/// # Errors
/// When shapes or types do not fit, or the device fails.
pub fn adamw(all: &[Stepped<'_>], scale: f64) -> Result<bool> {
    #[cfg(feature = "cuda")]
    if let Some(first) = all.first()
        && first.weights.device().is_cuda()
    {
        let Coefficients { beta1, beta2, unbias2, eps, .. } = first.update;
        let numbers = [scale as f32, beta1[0], beta1[1], beta2[0], beta2[1], unbias2, eps];
        let numbers = numbers.map(|number| Float(number.into()));
        let gradients = contiguous(all.iter().map(|each| each.gradient))?;
        for (some, gradients) in all.chunks(TENSORS).zip(gradients.chunks(TENSORS)) {
            let list: Vec<_> = some
                .iter()
                .zip(gradients)
                .map(|(each, gradient)| Each {
                    count: each.weights.elem_count(),
                    at: [each.weights, gradient, each.moments[0], each.moments[1]],
                    with: [each.update.keep, each.update.rate],
                })
                .collect();
            cuda::all_single(list.iter().flat_map(|each| each.at))?;
            cuda::launch_list(first.weights.device(), "adamw", &list, PIECE, &numbers)?;
        }
        return Ok(true);
    }
    let _ = (all, scale);
    Ok(false)
}

/// Sums of squares that together are those of all numbers of these tensors, each of a part of one of them; always the
/// same parts, added up in the same order. `None` where the device has no kernel for it.
///
/// # Errors
/// When the device fails.
pub fn squares(tensors: &[Tensor]) -> Result<Option<Vec<f32>>> {
    #[cfg(feature = "cuda")]
    if let Some(device) = card_of(tensors) {
        let tensors = contiguous(tensors)?;
        cuda::all_single(&tensors)?;
        let blocks = |some: &[Tensor]| some.iter().map(|tensor| tensor.elem_count().div_ceil(SUMMED)).sum::<usize>();
        let all = blocks(&tensors);
        if all == 0 {
            return Ok(Some(Vec::new()));
        }
        let sums = cuda::unfilled(all, DType::F32, &device)?;
        let mut begins = 0;
        for some in tensors.chunks(TENSORS) {
            let list: Vec<_> =
                some.iter().map(|tensor| Each { count: tensor.elem_count(), at: [tensor], with: [0.0; 2] }).collect();
            let own = sums.narrow(0, begins, blocks(some))?;
            cuda::launch_list(&device, "squares", &list, SUMMED, &[Of(&own)])?;
            begins += blocks(some);
        }
        return Ok(Some(sums.to_vec1()?));
    }
    let _ = tensors;
    Ok(None)
}

/// The tensors in another type, in order.
///
/// # Errors
/// When the device fails.
pub fn rounded(tensors: &[Tensor], dtype: DType) -> Result<Vec<Tensor>> {
    #[cfg(feature = "cuda")]
    if let Some(device) = card_of(tensors)
        && dtype == DType::BF16
        && tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
    {
        let tensors = contiguous(tensors)?;
        // One allocation for all, in which each begins at a multiple of 256 bytes, as if it were alone.
        let room = |tensor: &Tensor| tensor.elem_count().next_multiple_of(128);
        let memory = cuda::unfilled(tensors.iter().map(room).sum::<usize>(), dtype, &device)?;
        let (mut to, mut begins) = (Vec::new(), 0);
        for tensor in &tensors {
            to.push(memory.narrow(0, begins, tensor.elem_count())?.reshape(tensor.shape())?);
            begins += room(tensor);
        }
        for (some, to) in tensors.chunks(TENSORS).zip(to.chunks(TENSORS)) {
            let list: Vec<_> = some
                .iter()
                .zip(to)
                .map(|(from, to)| Each { count: from.elem_count(), at: [from, to], with: [0.0; 2] })
                .collect();
            cuda::launch_list(&device, "round_tensors", &list, PIECE, &[])?;
        }
        return Ok(to);
    }
    tensors.iter().map(|tensor| tensor.to_dtype(dtype)).collect()
}

/// The card that these tensors are on.
#[cfg(feature = "cuda")]
fn card_of(tensors: &[Tensor]) -> Option<Device> {
    tensors.first().map(Tensor::device).filter(|device| device.is_cuda()).cloned()
}

#[cfg(feature = "cuda")]
fn contiguous<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<Vec<Tensor>> {
    tensors.into_iter().map(Tensor::contiguous).collect()
}
