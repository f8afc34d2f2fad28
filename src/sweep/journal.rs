//! What happened to a task, beside its session's log: who began it, and how it ended. One JSON object a line.

use std::{fs::OpenOptions, io::Write};

use serde::{Deserialize, Serialize};

use super::{Place, SweepError};
use crate::{clock::now_ms, limits, regular};

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Milliseconds since the Unix epoch, by the clock of the machine that wrote it.
    pub(super) at_ms: u64,
    /// The machine.
    pub(super) host: String,
    /// What happened.
    #[serde(flatten)]
    pub(super) what: What,
}

/// What can happen to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum What {
    /// A runner began it.
    Began {
        /// Whether its session is resumed.
        resume: bool,
        /// The SLURM job and its index.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<String>,
    },
    /// It is complete.
    Finished,
    /// It was stopped on request and can be resumed.
    Stopped,
    /// It failed.
    Failed {
        /// Why, as a sentence.
        reason: String,
    },
}

/// Appends a line to a task's journal.
///
/// # Errors
/// When it cannot be written.
pub(super) fn append(place: &Place, id: &str, what: What) -> Result<(), SweepError> {
    let path = place.journals().join(format!("{id}.jsonl"));
    let entry = Entry { at_ms: now_ms(), host: super::holder::host(), what };
    let mut line = serde_json::to_vec(&entry).unwrap_or_default();
    // A line that was cut short by a full disk does not spoil this one.
    line.insert(0, b'\n');
    line.push(b'\n');
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(SweepError::io(&path, "open"))?;
    file.write_all(&line).map_err(SweepError::io(&path, "write"))
}

/// The last line of a task's journal that can be read.
pub(super) fn last(place: &Place, id: &str) -> Option<Entry> {
    let text = regular::read_up_to(&place.journals().join(format!("{id}.jsonl")), limits::TABLE).ok()?;
    text.rsplit(|&byte| byte == b'\n').find_map(|line| serde_json::from_slice(line).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    #[test]
    fn the_last_whole_line_counts() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::at(folder.path());
        place.prepare(Path::new("/x.toml")).unwrap();
        assert_eq!(last(&place, "ab"), None);
        append(&place, "ab", What::Began { resume: false, job: Some("12_3".into()) }).unwrap();
        let path = place.journals().join("ab.jsonl");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"at_ms\":5,\"ho").unwrap();
        assert!(matches!(last(&place, "ab").unwrap().what, What::Began { resume: false, .. }));
        append(&place, "ab", What::Failed { reason: "no room".into() }).unwrap();
        assert_eq!(last(&place, "ab").unwrap().what, What::Failed { reason: "no room".into() });
    }
}
