//! Snapshots of Train.

use super::*;

#[test]
fn train_empty() {
    both_sizes("train_empty", fixture::app);
}

#[test]
fn train_on_two_backbones() {
    both_sizes("train_two_backbones", |size| {
        let mut app = fixture::app(size);
        act(&mut app, [Action::NextBackbone]);
        app
    });
}

#[test]
fn train_running() {
    both_sizes("train_running", |size| fixture::training(size, (275, 192)));
}

#[test]
fn train_with_crosshair_on_the_clock_and_logarithmic() {
    both_sizes("train_crosshair", |size| {
        let mut app = fixture::training(size, (275, 192));
        act(&mut app, [Action::NextX, Action::ToggleLog, Action::NextSmooth]);
        app.cursor = Some(120);
        app
    });
}

#[test]
fn train_before_the_first_step() {
    both_sizes("train_preparing", |size| {
        let mut app = fixture::training(size, (0, 0));
        fixture::run_event(&mut app, Side::A, Event::Preparing { done: 70, total: 400 });
        app
    });
}

#[test]
fn train_finished_beside_paused() {
    both_sizes("train_finished", |size| {
        let mut app = fixture::training(size, (1000, 400));
        fixture::run_event(&mut app, Side::B, Event::Paused);
        app
    });
}

#[test]
fn train_failed() {
    both_sizes("train_failed", |size| {
        let mut app = fixture::training(size, (275, 192));
        let message =
            "/data/sessions/esc10-f1-aat: cannot write: No space left on device; make room, then resume".into();
        fixture::run_event(&mut app, Side::A, Event::Failed { message });
        let why = "nothing at /data/\x1b[31mesc10: give a folder, a manifest, or demo";
        let run = app.tickets.draw();
        app.slot_mut(Side::B).start(run);
        update(&mut app, Message::RunOver(run, Some(why.into())));
        app
    });
}

#[test]
fn train_stopped() {
    both_sizes("train_stopped", |size| {
        let mut app = fixture::training(size, (275, 192));
        fixture::run_event(&mut app, Side::A, Event::Stopped);
        app
    });
}

#[test]
fn train_that_cannot_be_resumed() {
    both_sizes("train_not_resumed", |size| {
        let mut app = fixture::training(size, (275, 192));
        fixture::run_event(&mut app, Side::A, Event::Stopped);
        act(&mut app, [Action::Start]);
        let message =
            "../data/esc10 no longer has the classes that esc10-f1-aat was trained on;\nrestore the data".into();
        fixture::run_event(&mut app, Side::A, Event::Failed { message });
        app
    });
}

#[test]
fn train_on_two_folds_has_no_difference() {
    both_sizes("train_two_folds", |size| {
        let mut app = fixture::training(size, (275, 0));
        let run = fixture::run_of(&mut app, Side::B);
        for mut record in fixture::events(Method::full(), 192) {
            if let Event::Started { config, .. } = &mut record.event {
                config.fold = Some(2);
            }
            update(&mut app, Message::Run(run, News::Now(record)));
        }
        app
    });
}

#[test]
fn a_message_with_line_breaks_is_shown_whole() {
    both_sizes("notice_with_line_breaks", |size| {
        let mut app = fixture::training(size, (275, 192));
        let message = "/home/ada/recordings/2026/november/dog park/recorder 3/broken.wav: cannot be decoded:\nno audio \
                    track in it;\ngive WAV, FLAC, Ogg Vorbis or MP3";
        update(&mut app, Message::Trouble(message.into()));
        app
    });
}

#[test]
fn train_in_other_themes() {
    for (i, name) in [(1, "light"), (2, "colour_blind"), (3, "monochrome")] {
        let mut app = fixture::training(LARGE, (275, 192));
        app.theme = i;
        check(&format!("train_{name}_120x40"), &app);
    }
}
