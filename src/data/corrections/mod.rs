//! What a person decided about the labels of a data set's clips: an append-only list beside the data, applied whenever the
//! data set is opened. The person's own files are never changed.

mod apply;
mod file;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) use apply::apply;
pub use file::{CORRECTIONS, CorrectionsFile, CorrectionsPlace, REVIEWED};
pub(super) use file::{folder_of_user, is_decisions};

/// One decision about one clip, a line of `corrections.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    /// When it was made, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The clip's name within the data set.
    pub clip: String,
    /// SHA-256 of its file, in hexadecimal: another sound under the same name is not corrected. `None` for a clip
    /// without a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// Names of the classes that the clip held before, with `;` between.
    #[serde(default)]
    pub before: String,
    /// The same afterwards.
    #[serde(default)]
    pub after: String,
    /// Which list the clip was reviewed in, and why it was in it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

/// A decision about a clip's label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// The clip holds this class: instead of another one, or beside others where clips hold several. The class that it
    /// has already is confirmed.
    Label {
        /// The class's name.
        label: String,
    },
    /// It does not hold this class; which one it holds is not said.
    Not {
        /// The class's name.
        label: String,
    },
    /// It holds none of the classes.
    Background,
    /// Nobody can say; the label stays as it is.
    Unsure,
    /// The clip's last decision that was not undone is undone.
    Undo,
}

/// Which lines of the corrections count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Corrected {
    /// All.
    #[default]
    Now,
    /// The first so many: those that there were when a run began.
    First(usize),
}

/// Which corrections a run was trained with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrectionsRecord {
    /// Lines of the file.
    pub lines: usize,
    /// SHA-256 of these lines, in hexadecimal.
    pub digest: String,
}

/// Decisions by clip in the order that they were made, without those that were undone.
fn standing(corrections: &[Correction]) -> BTreeMap<&str, Vec<&Correction>> {
    let mut by_clip: BTreeMap<&str, Vec<&Correction>> = BTreeMap::new();
    for correction in corrections {
        let of_clip = by_clip.entry(&correction.clip).or_default();
        match correction.decision {
            Decision::Undo => {
                of_clip.pop();
            }
            _ => of_clip.push(correction),
        }
    }
    by_clip.retain(|_, decisions| !decisions.is_empty());
    by_clip
}

#[cfg(test)]
mod tests;
