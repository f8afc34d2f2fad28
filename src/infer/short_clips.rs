//! Clips shorter than the window, for models whose makers do not fill them with silence.

use super::{Classifier, InferError, probabilities::probabilities};
use crate::{
    audio::LogMel,
    model::{self, Engine, ModelConfig, ParamStore, Stem},
};

/// A model at another length: its weights but positions are the model's own.
pub(super) struct Short {
    engine: Box<dyn Engine>,
    store: ParamStore,
}

impl Classifier {
    /// Whether a clip that is shorter than the window is answered as it is, and not filled with silence: what the makers of
    /// such a backbone do with its own head. A session answers as it was trained, filled.
    pub fn takes_any_length(&self) -> bool {
        self.session.is_none() && self.config().facts().any_length
    }

    /// The probability of each class, in label order, for the log-mel of one clip that is no longer than the window, with
    /// nothing behind it.
    ///
    /// # Errors
    /// As [`Classifier::scores_of`].
    pub fn probabilities_as_is(&mut self, mel: &LogMel) -> Result<Vec<f32>, InferError> {
        // At least one column of patches.
        let least = match self.config().stem {
            Stem::Patches { patch, .. } => patch[1],
            Stem::Convolutions { .. } => 1,
        };
        let frames = mel.frames.clamp(least, self.frames().max(least));
        let own = self.config().clone();
        let config = ModelConfig { stem: own.stem.with_frames(frames), ..own.clone() };
        let known = self.short.take().filter(|short| *short.engine.config() == config);
        let mut short = match known {
            Some(short) => short,
            None => Short {
                store: self.store.resized(&own, &config)?,
                engine: model::engine(&config, self.method, self.store.device(), self.memory),
            },
        };
        let features = self.features_of(mel, frames)?;
        let logits = short.engine.logits(&short.store, &features)?;
        self.short = Some(short);
        Ok(probabilities(self.loss, &logits))
    }
}
