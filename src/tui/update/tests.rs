//! Keys and events, and the state after them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::{
    model::Method,
    plot::{Side, XAxis},
    session::Event,
    train::Request,
    tui::{
        state::{
            app::Overlay,
            run_slot::{Opened, Purpose},
        },
        testing::fixture,
    },
};

const SIZE: (u16, u16) = (120, 36);

/// What the only effect trains, whatever its tickets are.
fn tasks(effects: &[Effect]) -> Vec<Task> {
    let [Effect::Train(runs)] = effects else { panic!("{effects:?}") };
    runs.iter().map(|(_, task)| task.clone()).collect()
}

/// The session that the last effect reads.
fn read(effects: &[Effect]) -> PathBuf {
    let Some(Effect::Open(_, path)) = effects.last() else { panic!("{effects:?}") };
    path.clone()
}

pub(super) fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    let key = |c| match c {
        '\n' => KeyCode::Enter,
        '\t' => KeyCode::Tab,
        '\x1b' => KeyCode::Esc,
        c => KeyCode::Char(c),
    };
    keys.chars().flat_map(|c| update(app, Message::Key(KeyEvent::new(key(c), KeyModifiers::NONE)))).collect()
}

#[test]
fn one_key_after_opening_a_run_begins_on_the_demo() {
    let mut app = fixture::app(SIZE);
    let effects = press(&mut app, "\n");
    assert_eq!(tasks(&effects), [Task::New(Box::default())]);
    assert_eq!(app.setup.data, "demo");
    assert!(app.slot(Side::A).is_busy() && !app.slot(Side::B).is_busy());
    assert_eq!(press(&mut app, "\n"), [], "a side trains once");
}

/// The disk is full when a run is complete: a question, once; yes tries again, and quitting says what would be lost.
#[test]
fn a_complete_run_on_a_full_disk_asks_whether_to_try_again() {
    let mut app = fixture::training(SIZE, (400, 400));
    let run = app.slot(Side::A).run.unwrap().ticket;
    let waiting =
        Event::Waiting { message: "checkpoint-00000400.safetensors: no space left on device; make room".into() };
    fixture::run_event(&mut app, Side::A, waiting);
    let Some(Overlay::Question { question, detail, .. }) = &app.overlay else { panic!("no question") };
    assert!(question.contains("is complete, and the disk is full") && detail.contains("make room"), "{detail}");
    assert_eq!(press(&mut app, "y"), [Effect::Command(run, crate::train::Command::Checkpoint)]);
    assert!(app.overlay.is_none() && app.slot(Side::A).is_busy());
    press(&mut app, "q");
    let Some(Overlay::Question { detail, .. }) = &app.overlay else { panic!("no question") };
    assert!(detail.contains("what the last checkpoint lacks is lost"), "{detail}");
    press(&mut app, "n");
    // There is room again: what follows says so.
    let records = crate::session::testing::records();
    let finished = records.into_iter().find(|record| matches!(record.event, Event::Finished { .. })).unwrap();
    fixture::run_event(&mut app, Side::A, finished.event);
    assert!(app.slot(Side::A).state.waiting.is_none() && !app.slot(Side::A).is_busy());
}

#[test]
fn both_start_as_one_pair() {
    let mut app = fixture::app(SIZE);
    let effects = press(&mut app, "b");
    assert_eq!(
        tasks(&effects),
        [Method::aat(), Method::full()].map(|method| Task::New(Box::new(Request { method, ..Request::default() })))
    );
}

#[test]
fn one_method_starts_on_two_backbones() {
    let mut app = fixture::app(SIZE);
    let effects = press(&mut app, "\tmv");
    let method = Method::full().next();
    let on = |model: &str| Task::New(Box::new(Request { method, model: model.into(), ..Request::default() }));
    assert_eq!(tasks(&effects), ["box", "box-ssl"].map(on));
    assert_eq!(app.two_backbones(), Some(["box".into(), "box-ssl".into()]));
    assert_eq!(press(&mut app, "v"), [], "what runs is left alone");
}

