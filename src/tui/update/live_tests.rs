#![allow(clippy::unwrap_used, clippy::panic)]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::{
    infer::{Mix, Replay},
    live::{BACKGROUND, Lesson},
    model::Method,
    session::Event,
    train::News,
    tui::{
        testing::fixture,
        update::{effect::Task, message::Message, update},
    },
};

const SIZE: (u16, u16) = (120, 36);

fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    let key = |c| match c {
        '\n' => KeyCode::Enter,
        '\t' => KeyCode::Tab,
        '\x1b' => KeyCode::Esc,
        '→' => KeyCode::Right,
        '↓' => KeyCode::Down,
        c => KeyCode::Char(c),
    };
    keys.chars().flat_map(|c| update(app, Message::Key(KeyEvent::new(key(c), KeyModifiers::NONE)))).collect()
}

fn listening() -> App {
    let mut app = fixture::training(SIZE, (40, 40));
    fixture::listening(&mut app);
    press(&mut app, "4");
    app
}

#[test]
fn listening_is_with_the_runs_on_show() {
    let mut app = fixture::training(SIZE, (0, 40));
    app.slots[0] = RunSlot::new(Side::A, Method::aat());
    let effects = press(&mut app, "4\n");
    let listeners = vec![PathBuf::from("esc10-f1-full")];
    assert_eq!(effects, [Effect::Listen(app.live.ticket.unwrap(), None, listeners, Box::default())]);
    assert_eq!(app.live.sides, [Side::B]);
    fixture::listening(&mut app);
    assert_eq!(press(&mut app, "\n"), [Effect::StopListening]);
}

