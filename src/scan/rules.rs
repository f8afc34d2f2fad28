//! When a class counts as found: thresholds, for all classes or for each, from a TOML file or the command line.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::ScanError;
use crate::{data::nearest, limits, regular};

/// The file beside a session's log that holds its thresholds.
pub const THRESHOLDS: &str = "thresholds.toml";
/// The score from which on a class counts as found, unless another is given: that of `listen`.
const THRESHOLD: f32 = 0.5;
/// The score down to which a detection reaches: low, so that the threshold says nothing of its extent.
pub const LOW: f32 = 0.2;

/// When one class counts as found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassRule {
    /// A detection's highest score is at least this.
    pub threshold: f32,
    /// It reaches as far as scores are at least this.
    pub low: f32,
}

/// How detections are made of scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// For each class, in label order; `None` for one that is not detected.
    pub classes: Vec<Option<ClassRule>>,
    /// Windows on each side that a median is taken over.
    pub smooth: usize,
    /// Samples of the shortest detection.
    pub min_duration: u64,
    /// Samples of the longest gap over which two stretches of a class are one.
    pub max_gap: u64,
}

/// Thresholds as a file has them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// For every class that has none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Down to which score a detection reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f32>,
    /// By class name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, Own>,
}

/// What a thresholds file says of one class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// Its threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Down to which score its detections reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f32>,
    /// The precision that the threshold was chosen for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// No threshold reaches that precision: the class is not detected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cannot_be_reached: bool,
}

impl Thresholds {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no such table.
    pub fn read(path: &Path) -> Result<Self, ScanError> {
        let text = regular::text_up_to(path, limits::SETTINGS).map_err(ScanError::io(path))?;
        toml::from_str(&text).map_err(|error| ScanError::Request(format!("{}: {error}", path.display())))
    }

    /// Reads the file of a session's folder, where there is one.
    ///
    /// # Errors
    /// As [`Thresholds::read`].
    pub fn of_session(folder: &Path) -> Result<Option<(PathBuf, Self)>, ScanError> {
        let path = folder.join(THRESHOLDS);
        match fs::metadata(&path) {
            Ok(_) => Ok(Some((path.clone(), Self::read(&path)?))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ScanError::Io { path, source }),
        }
    }

    /// The rule of each class.
    ///
    /// # Errors
    /// A reason for people: a class that the model does not know, a score outside of 0 to 1, or a `low` above its threshold.
    pub fn rules(&self, labels: &[String]) -> Result<Vec<Option<ClassRule>>, String> {
        for name in self.classes.keys() {
            if !labels.contains(name) {
                let hint = nearest(name, labels.iter().map(String::as_str));
                let hint = hint.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                return Err(format!("the model has no class {name:?}{hint}"));
            }
        }
        let rule = |label: &String| {
            let own = self.classes.get(label);
            if own.is_some_and(|own| own.cannot_be_reached) {
                return Ok(None);
            }
            let threshold = own.and_then(|own| own.threshold).or(self.threshold).unwrap_or(THRESHOLD);
            // What nobody asked for gives way to what somebody did.
            let low = own.and_then(|own| own.low).or(self.low).unwrap_or(LOW.min(threshold));
            let score = |what: &str, score: f32| match (0.0..=1.0).contains(&score) {
                true => Ok(()),
                false => Err(format!("the {what} {score} of {label:?} is no score; give 0 to 1")),
            };
            score("threshold", threshold)?;
            score("low", low)?;
            if low > threshold {
                return Err(format!(
                    "the threshold {threshold} of {label:?} is below its low {low}; lower that as well"
                ));
            }
            Ok(Some(ClassRule { threshold, low }))
        };
        labels.iter().map(rule).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn labels() -> Vec<String> {
        ["wren", "robin", "rain"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_class_has_its_own_threshold_or_the_one_of_all() {
        let text = "threshold = 0.6\n[classes.wren]\nthreshold = 0.83\nprecision = 0.9\n\
                    [classes.rain]\nprecision = 0.9\ncannot_be_reached = true\n";
        let thresholds: Thresholds = toml::from_str(text).unwrap();
        let rules = thresholds.rules(&labels()).unwrap();
        let rule = |threshold| Some(ClassRule { threshold, low: 0.2 });
        assert_eq!(rules, [rule(0.83), rule(0.6), None]);
        let again: Thresholds = toml::from_str(&toml::to_string(&thresholds).unwrap()).unwrap();
        assert_eq!(again, thresholds);
        assert_eq!(Thresholds::default().rules(&labels()).unwrap(), [rule(0.5); 3]);
        // A low threshold lowers what was not asked for.
        let low = Thresholds { threshold: Some(0.05), ..Thresholds::default() };
        assert_eq!(low.rules(&labels()).unwrap()[0], Some(ClassRule { threshold: 0.05, low: 0.05 }));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_class() {
        let refused = |text: &str| toml::from_str::<Thresholds>(text).unwrap().rules(&labels()).unwrap_err();
        assert!(refused("[classes.wrem]\nthreshold = 0.5").contains("\"wren\""));
        assert!(refused("threshold = 1.5").contains("1.5"));
        assert!(refused("threshold = nan").contains("NaN"));
        assert!(refused("low = 0.6\n[classes.wren]\nthreshold = 0.5").contains("below its low"));
        assert!(toml::from_str::<Thresholds>("limit = 0.5").is_err());
    }
}
