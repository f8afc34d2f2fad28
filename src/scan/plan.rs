//! What a scan is to do, what happens in it, and what it came to.

use std::path::PathBuf;

use serde::Serialize;

use super::{Clips, Cut, Format, Found, Grid, Rules, Unread};
use crate::audio::{Began, Note};

/// What a scan is to do.
#[derive(Debug)]
pub struct Plan {
    /// The session or model, for people.
    pub session: String,
    /// Paths as they were given, and what was found by them.
    pub given: Vec<String>,
    /// The recordings.
    pub found: Found,
    /// Folder for results.
    pub out: PathBuf,
    /// Where windows are.
    pub grid: Grid,
    /// How detections are made of scores.
    pub rules: Rules,
    /// Where the thresholds came from, for people.
    pub thresholds: String,
    /// Forms of the tables.
    pub formats: Vec<Format>,
    /// Write every window's scores.
    pub scores: bool,
    /// Write every window's embedding.
    pub embeddings: bool,
    /// Detections to cut out.
    pub clips: Option<Clips>,
    /// When the recording began, from a person: where there is only one.
    pub began: Option<Began>,
    /// Windows in a batch; `None` for as many as suit the device.
    pub batch: Option<usize>,
    /// Tables of another scan in the folder may be written over.
    pub replace: bool,
}

/// A detection as tables have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The recording, as it was given or found.
    pub file: String,
    /// Seconds from its beginning.
    pub start: f64,
    /// Seconds from its beginning.
    pub end: f64,
    /// Class name.
    pub label: String,
    /// The highest score inside.
    pub score: f32,
    /// By how much that is above the highest score of any other class in the same window; negative where it is below.
    #[serde(skip)]
    pub margin: f32,
    /// When it began, as far as the recording says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// What happens in a scan.
#[derive(Debug)]
pub enum Event<'a> {
    /// It begins: so many recordings and bytes.
    Begin {
        /// Recordings.
        files: usize,
        /// Bytes of them.
        bytes: u64,
    },
    /// Sound was scored, or a recording was passed.
    Progress(Progress),
    /// A recording is done.
    File {
        /// The recording.
        file: &'a str,
        /// Its length.
        seconds: f64,
        /// What was found in it.
        rows: &'a [Row],
        /// When it began, as far as that is known.
        began: Option<&'a Began>,
        /// What is odd about it.
        notes: &'a [Note],
        /// Its scores were kept by an earlier run.
        known: bool,
    },
    /// A recording cannot be read.
    Failed(&'a Unread),
}

/// How far a scan is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Recordings done, unreadable ones among them.
    pub files: usize,
    /// Seconds of sound scored by this run.
    pub seconds: f64,
    /// Bytes of recordings passed by this run, and those that it has to pass in all: what is known from earlier runs is in
    /// neither.
    pub bytes: u64,
    /// Bytes that this run has to pass in all.
    pub of_bytes: u64,
}

/// What a scan came to.
#[derive(Debug)]
pub struct Summary {
    /// Recordings in the tables.
    pub files: usize,
    /// Those whose scores an earlier run had kept.
    pub known: usize,
    /// What cannot be read.
    pub failed: Vec<Unread>,
    /// Hours of sound in the tables, and those that this run scored.
    pub hours: f64,
    /// Hours that this run scored.
    pub scored_hours: f64,
    /// Rows in each table.
    pub detections: u64,
    /// What was cut out, where that was asked for.
    pub cut: Option<Cut>,
    /// The tables of all recordings, and the file with the settings.
    pub written: Vec<PathBuf>,
}
