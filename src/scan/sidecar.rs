//! What is beside the tables: how they came about, and which recordings are not in them.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{ClassRule, Format, ScanError, Unread};
use crate::{atomic, audio::Note, limits, regular};

/// Name of the file.
pub(super) const NAME: &str = "scan.json";

/// A scan's settings and what became of its recordings. Nothing in it depends on when or how often it ran.
#[derive(Debug, Serialize)]
pub(super) struct Sidecar<'a> {
    /// The program that wrote it.
    pub(super) program: &'static str,
    pub(super) version: &'static str,
    /// The session or model, the mark of its weights, and of all that changes scores.
    pub(super) session: &'a str,
    pub(super) fingerprint: &'a str,
    pub(super) key: &'a str,
    /// The calibration that scores are with; none where a person asked for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) calibration: Option<String>,
    /// Paths as they were given.
    pub(super) paths: &'a [String],
    pub(super) window_s: f64,
    pub(super) hop_s: f64,
    /// Windows that a median was taken over; 1 is none.
    pub(super) smoothed_windows: usize,
    pub(super) min_duration_s: f64,
    pub(super) max_gap_s: f64,
    /// Where thresholds came from.
    pub(super) thresholds: &'a str,
    /// Threshold and low of each class; `null` for one that is not detected.
    pub(super) classes: BTreeMap<&'a str, Option<ClassRule>>,
    pub(super) formats: &'a [Format],
    /// Recordings in the tables, their hours, and the rows.
    pub(super) files: usize,
    pub(super) hours: f64,
    pub(super) detections: u64,
    /// What cannot be read.
    pub(super) failed: &'a [Unread],
    /// What is odd about recordings that were read.
    pub(super) notes: Vec<FileNote>,
    /// Files below the folders given that are not scanned, counted by reason.
    pub(super) left_out: BTreeMap<&'static str, usize>,
    /// What says when recordings began, counted.
    pub(super) times: BTreeMap<&'static str, usize>,
    /// Times that a recording was given or found again.
    pub(super) given_again: usize,
}

/// Something odd about a recording.
#[derive(Debug, Serialize)]
pub(super) struct FileNote {
    pub(super) file: String,
    #[serde(flatten)]
    pub(super) note: Note,
}

/// What an earlier scan into the same folder says of itself.
#[derive(Debug, Deserialize)]
struct Before {
    session: String,
    key: String,
    paths: Vec<String>,
}

impl Sidecar<'_> {
    /// Writes it into the folder for results.
    pub(super) fn write(&self, out: &Path) -> Result<PathBuf, ScanError> {
        let path = out.join(NAME);
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| ScanError::io(&path)(error.into()))?;
        text.push(b'\n');
        atomic::write(&path, |file| io::Write::write_all(file, &text)).map_err(ScanError::io(&path))?;
        Ok(path)
    }
}

/// Refuses to put tables in the place of those of another scan: of other recordings, or by other scores.
pub(super) fn check(out: &Path, key: &str, paths: &[String]) -> Result<(), ScanError> {
    let path = out.join(NAME);
    let bytes = match regular::read_up_to(&path, limits::TABLE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(ScanError::Io { path, source }),
    };
    let remedy = "give another --out, or --replace to write over its tables";
    let Ok(before) = serde_json::from_slice::<Before>(&bytes) else {
        let path = path.display();
        return Err(ScanError::Request(format!("{path} is not a scan's; {remedy}")));
    };
    let out = out.display();
    if before.key != key {
        let session = before.session;
        return Err(ScanError::Request(format!(
            "{out} holds a scan by {session:?} with other weights or windows; {remedy}"
        )));
    }
    if before.paths != paths {
        return Err(ScanError::Request(format!(
            "{out} holds a scan of other paths ({}); {remedy}",
            before.paths.join(" ")
        )));
    }
    Ok(())
}
