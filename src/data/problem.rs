//! What is wrong with a data set, one finding at a time.

use std::{fmt, path::PathBuf};

use serde::Serialize;

use super::DataError;
use crate::audio::AudioError;

/// What a problem means for training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Training is refused, or goes on with a result that is worth nothing: the same sound under two labels, or in training and
    /// validation. Only a check compares all sounds with one another.
    Error,
    /// Training goes on; the result may not be what was meant.
    Warning,
    /// Worth knowing, and nothing is wrong.
    Note,
}

/// One finding: where, what and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What it means for training.
    pub severity: Severity,
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    /// A finding that stops training, or makes its result worth nothing.
    pub fn error(path: impl Into<PathBuf>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Error, path: path.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// A finding that does not stop training.
    pub fn warning(path: impl Into<PathBuf>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, problem, remedy) }
    }

    /// A finding that is worth knowing.
    pub fn note(path: impl Into<PathBuf>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(path, problem, remedy) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path.display(), self.problem, self.remedy)
    }
}

impl From<AudioError> for Problem {
    fn from(error: AudioError) -> Self {
        match error {
            AudioError::Io { path, source } => {
                Self::error(path, format!("cannot read this file: {source}"), "check that it is there and readable")
            }
            AudioError::Unusable { path, problem, remedy } => Self::error(path, problem, remedy),
        }
    }
}

/// The first of several errors, saying how many more there are; nothing when none of them stops training.
pub(super) fn refuse(spec: &str, problems: &[Problem]) -> Result<(), DataError> {
    let mut errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let Some(first) = errors.next() else { return Ok(()) };
    Err(DataError::Problems { first: first.clone(), more: errors.count(), spec: spec.to_owned() })
}
