//! In any order of keys, events and results, the run on the screen is the run on disk. The file is long
//! because each fault that the property test found is a test of its own, by the same simulation.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use proptest::{prelude::*, test_runner::Config};

use super::{simulated::World, *};
use crate::{
    live::LiveEvent,
    model::{Method, ModelConfig},
    plot::{self, Side},
    session::{EpochRecord, Event, Record, RunState, Status, StepRecord},
    train::News,
    tui::{
        state::{run_slot::Opened, ticket::Ticket},
        testing::fixture,
    },
};

const SIZE: (u16, u16) = (120, 36);

/// Number of orders to try; the variable `ORDERS` sets another one.
const CASES: u32 = 10_000;

/// An event of a test: its kind, and a number that makes choices.
fn happen(world: &mut World, (kind, which): (u8, u8)) -> Result<(), String> {
    let side = if which.is_multiple_of(2) { Side::A } else { Side::B };
    match kind % 32 {
        0 => world.act(Action::Start),
        1 => world.act(Action::StartBoth),
        2 => world.act(Action::Anew),
        3 => world.act(Action::Pause),
        4 | 5 => world.act(Action::Stop),
        6 => world.act(Action::NextFocus),
        7 => world.act(Action::OpenSession),
        8 => world.act(Action::ChooseSession(side)),
        9 => world.act(Action::ResumeSession),
        10 => world.act(Action::DeleteSession),
        11 => world.act(Action::Show(Screen::Sessions)),
        12 => world.act(Action::Show(if which.is_multiple_of(2) { Screen::Train } else { Screen::Parameters })),
        13 => {
            world.act(Action::Show(Screen::Sessions));
            world.act(Action::Move(if which.is_multiple_of(2) { Move::Down } else { Move::Up }));
        }
        14 => world.act(if which.is_multiple_of(2) { Action::NextMethod } else { Action::NextBackbone }),
        15 => return world.settle(),
        16..24 => world.advance(which, which / 4),
        _ => {
            world.deliver(which);
        }
    }
    // A question takes the keyboard until it is confirmed or cancelled.
    match &world.app.overlay {
        Some(Overlay::Question { .. }) if which % 8 < 6 => world.act(Action::Confirm),
        Some(_) => world.act(Action::Cancel),
        None => {}
    }
    world.check()
}

