//! The Scan screen: a scan of recordings while it goes, and what it has found.

use std::path::PathBuf;

use super::{
    clip_panel::{Clip, ClipPanel},
    ticket::Ticket,
};
use crate::{
    scan::{Progress, Row, Unread},
    tui::{input::action::Move, text},
};

/// The lowest score that is listed: detections reach down to it, so that the threshold can be moved without scoring again.
pub const LEAST: f32 = crate::scan::LOW;
/// The threshold at first, that of `scan`.
const THRESHOLD: f32 = 0.5;
/// Seconds of sound on each side of a detection that are shown and played.
const AROUND_S: f64 = 0.5;
/// The longest stretch of a detection that is shown, seconds.
const LONGEST_S: f64 = 60.0;
/// Steps of the threshold from 0 to 1.
const STEPS: f32 = 20.0;
/// Most detections that are listed; the tables have all of them.
pub const LISTED: usize = 200_000;

/// The sound of a detection, with a little on each side.
pub fn clip_of(file: &str, start: f64, end: f64) -> Clip {
    let name = format!("{} at {}", text::last_part(file), text::clock(start));
    Clip::part(file, start - AROUND_S, end.min(start + LONGEST_S) + AROUND_S, name)
}

/// A scan to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanRequest {
    /// The session, by folder or name.
    pub session: PathBuf,
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// The score from which on tables have a detection.
    pub threshold: f32,
    /// Where the arithmetic is done.
    pub device: String,
}

/// What happens in a scan.
#[derive(Clone, Debug, PartialEq)]
pub enum ScanNews {
    /// So many files were found so far.
    Searching(usize),
    /// It begins: classes, recordings, the folder of its results.
    Begun {
        /// Class names.
        labels: Vec<String>,
        /// Recordings.
        files: usize,
        /// The folder of the tables.
        out: PathBuf,
    },
    /// How far it is.
    Progress(Progress),
    /// What was found in recordings that are done.
    Found(Vec<Row>),
    /// A recording cannot be read.
    Failed(Unread),
    /// Something to know.
    Note(String),
    /// It is over: hours in the tables and the tables, or why it ended.
    Over(Result<(f64, Vec<PathBuf>), String>),
}

/// How far a scan is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Stage {
    /// No scan was requested.
    #[default]
    Idle,
    /// The model is being opened and recordings are looked for: so many so far.
    Searching(usize),
    /// It goes on.
    Running,
    /// It was asked to stop.
    Stopping,
    /// It was stopped; what is done is kept.
    Stopped,
    /// It is complete: hours, and the tables.
    Done(f64, Vec<PathBuf>),
    /// It could not go on.
    Failed(String),
}

/// The list that keys move in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanPart {
    /// Classes.
    #[default]
    Classes,
    /// Detections of the class under the cursor.
    Rows,
}

impl ScanPart {
    /// The other list.
    #[must_use]
    pub fn other(self) -> Self {
        if self == Self::Classes { Self::Rows } else { Self::Classes }
    }
}

/// The Scan screen.
#[derive(Clone, Debug)]
pub struct Scanning {
    /// The ticket of the current or last scan.
    pub ticket: Option<Ticket>,
    /// What was requested.
    pub asked: Option<ScanRequest>,
    /// How far it is.
    pub stage: Stage,
    /// When scoring began, ms since the Unix epoch.
    pub begun_ms: u64,
    /// Recordings in all, and how far it is among them.
    pub files: usize,
    /// Recordings, seconds and bytes so far.
    pub progress: Progress,
    /// Class names.
    pub labels: Vec<String>,
    /// The folder of the tables.
    pub out: PathBuf,
    /// What cannot be read.
    pub failed: Vec<Unread>,
    /// What should be known.
    pub notes: Vec<String>,
    /// Only detections with at least this score are listed.
    pub threshold: f32,
    /// The list in focus.
    pub part: ScanPart,
    /// The row under the cursor: 0 is all classes.
    pub class: usize,
    /// The detection under the cursor, among those listed.
    pub row: usize,
    /// The clip of the detection under the cursor.
    pub clip: ClipPanel,
    /// Whether the current scan only writes tables of what is listed already.
    is_listed: bool,
    rows: Vec<Row>,
    /// Detections that are not listed, because there are too many.
    unlisted: u64,
    /// For each class, the places of its detections in `rows`; the scores are falling.
    by_class: Vec<Vec<u32>>,
}

