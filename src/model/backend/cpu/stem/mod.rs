//! From spectrograms to tokens, and back to what trains of that.

mod chosen;
mod convolutions;
mod patches;

use super::super::Input;
use crate::model::{
    ModelConfig, Stem as StemConfig,
    arch::{Backbone, Stem},
};
pub(super) use convolutions::Convolutions;

/// Tokens (batch, tokens, D), class tokens first, positions added. With `train`, keeps what [`backward`] needs.
pub(super) fn forward(
    config: &ModelConfig,
    weights: &Backbone<&[f32]>,
    input: Input<'_>,
    memory: &mut Convolutions,
    train: bool,
    out: &mut [f32],
) {
    match (&weights.stem, input) {
        (Stem::Patches { projection, class, positions }, Input::Clips(clips)) => {
            patches::forward(config, projection, class, positions, clips, out);
        }
        (Stem::Patches { projection, class, positions }, Input::Patches(places)) => {
            chosen::forward((projection, class, positions), weights.mask, places, out);
        }
        (Stem::Convolutions { layers, positions }, Input::Clips(clips)) => {
            memory.forward(config, (layers, positions), clips, train, out);
        }
        // Patches are chosen of a backbone of patches alone.
        (Stem::Convolutions { .. }, Input::Patches(_)) => {}
    }
}

/// Adds the gradients of what trains, from that of the tokens.
pub(super) fn backward(
    config: &ModelConfig,
    weights: &Backbone<&[f32]>,
    input: Input<'_>,
    memory: &mut Convolutions,
    dtokens: &[f32],
    gradients: &mut Backbone<Option<Vec<f32>>>,
) {
    match (&mut gradients.stem, input) {
        (Stem::Patches { projection, class, positions }, Input::Clips(clips)) => {
            patches::backward(config, clips, dtokens, projection, class, positions);
        }
        (Stem::Patches { projection, class, positions }, Input::Patches(places)) => {
            chosen::backward(
                places,
                config.hidden,
                dtokens,
                (projection, class, positions),
                gradients.mask.as_mut().and_then(Option::as_mut),
            );
        }
        (Stem::Convolutions { layers, .. }, _) => {
            if let Stem::Convolutions { layers: weights, .. } = &weights.stem {
                memory.backward(config, weights, dtokens, layers);
            }
        }
    }
}

/// Height and width of a patch, and their strides.
fn patch_of(config: &ModelConfig) -> [[usize; 2]; 2] {
    match config.stem {
        StemConfig::Patches { patch, stride, .. } => [patch, stride],
        StemConfig::Convolutions { .. } => [[0; 2]; 2],
    }
}
