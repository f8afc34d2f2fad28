//! Patches of the spectrogram, projected, after two class tokens.

use std::collections::HashMap;

use rayon::prelude::*;

use super::{Result, Weights};
use crate::{
    model::{Features, ModelConfig, stem::unfold_patches},
    ops::{
        Mat, MatMut, columns,
        mat::{Into, product},
    },
};

/// Tokens (batch, tokens, D), class tokens first, positions added.
pub(super) fn forward(
    config: &ModelConfig,
    [patch, stride]: [[usize; 2]; 2],
    weights: &Weights<'_>,
    input: &Features,
    out: &mut [f32],
) -> Result<()> {
    let (unfolded, pixels) = (unfold_patches(input, config.grid(), patch, stride), patch[0] * patch[1]);
    let (d, first) = (config.hidden, config.class_tokens());
    let matrix = Mat::new(weights.get("patch.weight")?, pixels);
    let bias = weights.get("patch.bias")?;
    let position = weights.get("pos_embed")?;
    let class = [weights.get("cls_token")?, weights.get("dist_token")?];
    let patches = config.tokens() - first;
    let clips = out.par_chunks_exact_mut(config.tokens() * d).zip(unfolded.par_chunks_exact(patches * pixels));
    clips.for_each(|(out, unfolded)| {
        out.copy_from_slice(position);
        for (out, class) in out.chunks_exact_mut(d).zip(class) {
            columns::add(out, class);
        }
        // A few pieces, for the case of a single clip.
        let step = patches.div_ceil(4);
        let pieces = out[first * d..].par_chunks_mut(step * d).zip(unfolded.par_chunks(step * pixels));
        pieces.for_each(|(out, unfolded)| {
            columns::add_to_rows(out, bias);
            product(MatMut::new(out, d), Into::Add, 1.0, Mat::new(unfolded, pixels), matrix.t());
        });
    });
    Ok(())
}

/// Adds the gradients of what trains, from that of the tokens.
pub(super) fn backward(
    config: &ModelConfig,
    [patch, stride]: [[usize; 2]; 2],
    input: &Features,
    dtokens: &[f32],
    gradients: &mut HashMap<&str, &mut [f32]>,
) {
    let (d, first, tokens) = (config.hidden, config.class_tokens(), config.tokens());
    if let Some(gradient) = gradients.get_mut("pos_embed") {
        for clip in dtokens.chunks_exact(tokens * d) {
            columns::add(gradient, clip);
        }
    }
    for (token, name) in ["cls_token", "dist_token"].into_iter().enumerate() {
        if let Some(gradient) = gradients.get_mut(name) {
            for clip in dtokens.chunks_exact(tokens * d) {
                columns::add(gradient, &clip[token * d..(token + 1) * d]);
            }
        }
    }
    let of_patches =
        |clip: usize| Mat::new(&dtokens[clip * tokens * d..(clip + 1) * tokens * d], d).rows_at(first, tokens - first);
    if let Some(gradient) = gradients.get_mut("patch.bias") {
        for clip in 0..input.batch {
            columns::add_sums(gradient, of_patches(clip), 0);
        }
    }
    if let Some(gradient) = gradients.get_mut("patch.weight") {
        let (unfolded, pixels) = (unfold_patches(input, config.grid(), patch, stride), patch[0] * patch[1]);
        let unfolded: Vec<_> = unfolded.chunks_exact((tokens - first) * pixels).collect();
        gradient.par_chunks_mut(48 * pixels).enumerate().for_each(|(i, gradient)| {
            let outputs = gradient.len() / pixels;
            for (clip, unfolded) in unfolded.iter().enumerate() {
                let dy = of_patches(clip).columns_at(i * 48, outputs);
                product(MatMut::new(gradient, pixels), Into::Add, 1.0, dy.t(), Mat::new(unfolded, pixels));
            }
        });
    }
}
