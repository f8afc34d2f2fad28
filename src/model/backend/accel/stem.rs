//! From spectrograms to tokens, and back to what trains of that. Convolutions are an unfolding and a product.

use candle_core::{Device, Tensor};

use super::{
    Result,
    gradients::{Found, bias, matrix, put},
    weights::Weight,
};
use crate::{
    model::{
        Features, ModelConfig, Stem as StemConfig,
        arch::{Backbone, Stem},
        backend::Input,
        stem::{unfold_frames, unfold_patches},
        tokens::Places,
    },
    ops::{
        block::Linear,
        fused::{self, Pending, gelu, gelu_back},
    },
};

/// What the backward pass needs.
pub(in crate::model) enum Saved {
    /// No backward pass comes here.
    Nothing,
    /// Pixels of every patch, (rows, pixels).
    Patches(Tensor),
    /// The same of chosen patches.
    Chosen {
        pixels: Tensor,
        /// Whether each is hidden, (rows, 1), as zeros and ones.
        hidden: Tensor,
        /// Row of the positions of each, (rows).
        places: Tensor,
    },
    /// Unfolded inputs of both layers, and what GELU is of, without biases.
    Convolutions { inputs: [Tensor; 2], pre: [Tensor; 2] },
}

/// Tokens (batch, tokens, D), positions added.
pub(super) fn forward(
    config: &ModelConfig,
    weights: &Backbone<Weight>,
    input: Input<'_>,
    device: &Device,
) -> Result<(Tensor, Saved)> {
    match (&weights.stem, input) {
        (Stem::Patches { projection, class, positions }, Input::Clips(clips)) => {
            whole(config, (projection, class, positions), clips, device)
        }
        (Stem::Patches { projection, class, positions }, Input::Patches(places)) => {
            chosen((projection, class, positions), weights.mask.as_ref(), places, device)
        }
        (Stem::Convolutions { layers, positions }, Input::Clips(clips)) => {
            convolutions(layers, positions, clips, device)
        }
        (Stem::Convolutions { .. }, Input::Patches(_)) => {
            Err(crate::model::ModelError::Shape("only a backbone of patches can be pretrained here".into()))
        }
    }
}

/// The gradients of what trains, from that of the tokens, (rows, D), of a batch.
pub(super) fn backward(
    weights: &Backbone<Weight>,
    saved: Saved,
    batch: usize,
    towards: Tensor,
    Found { part: found, pending, .. }: &mut Found,
) -> Result<()> {
    let (rows, d) = towards.dims2()?;
    let of_clips = towards.reshape((batch, rows / batch.max(1), d))?;
    match (&weights.stem, &mut found.stem, saved) {
        (
            Stem::Patches { projection, class, positions },
            Stem::Patches { projection: to_projection, class: to_class, positions: to_positions },
            saved,
        ) => {
            let first = class.len();
            // (class tokens, D); nothing can be taken of an axis of no length.
            let of_class = (first > 0).then(|| of_clips.narrow(1, 0, first)?.sum(0)).transpose()?;
            for (i, (to, class)) in to_class.iter_mut().zip(class).enumerate() {
                put(to, class, || Ok(of_clips.narrow(1, i, 1)?.sum(0)?.squeeze(0)?))?;
            }
            let patches = of_clips.narrow(1, first, rows / batch.max(1) - first)?.contiguous()?;
            let patches = patches.reshape((batch * patches.dim(1)?, d))?;
            match saved {
                Saved::Chosen { pixels, hidden, places } => {
                    put(to_positions, positions, || {
                        let all = Tensor::zeros((positions.kept.dim(1)?, d), patches.dtype(), patches.device())?;
                        let all = all.index_add(&places, &patches, 0)?;
                        let Some(of_class) = &of_class else { return Ok(all) };
                        let rest = Tensor::zeros((all.dim(0)? - first, d), all.dtype(), all.device())?;
                        Ok((all + Tensor::cat(&[of_class, &rest], 0)?)?)
                    })?;
                    if let (Some(mask), Some(to)) = (&weights.mask, found.mask.as_mut()) {
                        put(to, mask, || Ok(patches.broadcast_mul(&hidden)?.sum(0)?))?;
                    }
                    let shown = patches.broadcast_mul(&hidden.affine(-1.0, 1.0)?)?;
                    matrix(&mut to_projection.weight, &projection.weight, &shown, Some(&pixels))?;
                    bias(&mut to_projection.bias, &projection.bias, &shown, pending)
                }
                Saved::Patches(pixels) => {
                    put(to_positions, positions, || Ok(of_clips.sum(0)?))?;
                    matrix(&mut to_projection.weight, &projection.weight, &patches, Some(&pixels))?;
                    bias(&mut to_projection.bias, &projection.bias, &patches, pending)
                }
                Saved::Convolutions { .. } | Saved::Nothing => Ok(()),
            }
        }
        (
            Stem::Convolutions { layers, positions },
            Stem::Convolutions { layers: to_layers, positions: to_positions },
            Saved::Convolutions { inputs, pre },
        ) => {
            put(to_positions, positions, || Ok(of_clips.sum(0)?))?;
            drop(of_clips);
            convolutions_back(layers, [inputs, pre], batch, towards, to_layers, pending)
        }
        _ => Ok(()),
    }
}

