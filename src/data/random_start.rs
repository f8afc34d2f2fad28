use serde::{Deserialize, Serialize};

use super::{Recipe, Schedule};
use crate::model::Pooling;

/// What a recipe says otherwise when the backbone has random weights, where nothing learnt is to be preserved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomStart {
    /// Learning rate when the whole backbone trains.
    pub lr_full: f64,
    /// Learning rate of adapters, prompts and heads.
    pub lr: f64,
    /// Steps of linear warm-up from 0, in a run of the recipe's own length.
    pub warmup_steps: u64,
    /// Gradients are scaled down to this norm over all parameters (0: never).
    pub clip_norm: f64,
    /// How tokens become one vector: class tokens that nothing was learnt in yet say little of the patches.
    pub pooling: Pooling,
}

impl RandomStart {
    /// Gives the warm-up the same share of a run of `to` epochs as it has of one of `from` epochs.
    pub(super) fn stretch(&mut self, from: u32, to: u32) {
        let own = Schedule { warmup_steps: self.warmup_steps, constant_until: 0.0, factor: 1.0, every: 1.0 };
        self.warmup_steps = own.stretched(from, to).warmup_steps;
    }

    /// The recipe with these figures for its own.
    pub(super) fn settle(self, recipe: &mut Recipe) {
        recipe.lr_full = self.lr_full;
        recipe.lr = self.lr;
        recipe.schedule.warmup_steps = self.warmup_steps;
        recipe.clip_norm = self.clip_norm;
        recipe.pooling = Some(self.pooling);
    }
}
