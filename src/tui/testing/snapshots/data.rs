//! Snapshots of Data and Scan.

use super::{super::data_fixture, *};
use crate::{
    audio::playback,
    tui::state::{data::DataPart, scanning::ScanNews},
};

fn with_clip(size: (u16, u16), checked: usize) -> App {
    let mut app = fixture::app(size);
    data_fixture::show(&mut app, 400, checked);
    data_fixture::decoded(&mut app);
    app
}

/// It plays, and has reached 0.8 s.
fn playing(size: (u16, u16)) -> App {
    let mut app = with_clip(size, 400);
    act(&mut app, [Action::Choose, Action::Move(Move::Down)]);
    data_fixture::decoded(&mut app);
    let effects = update(&mut app, Message::Do(Action::PlayClip));
    let Some(Effect::Play { ticket, .. }) = effects.last() else { unreachable!("{effects:?}") };
    let status = playback::Status { number: 1, state: playback::State::Playing, position: 35_280, gaps: 0 };
    update(&mut app, Message::Playing(*ticket, status));
    app
}

#[test]
fn data() {
    both_sizes("data_checking", |size| with_clip(size, 150));
    both_sizes("data_playing", playing);
    both_sizes("data_model", |size| {
        let mut app = playing(size);
        act(&mut app, [Action::SwitchSound, Action::LoopClip, Action::Louder(-3), Action::SortClips]);
        app
    });
    both_sizes("data_problems", |size| {
        let mut app = with_clip(size, 400);
        app.data.part = DataPart::Problems;
        act(&mut app, [Action::Move(Move::Down)]);
        let ticket = app.data.clip.asked.unwrap();
        let why = "/data/esc10/audio/4-100003-A-0.wav: it is cut short: 3.2 s of the 5.0 s that its header promises";
        update(&mut app, Message::Clip(ticket, Err(why.into())));
        app
    });
    both_sizes("data_unread", |size| {
        let mut app = fixture::app(size);
        app.setup.data = "/data/nothing".into();
        act(&mut app, [Action::Show(Screen::Data)]);
        let ticket = app.data.asked.unwrap();
        let why = "/data/nothing: no layout of a data set is recognised here; make one folder of sounds for each class";
        update(&mut app, Message::DataRead(ticket, Err(why.into())));
        app
    });
    check("data_playing_200x50", &playing((200, 50)));
    for (theme, name) in [(1, "light"), (2, "colour_blind"), (3, "monochrome")] {
        let mut app = playing(LARGE);
        app.theme = theme;
        check(&format!("data_{name}_120x40"), &app);
    }
}

#[test]
fn scan() {
    let going = |size| {
        let mut app = fixture::app(size);
        data_fixture::scanning(&mut app);
        let ticket = app.scanning.clip.asked.unwrap();
        update(&mut app, Message::Clip(ticket, Ok(data_fixture::clip_sound())));
        app.notice = None;
        app
    };
    both_sizes("scan_empty", |size| on(fixture::app(size), Screen::Scan));
    both_sizes("scan_running", going);
    both_sizes("scan_done", |size| {
        let mut app = fixture::app(size);
        let scan = data_fixture::scanning(&mut app);
        app.scanning.failed.clear();
        let over = ScanNews::Over(Ok((6.02, vec!["/data/scans/esc10-f1-aat/scan.csv".into()])));
        update(&mut app, Message::Scan(scan, Box::new(over)));
        app.notice = None;
        act(&mut app, [Action::Choose, Action::Threshold(-6), Action::Move(Move::Down)]);
        app
    });
    both_sizes("scan_failed", |size| {
        let mut app = fixture::app(size);
        let scan = data_fixture::scanning(&mut app);
        let over = ScanNews::Over(Err("/rec: no sound files are there".into()));
        update(&mut app, Message::Scan(scan, Box::new(over)));
        app.notice = None;
        app
    });
    check("scan_running_200x50", &going((200, 50)));
    let mut app = going(LARGE);
    app.theme = 3;
    check("scan_monochrome_120x40", &app);
}
