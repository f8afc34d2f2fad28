//! Sends a run's events to its log on disk and to the feed.

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    Feed,
    feed::{News, Update},
};
use crate::{
    clock::now_ms,
    session::{self, Event, LogReader, LogWriter, Position, Record, SessionError},
};

/// Stamps a run's events and sends them to its log, once it has one, and to the feed.
pub(super) struct Journal {
    run: usize,
    feed: Feed,
    log: Option<LogWriter>,
    /// Whether the current failure to write the log was reported.
    reported: bool,
    /// Set when everything shall stop, for work that cannot wait for its command.
    stopping: Arc<AtomicBool>,
}

impl Journal {
    /// A journal of the trainer's run `run`, without a log yet.
    pub(super) fn new(run: usize, feed: Feed, stopping: Arc<AtomicBool>) -> Self {
        Self { run, feed, log: None, reported: false, stopping }
    }

    /// Reports the progress of preparation, and cancels it when everything shall stop.
    pub(super) fn preparing(&self, done: usize, total: usize) -> ControlFlow<()> {
        self.show(Event::Preparing { done, total });
        if self.stopping.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Writes events to this log too, from now on.
    pub(super) fn write_to(&mut self, log: LogWriter) {
        self.log = Some(log);
    }

    /// Emits an event. A log that cannot be written does not stop training: its lines are kept and written later.
    pub(super) fn emit(&mut self, event: Event) {
        let record = Record { at_ms: now_ms(), event };
        let written = self.log.as_mut().map_or(Ok(()), |log| log.append(&record));
        self.feed.push(Update { run: self.run, news: News::Now(record) });
        match written {
            Ok(()) => self.reported = false,
            Err(error) if !self.reported => {
                self.reported = true;
                self.emit(Event::Warning { message: error.to_string() });
            }
            Err(_) => {}
        }
    }

    /// Reports something to the feed that is not worth a line in the log.
    pub(super) fn show(&self, event: Event) {
        self.feed.push(Update { run: self.run, news: News::Now(Record { at_ms: now_ms(), event }) });
    }

    /// Continues the log of a session that is resumed at this position. The feed gets the folded past, the notes on
    /// where the run resumes, and what the log has lost.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub(super) fn take_up(
        &mut self,
        folder: &Path,
        position: &Position,
        notes: Vec<String>,
        lost: Option<String>,
    ) -> Result<(), SessionError> {
        // As one folded state: a long past, sent event by event, would be thinned.
        let past = session::load(folder)?;
        let mut reader = LogReader::new(folder);
        drop(reader.poll()?);
        self.write_to(LogWriter::open(folder)?);
        self.feed.push(Update { run: self.run, news: News::Past(Box::new(past)) });
        for message in notes {
            self.emit(Event::Warning { message });
        }
        if let Some(lost) = lost {
            self.emit(Event::Warning { message: format!("{lost}; they stay missing, the weights are whole") });
        }
        if reader.damaged() > 0 {
            let message = format!("{} lines of the log could not be read and were skipped", reader.damaged());
            self.emit(Event::Warning { message });
        }
        self.emit(Event::Resumed { step: position.step, epochs: position.epochs });
        Ok(())
    }

    /// Closes the log: another process may write it from now on.
    pub(super) fn close(&mut self) {
        self.log = None;
    }

    /// Waits until the log is on the medium.
    ///
    /// # Errors
    /// When events could not be written.
    pub(super) fn sync(&mut self) -> Result<(), SessionError> {
        self.log.as_mut().map_or(Ok(()), LogWriter::sync)
    }
}
