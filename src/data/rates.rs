use serde::{Deserialize, Serialize};

use crate::model::Part;

/// What the learning rate is multiplied by in each part of a model: 1 by default, 0 to hold a part still.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// Patch projection or convolutions, class tokens, positions.
    pub stem: f64,
    /// The blocks' own norms, attention and MLP.
    pub blocks: f64,
    /// Spatial Adapters.
    pub spatial: f64,
    /// MLP Adapters.
    pub mlp: f64,
    /// Prompt tokens.
    pub prompt: f64,
    /// Low-rank updates.
    pub lora: f64,
    /// The norm after the last block.
    pub final_norm: f64,
    /// The classification head.
    pub head: f64,
}

impl Default for Rates {
    fn default() -> Self {
        let [stem, blocks, spatial, mlp, prompt, lora, final_norm, head] = [1.0; 8];
        Self { stem, blocks, spatial, mlp, prompt, lora, final_norm, head }
    }
}

impl Rates {
    /// The factor of one part.
    pub fn of(&self, part: Part) -> f64 {
        match part {
            Part::Stem => self.stem,
            Part::Block => self.blocks,
            Part::Spatial => self.spatial,
            Part::Mlp => self.mlp,
            Part::Prompt => self.prompt,
            Part::Lora => self.lora,
            Part::FinalNorm => self.final_norm,
            // An objective of pretraining is a head too.
            Part::Head | Part::Objective => self.head,
        }
    }

    /// Whether every factor is one that can be.
    pub(super) fn check(&self) -> Result<(), String> {
        let all = [self.stem, self.blocks, self.spatial, self.mlp, self.prompt, self.lora, self.final_norm, self.head];
        match all.into_iter().find(|rate| !rate.is_finite() || *rate < 0.0) {
            Some(rate) => Err(format!("rates has {rate}, which must not be negative")),
            None => Ok(()),
        }
    }
}
