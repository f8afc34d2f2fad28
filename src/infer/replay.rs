//! Scores one clip with every checkpoint that a session still has.

use std::path::Path;

use super::{Classifier, InferError, Score, Which};
use crate::session::{BEST_FILE, Best, Checkpoint, Checkpoints};

/// One checkpoint's scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// Whether these are the session's best weights.
    pub best: bool,
    /// Steps that it was trained for.
    pub step: u64,
    /// The last complete epoch, with its metric.
    pub epoch: Option<Best>,
    /// All classes, most likely first; or why there are none.
    pub predictions: Result<Vec<Score>, String>,
}

/// Scores the end of 16 kHz mono `samples` with the session's best weights and its last checkpoints, in this order.
/// Each scores what it would have scored live: the newest frames, as many as its model takes.
///
/// # Errors
/// When the session has no weights, or its model cannot be opened.
pub fn replay(session: &Path, device: &str, samples: &[f32]) -> Result<Vec<Replay>, InferError> {
    let mut classifier = Classifier::of_session(session, Which::usual(session)?, device)?;
    let mel = classifier.log_mel_of_end(samples);
    let mut through = |checkpoint: &Checkpoint| {
        classifier.restore(checkpoint)?;
        classifier.scores_of(&mel)
    };
    let predictions = |path: &Path| {
        let best = path.file_name().is_some_and(|name| name == BEST_FILE);
        match Checkpoint::read(path) {
            Ok(checkpoint) => Replay {
                best,
                step: checkpoint.position.step,
                epoch: checkpoint.position.last,
                predictions: through(&checkpoint).map_err(|error| error.to_string()),
            },
            Err(error) => Replay { best, step: 0, epoch: None, predictions: Err(error.to_string()) },
        }
    };
    Ok(Checkpoints::of(session).all().iter().map(|path| path.as_path()).map(predictions).collect())
}
