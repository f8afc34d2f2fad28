use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::model::Pooling;

/// What a recipe says otherwise when the backbone has random weights, where nothing learnt is to be preserved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomStart {
    /// Learning rate when the whole backbone trains.
    pub lr_full: f64,
    /// Learning rate of adapters, prompts and heads.
    pub lr: f64,
    /// Steps of linear warm-up from 0.
    pub warmup_steps: u64,
    /// Gradients are scaled down to this norm over all parameters (0: never).
    pub clip_norm: f64,
    /// How tokens become one vector: class tokens that nothing was learnt in yet say little of the patches.
    pub pooling: Pooling,
}

impl RandomStart {
    /// The recipe with these figures for its own.
    pub(super) fn settle(self, recipe: &mut Recipe) {
        recipe.lr_full = self.lr_full;
        recipe.lr = self.lr;
        recipe.schedule.warmup_steps = self.warmup_steps;
        recipe.clip_norm = self.clip_norm;
        recipe.pooling = Some(self.pooling);
    }
}
