//! The trainer's thread: alternates steps between its runs, obeys commands between two steps, survives their panics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    Command, Feed, Launch, TrainError,
    job::{Job, Progress},
    journal::Journal,
    launch::Group,
};
use crate::{
    data::DataError,
    panics,
    session::{Event, Store},
};

/// How long a run waits before it tries again to write onto a full disk; then twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest such pause.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Runs training on its own thread. Dropping it stops the runs, each with a checkpoint.
pub struct Trainer {
    commands: Sender<(Option<usize>, Command)>,
    feed: Feed,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Builds a job on the trainer's thread, and reports its preparation.
pub(super) type Build = Box<dyn FnOnce(&mut Journal) -> Result<Box<dyn Job>, TrainError> + Send>;

impl Trainer {
    /// Starts training. Several runs take a step in turn.
    pub fn spawn(store: Store, launches: Vec<Launch>) -> Self {
        let group = Group::new(store);
        let build = |launch| -> Build {
            let group = group.clone();
            Box::new(move |journal| group.launch(launch, journal))
        };
        Self::spawn_jobs(launches.into_iter().map(build).collect())
    }

    pub(super) fn spawn_jobs(builds: Vec<Build>) -> Self {
        let (commands, inbox) = mpsc::channel();
        let feed = Feed::new();
        let stopping = Arc::new(AtomicBool::new(false));
        let journal = |run| Journal::new(run, feed.clone(), Arc::clone(&stopping));
        let runs: Vec<RunInRound> =
            builds.into_iter().enumerate().map(|(run, build)| RunInRound::new(journal(run), build)).collect();
        let work = {
            let feed = feed.clone();
            move || {
                work(runs, &inbox);
                feed.close();
            }
        };
        match std::thread::Builder::new().name("trainer".to_owned()).spawn(work) {
            Ok(thread) => Self { commands, feed, stopping, thread: Some(thread) },
            Err(error) => {
                let message = format!("the system could not start a thread to train on: {error}");
                journal(0).emit(Event::Failed { message });
                feed.close();
                Self { commands, feed, stopping, thread: None }
            }
        }
    }

    /// Sends a command to one run, or to all. They obey within one step.
    pub fn command(&self, run: Option<usize>, command: Command) {
        if (run, command) == (None, Command::Stop) {
            self.stopping.store(true, Ordering::Relaxed);
        }
        // A trainer that has ended obeys nothing more.
        let _ = self.commands.send((run, command));
    }

    /// The runs' updates; closed when the last run is over.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Whether every run is over.
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until every run is over.
    pub fn join(mut self) {
        self.wait();
    }

    fn wait(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Its panics were caught and reported.
            let _ = thread.join();
        }
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        self.command(None, Command::Stop);
        self.wait();
    }
}

/// One run and its state in the trainer's round.
struct RunInRound {
    journal: Journal,
    stage: Stage,
    paused: bool,
    /// While the disk has no room for what was computed.
    wait: Option<Wait>,
}

/// A run that waits for room on the disk.
#[derive(Clone, Copy)]
struct Wait {
    /// When writing is tried again.
    until: Instant,
    /// How long it waited this time.
    pause: Duration,
}

enum Stage {
    New(Build),
    Working(Box<dyn Job>),
    Over,
}

impl RunInRound {
    fn new(journal: Journal, build: Build) -> Self {
        Self { journal, stage: Stage::New(build), paused: false, wait: None }
    }

    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    fn can_advance(&self) -> bool {
        !self.paused && !self.is_over() && self.wait.is_none_or(|wait| wait.until <= Instant::now())
    }

    /// When it tries to write again, if it waits for room on the disk.
    fn waits_until(&self) -> Option<Instant> {
        self.wait.filter(|_| !self.paused && !self.is_over()).map(|wait| wait.until)
    }

