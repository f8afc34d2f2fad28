//! The predictions that a session keeps of its validation clips, each with its clip and the label that it has now.

use std::{collections::HashMap, path::Path, sync::Arc};

use super::{calibrate::calibration_of, label_errors::targets_of};
use crate::{
    data::{self, Dataset},
    infer::{Calibration, Which},
    scan::THRESHOLDS,
    session::{self, RunConfig},
    train::{Predictions, predictions_in},
};

/// A session's predictions of its validation clips.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptAnswers {
    /// What was trained.
    pub config: RunConfig,
    /// The predictions, with the labels as they are now. Scores are logits as trained, without a calibration.
    pub predictions: Predictions,
    /// The index of each row's clip in the data set; empty where that is not there any more.
    pub items: Vec<usize>,
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
    /// Reads them. Nothing is decoded and no model is opened. The data set of `beside` is used again where it is the same.
    ///
    /// # Errors
    /// For people: when the session has no such predictions.
    pub fn of_session(folder: &Path, which: Which, beside: Option<&Self>) -> Result<Self, String> {
        let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let state = session::outline(folder).map_err(|error| error.to_string())?;
        let config = *state.config.ok_or_else(|| format!("{name}: its log does not say what was trained"))?;
        let (checkpoint, mut notes) = which.checkpoint(folder).map_err(|error| error.to_string())?;
        let mut predictions = predictions_in(&checkpoint).filter(|kept| kept.clips() > 0).ok_or_else(|| {
            format!("{name} keeps no predictions of its validation clips yet: they come with its first complete epoch")
        })?;
        let position = checkpoint.position;
        let (mut items, mut dataset) = (Vec::new(), None);
        match clips(&config, &predictions, beside) {
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
                }
                if changed > 0 {
                    let clips = if changed == 1 { "clip has" } else { "clips have" };
                    notes.push(format!("{changed} validation {clips} another label since it was trained"));
                }
                (items, dataset) = (indices, Some(set));
            }
            Err(why) => notes.push(format!("its clips have no names here: {why}")),
        }
        let averaged = which == Which::Averaged;
        let calibration = Calibration::of_session(folder).map_err(|error| error.to_string())?;
        let calibration = calibration.filter(|known| known.is_of(&position, averaged));
        Ok(Self {
            config,
            predictions,
            items,
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
        self.id(row).map_or_else(|| format!("clip {}", row + 1), str::to_owned)
    }

    /// The name of a row's clip in the data set, where that is there.
    fn id(&self, row: usize) -> Option<&str> {
        self.dataset.as_ref()?.items.get(*self.items.get(row)?).map(|item| item.id.as_str())
    }
}

/// Fits a calibration to a session's kept predictions, and keeps it beside the session. Returns a message for the user.
///
/// # Errors
/// For people: when none can be fitted to these predictions, or the folder cannot be written.
pub fn calibrate(kept: &KeptAnswers, folder: &Path) -> Result<Vec<String>, String> {
    if kept.between_epochs {
        return Err(
            "its last checkpoint is within an epoch, and its predictions are of the epoch before: resume it to the \
                    end of that epoch, or calibrate its best weights"
                .to_owned(),
        );
    }
    let (labels, loss) = (&kept.config.labels, kept.config.recipe.loss);
    let found = calibration_of(&kept.predictions, labels, loss, kept.step, kept.averaged)?;
    let path = found.save(folder).map_err(|error| error.to_string())?;
    let [[before, after], [loss_before, loss_after]] = [found.ece, found.loss];
    let line = format!(
        "{} fitted on {} validation clips: calibration error {before:.4} to {after:.4}, loss {loss_before:.4} to \
         {loss_after:.4}, on the clips that it was fitted on; kept in {}",
        found.scaling,
        found.clips,
        path.display()
    );
    Ok(std::iter::once(line).chain(old_thresholds(folder)).collect())
}

/// Removes a session's calibration. Returns a message for the user.
///
/// # Errors
/// For people: when it cannot be removed.
pub fn remove_calibration(folder: &Path) -> Result<Vec<String>, String> {
    Ok(match Calibration::remove(folder).map_err(|error| error.to_string())? {
        true => std::iter::once("the calibration was removed".to_owned()).chain(old_thresholds(folder)).collect(),
        false => vec!["there was no calibration to remove".to_owned()],
    })
}

/// That a session's thresholds are of other scores than it has from now on.
fn old_thresholds(folder: &Path) -> Option<String> {
    let path = folder.join(THRESHOLDS);
    path.exists().then(|| {
        format!("{} was chosen for other scores: choose again with --precision P --save-thresholds", path.display())
    })
}

/// Whether this session was trained on this data set: then its vectors are no fair judges of the set's labels.
pub fn is_trained_on(session: &Path, data: &str) -> bool {
    let config = session::outline(session).ok().and_then(|state| state.config);
    config.is_some_and(|config| {
        let real = |path: &str| Path::new(path).canonicalize().ok();
        config.data == data || real(data).is_some_and(|path| real(&config.data_spec()) == Some(path))
    })
}

/// That a model was trained on the labels that it judges.
pub fn trained_on_these_labels(model: &str) -> String {
    format!("{model} was trained on these labels, so wrong ones may not be found; use a backbone")
}

/// The data set as it is now, and the validation clips of a run in the order of its predictions: with the labels that they
/// had when it was trained they must be the very ones that were predicted.
fn clips(
    config: &RunConfig,
    predictions: &Predictions,
    beside: Option<&KeptAnswers>,
) -> Result<(Arc<Dataset>, Vec<usize>), String> {
    let spec = config.data_spec();
    let text = |error: data::DataError| error.to_string();
    let is_same = |other: &&KeptAnswers| other.config.data_spec() == spec && other.config.marks() == config.marks();
    let now = match beside.filter(is_same).and_then(|other| other.dataset.clone()) {
        Some(known) => known,
        None => Arc::new(data::open_with(&spec, &config.marks()).map_err(text)?),
    };
    let then = now.corrected_as(config.corrected()).map_err(text)?;
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
    let rows: HashMap<&str, usize> = (0..b.items.len()).filter_map(|row| Some((b.id(row)?, row))).collect();
    let same_set = a.config.labels == b.config.labels
        && match (&a.dataset, &b.dataset) {
            (Some(a), Some(b)) => a.root == b.root && a.name == b.name,
            _ => false,
        };
    (0..a.items.len()).filter(|_| same_set).filter_map(|row| Some((row, *rows.get(a.id(row)?)?))).collect()
}
