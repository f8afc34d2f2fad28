//! Patches of the spectrogram, projected, after class tokens.

use rayon::prelude::*;

use super::patch_of;
use crate::{
    model::{Features, ModelConfig, stem::unfold_patches},
    ops::{
        Mat, MatMut,
        block::Linear,
        columns,
        mat::{Into, product},
    },
};

/// Outputs of which a core takes the projection's gradient at a time.
pub(super) const OUTPUTS: usize = 48;

/// Tokens (batch, tokens, D), class tokens first, positions added.
pub(super) fn forward(
    config: &ModelConfig,
    projection: &Linear<&[f32]>,
    class: &[&[f32]],
    positions: &[f32],
    input: &Features,
    out: &mut [f32],
) {
    let [patch, stride] = patch_of(config);
    let (unfolded, pixels) = (unfold_patches(input, config.grid(), patch, stride), patch[0] * patch[1]);
    let (d, first) = (config.hidden, class.len());
    let matrix = Mat::new(projection.weight, pixels);
    let patches = config.tokens() - first;
    let clips = out.par_chunks_exact_mut(config.tokens() * d).zip(unfolded.par_chunks_exact(patches * pixels));
    clips.for_each(|(out, unfolded)| {
        out.copy_from_slice(positions);
        for (out, class) in out.chunks_exact_mut(d).zip(class) {
            columns::add(out, class);
        }
        // A few pieces, for the case of a single clip.
        let step = patches.div_ceil(4);
        let pieces = out[first * d..].par_chunks_mut(step * d).zip(unfolded.par_chunks(step * pixels));
        pieces.for_each(|(out, unfolded)| {
            columns::add_to_rows(out, projection.bias);
            product(MatMut::new(out, d), Into::Add, 1.0, Mat::new(unfolded, pixels), matrix.t());
        });
    });
}

/// Adds the gradients of what trains, from that of the tokens.
pub(super) fn backward(
    config: &ModelConfig,
    input: &Features,
    dtokens: &[f32],
    projection: &mut Linear<Option<Vec<f32>>>,
    class: &mut [Option<Vec<f32>>],
    positions: &mut Option<Vec<f32>>,
) {
    let (d, first, tokens) = (config.hidden, class.len(), config.tokens());
    if let Some(gradient) = positions {
        for clip in dtokens.chunks_exact(tokens * d) {
            columns::add(gradient, clip);
        }
    }
    for (token, gradient) in class.iter_mut().enumerate() {
        if let Some(gradient) = gradient {
            for clip in dtokens.chunks_exact(tokens * d) {
                columns::add(gradient, &clip[token * d..(token + 1) * d]);
            }
        }
    }
    let of_patches =
        |clip: usize| Mat::new(&dtokens[clip * tokens * d..(clip + 1) * tokens * d], d).rows_at(first, tokens - first);
    if let Some(gradient) = &mut projection.bias {
        for clip in 0..input.batch {
            columns::add_sums(gradient, of_patches(clip), 0);
        }
    }
    if let Some(gradient) = &mut projection.weight {
        let [patch, stride] = patch_of(config);
        let (unfolded, pixels) = (unfold_patches(input, config.grid(), patch, stride), patch[0] * patch[1]);
        let unfolded: Vec<_> = unfolded.chunks_exact((tokens - first) * pixels).collect();
        gradient.par_chunks_mut(OUTPUTS * pixels).enumerate().for_each(|(i, gradient)| {
            let outputs = gradient.len() / pixels;
            for (clip, unfolded) in unfolded.iter().enumerate() {
                let dy = of_patches(clip).columns_at(i * OUTPUTS, outputs);
                product(MatMut::new(gradient, pixels), Into::Add, 1.0, dy.t(), Mat::new(unfolded, pixels));
            }
        });
    }
}