impl Default for Scanning {
    fn default() -> Self {
        Self {
            ticket: None,
            asked: None,
            stage: Stage::Idle,
            begun_ms: 0,
            files: 0,
            progress: Progress::default(),
            labels: Vec::new(),
            out: PathBuf::new(),
            failed: Vec::new(),
            notes: Vec::new(),
            threshold: THRESHOLD,
            part: ScanPart::Classes,
            class: 0,
            row: 0,
            clip: ClipPanel::default(),
            is_listed: false,
            rows: Vec::new(),
            unlisted: 0,
            by_class: vec![Vec::new()],
        }
    }
}

impl Scanning {
    /// A new scan. The threshold stays.
    pub fn begin(&mut self, ticket: Ticket, asked: ScanRequest) {
        let (clip, threshold) = (std::mem::take(&mut self.clip), self.threshold);
        *self = Self { clip, threshold, ticket: Some(ticket), asked: Some(asked), ..Self::default() };
        self.stage = Stage::Searching(0);
    }

    /// The same scan again, once it is complete, to write its tables at another threshold: what is listed stays, down to
    /// the lowest score.
    pub fn write(&mut self, ticket: Ticket, asked: ScanRequest) {
        (self.ticket, self.asked, self.stage) = (Some(ticket), Some(asked), Stage::Searching(0));
        (self.progress, self.is_listed) = (Progress::default(), true);
        self.failed.clear();
        self.notes.clear();
    }

    /// Whether it goes on.
    pub fn is_on(&self) -> bool {
        matches!(self.stage, Stage::Searching(_) | Stage::Running | Stage::Stopping)
    }

    /// Takes what has happened.
    pub fn apply(&mut self, news: ScanNews, now_ms: u64) {
        match news {
            ScanNews::Searching(found) => self.stage = Stage::Searching(found),
            ScanNews::Begun { labels, files, out } => {
                if !self.is_listed {
                    self.by_class = vec![Vec::new(); labels.len() + 1];
                }
                (self.labels, self.files, self.out, self.begun_ms) = (labels, files, out, now_ms);
                if self.stage != Stage::Stopping {
                    self.stage = Stage::Running;
                }
            }
            ScanNews::Progress(progress) => self.progress = progress,
            ScanNews::Found(rows) if !self.is_listed => self.add(rows),
            ScanNews::Found(_) => {}
            ScanNews::Failed(unread) => self.failed.push(unread),
            ScanNews::Note(note) => self.notes.push(note),
            ScanNews::Over(Ok((hours, tables))) => self.stage = Stage::Done(hours, tables),
            ScanNews::Over(Err(_)) if self.stage == Stage::Stopping => self.stage = Stage::Stopped,
            ScanNews::Over(Err(problem)) => self.stage = Stage::Failed(problem),
        }
    }

    fn add(&mut self, rows: Vec<Row>) {
        let selected = self.place();
        let mut changed = vec![false; self.by_class.len()];
        for row in rows {
            if self.rows.len() >= LISTED {
                self.unlisted += 1;
                continue;
            }
            let place = self.rows.len() as u32;
            let class = self.labels.iter().position(|label| *label == row.label).map_or(0, |class| class + 1);
            for list in [0, class] {
                if let Some(list) = self.by_class.get_mut(list).filter(|places| places.last() != Some(&place)) {
                    list.push(place);
                }
            }
            changed[0] = true;
            if let Some(changed) = changed.get_mut(class) {
                *changed = true;
            }
            self.rows.push(row);
        }
        let rows = &self.rows;
        for (places, _) in self.by_class.iter_mut().zip(changed).filter(|(_, changed)| *changed) {
            // Stable: among equal scores in the order of the recordings.
            places.sort_by(|a, b| rows[*b as usize].score.total_cmp(&rows[*a as usize].score));
        }
        let of_class = self.by_class.get(self.class).map_or(&[][..], Vec::as_slice);
        let same = selected.and_then(|selected| of_class.iter().position(|place| *place == selected));
        self.row = same.unwrap_or(self.row);
    }

    /// Detections of a row of the classes (0: of all) with at least the threshold.
    pub fn count(&self, class: usize) -> usize {
        let places = self.by_class.get(class).map_or(&[][..], Vec::as_slice);
        places.partition_point(|place| self.rows[*place as usize].score >= self.threshold)
    }

    /// The detections that are listed: of the class under the cursor, the highest scores first.
    pub fn listed(&self) -> impl ExactSizeIterator<Item = &Row> + Clone {
        let count = self.count(self.class);
        let places = self.by_class.get(self.class).map_or(&[][..], Vec::as_slice);
        places[..count].iter().map(|place| &self.rows[*place as usize])
    }

    fn place(&self) -> Option<u32> {
        self.by_class.get(self.class)?.get(self.row).copied()
    }

