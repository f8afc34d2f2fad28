//! Biases of packed queries, keys and values where the keys have none (Whisper): the kernels see one of zeros.

use std::collections::HashMap;

use super::{Result, weights::Weights};
use crate::{model::ModelConfig, ops::columns};

/// What the packed bias of a block is called, which such a model does not have.
pub(super) const PACKED: &str = "attn.qkv.bias";
/// The two it has, and their place in the packed one, in units of D.
const PARTS: [(&str, usize); 2] = [("attn.q_bias", 0), ("attn.v_bias", 2)];

/// A packed bias (3 D) for each block, or its gradient; none where the model has them packed itself.
pub(super) struct Biases(Vec<Vec<f32>>);

/// Whether the packed bias of block `i` trains in a model that has it in parts.
pub(super) fn trains(i: usize, of: impl Fn(&str) -> bool) -> bool {
    PARTS.iter().any(|(part, _)| of(&format!("blocks.{i}.{part}")))
}

impl Biases {
    /// The packed biases.
    pub(super) fn of(config: &ModelConfig, weights: &Weights<'_>) -> Result<Self> {
        let mut all = Self::zeros(config, |_| true);
        for (i, packed) in all.0.iter_mut().enumerate() {
            for (part, place) in PARTS {
                let values = weights.get(&format!("blocks.{i}.{part}"))?;
                packed[place * config.hidden..][..values.len()].copy_from_slice(values);
            }
        }
        Ok(all)
    }

    /// Room for the gradients of those that train.
    pub(super) fn zeros(config: &ModelConfig, trains: impl Fn(usize) -> bool) -> Self {
        let blocks = if config.key_bias() { 0 } else { config.depth };
        Self((0..blocks).map(|i| vec![0.0; if trains(i) { 3 * config.hidden } else { 0 }]).collect())
    }

    /// The packed bias of block `i`, if the model has none of its own.
    pub(super) fn get(&self, i: usize) -> Option<&[f32]> {
        self.0.get(i).map(Vec::as_slice)
    }

    /// The gradients in turn, block by block and on without end; none of what does not train.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = Option<&mut [f32]>> {
        let each = self.0.iter_mut().map(|packed| (!packed.is_empty()).then_some(packed.as_mut_slice()));
        each.chain(std::iter::repeat_with(|| None))
    }

    /// Adds the packed gradients to those of the parts.
    pub(super) fn add_to(&self, config: &ModelConfig, gradients: &mut HashMap<&str, &mut [f32]>) {
        for (i, packed) in self.0.iter().enumerate().filter(|(_, packed)| !packed.is_empty()) {
            for (part, place) in PARTS {
                if let Some(gradient) = gradients.get_mut(format!("blocks.{i}.{part}").as_str()) {
                    columns::add(gradient, &packed[place * config.hidden..][..config.hidden]);
                }
            }
        }
    }
}
