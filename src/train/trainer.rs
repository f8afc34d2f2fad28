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
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::{
        session::{SessionError, StepRecord},
        train::Update,
    };

    /// Takes `steps` steps, then ends as given.
    struct Fake {
        step: u64,
        steps: u64,
        end: fn() -> Result<Progress, TrainError>,
    }

    impl Job for Fake {
        fn advance(&mut self, journal: &mut Journal) -> Result<Progress, TrainError> {
            if self.step == self.steps {
                return (self.end)();
            }
            self.step += 1;
            journal.emit(Event::Step(StepRecord { step: self.step, ..StepRecord::default() }));
            std::thread::sleep(Duration::from_millis(1));
            Ok(Progress::More)
        }

        fn checkpoint(&mut self, journal: &mut Journal) -> Result<(), TrainError> {
            journal.emit(Event::Checkpoint { step: self.step, file: String::new(), bytes: 0 });
            Ok(())
        }
    }

    fn job(steps: u64, end: fn() -> Result<Progress, TrainError>) -> Build {
        Box::new(move |_| Ok(Box::new(Fake { step: 0, steps, end })))
    }

    fn endless() -> Build {
        job(u64::MAX, || Ok(Progress::Done))
    }

    fn until_over(trainer: &Trainer) -> Vec<Update> {
        let mut seen = Vec::new();
        while let Some(updates) = trainer.feed().wait(Duration::from_secs(60)) {
            seen.extend(updates);
        }
        seen
    }

    fn wait_for(trainer: &Trainer, wanted: impl Fn(&Update) -> bool) -> Vec<Update> {
        let mut seen = Vec::new();
        while !seen.iter().any(&wanted) {
            seen.extend(trainer.feed().wait(Duration::from_secs(60)).unwrap());
        }
        seen
    }

    #[test]
    fn runs_take_their_steps_in_turn() {
        let trainer = Trainer::spawn_jobs(vec![job(3, || Ok(Progress::Done)), job(5, || Ok(Progress::Done))]);
        let runs: Vec<_> = until_over(&trainer).into_iter().map(|update| update.run).collect();
        assert_eq!(runs, [0, 1, 0, 1, 0, 1, 1, 1]);
    }

    #[test]
    fn a_panic_and_an_error_end_their_own_run_alone() {
        let failing = || Err(TrainError::Failed("the loss is no number".to_owned()));
        let builds = vec![job(1, || panic!("out of range")), job(2, failing), job(4, || Ok(Progress::Done))];
        let trainer = Trainer::spawn_jobs(builds);
        let seen = until_over(&trainer);
        let failure = |run| {
            seen.iter().find_map(|update| match update.event() {
                Some(Event::Failed { message }) if update.run == run => Some(message.as_str()),
                _ => None,
            })
        };
        assert!(failure(0).unwrap().contains("out of range"));
        assert_eq!(failure(1), Some("the loss is no number"));
        assert_eq!(failure(2), None);
        let steps = seen.iter().filter(|update| update.run == 2).count();
        assert_eq!(steps, 4);
    }

    fn full_disk() -> TrainError {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        SessionError::io("checkpoint-1".as_ref(), "write")(full).into()
    }

    /// It says so once, tries again, and is complete once there is room; the other run goes on meanwhile.
    #[test]
    fn a_complete_run_waits_for_room_on_a_full_disk() {
        static TRIED: AtomicU32 = AtomicU32::new(0);
        let twice_full =
            || if TRIED.fetch_add(1, Ordering::Relaxed) < 2 { Err(full_disk()) } else { Ok(Progress::Done) };
        let trainer = Trainer::spawn_jobs(vec![job(1, twice_full), job(200, || Ok(Progress::Done))]);
        let seen = until_over(&trainer);
        let of = |run: usize| seen.iter().filter(move |update| update.run == run).filter_map(Update::event);
        let waiting: Vec<_> = of(0).filter(|event| matches!(event, Event::Waiting { .. })).collect();
        assert!(matches!(waiting[..], [Event::Waiting { message }] if message.contains("make room")), "{waiting:?}");
        assert_eq!((TRIED.load(Ordering::Relaxed), of(1).count()), (3, 200));
        assert!(!of(0).any(|event| matches!(event, Event::Failed { .. })));
    }

    #[test]
    fn a_run_that_waits_for_room_tries_at_once_when_asked_and_can_be_stopped() {
        let trainer = Trainer::spawn_jobs(vec![job(1, || Err(full_disk()))]);
        wait_for(&trainer, |update| matches!(update.event(), Some(Event::Waiting { .. })));
        for _ in 0..20 {
            trainer.command(Some(0), Command::Checkpoint);
        }
        trainer.command(Some(0), Command::Stop);
        let seen = until_over(&trainer);
        assert_eq!(seen.last().unwrap().event(), Some(&Event::Stopped));
    }

    #[test]
    fn a_run_that_cannot_be_built_fails_and_the_others_continue() {
        let broken: Build = Box::new(|_| Err(TrainError::Request("no such fold".to_owned())));
        let trainer = Trainer::spawn_jobs(vec![broken, job(2, || Ok(Progress::Done))]);
        let seen = until_over(&trainer);
        assert_eq!(seen[0].event(), Some(&Event::Failed { message: "no such fold".to_owned() }));
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn one_run_pauses_while_the_other_continues_and_both_stop_with_a_checkpoint() {
        let trainer = Trainer::spawn_jobs(vec![endless(), endless()]);
        trainer.command(Some(0), Command::Pause);
        wait_for(&trainer, |update| update.run == 0 && update.event() == Some(&Event::Paused));
        let after = wait_for(&trainer, |update| update.run == 1);
        assert!(after.iter().all(|update| update.run == 1));
        trainer.command(Some(1), Command::Pause);
        wait_for(&trainer, |update| update.run == 1 && update.event() == Some(&Event::Paused));
        assert_eq!(trainer.feed().wait(Duration::from_millis(20)), Some(vec![]));
        trainer.command(None, Command::Continue);
        wait_for(&trainer, |update| update.run == 0 && matches!(update.event(), Some(Event::Step(_))));
        trainer.command(None, Command::Stop);
        let seen = until_over(&trainer);
        for run in 0..2 {
            let own: Vec<_> = seen.iter().filter(|update| update.run == run).collect();
            assert_eq!(own.last().unwrap().event(), Some(&Event::Stopped));
            assert!(matches!(own[own.len() - 2].event(), Some(Event::Checkpoint { .. })));
        }
        assert!(trainer.feed().wait(Duration::ZERO).is_none());
    }

    #[test]
    fn letting_go_of_a_trainer_stops_it_even_when_paused() {
        let trainer = Trainer::spawn_jobs(vec![endless()]);
        trainer.command(None, Command::Pause);
        let feed = trainer.feed().clone();
        drop(trainer);
        let mut seen = Vec::new();
        while let Some(updates) = feed.wait(Duration::ZERO) {
            seen.extend(updates);
        }
        assert_eq!(seen.last().unwrap().event(), Some(&Event::Stopped));
    }
}