    /// Does the next piece of work, and turns errors and panics into the run's end.
    fn advance(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let (journal, mut full) = (&mut self.journal, None);
        let worked = guarded(|| match stage {
            Stage::New(build) => Ok(Stage::Working(build(journal)?)),
            Stage::Working(mut job) => match job.advance(journal) {
                Ok(Progress::More) => Ok(Stage::Working(job)),
                Ok(Progress::Done) => Ok(Stage::Over),
                Err(error) if error.is_full_disk() => {
                    full = Some(error);
                    Ok(Stage::Working(job))
                }
                Err(error) => Err(error),
            },
            Stage::Over => Ok(Stage::Over),
        });
        self.wait = full.map(|error| self.wait_for_room(&error));
        match worked {
            Ok(Stage::Over) => self.end(),
            Ok(stage) => self.stage = stage,
            Err(TrainError::Data(DataError::Cancelled)) => {
                self.journal.emit(Event::Stopped);
                self.end();
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Everything is computed, and the disk is full: it stays in memory until there is room, or until somebody stops the run.
    fn wait_for_room(&mut self, error: &TrainError) -> Wait {
        if self.wait.is_none() {
            self.journal.emit(Event::Waiting { message: error.to_string() });
        }
        let pause = self.wait.map_or(FIRST_WAIT, |wait| (2 * wait.pause).min(LONGEST_WAIT));
        Wait { until: Instant::now() + pause, pause }
    }

    fn obey(&mut self, command: Command) {
        match command {
            _ if self.is_over() => {}
            Command::Pause if !self.paused => {
                self.paused = true;
                self.checkpoint();
                if !self.is_over() {
                    self.journal.emit(Event::Paused);
                }
            }
            Command::Continue if self.paused => {
                self.paused = false;
                self.journal.emit(Event::Continued);
            }
            Command::Pause | Command::Continue => {}
            Command::Checkpoint => match &mut self.wait {
                Some(wait) => wait.until = Instant::now(),
                None => self.checkpoint(),
            },
            Command::Stop => {
                self.checkpoint();
                if !self.is_over() {
                    self.journal.emit(Event::Stopped);
                    self.end();
                }
            }
        }
    }

    fn checkpoint(&mut self) {
        let Self { journal, stage: Stage::Working(job), .. } = self else { return };
        if let Err(error) = guarded(|| job.checkpoint(journal)) {
            self.fail(&error);
        }
    }

    fn fail(&mut self, error: &TrainError) {
        self.journal.emit(Event::Failed { message: error.to_string() });
        self.end();
    }

    fn end(&mut self) {
        self.stage = Stage::Over;
        // A log that cannot be written has been reported already.
        let _ = self.journal.sync();
        self.journal.close();
    }
}

/// Alternates steps until all runs are over. Waits for a command when nothing can advance.
fn work(mut runs: Vec<RunInRound>, inbox: &Receiver<(Option<usize>, Command)>) {
    let mut turn = 0;
    while !runs.iter().all(RunInRound::is_over) {
        let until = runs.iter().filter_map(RunInRound::waits_until).min();
        match next_command(inbox, runs.iter().any(RunInRound::can_advance), until) {
            Some((Some(run), command)) => runs.get_mut(run).into_iter().for_each(|run| run.obey(command)),
            Some((None, command)) => runs.iter_mut().for_each(|run| run.obey(command)),
            None => {
                if let Some(run) = runs.get_mut(turn).filter(|run| run.can_advance()) {
                    run.advance();
                }
                turn = (turn + 1) % runs.len();
            }
        }
    }
}

/// The next command; waits for one when no run can advance, but not beyond `until`. A dropped trainer stops.
fn next_command(
    inbox: &Receiver<(Option<usize>, Command)>,
    busy: bool,
    until: Option<Instant>,
) -> Option<(Option<usize>, Command)> {
    let patience = match (busy, until) {
        (true, _) => Duration::ZERO,
        (false, Some(until)) => until.saturating_duration_since(Instant::now()),
        (false, None) => return Some(inbox.recv().unwrap_or((None, Command::Stop))),
    };
    match inbox.recv_timeout(patience) {
        Ok(command) => Some(command),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some((None, Command::Stop)),
    }
}

/// Runs `work` and turns a panic into an error with its message.
fn guarded<T>(work: impl FnOnce() -> Result<T, TrainError>) -> Result<T, TrainError> {
    panics::caught(work).unwrap_or_else(|message| {
        tracing::error!(message, "a run panicked");
        Err(TrainError::Panicked(message))
    })
}

#[cfg(test)]
#[path = "trainer_tests.rs"]
mod tests;
