//! A session's model with its trained weights.

use std::path::Path;

use super::{
    Calibration, InferError,
    weights::{calibrate, restore},
};
use crate::{
    data,
    model::{self, ModelError, Opened, Precision},
    session::{self, Best, Checkpoint, Checkpoints, RunConfig},
};

/// Which of a session's weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// Those of the best epoch on the validation split.
    #[default]
    Best,
    /// Those of the newest checkpoint.
    Last,
    /// The mean of the last epochs' weights, where the recipe asked for it.
    Averaged,
}

impl Which {
    /// The weights that a session uses unless others are asked for. A lesson validates on so few clips that every epoch
    /// soon gets all of them right, and the first of equals would count as the best: its last epoch has learned more.
    ///
    /// # Errors
    /// When the session's log cannot be read.
    pub fn usual(folder: &Path) -> Result<Self, InferError> {
        let state = session::outline(folder)?;
        let is_lesson = state.config.is_some_and(|config| config.recipe.name == data::LESSON);
        Ok(if is_lesson { Self::Last } else { Self::Best })
    }

    /// The checkpoint of these weights in a session's folder, and notes for the user where it is another one.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn checkpoint(self, folder: &Path) -> Result<(Checkpoint, Vec<String>), InferError> {
        let checkpoints = Checkpoints::of(folder);
        let mut notes = Vec::new();
        let checkpoint = match self {
            Self::Best if checkpoints.best_path().exists() => Checkpoint::read(&checkpoints.best_path())?,
            Self::Best | Self::Last => {
                let (checkpoint, passed_over) = checkpoints.latest()?;
                let step = checkpoint.position.step;
                if self == Self::Best {
                    notes.push(match checkpoint.position.best {
                        // Before its first epoch is complete a session has no best weights.
                        None => format!("it has no best weights yet: those of step {step} are used"),
                        Some(best) => {
                            let epoch = best.epoch;
                            format!(
                                "its best weights (epoch {epoch}) are not there any more: those of step {step} are used"
                            )
                        }
                    });
                }
                notes.extend(passed_over.iter().map(|error| format!("{error}; the weights of step {step} are used")));
                checkpoint
            }
            Self::Averaged if checkpoints.averaged_path().exists() => Checkpoint::read(&checkpoints.averaged_path())?,
            Self::Averaged => {
                let problem = "it has no averaged weights; train with average_last in the recipe, to its end";
                return Err(InferError::Unusable(format!("{}: {problem}", folder.display())));
            }
        };
        Ok((checkpoint, notes))
    }
}

/// A session's model with its trained weights.
pub struct Trained {
    /// The model.
    pub opened: Opened,
    /// What was trained.
    pub config: RunConfig,
    /// The epoch that the weights are of, and its metric.
    pub reached: Option<Best>,
    /// Notes for the user about the weights in use.
    pub notes: Vec<String>,
    /// The session's calibration, of these weights or of others.
    pub calibration: Option<Calibration>,
    /// Whether it is of these weights: then it is in the head's weights already.
    pub is_calibrated: bool,
}

impl Trained {
    /// Opens a session's model. `device` as in [`model::device`].
    ///
    /// # Errors
    /// When the session has no such weights, or they do not fit its model.
    pub fn open(folder: &Path, which: Which, device: &str) -> Result<Self, InferError> {
        let state = session::outline(folder)?;
        let unusable = |problem: &str| InferError::Unusable(format!("{}: {problem}", folder.display()));
        let config = *state.config.ok_or_else(|| unusable("the log does not say what was trained; train anew"))?;
        if config.pretrain.is_some() {
            return Err(unusable("it was pretrained and has no classes; train its backbone/ on labelled sounds first"));
        }
        let (checkpoint, mut notes) = which.checkpoint(folder)?;
        let opened = backbone(&config, device, None)?;
        if opened.fingerprint != checkpoint.position.backbone {
            let changed = format!("its backbone {} is not the one it was trained on; restore that file", config.model);
            return Err(unusable(&changed));
        }
        restore(&opened.store, &checkpoint)?;
        let calibration = Calibration::of_session(folder)?;
        let averaged = which == Which::Averaged;
        let is_calibrated = calibrate(&opened.store, &config.labels, calibration.as_ref(), &checkpoint, averaged)?;
        notes.extend(calibration.as_ref().map(|known| match is_calibrated {
            true => known.to_string(),
            false => format!("its calibration is of the weights of step {} and is not used with these", known.step),
        }));
        let reached = checkpoint.position.last;
        Ok(Self { opened, config, reached, notes, calibration, is_calibrated })
    }
}

/// The model that a run's configuration names, as it was before training, on a device by name. Without a precision it
/// uses the one that suits the device.
///
/// # Errors
/// When there is no such device or model any more, or its file cannot be used.
pub fn backbone(config: &RunConfig, device: &str, precision: Option<Precision>) -> Result<Opened, ModelError> {
    model::open(&model::Request {
        source: config.model.clone(),
        frames: Some(config.shape.frames()),
        stride: Some(config.recipe.stride),
        pooling: Some(config.shape.pooling),
        classes: Some(config.shape.classes),
        method: Some(config.method),
        seed: config.seed,
        device: model::device(device)?,
        precision,
    })
}
