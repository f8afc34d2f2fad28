//! A session's calibration: what makes its probabilities as often right as they say. It is fitted on validation clips when
//! a person asks for it, kept beside the session, and from then on part of the head's weights in memory: whatever opens the
//! session has calibrated logits.
//!
//! Softmax: one temperature (Guo et al., arXiv 1706.04599). Several labels: for each class `sigmoid(a z + b)` (Platt).

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::InferError;
use crate::{
    atomic, limits,
    model::{ModelError, ParamStore},
    regular,
    session::Position,
};

/// Name of the file in a session's folder.
pub const CALIBRATION: &str = "calibration.json";

/// How logits become calibrated ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Scaling {
    /// All logits are divided by it. Ranks and first classes stay.
    Temperature {
        /// Above 0; above 1 the model was too sure.
        temperature: f64,
    },
    /// The logit `z` of a class becomes `a z + b`. A class that is not named stays as it is.
    Platt {
        /// `[a, b]` by class name; `a` is above 0.
        classes: BTreeMap<String, [f64; 2]>,
    },
}

/// A scaling, and which weights it is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The scaling.
    #[serde(flatten)]
    pub scaling: Scaling,
    /// The step of the weights that it was fitted to. Other weights of the session need another one.
    pub step: u64,
    /// Whether these are the averaged weights.
    #[serde(default)]
    pub averaged: bool,
    /// Validation clips that it was fitted on.
    pub clips: usize,
    /// Expected calibration error on these clips before and after, over 15 bins.
    pub ece: [f64; 2],
    /// Loss on these clips before and after.
    pub loss: [f64; 2],
}

impl Calibration {
    /// The file in a session's folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(CALIBRATION)
    }

    /// Reads a session's calibration; `None` where nobody asked for one.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn of_session(folder: &Path) -> Result<Option<Self>, InferError> {
        let path = Self::path(folder);
        let refused = |problem: String| {
            let remedy = "fit it again (eval --calibrate), or remove that file";
            InferError::Unusable(format!("{}: {problem}; {remedy}", path.display()))
        };
        let text = match regular::text_up_to(&path, limits::SETTINGS) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused(error.to_string())),
        };
        let calibration: Self = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
        let usable = |factor: f64| factor.is_finite() && factor > 0.0;
        let is_usable = match &calibration.scaling {
            Scaling::Temperature { temperature } => usable(*temperature),
            Scaling::Platt { classes } => classes.values().all(|[a, b]| usable(*a) && b.is_finite()),
        };
        if is_usable { Ok(Some(calibration)) } else { Err(refused("a factor is not above 0".to_owned())) }
    }

    /// Writes it beside the session, whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, folder: &Path) -> Result<PathBuf, InferError> {
        let path = Self::path(folder);
        let failed = |error: &dyn fmt::Display| InferError::Unusable(format!("{}: {error}", path.display()));
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| failed(&error))?;
        text.push(b'\n');
        atomic::write(&path, |file| io::Write::write_all(file, &text)).map_err(|error: io::Error| failed(&error))?;
        Ok(path)
    }

    /// Removes it from a session's folder; whether there was one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(folder: &Path) -> Result<bool, InferError> {
        match fs::remove_file(Self::path(folder)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(InferError::Unusable(format!("{}: {error}", Self::path(folder).display()))),
        }
    }

    /// Whether it was fitted to these weights.
    pub fn is_of(&self, position: &Position, averaged: bool) -> bool {
        self.step == position.step && self.averaged == averaged
    }

    /// Scales the head's weights, so that its logits are calibrated.
    ///
    /// # Errors
    /// When the device fails, or the model has no linear head.
    pub(super) fn apply(&self, store: &ParamStore, labels: &[String]) -> Result<(), ModelError> {
        let mut heads = 0;
        for (spec, var) in store.iter().filter(|(spec, _)| spec.name.starts_with("head.linear.")) {
            heads += 1;
            let is_bias = spec.name.ends_with("bias");
            let width = spec.count() / labels.len().max(1);
            let mut values = var.flatten_all()?.to_vec1::<f32>()?;
            for (class, row) in labels.iter().zip(values.chunks_mut(width.max(1))) {
                let [a, b] = self.scaling.of_class(class);
                let shift = if is_bias { b } else { 0.0 };
                row.iter_mut().for_each(|value| *value = (f64::from(*value) * a + shift) as f32);
            }
            var.set(&Tensor::from_slice(&values, spec.shape.as_slice(), store.device())?)?;
        }
        if heads == 2 { Ok(()) } else { Err(ModelError::Shape("it has no linear head to calibrate".to_owned())) }
    }
}

impl Scaling {
    /// The factor and the summand of a class's logit.
    pub fn of_class(&self, class: &str) -> [f64; 2] {
        match self {
            Self::Temperature { temperature } => [1.0 / temperature, 0.0],
            Self::Platt { classes } => classes.get(class).copied().unwrap_or([1.0, 0.0]),
        }
    }

    /// Logits (clips, classes) as it makes them.
    pub fn scaled(&self, logits: &[f32], labels: &[String]) -> Vec<f32> {
        let by_class: Vec<[f64; 2]> = labels.iter().map(|class| self.of_class(class)).collect();
        let all = logits.iter().zip(by_class.iter().cycle());
        all.map(|(logit, [a, b])| (f64::from(*logit) * a + b) as f32).collect()
    }
}

impl fmt::Display for Scaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Temperature { temperature } => write!(f, "temperature {temperature:.3}"),
            Self::Platt { classes } => write!(f, "Platt's scaling of {} classes", classes.len()),
        }
    }
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "probabilities are calibrated: {}, fitted on {} validation clips", self.scaling, self.clips)
    }
}
