//! Snapshots of Live.

use std::sync::Arc;

use super::*;
use crate::live::FileOverview;

#[test]
fn live() {
    both_sizes("live_empty", |size| on(fixture::app(size), Screen::Live));
    both_sizes("live_listening", |size| {
        let mut app = on(fixture::training(size, (10, 10)), Screen::Live);
        fixture::listening(&mut app);
        app
    });
    both_sizes("live_trouble", |size| {
        let mut app = on(fixture::training(size, (10, 10)), Screen::Live);
        fixture::listening(&mut app);
        let why = "built-in mic: the device was closed";
        fixture::live(&mut app, LiveEvent::Problem(why.into()));
        act(&mut app, [Action::Freeze, Action::Move(Move::Left)]);
        app
    });
    both_sizes("live_octants", |size| {
        let mut app = on(fixture::training(size, (10, 10)), Screen::Live);
        fixture::listening(&mut app);
        app.graphics = Graphics::Octant;
        act(&mut app, [Action::Freeze, Action::Move(Move::Left)]);
        app
    });
    both_sizes("live_file", |size| {
        let mut app = on(fixture::training(size, (10, 10)), Screen::Live);
        fixture::listening(&mut app);
        let swell = |n: u32| 0.1 + 0.8 * (f64::from(n) / 60.0).sin().powi(8) as f32;
        let extremes = (0..1000).map(|n| (-swell(n), swell(n + 3))).collect();
        app.live.file = Some("recordings/street.flac".into());
        app.live.overview = Some(Arc::new(FileOverview { seconds: 3_725.0, extremes }));
        app.live.position_s = 1_204.5;
        app
    });
    let mut app = on(fixture::training(LARGE, (10, 10)), Screen::Live);
    fixture::listening(&mut app);
    app.theme = 3;
    check("live_monochrome_120x40", &app);
}

#[test]
fn live_without_sound() {
    let asked = |size, file: Option<&str>| {
        let mut app = on(fixture::training(size, (10, 10)), Screen::Live);
        act(&mut app, [Action::Listen(file.map(Into::into))]);
        app
    };
    both_sizes("live_opening", |size| asked(size, None));
    both_sizes("live_no_microphone", |size| {
        let mut app = asked(size, None);
        let why = "no microphone was found;\nconnect one, or start the sound server";
        fixture::live(&mut app, LiveEvent::Problem(why.into()));
        app
    });
    both_sizes("live_undecodable_file", |size| {
        let mut app = asked(size, Some("recordings/broken.wav"));
        let why = "recordings/broken.wav: cannot be decoded: no audio track in it; give WAV, FLAC, Ogg Vorbis or MP3";
        fixture::live(&mut app, LiveEvent::Problem(why.into()));
        fixture::live(&mut app, LiveEvent::Closed);
        app
    });
}

#[test]
fn unknown_values_are_dashes_and_messages_have_no_replacement_characters() {
    let mut app = on(fixture::training(LARGE, (10, 10)), Screen::Live);
    act(&mut app, [Action::Listen(None)]);
    fixture::live(&mut app, LiveEvent::Problem("no microphone was found;\nconnect one".into()));
    let shown = written(&frame(&app));
    for unknown in ["dBFS", "0 kHz", "window 0", "hop 0", "No session listens", "\u{FFFD}"] {
        assert!(!shown.contains(unknown), "{unknown}:\n{shown}");
    }
    assert!(shown.contains("no microphone was found; connect one"), "{shown}");
    // The sentence is in the middle of the sound's panel.
    let rows: Vec<_> = shown.lines().take(usize::from(LARGE.1)).collect();
    let at = rows.iter().position(|row| row.contains("no microphone was found")).unwrap();
    assert!((8..20).contains(&at), "row {at}:\n{shown}");
    // After a stop by hand it is not shown any more.
    act(&mut app, [Action::Listen(None)]);
    fixture::live(&mut app, LiveEvent::Closed);
    assert!(!written(&frame(&app)).contains("no microphone was found"));
}

/// The Live screen with this panel beneath the sound.
fn panel(size: (u16, u16), panel: LivePanel) -> App {
    let mut app = fixture::training(size, (10, 10));
    fixture::listening(&mut app);
    act(&mut app, [Action::Show(Screen::Live), Action::Panel(panel)]);
    app
}

