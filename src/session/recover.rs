//! A session whose log lost its beginning: each checkpoint has the event that began the run.

use std::path::Path;

use super::{Event, LOG_FILE, Record, checkpoints::Checkpoints};
use crate::{limits, regular};

/// The line of a session's log that began its run, for checkpoints to keep; `None` where it is missing or damaged.
pub fn first_line(folder: &Path) -> Option<String> {
    use std::io::{BufRead as _, BufReader, Read as _};
    let mut line = String::new();
    BufReader::new(regular::open(&folder.join(LOG_FILE)).ok()?.take(limits::FIRST_LOG_LINE))
        .read_line(&mut line)
        .ok()?;
    let line = line.trim_end();
    begins(line).map(|_| line.to_owned())
}

/// The event that began the run, from the newest whole checkpoint that has it, and that file's name.
pub(super) fn from_checkpoints(folder: &Path) -> Option<(Record, String)> {
    let checkpoints = Checkpoints::of(folder);
    let mut files = checkpoints.all();
    // The best weights come first there, and are the oldest.
    let best = usize::from(files.first() == Some(&checkpoints.best_path()));
    files.rotate_left(best);
    files.iter().find_map(|path| {
        let record = begins(&super::checkpoint::started(path)?)?;
        Some((record, path.file_name()?.to_string_lossy().into_owned()))
    })
}

/// What to say about a run that was recovered from this file.
pub(super) fn note(file: &str) -> String {
    format!("the log's first line is missing or damaged: what was trained is taken from {file}")
}

/// A line as the event that began a run, if it is one and its model can be.
fn begins(line: &str) -> Option<Record> {
    let record: Record = serde_json::from_str(line).ok()?;
    match &record.event {
        Event::Started { config, .. } if config.shape.check_backbone().is_ok() => Some(record),
        _ => None,
    }
}
