//! From spectrograms to tokens, and back to what trains of that.

mod convolutions;
mod patches;

use std::collections::HashMap;

use super::{Result, weights::Weights};
use crate::model::{Features, ModelConfig, Stem};
pub(super) use convolutions::Convolutions;

/// What trains before the first block, if anything does.
pub(super) const PARAMETERS: [&str; 9] = [
    "patch.weight",
    "patch.bias",
    "cls_token",
    "dist_token",
    "pos_embed",
    "stem.conv1.weight",
    "stem.conv1.bias",
    "stem.conv2.weight",
    "stem.conv2.bias",
];

/// Tokens (batch, tokens, D), class tokens first, positions added. With `train`, keeps what [`backward`] needs.
pub(super) fn forward(
    config: &ModelConfig,
    weights: &Weights<'_>,
    input: &Features,
    memory: &mut Convolutions,
    train: bool,
    out: &mut [f32],
) -> Result<()> {
    match config.stem {
        Stem::Patches { patch, stride, .. } => patches::forward(config, [patch, stride], weights, input, out),
        Stem::Convolutions { .. } => memory.forward(config, weights, input, train, out),
    }
}

/// Adds the gradients of what trains, from that of the tokens.
pub(super) fn backward(
    config: &ModelConfig,
    weights: &Weights<'_>,
    input: &Features,
    memory: &mut Convolutions,
    dtokens: &[f32],
    gradients: &mut HashMap<&str, &mut [f32]>,
) -> Result<()> {
    match config.stem {
        Stem::Patches { patch, stride, .. } => {
            patches::backward(config, [patch, stride], input, dtokens, gradients);
            Ok(())
        }
        Stem::Convolutions { .. } => memory.backward(config, weights, dtokens, gradients),
    }
}
