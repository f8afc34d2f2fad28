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
    let twice_full = || if TRIED.fetch_add(1, Ordering::Relaxed) < 2 { Err(full_disk()) } else { Ok(Progress::Done) };
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
