//! What a person decided about detections in recordings: an append-only list of JSON lines, beside the recordings that were
//! scanned. It is a table of marks ([`marks::read`](super::marks::read)), so that it can be trained on, and says of scores
//! which were right, so that thresholds can be chosen by it.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{CorrectionsFile, CorrectionsPlace, DataError, Decision};
use crate::{limits, regular};

/// One recording of so many is kept aside.
const ASIDE: u64 = 5;
/// Times are compared in whole microseconds.
const MICROSECONDS: f64 = 1e6;

/// Why a detection was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// Its score is the highest of its class that was left.
    Score,
    /// Its score is close to that of another class.
    Margin,
    /// It is from the next bin of scores.
    Spread,
    /// By chance: the share of these that is right is that of all that were listed.
    Random,
}

/// A detection in a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The recording, as an absolute path.
    pub recording: PathBuf,
    /// Seconds from its beginning.
    pub start: f64,
    /// Seconds from its beginning.
    pub end: f64,
    /// The class that was detected.
    pub detected: String,
    /// Its score.
    pub score: f32,
    /// Why it is shown, where that is known.
    pub chosen: Option<Chosen>,
}

/// One decision about one detection, a line of `reviewed.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SightingReview {
    /// When it was made, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The recording: its path from the folder of this file on, with `/` between, or an absolute one.
    pub file: String,
    /// Seconds from its beginning.
    pub start: f64,
    /// Seconds from its beginning.
    pub end: f64,
    /// The class that was detected.
    pub detected: String,
    /// Its score.
    pub score: f32,
    /// The session whose score that is.
    pub session: String,
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// Why the detection was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
    /// Whether its recording is kept aside: nothing in it is trained on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aside: bool,
}

/// The decisions of a file that count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reviews {
    /// The last decision about each detection, in the order of the first ones, with the line that it is on.
    pub standing: Vec<(u64, SightingReview)>,
    /// Lines that were not written to their end.
    pub torn: Vec<u64>,
}

/// What makes two lines be about one detection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SightingKey {
    file: String,
    start_us: i64,
    end_us: i64,
    detected: String,
}

impl SightingKey {
    fn new(file: String, start: f64, end: f64, detected: &str) -> Self {
        // A number that was written and read may differ in its last digit.
        let us = |seconds: f64| (seconds * MICROSECONDS).round() as i64;
        Self { file, start_us: us(start), end_us: us(end), detected: detected.to_owned() }
    }
}

impl Sighting {
    /// What decisions about it are found by in the file at this path.
    pub fn key(&self, file: &Path) -> SightingKey {
        SightingKey::new(name_in(file, &self.recording), self.start, self.end, &self.detected)
    }

    /// Whether its recording is kept aside.
    pub fn is_aside(&self) -> bool {
        is_aside(&self.recording.to_string_lossy())
    }
}

impl SightingReview {
    /// What makes it be about the same detection as another one.
    pub fn key(&self) -> SightingKey {
        SightingKey::new(self.file.clone(), self.start, self.end, &self.detected)
    }
}

/// Whether a recording is kept aside: one in five by its name alone, so that it stays so wherever the recording is moved and
/// whatever is recorded later.
pub(super) fn is_aside(recording: &str) -> bool {
    share_of(recording) == 0
}

/// A number below [`ASIDE`] that depends on a recording's name alone.
pub(super) fn share_of(recording: &str) -> u64 {
    let name = recording.rsplit(['/', '\\']).next().unwrap_or(recording);
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte)) % ASIDE
}

/// A recording's name in the decisions of a file.
fn name_in(file: &Path, recording: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (recording, file) = (absolute(recording), absolute(file));
    let below = file.parent().and_then(|folder| recording.strip_prefix(folder).ok());
    match below {
        Some(below) => below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/"),
        None => recording.to_string_lossy().into_owned(),
    }
}

/// Whether this line is one of such a file.
pub(super) fn is_line(line: &str) -> bool {
    serde_json::from_str::<SightingReview>(line).is_ok()
}

/// The decisions in a text that count.
///
/// # Errors
/// The number of a whole line that is no decision, and why.
pub(super) fn parse(text: &str) -> Result<Reviews, (u64, String)> {
    let (mut torn, mut order) = (Vec::new(), Vec::new());
    let mut decisions: HashMap<SightingKey, Vec<(u64, SightingReview)>> = HashMap::new();
    for (number, line) in (1u64..).zip(text.split_inclusive('\n')).filter(|(_, line)| !line.trim().is_empty()) {
        let review: SightingReview = match serde_json::from_str(line.trim_end()) {
            Ok(review) => review,
            // A power failure cut it short: at the end of the file, or before a later line.
            Err(error) if error.is_eof() => {
                torn.push(number);
                continue;
            }
            Err(error) => return Err((number, error.to_string())),
        };
        let key = review.key();
        let before = decisions.entry(key.clone()).or_insert_with(|| {
            order.push(key);
            Vec::new()
        });
        match review.decision {
            Decision::Undo => drop(before.pop()),
            _ => before.push((number, review)),
        }
    }
    let standing = order.into_iter().filter_map(|key| decisions.remove(&key)?.pop()).collect();
    Ok(Reviews { standing, torn })
}

/// The decisions of a file; none where there is no file.
///
/// # Errors
/// When it cannot be read, or a whole line is no decision.
pub fn reviews(path: &Path) -> Result<Reviews, DataError> {
    let bytes = match regular::read_up_to(path, limits::TABLE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Reviews::default()),
        Err(source) => return Err(DataError::Io { path: path.to_owned(), source }),
    };
    parse(&String::from_utf8_lossy(&bytes)).map_err(|(line, why)| DataError::Unusable {
        path: path.to_owned(),
        problem: format!("line {line} is no decision about a detection ({why})"),
        remedy: "repair or remove that line".to_owned(),
    })
}

/// Whether a file holds decisions about detections: by its first line that is whole.
pub fn holds_reviews(text: &str) -> bool {
    text.lines().filter(|line| !line.trim().is_empty()).take(2).any(is_line)
}

impl CorrectionsFile {
    /// Appends a decision about a detection by a session, on the disk when this returns. Returns where it is.
    ///
    /// # Errors
    /// When neither the recordings' folder nor the user's can be written.
    pub fn append_review(
        &self,
        sighting: &Sighting,
        session: &str,
        decision: &Decision,
        at_ms: u64,
    ) -> Result<CorrectionsPlace, DataError> {
        self.append_line(|file| SightingReview {
            at_ms,
            file: name_in(file, &sighting.recording),
            start: sighting.start,
            end: sighting.end,
            detected: sighting.detected.clone(),
            score: sighting.score,
            session: session.to_owned(),
            decision: decision.clone(),
            chosen: sighting.chosen,
            aside: sighting.is_aside(),
        })
    }
}

#[cfg(test)]
#[path = "reviewed_tests.rs"]
mod tests;