#[test]
fn a_side_takes_the_next_backbone() {
    let mut app = fixture::app(SIZE);
    let effects = press(&mut app, "n");
    let shape = |app: &App| Effect::Shape(app.shape_asked.unwrap(), Box::new(app.setup_of(Side::A)));
    assert_eq!(effects, [shape(&app)]);
    assert_eq!((app.setup_of(Side::A).model.as_str(), app.setup_of(Side::B).model.as_str()), ("box-ssl", "box"));
    press(&mut app, "n");
    assert_eq!(app.two_backbones(), None, "the first comes after the last");
    press(&mut app, "n");
    press(&mut app, ":model tiny\n");
    assert_eq!(app.setup_of(Side::A).model, "tiny", "set for both");
}

#[test]
fn space_pauses_what_runs_and_lets_it_go_on() {
    let mut app = fixture::training(SIZE, (10, 10));
    let runs = Side::BOTH.map(|side| fixture::run_of(&mut app, side));
    assert_eq!(press(&mut app, " "), runs.map(|run| Effect::Command(run, Command::Pause)));
    fixture::run_event(&mut app, Side::A, Event::Paused);
    assert_eq!(press(&mut app, " "), runs.map(|run| Effect::Command(run, Command::Pause)));
    fixture::run_event(&mut app, Side::B, Event::Paused);
    assert_eq!(press(&mut app, " "), runs.map(|run| Effect::Command(run, Command::Continue)));
}

#[test]
fn quitting_asks_only_when_something_would_be_lost() {
    let mut app = fixture::app(SIZE);
    assert_eq!(press(&mut app, "q"), [Effect::Quit]);
    let mut app = fixture::training(SIZE, (10, 0));
    assert_eq!(press(&mut app, "q"), []);
    assert_eq!(press(&mut app, "n"), []);
    assert!(app.overlay.is_none() && !app.quitting);
    assert_eq!(press(&mut app, "qy"), [Effect::Quit]);
    assert!(app.quitting);
}

#[test]
fn methods_of_a_side_change_and_the_numbers_answer_at_once() {
    let mut app = fixture::app(SIZE);
    let before = app.parameters.totals();
    press(&mut app, "3m");
    assert_eq!(app.slot(Side::A).method, Method::full());
    let (total, trains) = app.parameters.totals();
    assert!(total == trains && before.1 < before.0);
    press(&mut app, "\t");
    assert_eq!(app.parameters.method(), app.slot(Side::B).method);
    let mut app = fixture::training(SIZE, (10, 10));
    press(&mut app, "m");
    assert_eq!(app.slot(Side::A).method, Method::aat(), "what trains keeps its method on Train");
}

#[test]
fn views_change_by_their_keys() {
    let mut app = fixture::training(SIZE, (100, 100));
    press(&mut app, "xls");
    assert_eq!((app.x, app.log, app.smooth), (XAxis::Clock, true, 2));
    update(&mut app, Message::Do(Action::Move(Move::Left)));
    assert_eq!(app.cursor, Some(98));
    update(&mut app, Message::Do(Action::Move(Move::End)));
    assert_eq!(app.cursor, None);
}

#[test]
fn a_session_is_deleted_after_a_question_and_never_while_it_trains() {
    let mut app = fixture::app(SIZE);
    assert_eq!(press(&mut app, "5"), [Effect::List]);
    update(&mut app, Message::Sessions(Ok(fixture::listings())));
    assert_eq!(press(&mut app, "d"), []);
    assert!(app.overlay.is_none(), "the first one is in use");
    assert_eq!(press(&mut app, "jjdy"), [Effect::Remove(fixture::listings()[2].path.clone())]);
}

#[test]
fn an_interrupted_session_is_read_then_resumed() {
    let mut app = fixture::app(SIZE);
    update(&mut app, Message::Sessions(Ok(fixture::listings())));
    press(&mut app, "5jjj");
    let path = fixture::listings()[3].path.clone();
    assert_eq!(read(&press(&mut app, "r")), path);
    let opened = Opened { path: path.clone(), ..fixture::opened(Method::aat()) };
    let effects = fixture::open(&mut app, Side::A, Purpose::Resume, opened);
    assert_eq!(tasks(&effects), [Task::Resume(path, Some(fixture::THEN))]);
    assert!(app.slot(Side::A).is_busy());
}