fn cases() -> u32 {
    std::env::var("ORDERS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

/// A's first event was delivered after B had opened, resumed and ended the same session: A's few old events took its place.
#[test]
fn the_first_event_of_a_run_comes_after_the_other_side_resumed_it() {
    let events = [
        (160, 0),
        (208, 12),
        (43, 0),
        (139, 0),
        (0, 0),
        (36, 0),
        (134, 0),
        (152, 73),
        (144, 0),
        (163, 0),
        (199, 0),
        (24, 44),
        (32, 0),
        (176, 12),
        (80, 64),
        (0, 0),
        (14, 0),
    ];
    play(events).unwrap();
}

/// B read a session that A's trainer had begun, and failed to resume it before A's first event was delivered: A, whose
/// trainer went on, was cleared, and B showed what it had read.
#[test]
fn the_first_event_of_a_run_comes_after_the_other_side_failed_to_resume_it() {
    let events = [
        (226, 0),
        (134, 0),
        (15, 0),
        (203, 0),
        (80, 8),
        (176, 12),
        (152, 103),
        (176, 8),
        (75, 0),
        (24, 49),
        (7, 0),
        (216, 187),
        (32, 0),
        (0, 0),
        (0, 0),
        (112, 104),
        (0, 0),
    ];
    play(events).unwrap();
}

/// A's trainer died, B resumed the session, and only then A's first event was delivered: B was cleared.
#[test]
fn the_first_event_of_a_dead_trainer_comes_after_the_other_side_resumed_its_session() {
    let events = [
        (172, 103),
        (88, 0),
        (98, 0),
        (102, 0),
        (171, 0),
        (88, 0),
        (16, 12),
        (48, 196),
        (11, 0),
        (152, 5),
        (24, 19),
        (9, 0),
        (152, 5),
        (43, 0),
        (88, 5),
        (176, 12),
        (24, 83),
        (0, 0),
    ];
    play(events).unwrap();
}

/// The session on show was deleted and another one began under its name before either was reported: resuming the
/// session on show resumed the other one.
#[test]
fn a_session_that_has_the_name_of_a_deleted_one_is_not_resumed_for_it() {
    let events = [
        (96, 0),
        (80, 12),
        (228, 0),
        (14, 0),
        (112, 0),
        (24, 0),
        (6, 0),
        (198, 0),
        (43, 0),
        (134, 0),
        (24, 103),
        (138, 8),
        (24, 8),
        (224, 0),
        (176, 12),
        (24, 63),
        (96, 0),
        (70, 0),
        (48, 64),
        (96, 0),
        (0, 0),
        (24, 4),
    ];
    play(events).unwrap();
}

/// Performs these events in a new simulation, then compares the screen with the disk.
fn play(events: impl IntoIterator<Item = (u8, u8)>) -> Result<(), String> {
    let mut world = World::new();
    events.into_iter().try_for_each(|event| happen(&mut world, event))?;
    world.settle()?;
    world.check()
}

proptest! {
    #![proptest_config(Config { cases: cases(), failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_run_on_the_screen_is_the_run_on_disk_in_any_order(
        events in proptest::collection::vec((any::<u8>(), any::<u8>()), 1..80),
    ) {
        play(events).map_err(TestCaseError::fail)?;
    }
}

/// The records of a run that was stopped after its first epoch, and those of its second.
fn two_epochs() -> (Vec<Record>, Vec<Record>) {
    let mut log = fixture::events(Method::aat(), 80);
    let second = log.iter().position(|record| matches!(&record.event, Event::Step(step) if step.step == 41)).unwrap();
    let mut rest = log.split_off(second);
    let at_ms = log.last().unwrap().at_ms;
    log.push(Record { at_ms, event: Event::Stopped });
    rest.insert(0, Record { at_ms, event: Event::Resumed { step: 40, epochs: 1 } });
    (log, rest)
}

fn deliver_records(app: &mut App, run: Ticket, records: &[Record]) -> Vec<Effect> {
    records.iter().flat_map(|record| update(app, Message::Run(run, News::Now(record.clone())))).collect()
}

/// The ticket and the task of the only run to be trained.
fn trained(effects: &[Effect]) -> (Ticket, Task) {
    let [Effect::Train(runs)] = effects else { panic!("{effects:?}") };
    let [run] = runs.as_slice() else { panic!("{runs:?}") };
    run.clone()
}

/// Fault 1: the log was folded when the session was opened, and its records came a second time from the trainer.
#[test]
fn a_session_that_is_opened_and_resumed_continues_its_curve() {
    let (log, rest) = two_epochs();
    let mut app = fixture::app(SIZE);
    let opened = Opened { state: RunState::from_records(&log), ..fixture::opened(Method::aat()) };
    let (run, _) = trained(&fixture::open(&mut app, Side::A, Purpose::Resume, opened));
    update(&mut app, Message::Run(run, News::Past(Box::new(RunState::from_records(&log)))));
    deliver_records(&mut app, run, &rest);
    let whole = RunState::from_records(log.iter().chain(&rest));
    assert_eq!(app.slot(Side::A).state, whole);
    let values: Vec<_> = whole.epochs.iter().map(|(_, epoch)| epoch.value).collect();
    assert_eq!(values.len(), 2);
    let chart = plot::metric(&app.runs(), &app.view());
    assert_eq!(chart.curves[0].points.iter().map(|point| point.1).collect::<Vec<_>>(), values);
    assert_eq!(chart.curves[0].end_label, Some(format!("A {:.3}", values[1])));
}

/// Fault 2: the end of B's trainer reached A, which had been resumed by another trainer since.
#[test]
fn a_trainer_that_is_done_ends_its_own_runs_only() {
    let mut app = fixture::app(SIZE);
    let effects = update(&mut app, Message::Do(Action::StartBoth));
    let [Effect::Train(runs)] = effects.as_slice() else { panic!("{effects:?}") };
    let [(a, _), (b, _)] = runs.as_slice() else { panic!("{runs:?}") };
    let (log, rest) = two_epochs();
    deliver_records(&mut app, *a, &log);
    deliver_records(&mut app, *b, &fixture::events(Method::full(), 40));
    assert!(!app.slot(Side::A).is_busy() && app.slot(Side::B).is_busy(), "A was stopped, B goes on");
    let (again, task) = trained(&update(&mut app, Message::Do(Action::Start)));
    assert_eq!(task, Task::Resume("esc10-f1-aat".into(), Some(fixture::THEN)));
    update(&mut app, Message::Run(again, News::Past(Box::new(RunState::from_records(&log)))));
    deliver_records(&mut app, again, &rest[..9]);
    // B's trainer, which was A's as well, is done.
    deliver_records(&mut app, *b, &[Record { at_ms: fixture::THEN + 100_000, event: Event::Stopped }]);
    for run in [*a, *b] {
        update(&mut app, Message::RunOver(run, None));
    }
    assert!(app.slot(Side::A).is_busy() && !app.slot(Side::B).is_busy());
    assert_eq!(update(&mut app, Message::Do(Action::Start)), [], "no second trainer for one session");
    assert_eq!(update(&mut app, Message::Do(Action::Quit)), []);
    assert!(matches!(&app.overlay, Some(Overlay::Question { question, .. }) if question.contains("Stop A")));
}

/// Fault 3: a run that was stopped here could not be resumed here; Enter began another session.
#[test]
fn a_run_that_was_stopped_is_resumed_by_enter_and_begun_anew_by_another_key() {
    let mut app = fixture::app(SIZE);
    let (run, _) = trained(&update(&mut app, Message::Do(Action::Start)));
    let (log, _) = two_epochs();
    deliver_records(&mut app, run, &log);
    let stopped = app.clone();
    let (_, task) = trained(&update(&mut app, Message::Do(Action::Start)));
    assert_eq!(task, Task::Resume("esc10-f1-aat".into(), Some(fixture::THEN)));
    assert_eq!(app.slot(Side::A).state, RunState::from_records(&log), "what is known stays on show");
    let mut app = stopped.clone();
    assert!(matches!(trained(&update(&mut app, Message::Do(Action::Anew))).1, Task::New(..)));
    // Both at once: A is asked about before it is replaced.
    let mut app = stopped;
    assert_eq!(update(&mut app, Message::Do(Action::StartBoth)), []);
    assert!(matches!(app.overlay, Some(Overlay::Question { then: crate::tui::state::app::Pending::Anew(_), .. })));
    let effects = update(&mut app, Message::Do(Action::Confirm));
    assert!(matches!(effects.as_slice(), [Effect::Train(runs)] if runs.len() == 2), "{effects:?}");
}

#[test]
fn both_that_were_stopped_are_resumed_as_one_pair() {
    let mut app = fixture::training(SIZE, (40, 40));
    for side in Side::BOTH {
        fixture::run_event(&mut app, side, Event::Stopped);
    }
    let effects = update(&mut app, Message::Do(Action::StartBoth));
    let [Effect::Train(runs)] = effects.as_slice() else { panic!("{effects:?}") };
    let tasks: Vec<_> = runs.iter().map(|(_, task)| task.clone()).collect();
    assert_eq!(tasks, ["esc10-f1-aat", "esc10-f1-full"].map(|name| Task::Resume(name.into(), Some(fixture::THEN))));
}

/// The request of the last effect, by its ticket.
fn ticket(effects: &[Effect]) -> Ticket {
    match effects.last() {
        Some(Effect::Open(ticket, _) | Effect::Shape(ticket, ..) | Effect::Listen(ticket, ..)) => *ticket,
        other => panic!("{other:?}"),
    }
}

/// Fault 4: results carried no ticket, so the last one to arrive won.
#[test]
fn a_session_that_is_read_late_takes_no_place_that_was_given_away_since() {
    let mut app = fixture::app(SIZE);
    update(&mut app, Message::Sessions(Ok(fixture::listings())));
    app.screen = Screen::Sessions;
    let ask = |app: &mut App| {
        let effects = update(app, Message::Do(Action::OpenSession));
        update(app, Message::Do(Action::Move(Move::Down)));
        ticket(&effects)
    };
    let opened = |name: &str| {
        let path = PathBuf::from("/sessions").join(name);
        Ok(Box::new(Opened { path, name: name.into(), ..fixture::opened(Method::aat()) }))
    };
    let (older, newer) = (ask(&mut app), ask(&mut app));
    update(&mut app, Message::Opened(newer, opened("newer")));
    update(&mut app, Message::Opened(older, opened("older")));
    assert_eq!(app.slot(Side::A).session, Some("/sessions/newer".into()));
    // An error of an outdated request is not shown either.
    app.notice = None;
    app.screen = Screen::Sessions;
    let (older, _) = (ask(&mut app), ask(&mut app));
    update(&mut app, Message::Opened(older, Err("older: cannot be read".into())));
    assert_eq!(app.notice, None);
    // A run that began since keeps its side.
    let late = ask(&mut app);
    let (run, _) = trained(&update(&mut app, Message::Do(Action::Anew)));
    update(&mut app, Message::Opened(late, opened("late")));
    assert_eq!(app.side_of(run), Some(Side::A));
    assert_eq!(app.slot(Side::A).session, None);
}

/// Fault 4, of shapes: an older model, or one that a run has made obsolete.
#[test]
fn a_shape_that_comes_late_counts_no_other_model() {
    let mut app = fixture::app(SIZE);
    let shape = |size| Ok(Box::new(ModelConfig::ast(size, 512, [16, 16], 10).unwrap()));
    let older = ticket(&update(&mut app, Message::Do(Action::SetModel("base".into()))));
    let newer = ticket(&update(&mut app, Message::Do(Action::SetModel("small".into()))));
    update(&mut app, Message::Shape(newer, shape("small")));
    update(&mut app, Message::Shape(older, shape("base")));
    assert_eq!(app.parameters.shape(), &*shape("small").unwrap());
    app.notice = None;
    update(&mut app, Message::Shape(older, Err("base: cannot be read".into())));
    assert_eq!(app.notice, None);
    let late = ticket(&update(&mut app, Message::Do(Action::SetModel("base".into()))));
    let (run, _) = trained(&update(&mut app, Message::Do(Action::Start)));
    deliver_records(&mut app, run, &fixture::events(Method::aat(), 3));
    update(&mut app, Message::Shape(late, shape("base")));
    let config = app.slot(Side::A).state.config.clone().unwrap();
    assert_eq!(app.parameters.shape(), &config.shape);
}

/// Fault 4, of sound: any error ended the opening, and listeners that were replaced were still shown.
#[test]
fn only_those_who_were_asked_last_are_heard() {
    let mut app = fixture::training(SIZE, (40, 40));
    let first = ticket(&update(&mut app, Message::Do(Action::Listen(None))));
    update(&mut app, Message::Trouble("curves.svg: the disk is full".into()));
    assert!(app.live.starting, "another trouble");
    let second = ticket(&update(&mut app, Message::Do(Action::Listen(Some("dog.wav".into())))));
    update(&mut app, Message::Live(first, LiveEvent::Problem("no microphone".into())));
    update(&mut app, Message::Live(first, LiveEvent::Closed));
    assert!(app.live.starting && app.live.state == Default::default());
    update(&mut app, Message::Live(second, LiveEvent::Problem("dog.wav: no sound in it".into())));
    update(&mut app, Message::Live(second, LiveEvent::Closed));
    assert_eq!(app.live.state.status, crate::live::LiveStatus::Failed("dog.wav: no sound in it".into()));
    assert!(!app.live.starting && !app.live.is_on());
}

#[test]
fn sessions_are_listed_one_reading_at_a_time() {
    let mut app = fixture::app(SIZE);
    assert_eq!(update(&mut app, Message::Do(Action::Show(Screen::Sessions))), [Effect::List]);
    for _ in 0..40 {
        assert_eq!(update(&mut app, Message::Do(Action::Refresh)), []);
    }
    assert_eq!(update(&mut app, Message::Sessions(Ok(Vec::new()))), [Effect::List], "once more for all of them");
    assert_eq!(update(&mut app, Message::Sessions(Ok(Vec::new()))), []);
    assert_eq!(update(&mut app, Message::Do(Action::Refresh)), [Effect::List]);
}

#[test]
fn a_run_that_cannot_be_resumed_says_why_and_keeps_its_state() {
    let mut app = fixture::app(SIZE);
    let (run, _) = trained(&update(&mut app, Message::Do(Action::Start)));
    let (log, _) = two_epochs();
    deliver_records(&mut app, run, &log);
    let (again, _) = trained(&update(&mut app, Message::Do(Action::Start)));
    let message = "the data is gone".to_owned();
    deliver_records(&mut app, again, &[Record { at_ms: fixture::THEN + 200_000, event: Event::Failed { message } }]);
    let slot = app.slot(Side::A);
    assert_eq!((slot.state.clone(), slot.problem.as_deref()), (RunState::from_records(&log), Some("the data is gone")));
    assert!(slot.can_resume(), "once the data is back");
}

#[test]
fn a_session_that_is_deleted_is_on_no_side_any_more() {
    let mut app = fixture::app(SIZE);
    let opened = fixture::opened(Method::aat());
    let path = opened.path.clone();
    fixture::open(&mut app, Side::B, Purpose::Choose, opened);
    update(&mut app, Message::Removed(path.clone(), Err("in use".into())));
    assert!(app.slot(Side::B).holds(&path));
    update(&mut app, Message::Removed(path, Ok(fixture::THEN + 1_000_000)));
    assert!(app.slot(Side::B).is_empty() && app.slot(Side::B).session.is_none());
}

#[test]
fn a_long_run_is_drawn_from_as_little_as_a_short_one() {
    let mut app = fixture::training(SIZE, (10, 10));
    let run = fixture::run_of(&mut app, Side::A);
    let mut spiked = false;
    for step in 11..=60_000 {
        let loss = if step == 31_234 { 99.0 } else { 1.0 };
        let event = Event::Step(StepRecord { step, epoch: 1, loss, ..StepRecord::default() });
        update(&mut app, Message::Run(run, News::Now(Record { at_ms: fixture::THEN + 20 * step, event })));
    }
    let event = Event::Epoch(EpochRecord { epoch: 1, step: 60_000, ..EpochRecord::default() });
    update(&mut app, Message::Run(run, News::Now(Record { at_ms: fixture::THEN + 1_200_001, event })));
    app.smooth = 0;
    let chart = plot::loss(&app.runs(), &app.view());
    for curve in &chart.curves {
        assert!(curve.points.len() <= 2 * crate::session::BUCKETS);
        spiked |= curve.points.iter().any(|point| point.1 == 99.0);
    }
    assert!(spiked, "no spike vanishes");
    assert_eq!(app.slot(Side::A).state.status, Status::Running);
}
