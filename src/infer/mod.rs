//! A trained session or a checkpoint as a classifier: sound in, labels with scores out.

mod calibration;
mod classifier;
mod digest;
mod gains;
mod mix;
mod probabilities;
mod replay;
mod short_clips;
mod trained;
mod weights;
mod windows;

pub use calibration::{CALIBRATION, Calibration, Scaling};
pub use classifier::Classifier;
pub use gains::{Gains, GainsError, LOUDEST, Strip};
pub use mix::{Channel, Fader, Mix};
pub use probabilities::probabilities;
pub use replay::{Replay, replay};
pub use trained::{Trained, Which, backbone};
pub use weights::{find, restore};
pub use windows::Verdict;

use crate::{audio::AudioError, model::ModelError, session::SessionError};

/// A class and its probability, 0 to 1.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Score {
    /// Class name.
    pub label: String,
    /// Softmax or sigmoid of its logit.
    pub score: f32,
}

/// Why a classifier could not be opened or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// The model, or its weights.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The session.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The sound.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// It has no class names.
    #[error("{0}")]
    Unusable(String),
}