/// Class tokens, then every patch.
fn whole(
    config: &ModelConfig,
    (projection, class, positions): (&Linear<Weight>, &[Weight], &Weight),
    input: &Features,
    device: &Device,
) -> Result<(Tensor, Saved)> {
    let StemConfig::Patches { patch, stride, .. } = config.stem else {
        return Err(crate::model::ModelError::Shape("the backbone has no patches".into()));
    };
    let (sizes, grid) = ([input.frames, input.bins], config.grid());
    let (rows, pixels) = (input.batch * grid[0] * grid[1], patch[0] * patch[1]);
    let unfolded = match fused::unfold_patches(&input.data, sizes, grid, patch, stride, device)? {
        Some(unfolded) => unfolded.reshape((rows, pixels))?,
        None => Tensor::from_vec(unfold_patches(input, grid, patch, stride), (rows, pixels), device)?,
    };
    let unfolded = unfolded.to_dtype(positions.kept.dtype())?;
    let products = projection.weight.times(&unfolded)?;
    let d = products.dim(1)?;
    let products = products.reshape((input.batch, grid[0] * grid[1], d))?;
    if let [first, second] = class
        && let Some(tokens) =
            fused::place_tokens(&products, &projection.bias.kept, [&first.kept, &second.kept], &positions.kept)?
    {
        return Ok((tokens, Saved::Patches(unfolded)));
    }
    let patches = products.broadcast_add(&projection.bias.kept)?;
    let of_each = |token: &Weight| token.kept.broadcast_as((input.batch, 1, d));
    let class = class.iter().map(of_each).collect::<candle_core::Result<Vec<_>>>()?;
    let tokens = Tensor::cat(&[class, vec![patches]].concat(), 1)?;
    Ok((tokens.broadcast_add(&positions.kept)?, Saved::Patches(unfolded)))
}

/// Class tokens, then the chosen patches.
fn chosen(
    (projection, class, positions): (&Linear<Weight>, &[Weight], &Weight),
    mask: Option<&Weight>,
    places: &Places<'_>,
    device: &Device,
) -> Result<(Tensor, Saved)> {
    let (first, batch, kept, dtype) = (places.first, places.batch, places.kept, positions.kept.dtype());
    let rows = batch * kept;
    let pixels = Tensor::from_slice(places.all_pixels(), (rows, places.size), device)?.to_dtype(dtype)?;
    let mut patches = projection.weight.times(&pixels)?.broadcast_add(&projection.bias.kept)?;
    let d = patches.dim(1)?;
    let hidden: Vec<f32> = places.all_hidden().iter().map(|hidden| f32::from(u8::from(*hidden))).collect();
    let hidden = Tensor::from_vec(hidden, (rows, 1), device)?.to_dtype(dtype)?;
    if let Some(mask) = mask {
        let shown = patches.broadcast_mul(&hidden.affine(-1.0, 1.0)?)?;
        patches = (shown + hidden.broadcast_mul(&mask.kept.reshape((1, d))?)?)?;
    }
    let all = positions.kept.squeeze(0)?;
    let at = (0..batch).flat_map(|clip| (0..kept).map(move |i| places.position(clip, i) as u32)).collect();
    let at = Tensor::from_vec(at, rows, device)?;
    let patches = (patches + all.index_select(&at, 0)?)?.reshape((batch, kept, d))?;
    let class: Vec<_> = class.iter().map(|token| &token.kept).collect();
    if class.is_empty() {
        return Ok((patches, Saved::Chosen { pixels, hidden, places: at }));
    }
    let class = Tensor::cat(&class, 1)?.broadcast_add(&all.narrow(0, 0, first)?)?.broadcast_as((batch, first, d))?;
    Ok((Tensor::cat(&[&class, &patches], 1)?, Saved::Chosen { pixels, hidden, places: at }))
}