#[test]
fn two_sessions_are_chosen_by_two_keys_on_the_list() {
    let mut app = fixture::app(SIZE);
    update(&mut app, Message::Sessions(Ok(fixture::listings())));
    let path = |i: usize| fixture::listings()[i].path.clone();
    assert_eq!(read(&press(&mut app, "5jja")), path(2));
    let chosen = |i| Opened { path: path(i), ..fixture::opened(Method::aat()) };
    fixture::open(&mut app, Side::A, Purpose::Choose, chosen(2));
    assert_eq!((app.screen, app.sessions.cursor()), (Screen::Sessions, 2), "the list stays for the other one");
    assert_eq!(read(&press(&mut app, "jb")), path(3));
    fixture::open(&mut app, Side::B, Purpose::Choose, chosen(3));
    let effects = press(&mut app, "4r");
    let [Effect::Listen(_, None, listeners, _)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(listeners, &[path(2), path(3)]);
    // Another one while they listen: it listens at once, and the list stays.
    fixture::live(&mut app, crate::live::LiveEvent::Recovered { source: "mic".into(), rate: 1, channels: 1 });
    press(&mut app, "5");
    let effects = fixture::open(&mut app, Side::A, Purpose::Choose, chosen(5));
    assert!(
        matches!(effects.as_slice(), [Effect::Listen(_, None, listeners, _)] if *listeners == [path(5), path(3)]),
        "{effects:?}"
    );
    assert_eq!(app.screen, Screen::Sessions);
}

#[test]
fn the_command_line_takes_letters_that_are_keys_elsewhere() {
    let mut app = fixture::app(SIZE);
    let effects = press(&mut app, ":data ../q sounds\n");
    assert_eq!(app.setup.data, "../q sounds");
    assert!(matches!(effects.as_slice(), [Effect::SavePreferences(_), Effect::Shape(..)]) && app.overlay.is_none());
    press(&mut app, ":nonsense\n");
    assert!(
        matches!(&app.overlay, Some(Overlay::CommandLine(line)) if line.text() == "nonsense" && line.problem.is_some())
    );
    press(&mut app, "\x1b");
    assert!(app.overlay.is_none());
}

#[test]
fn curves_are_exported_with_a_name_of_their_runs() {
    let mut app = fixture::app(SIZE);
    assert_eq!(press(&mut app, "e"), []);
    let mut app = fixture::training(SIZE, (100, 100));
    let effects = press(&mut app, "e");
    let [Effect::Export(path, charts)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(path, &PathBuf::from("esc10-f1-aat-vs-esc10-f1-full.svg"));
    assert_eq!(charts.len(), 2);
}

/// A command is completed, run, called back and changed.
#[test]
fn the_command_line_completes_remembers_and_edits() {
    let mut app = fixture::app(SIZE);
    let shown = |app: &App| match &app.overlay {
        Some(Overlay::CommandLine(line)) => line.text().to_owned(),
        other => panic!("{other:?}"),
    };
    let key = |app: &mut App, code| update(app, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    press(&mut app, ":se\t");
    assert_eq!(shown(&app), "se", "set and sessions begin so");
    press(&mut app, "t f\t");
    assert_eq!(shown(&app), "set f", "fold and frames");
    press(&mut app, "r\t48\n");
    assert_eq!((app.setup.frames, app.history.as_slice()), (Some(48), ["set frames 48".to_owned()].as_slice()));
    press(&mut app, ":");
    key(&mut app, KeyCode::Up);
    assert_eq!(shown(&app), "set frames 48");
    key(&mut app, KeyCode::Backspace);
    press(&mut app, "9\n");
    assert_eq!(app.setup.frames, Some(49));
    // Names on the disk are requested; a result for an older line is ignored.
    let asked = |effects: Vec<Effect>| {
        let [Effect::Complete(ticket, _)] = effects.as_slice() else { panic!("{effects:?}") };
        *ticket
    };
    let first = asked(press(&mut app, ":data so\t"));
    update(&mut app, Message::Completed(first, vec!["sounds/".into()]));
    assert_eq!(shown(&app), "data sounds/");
    let second = asked(press(&mut app, "\t"));
    press(&mut app, "x");
    update(&mut app, Message::Completed(second, vec!["sounds/dog/".into()]));
    assert_eq!(shown(&app), "data sounds/x");
}
