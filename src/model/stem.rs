//! From a spectrogram to tokens: AST's patches, Whisper's convolutions.
//!
//! Both are an unfolding, done on the host where it costs nothing, and a linear layer: candle's own
//! convolution has no gradient for every size (its backward pass fails when a stride leaves a rest).

use candle_core::Tensor;

use super::{Features, ModelConfig, ModelError, Stem, portable::Weights};
use crate::ops::{
    fused,
    portable::{gelu, linear},
};

/// Tokens (batch, tokens, D) of normalised spectrograms, positions added.
pub(super) fn tokens(config: &ModelConfig, weights: &Weights<'_>, input: &Features) -> Result<Tensor, ModelError> {
    check(config, input)?;
    match config.stem {
        Stem::Patches { patch, stride, .. } => {
            let (sizes, device) = ([input.frames, input.bins], weights.device());
            let unfolded = match fused::unfold_patches(&input.data, sizes, config.grid(), patch, stride, device)? {
                Some(unfolded) => unfolded,
                None => {
                    let shape = (input.batch, config.tokens() - config.class_tokens(), patch[0] * patch[1]);
                    Tensor::from_vec(unfold_patches(input, config.grid(), patch, stride), shape, device)?
                }
            };
            let unfolded = unfolded.to_dtype(weights.dtype())?;
            let parts =
                ["cls_token", "dist_token", "pos_embed", "patch.bias", "patch.weight"].map(|name| weights.get(name));
            let [class, distillation, positions, bias, weight] = parts;
            let (class, distillation, positions, bias, weight) = (class?, distillation?, positions?, bias?, weight?);
            let trains = [&class, &distillation, &positions, &bias, &weight].into_iter().any(Tensor::track_op);
            if device.is_cuda() && !trains {
                let products = linear(&unfolded, &weight, None)?;
                if let Some(tokens) = fused::place_tokens(&products, &bias, [&class, &distillation], &positions)? {
                    return Ok(tokens);
                }
            }
            let patches = linear(&unfolded, &weight, Some(&bias))?;
            let of_each = |token: Tensor| token.broadcast_as((input.batch, 1, config.hidden));
            let (class, distillation) = (of_each(class)?, of_each(distillation)?);
            let tokens = Tensor::cat(&[&class, &distillation, &patches], 1)?;
            Ok(tokens.broadcast_add(&positions)?)
        }
        Stem::Convolutions { mel_bins, frames } => {
            let unfolded = unfold_frames(input);
            let x = Tensor::from_vec(unfolded, (input.batch, frames, 3 * mel_bins), weights.device())?;
            let x = gelu(&convolution(weights, "stem.conv1", &x.to_dtype(weights.dtype())?)?)?;
            let x = gelu(&convolution(weights, "stem.conv2", &every_second(&x)?)?)?;
            Ok(x.broadcast_add(&weights.get("pos_embed")?)?)
        }
    }
}

pub(super) fn check(config: &ModelConfig, input: &Features) -> Result<(), ModelError> {
    if (input.frames, input.bins) != (config.frames(), config.mel_bins()) {
        return Err(ModelError::Shape(format!(
            "the model takes {} frames of {} mel bins but was given {} of {}",
            config.frames(),
            config.mel_bins(),
            input.frames,
            input.bins
        )));
    }
    if input.data.len() != input.batch * input.frames * input.bins {
        return Err(ModelError::Shape(format!(
            "{} values are not {} clips of {} x {}",
            input.data.len(),
            input.batch,
            input.frames,
            input.bins
        )));
    }
    Ok(())
}

/// (batch, rows * columns, patch): frequency-major patches, a patch's pixels row (mel) by column (frame).
pub(super) fn unfold_patches(input: &Features, grid: [usize; 2], patch: [usize; 2], stride: [usize; 2]) -> Vec<f32> {
    let mut unfolded = Vec::with_capacity(input.batch * grid[0] * grid[1] * patch[0] * patch[1]);
    for clip in input.data.chunks(input.frames * input.bins) {
        for (row, column) in (0..grid[0]).flat_map(|row| (0..grid[1]).map(move |column| (row, column))) {
            for bin in (0..patch[0]).map(|i| row * stride[0] + i) {
                let frames = (0..patch[1]).map(|i| column * stride[1] + i);
                unfolded.extend(frames.map(|frame| clip[frame * input.bins + bin]));
            }
        }
    }
    unfolded
}

/// (batch, frames, 3 * bins): each frame between its neighbours, zeros beyond the ends.
pub(super) fn unfold_frames(input: &Features) -> Vec<f32> {
    let mut unfolded = Vec::with_capacity(3 * input.data.len());
    let zeros = vec![0.0; input.bins];
    for clip in input.data.chunks(input.frames * input.bins) {
        let frame = |i: usize| clip.get(i * input.bins..(i + 1) * input.bins).unwrap_or(&zeros);
        for i in 0..input.frames {
            unfolded.extend_from_slice(if i == 0 { &zeros } else { frame(i - 1) });
            unfolded.extend_from_slice(frame(i));
            unfolded.extend_from_slice(frame(i + 1));
        }
    }
    unfolded
}

/// x (batch, frames, D) to (batch, ceil(frames / 2), 3 D): every second frame between its neighbours.
fn every_second(x: &Tensor) -> Result<Tensor, ModelError> {
    let (_, frames, _) = x.dims3()?;
    let half = frames.div_ceil(2);
    let padded = x.pad_with_zeros(1, 1, 2)?;
    let tap = |offset: usize| {
        let pairs = padded.narrow(1, offset, 2 * half)?;
        let (batch, _, hidden) = pairs.dims3()?;
        pairs.reshape((batch, half, 2, hidden))?.narrow(2, 0, 1)?.squeeze(2)
    };
    Ok(Tensor::cat(&[&tap(0)?, &tap(1)?, &tap(2)?], 2)?)
}

/// The 1-D convolution of this name on unfolded x (batch, frames, 3 in).
fn convolution(weights: &Weights<'_>, name: &str, x: &Tensor) -> Result<Tensor, ModelError> {
    let kernel = weights.get(&format!("{name}.weight"))?;
    let (out, input, taps) = kernel.dims3()?;
    let kernel = kernel.permute((0, 2, 1))?.reshape((out, taps * input))?;
    Ok(linear(x, &kernel, Some(&weights.get(&format!("{name}.bias"))?))?)
}
