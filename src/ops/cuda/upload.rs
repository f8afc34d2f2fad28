//! Uploads by way of page-locked memory, from which the card reads by itself.
//!
//! A copy from ordinary memory waits on the host until all of it has passed through the driver's own page-locked memory.

use std::sync::PoisonError;

use candle_core::{
    DType, Device, Result, Shape, Tensor,
    cuda_backend::{
        WrapErr,
        cudarc::driver::{CudaEvent, PinnedHostSlice, result},
    },
};
use rayon::prelude::*;

use super::{address, card::Card, unfilled};
use crate::ops::parallel;

/// Numbers that are copied to page-locked memory before the card begins to read them.
const PIECE: usize = 1 << 20;
/// Of these, the numbers that a core copies at a time.
const OF_CORE: usize = 1 << 16;

/// A card's page-locked memory, and when the card has read what was put there last.
pub(super) struct Staging {
    memory: PinnedHostSlice<f32>,
    read: CudaEvent,
}

/// A tensor of these values; the card may still be reading them when this returns, from memory of its own.
pub(in crate::ops) fn upload(values: &[f32], shape: impl Into<Shape>, device: &Device) -> Result<Tensor> {
    let to = unfilled(shape, DType::F32, device)?;
    if to.elem_count() != values.len() {
        candle_core::bail!("{} values for a tensor of {}", values.len(), to.elem_count());
    }
    let device = device.as_cuda_device()?;
    let (stream, card) = (device.cuda_stream(), Card::of(device));
    let context = stream.context();
    context.bind_to_thread().w()?;
    let mut staging = card.staging.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(staging) = &*staging {
        // Nobody writes there, and nobody frees it, while the card reads.
        staging.read.synchronize().w()?;
    }
    let kept = match staging.take().filter(|kept| kept.memory.len() >= values.len()) {
        Some(kept) => kept,
        None => {
            // SAFETY: written below before it is read.
            let memory = unsafe { context.alloc_pinned(values.len()) }.w()?;
            Staging { memory, read: context.new_event(None).w()? }
        }
    };
    let kept = staging.insert(kept);
    let begin = address(device, &to)?;
    let memory = kept.memory.as_mut_slice().w()?;
    for (i, (part, values)) in memory.chunks_mut(PIECE).zip(values.chunks(PIECE)).enumerate() {
        let part = &mut part[..values.len()];
        parallel::install(|| {
            let cores = part.par_chunks_mut(OF_CORE).zip(values.par_chunks(OF_CORE));
            cores.for_each(|(to, from)| to.copy_from_slice(from));
        });
        let at = begin + (i * PIECE * size_of::<f32>()) as u64;
        // SAFETY: the tensor has room for all values, and the page-locked memory is neither written nor freed before
        // `read` is over.
        unsafe { result::memcpy_htod_async(at, part, stream.cu_stream()) }.w()?;
    }
    kept.read.record(&stream).w()?;
    Ok(to)
}
