//! The predictions that a session keeps of its validation clips, each with its clip and the label that it has now.

use std::{collections::HashMap, path::Path, sync::Arc};

use super::label_errors::targets_of;
use crate::{
    data::{self, Dataset},
    infer::{Calibration, Which},
    session::{self, Checkpoint, Checkpoints, RunConfig, SessionError},
    train::{Predictions, predictions_in},
};

/// Where a clip is.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its name within the data set.
    pub id: String,
    /// Its index there.
    pub index: usize,
}

/// A session's predictions of its validation clips.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptAnswers {
    /// What was trained.
    pub config: RunConfig,
    /// The predictions, with the labels as they are now. Scores are logits as trained, without a calibration.
    pub predictions: Predictions,
    /// Each row's clip; empty where the data set is not there any more.
    pub sources: Vec<Source>,
    /// The data set, where it is there.
    pub dataset: Option<Arc<Dataset>>,
    /// The step of the weights, and whether they are the averaged ones.
    pub step: u64,
    /// Whether these are the averaged weights.
    pub averaged: bool,
    /// Whether the weights are older or newer than the predictions: those of the last complete epoch.
    pub between_epochs: bool,
    /// The session's calibration, if it is of these weights.
    pub calibration: Option<Calibration>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl KeptAnswers {
    /// Reads them. Nothing is decoded and no model is opened.
    ///
    /// # Errors
    /// For people: when the session has no such predictions.
    pub fn of_session(folder: &Path, which: Which) -> Result<Self, String> {
        let text = |error: SessionError| error.to_string();
        let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let state = session::outline(folder).map_err(text)?;
        let config = *state.config.ok_or_else(|| format!("{name}: its log does not say what was trained"))?;
        let checkpoints = Checkpoints::of(folder);
        // As `Classifier` does: before its first complete epoch a session has no best weights.
        let checkpoint = match which {
            Which::Best if checkpoints.best_path().exists() => Checkpoint::read(&checkpoints.best_path()),
            Which::Averaged => Checkpoint::read(&checkpoints.averaged_path()),
            _ => checkpoints.latest().map(|(checkpoint, _)| checkpoint),
        };
        let checkpoint = checkpoint.map_err(text)?;
        let mut predictions = predictions_in(&checkpoint).filter(|kept| kept.clips() > 0).ok_or_else(|| {
            format!("{name} keeps no predictions of its validation clips yet: they come with its first complete epoch")
        })?;
        let position = checkpoint.position;
        let (mut notes, mut sources, mut dataset) = (Vec::new(), Vec::new(), None);
        match clips(&config, &predictions) {
            Ok((set, indices)) => {
                let classes = predictions.classes;
                let mut changed = 0;
                for (row, &index) in indices.iter().enumerate() {
                    let now = targets_of(&set.items[index].label, classes);
                    let targets = &mut predictions.targets[row * classes..(row + 1) * classes];
                    let same = |(a, b): (&f32, &f32)| a == b || a.is_nan() && b.is_nan();
                    if !targets.iter().zip(&now).all(same) {
                        targets.copy_from_slice(&now);
                        changed += 1;
                    }
                    sources.push(Source { id: set.items[index].id.clone(), index });
                }
                if changed > 0 {
                    let clips = if changed == 1 { "clip has" } else { "clips have" };
                    notes.push(format!("{changed} validation {clips} another label since it was trained"));
                }
                dataset = Some(Arc::new(set));
            }
            Err(why) => notes.push(format!("its clips have no names here: {why}")),
        }
        let averaged = which == Which::Averaged;
        let calibration = Calibration::of_session(folder).map_err(|error| error.to_string())?;
        let calibration = calibration.filter(|known| known.is_of(&position, averaged));
        Ok(Self {
            config,
            predictions,
            sources,
            dataset,
            step: position.step,
            averaged,
            between_epochs: position.step_in_epoch > 0,
            calibration,
            notes,
        })
    }

    /// The predictions as the session answers: calibrated, if a person asked for that.
    pub fn calibrated(&self) -> Predictions {
        match &self.calibration {
            None => self.predictions.clone(),
            Some(calibration) => Predictions {
                scores: calibration.scaling.scaled(&self.predictions.scores, &self.config.labels),
                ..self.predictions.clone()
            },
        }
    }

    /// The name of a row's clip.
    pub fn name(&self, row: usize) -> String {
        self.sources.get(row).map_or_else(|| format!("clip {}", row + 1), |source| source.id.clone())
    }
}

/// The data set as it is now, and the validation clips of a run in the order of its predictions: with the labels that they
/// had when it was trained they must be the very ones that were predicted.
fn clips(config: &RunConfig, predictions: &Predictions) -> Result<(Dataset, Vec<usize>), String> {
    let spec = config.data_spec();
    let text = |error: data::DataError| error.to_string();
    let then = data::open_corrected(&spec, &config.marks(), config.corrected()).map_err(text)?;
    let now = data::open_with(&spec, &config.marks()).map_err(text)?;
    let another = || format!("{spec} is not the data that it was trained on any more");
    if then.classes != config.labels || now.items.len() != then.items.len() {
        return Err(another());
    }
    let indices = then.divide(config.fold, config.seed).map_err(text)?.val;
    let classes = predictions.classes.max(1);
    let same = |(row, &index): (&[f32], &usize)| {
        let targets = targets_of(&then.items[index].label, classes);
        row.iter().zip(&targets).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
    };
    if indices.len() != predictions.clips() || !predictions.targets.chunks(classes).zip(&indices).all(same) {
        return Err(another());
    }
    Ok((now, indices))
}

/// Rows of two sessions' predictions that are of the same clips, in the order of the first; none where either has no names.
pub fn same_clips(a: &KeptAnswers, b: &KeptAnswers) -> Vec<(usize, usize)> {
    let rows: HashMap<&str, usize> =
        b.sources.iter().enumerate().map(|(row, source)| (source.id.as_str(), row)).collect();
    let same_set = a.config.labels == b.config.labels
        && match (&a.dataset, &b.dataset) {
            (Some(a), Some(b)) => a.root == b.root && a.name == b.name,
            _ => false,
        };
    let pairs = a.sources.iter().enumerate().filter(|_| same_set);
    pairs.filter_map(|(row, source)| Some((row, *rows.get(source.id.as_str())?))).collect()
}