#[test]
fn the_desk_sets_the_gains_of_the_side_in_focus_at_once() {
    let mut app = listening();
    let effects = press(&mut app, "d→→↓--");
    let mut mix = Mix::default();
    mix.channel_mut(2).mlp.turn(-2);
    assert_eq!(effects.last(), Some(&Effect::Gains(0, mix.gains(12))));
    assert_eq!(effects.len(), 2);
    assert_eq!(mix.gains(12).to_string(), "2.mlp=0.8");
    // Mute, then solo: every other adapter is silent.
    let effects = press(&mut app, "ms");
    let [Effect::Gains(0, muted), Effect::Gains(0, alone)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((muted.strip(2).mlp, alone.strip(2).mlp, alone.strip(0).spatial), (0.0, 0.0, 0.0));
    let effects = press(&mut app, "w");
    assert!(matches!(&effects[..], [Effect::SaveDesk(session, _)] if session == &PathBuf::from("esc10-f1-aat")));
    assert!(matches!(&press(&mut app, "0")[..], [Effect::Gains(0, gains)] if gains.are_neutral()));
    assert!(matches!(&press(&mut app, "o")[..], [Effect::LoadDesk(..)]));
    let loaded = update(&mut app, Message::Desk("esc10-f1-aat".into(), mix.clone()));
    assert_eq!(loaded, [Effect::Gains(0, mix.gains(12))]);
    // Full fine-tuning has no adapters.
    press(&mut app, "\t");
    assert_eq!(press(&mut app, "+"), []);
    assert!(app.notice.as_ref().unwrap().text.contains("no adapters"));
}

#[test]
fn ears_that_are_opened_again_hear_of_the_desk() {
    let mut app = listening();
    press(&mut app, "d-");
    let gains = app.live.desk.mix("esc10-f1-aat").gains(12);
    let (source, listeners) = ("mic".to_owned(), vec!["esc10-f1-aat".to_owned(), "esc10-f1-full".to_owned()]);
    let opened = LiveEvent::Opened { source, rate: 48_000, channels: 1, window_s: 5.0, hop_s: 0.25, listeners };
    assert_eq!(fixture::live(&mut app, opened), [Effect::Gains(0, gains)]);
}

#[test]
fn a_held_sound_keeps_its_window_and_takes_its_predictions() {
    let mut app = listening();
    assert_eq!(press(&mut app, "f"), [Effect::Hold(true)]);
    let prediction = crate::live::Prediction { scores: vec![], ..Default::default() };
    let answer = LiveEvent::Prediction { listener: 0, time_s: 7.0, prediction, latency_ms: 9.0, compute_ms: 8.0 };
    fixture::live(&mut app, answer);
    assert!(app.live.shown().listeners[0].scores.is_empty(), "the desk's prediction shows while the sound is held");
    assert_eq!(press(&mut app, "f"), [Effect::Hold(false)]);
    assert_eq!(press(&mut app, "→"), [Effect::Hold(true)], "the cursor holds it too");
}

#[test]
fn bookmarks_are_kept_listed_replayed_and_deleted_after_a_question() {
    let mut app = listening();
    let session = PathBuf::from("esc10-f1-aat");
    let effects = press(&mut app, "b");
    assert_eq!(effects, [Effect::Bookmark(session.clone(), "built-in mic".into(), vec![String::new(); 2])]);
    assert_eq!(press(&mut app, "B"), [Effect::Bookmarks(session.clone())]);
    update(&mut app, Message::Bookmarks(session.clone(), fixture::bookmark_list()));
    let newest = fixture::bookmarks().pop().unwrap();
    assert_eq!(app.live.bookmarks.selected(), Some(&newest));
    let effects = press(&mut app, "\n");
    assert_eq!(effects, [Effect::Replay(session.clone(), Box::new(newest.clone()), "auto".into())]);
    assert_eq!(app.live.bookmarks.replays(), Some(None));
    let replay = Replay { best: true, step: 40, epoch: None, predictions: Ok(vec![]) };
    update(&mut app, Message::Replayed(newest.at_ms, Ok(vec![replay])));
    assert!(app.live.bookmarks.replays().flatten().is_some());
    press(&mut app, "↓");
    assert_eq!(app.live.bookmarks.replays(), None, "another bookmark was not replayed");
    let older = app.live.bookmarks.selected().cloned().unwrap();
    assert_eq!(press(&mut app, "xn"), []);
    assert_eq!(press(&mut app, "xy"), [Effect::RemoveBookmark(session, Box::new(older))]);
    assert_eq!(press(&mut app, "B"), []);
    assert_eq!(app.live.panel, LivePanel::Sound);
}

fn at(app: &mut App, ms: u64) -> Vec<Effect> {
    update(app, Message::Tick(fixture::THEN + 600_000 + ms))
}

#[test]
fn a_lesson_is_recorded_learned_and_then_listened_with() {
    let mut app = listening();
    assert_eq!(press(&mut app, "T"), [Effect::OpenLesson(None)]);
    let folder = tempfile::tempdir().unwrap();
    let mut lesson = Lesson::open(folder.path()).unwrap();
    update(&mut app, Message::Lesson(Box::new(lesson.clone())));
    let effects = press(&mut app, "awhistle\n");
    assert_eq!(effects, [Effect::NameClass("whistle".into())]);
    lesson.name("whistle").unwrap();
    update(&mut app, Message::Lesson(Box::new(lesson.clone())));
    assert_eq!(app.live.teaching.selected().unwrap().0, "whistle", "the cursor follows a new class");

    at(&mut app, 0);
    assert_eq!(press(&mut app, " "), [Effect::Record]);
    at(&mut app, 1500);
    assert_eq!(press(&mut app, " "), [Effect::Recorded("whistle".into(), 0)]);
    assert_eq!(press(&mut app, "\n"), [], "there is too little to learn from");
    for class in ["whistle", BACKGROUND] {
        lesson.keep(class, &[0.1; 32_000]).unwrap();
    }
    update(&mut app, Message::Lesson(Box::new(lesson.clone())));
    assert_eq!(app.live.teaching.example, 1, "the cursor follows a new example");
    assert_eq!(press(&mut app, "xn"), []);
    assert_eq!(press(&mut app, "xy"), [Effect::RemoveExample("whistle".into(), 1)]);

    // A trains already; B, done with its run, learns.
    assert_eq!(press(&mut app, "\n"), []);
    fixture::over(&mut app, Side::B);
    let effects = press(&mut app, "\t\n");
    let [Effect::Train(runs)] = effects.as_slice() else { panic!("{effects:?}") };
    let [(run, Task::New(request))] = runs.as_slice() else { panic!("{runs:?}") };
    assert_eq!(app.side_of(*run), Some(Side::B));
    assert_eq!(request.method, Method::aat());
    assert_eq!((request.data.as_str(), request.recipe.as_deref()), (folder.path().to_str().unwrap(), Some("lesson")));
    assert_eq!(request.model, "tiny", "the backbone that listened");
    let mut effects = Vec::new();
    for mut record in fixture::events(Method::aat(), 1000) {
        if let Event::Started { config, .. } = &mut record.event {
            config.session = "mine-aat".into();
        }
        effects.extend(update(&mut app, Message::Run(*run, News::Now(record))));
    }
    assert!(matches!(&effects[..], [Effect::Listen(_, None, listeners, _)] if listeners.len() == 2), "{effects:?}");
    assert_eq!(update(&mut app, Message::RunOver(*run, None)), [], "it was learned once");
}

#[test]
fn a_key_held_down_records_until_it_is_let_go() {
    let mut app = listening();
    press(&mut app, "T");
    let folder = tempfile::tempdir().unwrap();
    update(&mut app, Message::Lesson(Box::new(Lesson::open(folder.path()).unwrap())));
    at(&mut app, 0);
    assert_eq!(press(&mut app, " "), [Effect::Record]);
    for repeat in 0..30 {
        at(&mut app, 500 + 33 * repeat);
        assert_eq!(press(&mut app, " "), []);
    }
    assert_eq!(at(&mut app, 500 + 33 * 29 + 450), [Effect::Recorded(BACKGROUND.into(), 450)]);
    // Listening ends what is recorded first.
    at(&mut app, 5_000);
    press(&mut app, " ");
    assert_eq!(press(&mut app, "r"), [Effect::Recorded(BACKGROUND.into(), 0), Effect::StopListening]);
}

#[test]
fn a_bookmark_needs_a_prediction() {
    let mut app = fixture::app(SIZE);
    assert_eq!(press(&mut app, "4b"), []);
    assert!(app.notice.is_some());
    assert_eq!(press(&mut app, "B"), [], "no session, no bookmarks");
}

#[test]
fn a_file_is_gone_through_by_keys_and_by_the_mouse() {
    let mut app = fixture::training((120, 40), (10, 10));
    fixture::listening(&mut app);
    app.screen = Screen::Live;
    assert!(update(&mut app, Message::Do(Action::Scrub(1))).is_empty());
    assert!(app.notice.as_ref().unwrap().text.contains(":listen FILE"));
    let ticket = app.live.ticket.unwrap();
    let overview = crate::live::FileOverview { seconds: 100.0, extremes: vec![(-0.5, 0.5); 50] };
    update(&mut app, Message::LiveFile(ticket, Some(std::sync::Arc::new(overview)), 20.0));
    update(&mut app, Message::LiveFile(ticket, None, 21.0));
    assert_eq!((app.live.position_s, app.live.overview.is_some()), (21.0, true));
    assert_eq!(update(&mut app, Message::Do(Action::Scrub(2))), [Effect::SeekFile(31.0)]);
    assert_eq!(update(&mut app, Message::Do(Action::Scrub(-20))), [Effect::SeekFile(0.0)]);
    assert_eq!(update(&mut app, Message::Do(Action::Scrub(40))), [Effect::SeekFile(99.9)]);
    // The overview is in the second and third row of the sound's panel.
    let target = crate::tui::view::hit(&app, 119 - 2, 3);
    assert_eq!(target, Some(crate::tui::input::pointer::Target::File(1.0)));
    let press = crate::tui::input::pointer::Press::Click;
    assert_eq!(update(&mut app, Message::Pointed(target, press)), [Effect::SeekFile(99.9)]);
    // Another task has another file.
    let other = app.tickets.draw();
    update(&mut app, Message::LiveFile(other, None, 5.0));
    assert_eq!(app.live.position_s, 99.9);
}

#[test]
fn a_click_holds_the_sound_and_dragging_moves_the_cursor() {
    let mut app = fixture::training((120, 40), (10, 10));
    fixture::listening(&mut app);
    app.screen = Screen::Live;
    let point = |app: &mut App, column, row, press| {
        let target = crate::tui::view::hit(app, column, row);
        update(app, Message::Pointed(target, press))
    };
    use crate::tui::input::pointer::Press;
    assert_eq!(point(&mut app, 117, 12, Press::Click), [Effect::Hold(true)]);
    assert_eq!(app.live.place.frame, 0);
    let high = app.live.place.bin;
    assert!(point(&mut app, 60, 20, Press::Drag).is_empty());
    assert!(app.live.place.frame > 100 && app.live.place.bin < high, "{:?}", app.live.place);
    // What is drawn is what was pointed at.
    let mut buffer = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, 120, 40));
    crate::tui::view::draw(&app, &mut buffer);
    assert_eq!(buffer.cell((60, 20)).unwrap().symbol(), "┼");
}
