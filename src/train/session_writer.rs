//! Writes a run's results into its session's folder: checkpoints, best weights, the summary.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::{TrainError, journal::Journal, median, memory::peak_rss_bytes, snapshot::TensorData};
use crate::{
    model::ParamStore,
    session::{self, Averaged, Checkpoint, Checkpoints, Event, Lock, Position, Summary},
};

/// Named tensors of a checkpoint.
type Tensors<'a> = Vec<(String, TensorData<'a>)>;

/// The writer of one session. It holds the session's lock.
pub(super) struct SessionWriter {
    lock: Lock,
    /// Time between two checkpoints within an epoch.
    every: Duration,
    /// Step and step in epoch of the last checkpoint, if there is one.
    saved: Option<(u64, u64)>,
    /// When the last checkpoint was written, or failed.
    at: Instant,
    /// The log's first line, once it is there: each checkpoint keeps it.
    started: Option<String>,
    /// The best weights, until they are on disk.
    best: Option<(Position, Tensors<'static>)>,
}

impl SessionWriter {
    /// For a session with nothing on disk yet, or everything up to a position.
    pub(super) fn new(lock: Lock, every: Duration, saved: Option<&Position>) -> Self {
        Self { lock, every, saved: saved.map(mark), at: Instant::now(), started: None, best: None }
    }

    /// The session's folder.
    pub(super) fn folder(&self) -> &Path {
        self.lock.folder()
    }

    /// Whether it is time for the next checkpoint within an epoch.
    pub(super) fn is_due(&self) -> bool {
        self.at.elapsed() >= self.every
    }

    /// Holds these weights as the best ones, for the next save to write.
    pub(super) fn keep_best(&mut self, position: Position, weights: Tensors<'static>) {
        self.best = Some((position, weights));
    }

    /// Writes best weights that are not on disk yet, and a checkpoint of `parts` unless the newest is of this position.
    ///
    /// # Errors
    /// When something cannot be written; what is on disk stays.
    pub(super) fn save<'a>(
        &mut self,
        position: &Position,
        parts: impl FnOnce() -> Result<Tensors<'a>, TrainError>,
        journal: &mut Journal,
    ) -> Result<(), TrainError> {
        // The log first: after a power cut it must not be behind a checkpoint.
        journal.sync()?;
        if self.started.is_none() {
            self.started = session::first_line(self.folder());
        }
        let (checkpoints, started) = (Checkpoints::of(self.folder()), self.started.as_deref());
        if let Some((position, weights)) = &self.best {
            let parts = weights.iter().map(|(name, part)| (name, part));
            Checkpoint::write_with(&checkpoints.best_path(), position, started, parts)?;
            self.best = None;
        }
        if self.saved == Some(mark(position)) {
            return Ok(());
        }
        let path = checkpoints.path(position.step);
        let parts = parts()?;
        let tensors = parts.iter().map(|(name, part)| (name, part));
        let bytes = Checkpoint::write_with(&path, position, started, tensors)?;
        drop(parts);
        (self.saved, self.at) = (Some(mark(position)), Instant::now());
        let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        journal.emit(Event::Checkpoint { step: position.step, file, bytes });
        checkpoints.prune();
        journal.sync()?;
        Ok(())
    }

    /// Reports a failed save, which does not stop training: what is on disk stays, and the next save tries again.
    pub(super) fn failed(&mut self, position: &Position, error: &TrainError, journal: &mut Journal) {
        self.at = Instant::now();
        journal.emit(Event::Warning { message: format!("no checkpoint of step {}: {error}", position.step) });
    }

    /// Writes averaged weights.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn write_averaged(
        &self,
        position: &Position,
        parts: &Tensors<'_>,
        journal: &mut Journal,
    ) -> Result<(), TrainError> {
        journal.sync()?;
        let path = Checkpoints::of(self.folder()).averaged_path();
        Checkpoint::write(&path, position, parts.iter().map(|(name, part)| (name, part)))?;
        Ok(())
    }
}

/// What distinguishes two checkpoints of a run.
fn mark(position: &Position) -> (u64, u64) {
    (position.step, position.step_in_epoch)
}

/// Emits a run's summary, its last event.
///
/// # Errors
/// When the log cannot be written.
pub(super) fn finish(
    position: &Position,
    store: &ParamStore,
    averaged: Option<Averaged>,
    journal: &mut Journal,
) -> Result<(), TrainError> {
    let summary = Summary {
        best: position.best,
        last: position.last,
        averaged,
        trainable: store.trainable().map(|(spec, _)| spec.count()).sum(),
        epoch_seconds: median(position.epoch_seconds.clone()).unwrap_or(0.0),
        peak_rss_bytes: peak_rss_bytes(),
    };
    journal.emit(Event::Finished { summary });
    journal.sync()?;
    Ok(())
}