    /// The detection under the cursor.
    pub fn selected(&self) -> Option<&Row> {
        self.listed().nth(self.row)
    }

    /// Detections that are not listed, because there are too many.
    pub fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// Moves the threshold by so many steps, down to the lowest score that is kept.
    pub fn turn(&mut self, steps: i32) {
        let step = (self.threshold * STEPS).round() as i32 + steps;
        self.threshold = (step as f32 / STEPS).clamp(LEAST, 1.0);
        self.row = self.row.min(self.count(self.class).saturating_sub(1));
    }

    /// Moves the cursor of the list in focus.
    pub fn go(&mut self, to: Move, page: usize) {
        match (self.part, to) {
            (ScanPart::Classes, Move::Right) => self.part = ScanPart::Rows,
            (ScanPart::Rows, Move::Left) => self.part = ScanPart::Classes,
            (_, Move::Left | Move::Right) => {}
            (ScanPart::Classes, _) => {
                let class = to.row(self.class, self.labels.len(), page);
                if class != self.class {
                    (self.class, self.row) = (class, 0);
                }
            }
            (ScanPart::Rows, _) => self.row = to.row(self.row, self.count(self.class).saturating_sub(1), page),
        }
    }

    /// Seconds of sound in a second, and the seconds left, as far as that is known.
    pub fn pace(&self, now_ms: u64) -> (f64, Option<f64>) {
        let elapsed = now_ms.saturating_sub(self.begun_ms) as f64 / 1e3;
        let left = self.progress.of_bytes.saturating_sub(self.progress.bytes) as f64;
        let left_s = (self.progress.bytes > 0).then(|| elapsed * left / self.progress.bytes as f64);
        (self.progress.seconds / elapsed.max(1e-3), left_s)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::tui::state::ticket::Tickets;

    fn row(file: &str, label: &str, score: f32) -> Row {
        Row { file: file.into(), start: 1.0, end: 2.0, label: label.into(), score, margin: score, time: None }
    }

    fn scanning() -> Scanning {
        let asked = ScanRequest { session: "s".into(), paths: Vec::new(), threshold: LEAST, device: "cpu".into() };
        let mut scanning = Scanning::default();
        scanning.begin(Tickets::default().draw(), asked);
        let labels = vec!["dog".into(), "rain".into()];
        scanning.apply(ScanNews::Begun { labels, files: 2, out: "scan".into() }, 1000);
        let rows = vec![row("a", "dog", 0.9), row("a", "rain", 0.4), row("b", "dog", 0.3), row("b", "dog", 0.6)];
        scanning.apply(ScanNews::Found(rows), 1000);
        scanning
    }

    #[test]
    fn the_threshold_filters_what_is_listed_and_nothing_is_scored_again() {
        let mut scanning = scanning();
        let scores = |scanning: &Scanning| scanning.listed().map(|row| row.score).collect::<Vec<_>>();
        assert_eq!(scores(&scanning), [0.9, 0.6]);
        scanning.turn(-4);
        assert_eq!(scores(&scanning), [0.9, 0.6, 0.4, 0.3]);
        scanning.go(Move::Down, 1);
        assert_eq!((scanning.class, scores(&scanning)), (1, vec![0.9, 0.6, 0.3]));
        scanning.turn(-40);
        assert_eq!(scanning.threshold, LEAST);
        scanning.turn(40);
        assert_eq!((scanning.threshold, scanning.count(0)), (1.0, 0));
    }

    #[test]
    fn new_detections_leave_the_cursor_on_its_own() {
        let mut scanning = scanning();
        scanning.part = ScanPart::Rows;
        scanning.go(Move::Down, 1);
        assert_eq!(scanning.selected().unwrap().score, 0.6);
        scanning.apply(ScanNews::Found(vec![row("c", "rain", 0.95), row("c", "dog", 0.7)]), 1000);
        assert_eq!((scanning.selected().unwrap().score, scanning.row), (0.6, 3));
    }

    #[test]
    fn speed_and_time_left_follow_from_the_bytes() {
        let mut scanning = scanning();
        let progress = Progress { files: 1, seconds: 600.0, bytes: 1_000, of_bytes: 4_000 };
        scanning.apply(ScanNews::Progress(progress), 1000);
        assert_eq!(scanning.pace(11_000), (60.0, Some(30.0)));
        assert_eq!(Scanning::default().pace(5).1, None);
        scanning.stage = Stage::Stopping;
        scanning.apply(ScanNews::Over(Err("broken off".into())), 1000);
        assert_eq!(scanning.stage, Stage::Stopped);
    }
}