/// A kernel (D, in, 3) as a matrix (D, 3 in), the inputs of a tap side by side.
fn by_taps(kernel: &Tensor) -> Result<Tensor> {
    let (out, input, taps) = kernel.dims3()?;
    Ok(kernel.permute((0, 2, 1))?.reshape((out, taps * input))?)
}

/// Whisper's two convolutions along time, the second of stride 2.
fn convolutions(
    layers: &[Linear<Weight>; 2],
    positions: &Weight,
    input: &Features,
    device: &Device,
) -> Result<(Tensor, Saved)> {
    let (batch, frames) = (input.batch, input.frames);
    let frames_in = Tensor::from_vec(unfold_frames(input), (batch * frames, 3 * input.bins), device)?;
    let frames_in = frames_in.to_dtype(positions.kept.dtype())?;
    let first = frames_in.matmul(&by_taps(&layers[0].weight.kept)?.t()?)?;
    let inner = gelu(&first, &layers[0].bias.kept)?;
    let d = inner.dim(1)?;
    let pairs_in = every_second(&inner.reshape((batch, frames, d))?)?;
    let second = pairs_in.matmul(&by_taps(&layers[1].weight.kept)?.t()?)?;
    let tokens = gelu(&second, &layers[1].bias.kept)?.reshape((batch, frames.div_ceil(2), d))?;
    let tokens = tokens.broadcast_add(&positions.kept)?;
    Ok((tokens, Saved::Convolutions { inputs: [frames_in, pairs_in], pre: [first, second] }))
}

fn convolutions_back(
    layers: &[Linear<Weight>; 2],
    [inputs, pre]: [[Tensor; 2]; 2],
    batch: usize,
    towards: Tensor,
    found: &mut [Linear<Option<Tensor>>; 2],
    pending: &mut Pending,
) -> Result<()> {
    let [first, second] = layers;
    let frames = inputs[0].dim(0)? / batch.max(1);
    let (grad, _) = gelu_back(&pre[1], &second.bias.kept, towards, false)?;
    kernel(&mut found[1], second, &grad, &inputs[1], pending)?;
    let inner = every_second_back(&grad.matmul(&by_taps(&second.weight.kept)?)?, batch, frames)?;
    let (grad, _) = gelu_back(&pre[0], &first.bias.kept, inner, false)?;
    kernel(&mut found[0], first, &grad, &inputs[0], pending)
}

/// The gradients of a convolution's kernel and bias, from its result's and its unfolded input.
fn kernel(
    to: &mut Linear<Option<Tensor>>,
    layer: &Linear<Weight>,
    grad: &Tensor,
    x: &Tensor,
    pending: &mut Pending,
) -> Result<()> {
    matrix(&mut to.weight, &layer.weight, grad, Some(x))?;
    if let Some(gradient) = to.weight.take() {
        let (out, input, taps) = layer.weight.kept.dims3()?;
        to.weight = Some(gradient.reshape((out, taps, input))?.permute((0, 2, 1))?.contiguous()?);
    }
    bias(&mut to.bias, &layer.bias, grad, pending)
}

/// x (batch, frames, D) to (batch * ceil(frames / 2), 3 D): every second frame between its neighbours.
fn every_second(x: &Tensor) -> Result<Tensor> {
    let (batch, frames, d) = x.dims3()?;
    let half = frames.div_ceil(2);
    let padded = x.pad_with_zeros(1, 1, 2)?;
    let tap = |offset: usize| {
        let pairs = padded.narrow(1, offset, 2 * half)?;
        pairs.reshape((batch, half, 2, d))?.narrow(2, 0, 1)?.squeeze(2)
    };
    Ok(Tensor::cat(&[&tap(0)?, &tap(1)?, &tap(2)?], 2)?.reshape((batch * half, 3 * d))?)
}

/// The gradient of x (batch * frames, D) from that of [`every_second`]: an even frame is one token's middle, an odd one
/// the right of its token and the left of the next.
fn every_second_back(grad: &Tensor, batch: usize, frames: usize) -> Result<Tensor> {
    let (half, d) = (frames.div_ceil(2), grad.dim(1)? / 3);
    let taps = grad.reshape((batch, half, 3, d))?;
    let tap = |i: usize| taps.narrow(2, i, 1)?.squeeze(2);
    let (left, even, right) = (tap(0)?, tap(1)?, tap(2)?);
    // Shifted by one token: nobody follows the last.
    let next = left.pad_with_zeros(1, 0, 1)?.narrow(1, 1, half)?;
    let both = Tensor::stack(&[even, (right + next)?], 2)?.reshape((batch, 2 * half, d))?;
    Ok(both.narrow(1, 0, frames)?.contiguous()?.reshape((batch * frames, d))?)
}
