//! A trained session or a checkpoint as something that answers: sound in, labels with scores out.

use crate::{
    audio::{AudioError, LogMel},
    model::ModelError,
    session::{SessionError, Store},
};

/// A class and how sure the model is of it, 0 to 1.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Score {
    /// Class name.
    pub label: String,
    /// Softmax or sigmoid of its logit.
    pub score: f32,
}

/// Why nothing can answer.
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
    /// It has no class names to answer with.
    #[error("{0}")]
    Unusable(String),
}

/// A model that is ready to answer: labels, front end, normalisation, weights.
pub struct Classifier {
    labels: Vec<String>,
    frames: usize,
    mel_bins: usize,
}

impl Classifier {
    /// Opens a session (its best weights), or a model whose checkpoint has labels.
    ///
    /// # Errors
    /// When there is neither, or its weights cannot be used.
    pub fn open(source: &str, _store: &Store, _device: &str) -> Result<Self, InferError> {
        Err(InferError::Unusable(format!("{source}: this build cannot answer yet")))
    }

    /// Class names, in label order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Frames of 10 ms that one answer hears.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Mel bins of a frame: 128 for AST, 80 for Whisper.
    pub fn mel_bins(&self) -> usize {
        self.mel_bins
    }

    /// All classes, most likely first, for 16 kHz mono samples; cut or padded to what the model hears.
    ///
    /// # Errors
    /// When the arithmetic fails.
    pub fn scores(&mut self, _samples: &[f32]) -> Result<Vec<Score>, InferError> {
        Ok(Vec::new())
    }

    /// The same for log-mel frames that were computed already.
    ///
    /// # Errors
    /// When the frames have another number of mel bins, or the arithmetic fails.
    pub fn scores_of(&mut self, _frames: &LogMel) -> Result<Vec<Score>, InferError> {
        Ok(Vec::new())
    }
}
