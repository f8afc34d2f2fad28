//! How far a scan is: a bar on a terminal, lines elsewhere, objects where JSON was asked for.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::super::{CliError, Output};
use crate::{
    digits::{duration, thousands},
    dumb::draws_bars,
    scan::Progress,
};

/// Between two lines, and between two objects.
const LINES: Duration = Duration::from_secs(10);
const OBJECTS: Duration = Duration::from_secs(1);

/// How far it is, as JSON.
#[derive(Serialize)]
struct Line {
    event: &'static str,
    files: usize,
    of_files: usize,
    /// Hours of sound scored by this run.
    hours: f64,
    /// Seconds of sound in a second.
    speed: f64,
    /// Seconds left, as the bytes of the recordings promise; unknown before anything is done.
    left_s: Option<f64>,
}

/// How far the search is, as JSON.
#[derive(Serialize)]
struct Searching {
    event: &'static str,
    found: usize,
}

/// Prints how far a scan is.
pub(super) struct Meter {
    json: bool,
    bar: Option<ProgressBar>,
    files: usize,
    begun: Instant,
    printed: Option<Instant>,
}

impl Meter {
    pub(super) fn new(json: bool) -> Self {
        let bar = (!json && draws_bars()).then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{wide_bar} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { json, bar, files: 0, begun: Instant::now(), printed: None }
    }

    /// Whether it is time to print again.
    fn is_due(&mut self) -> bool {
        let wait = if self.json { OBJECTS } else { LINES };
        let due = self.printed.is_none_or(|printed| printed.elapsed() >= wait);
        if due {
            self.printed = Some(Instant::now());
        }
        due
    }

    /// So many files were found so far.
    pub(super) fn searching(&mut self, found: usize, output: &mut Output) -> Result<(), CliError> {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("looking for recordings: {}", thousands(found)));
            return Ok(());
        }
        // A short search needs no word.
        if self.begun.elapsed() < OBJECTS || !self.is_due() {
            return Ok(());
        }
        output.object(&Searching { event: "searching", found })?;
        output.line(format!("looking for recordings: {} so far", thousands(found)))
    }

    /// Scoring begins.
    pub(super) fn begin(&mut self, files: usize) {
        self.files = files;
        self.begun = Instant::now();
        self.printed = None;
    }

    /// Seconds since it began.
    pub(super) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    pub(super) fn progress(&mut self, progress: Progress, output: &mut Output) -> Result<(), CliError> {
        let elapsed = self.seconds();
        let speed = progress.seconds / elapsed.max(1e-9);
        let left = progress.of_bytes.saturating_sub(progress.bytes) as f64;
        let left_s = (progress.bytes > 0).then(|| elapsed * left / progress.bytes as f64);
        let words = || {
            let left = left_s.map_or_else(String::new, |left| format!(", {} left", duration(left)));
            format!(
                "{} of {} files, {} done, {speed:.0} x{left}",
                thousands(progress.files),
                thousands(self.files),
                duration(progress.seconds)
            )
        };
        if let Some(bar) = &self.bar {
            bar.set_length(progress.of_bytes.max(1));
            bar.set_position(progress.bytes);
            bar.set_message(words());
            return Ok(());
        }
        let words = words();
        if !self.is_due() {
            return Ok(());
        }
        let (files, of_files, hours) = (progress.files, self.files, progress.seconds / 3_600.0);
        output.object(&Line { event: "progress", files, of_files, hours, speed, left_s })?;
        output.line(words)
    }

    /// Prints lines above the bar.
    pub(super) fn print(&self, lines: impl IntoIterator<Item = String>, output: &mut Output) -> Result<(), CliError> {
        let print = || lines.into_iter().try_for_each(|line| output.line(line));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