/// A desk with one adapter muted, one in solo and one louder, and the changed scores.
fn desk(size: (u16, u16)) -> App {
    let mut app = panel(size, LivePanel::Desk);
    act(&mut app, [Action::Turn(3), Action::Move(Move::Right), Action::Move(Move::Right), Action::Mute]);
    act(&mut app, [Action::Move(Move::Down), Action::Move(Move::Right), Action::Turn(-4)]);
    let mut prediction = Prediction { norms: app.live.state.listeners[0].norms.clone(), ..Prediction::default() };
    prediction.untouched = Some(app.live.state.listeners[0].scores.clone());
    prediction.scores = prediction.untouched.clone().unwrap();
    for (score, moved) in prediction.scores.iter_mut().zip([-0.14, 0.13, 0.01, 0.0, 0.0]) {
        score.score += moved;
    }
    prediction.norms[2].spatial_ratio = 0.0;
    let answer = LiveEvent::Prediction { listener: 0, time_s: 7.0, prediction, latency_ms: 29.0, compute_ms: 28.0 };
    fixture::live(&mut app, answer);
    app
}

#[test]
fn live_desk() {
    both_sizes("live_desk", desk);
    both_sizes("live_desk_solo", |size| {
        let mut app = desk(size);
        act(&mut app, [Action::Solo]);
        app
    });
    both_sizes("live_desk_without_adapters", |size| {
        let mut app = panel(size, LivePanel::Desk);
        act(&mut app, [Action::NextFocus]);
        app
    });
    for (theme, name) in [(2, "colour_blind"), (3, "monochrome")] {
        let mut app = desk(LARGE);
        app.theme = theme;
        check(&format!("live_desk_{name}_120x40"), &app);
    }
}

#[test]
fn live_bookmarks() {
    let session = std::path::PathBuf::from("esc10-f1-aat");
    both_sizes("live_bookmarks_empty", |size| {
        let mut app = panel(size, LivePanel::Bookmarks);
        update(&mut app, Message::Bookmarks(session.clone(), Default::default()));
        app
    });
    let replayed = |size| {
        let mut app = panel(size, LivePanel::Bookmarks);
        update(&mut app, Message::Bookmarks(session.clone(), fixture::bookmark_list()));
        let at_ms = fixture::bookmarks()[1].at_ms;
        act(&mut app, [Action::Replay]);
        update(&mut app, Message::Replayed(at_ms, Ok(fixture::replays())));
        app
    };
    both_sizes("live_bookmarks_replayed", replayed);
    both_sizes("live_bookmarks_delete", |size| {
        let mut app = replayed(size);
        act(&mut app, [Action::Move(Move::Down), Action::DeleteBookmark]);
        app
    });
    let mut app = replayed(LARGE);
    app.theme = 3;
    check("live_bookmarks_monochrome_120x40", &app);
}

#[test]
fn live_teach() {
    let taught = |size| {
        let mut app = panel(size, LivePanel::Teach);
        update(&mut app, Message::Lesson(Box::new(fixture::lesson())));
        act(&mut app, [Move::Down, Move::Down, Move::Down, Move::Right, Move::Right].map(Action::Move));
        app
    };
    both_sizes("live_teach_not_listening", |size| {
        let mut app = on(fixture::app(size), Screen::Live);
        act(&mut app, [Action::Panel(LivePanel::Teach)]);
        update(&mut app, Message::Lesson(Box::new(Lesson::of("/lessons/mine", [("background".into(), vec![])]))));
        app
    });
    both_sizes("live_teach", taught);
    both_sizes("live_teach_recording", |size| {
        let mut app = taught(size);
        act(&mut app, [Action::Record]);
        app.live.state.time_s += 1.3;
        app
    });
    both_sizes("live_teach_learning", |size| {
        let mut app = taught(size);
        fixture::over(&mut app, Side::A);
        act(&mut app, [Action::Learn]);
        let run = fixture::run_of(&mut app, Side::A);
        for record in fixture::events(Method::aat(), 410) {
            update(&mut app, Message::Run(run, News::Now(record)));
        }
        app
    });
    let mut app = taught(LARGE);
    app.theme = 3;
    check("live_teach_monochrome_120x40", &app);
}
