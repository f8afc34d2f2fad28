//! Results and Review.

use std::sync::Arc;

use super::{act, both_sizes, check, frame, on};
use crate::{
    model::Method,
    plot::Side,
    tui::{
        input::action::{Action, Move, Screen, Verdict},
        state::{app::App, results::ResultsPart, run_slot::Purpose},
        testing::{data_fixture, findings, fixture},
        update,
        update::{effect::Effect, message::Message},
    },
};

const HUGE: (u16, u16) = (200, 50);

/// Results of a session on A, beside one on B where `both` says so.
pub(super) fn results(size: (u16, u16), clips: usize, both: bool) -> App {
    let mut app = fixture::app(size);
    fixture::open(&mut app, Side::A, Purpose::Look, fixture::opened(Method::aat()));
    if both {
        let mut other = fixture::opened(Method::full());
        (other.name, other.path) = ("esc10-f1-full".into(), "sessions/esc10-f1-full".into());
        fixture::open(&mut app, Side::B, Purpose::Choose, other);
        (app.focus, app.notice) = (Side::A, None);
    }
    app.notice = None;
    let effects = update(&mut app, Message::Do(Action::Show(Screen::Results)));
    let [Effect::Results(ticket, ..), ..] = effects.as_slice() else { unreachable!("{effects:?}") };
    let ticket = *ticket;
    let found = Arc::new(findings::overview(Method::aat(), clips, 1));
    update(&mut app, Message::Results(ticket, Ok(found.clone())));
    if both {
        update(&mut app, Message::Against(ticket, Ok(Arc::new(findings::against(&found)))));
    }
    with_sound(&mut app);
    app
}

/// The sound of the clip on show, decoded.
fn with_sound(app: &mut App) {
    let asked = app.clip_panels().find_map(|panel| panel.asked);
    if let Some(ticket) = asked {
        update(app, Message::Clip(ticket, Ok(data_fixture::clip_sound())));
    }
}

/// A list under review.
pub(super) fn review(size: (u16, u16)) -> App {
    let mut app = on(fixture::app(size), Screen::Review);
    let effects = update(&mut app, Message::Do(Action::SearchErrors));
    let [.., Effect::SearchErrors(ticket, ..)] = effects.as_slice() else { unreachable!("{effects:?}") };
    let ticket = *ticket;
    update(&mut app, Message::Searched(ticket, Ok(Arc::new(findings::review_list()))));
    with_sound(&mut app);
    app
}

fn sizes(name: &str, make: impl Fn((u16, u16)) -> App) {
    both_sizes(name, &make);
    check(&format!("{name}_200x50"), &make(HUGE));
}

#[test]
fn results_of_one_and_of_two() {
    both_sizes("results_empty", |size| on(fixture::app(size), Screen::Results));
    sizes("results", |size| {
        let mut app = results(size, 80, false);
        act(&mut app, [Action::NextConfusion]);
        app
    });
    sizes("results_against", |size| {
        let mut app = results(size, 80, true);
        act(&mut app, [Action::NextConfusion, Action::AllClips, Action::SortClips, Action::SortClips]);
        act(&mut app, [Move::Down; 2].map(Action::Move));
        with_sound(&mut app);
        app
    });
    both_sizes("results_unreadable", |size| {
        let mut app = results(size, 80, false);
        let effects = update(&mut app, Message::Do(Action::Refresh));
        let [Effect::Results(ticket, ..), ..] = effects.as_slice() else { unreachable!("{effects:?}") };
        let ticket = *ticket;
        let why =
            "esc10-f1-aat keeps no predictions of its validation clips yet: they come with its first complete epoch";
        update(&mut app, Message::Results(ticket, Err(why.into())));
        app
    });
    let mut app = results(super::LARGE, 80, true);
    app.theme = 3;
    check("results_monochrome_120x40", &app);
}

#[test]
fn reviewing() {
    both_sizes("review_empty", |size| on(fixture::app(size), Screen::Review));
    both_sizes("review_searching", |size| {
        let mut app = on(fixture::app(size), Screen::Review);
        let effects = update(&mut app, Message::Do(Action::SearchErrors));
        let [.., Effect::SearchErrors(ticket, ..)] = effects.as_slice() else { unreachable!("{effects:?}") };
        let ticket = *ticket;
        update(&mut app, Message::Searching(ticket, 1200, 2500));
        app
    });
    sizes("review", |size| {
        let mut app = review(size);
        act(&mut app, [Verdict::Yes, Verdict::Unsure, Verdict::Class(0)].map(Action::Decide));
        with_sound(&mut app);
        app.notice = None;
        app
    });
    both_sizes("review_typing", |size| {
        let mut app = review(size);
        act(&mut app, [Action::TypeClass]);
        act(&mut app, "c".chars().map(Action::Type));
        app
    });
    both_sizes("review_detections", |size| {
        let mut app = on(fixture::app(size), Screen::Review);
        app.review.show(Ok(Arc::new(findings::detections_list())));
        act(&mut app, [Verdict::Yes, Verdict::No, Verdict::Class(1)].map(Action::Decide));
        with_sound(&mut app);
        app.notice = None;
        app
    });
    both_sizes("review_detections_end", |size| {
        let mut app = on(fixture::app(size), Screen::Review);
        app.review.show(Ok(Arc::new(findings::detections_list())));
        act(&mut app, [Verdict::Yes; 10].map(Action::Decide));
        app.notice = None;
        app
    });
    both_sizes("review_end", |size| {
        let mut app = review(size);
        act(&mut app, [Verdict::Yes; 14].map(Action::Decide));
        app.notice = None;
        app
    });
}

#[test]
fn a_cell_opens_to_its_clips_and_the_cursor_shows_each() {
    let mut app = results(super::LARGE, 80, false);
    act(&mut app, [Action::NextConfusion]);
    let (label, answer) = app.results.cell;
    let found = app.results.found().unwrap().clone();
    let count = found.confusion[label * 10 + answer];
    assert!(
        label != answer
            && count
                == found
                    .confusion
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| at / 10 != at % 10)
                    .map(|(_, n)| *n)
                    .max()
                    .unwrap()
    );
    update(&mut app, Message::Do(Action::Choose));
    assert_eq!((app.results.part, app.results.rows().len()), (ResultsPart::Clips, count));
    let shown = app.results.clip.clip.as_ref().unwrap().name.clone();
    assert_eq!(shown, found.kept.name(app.results.selected().unwrap()));
    // Clips with the most loss first, and only those of the cell.
    let losses: Vec<f64> = app.results.rows().iter().map(|row| found.clips[*row].loss).collect();
    assert!(losses.is_sorted_by(|a, b| a >= b));
    act(&mut app, [Action::Back]);
    assert_eq!((app.results.part, app.results.rows().len()), (ResultsPart::Matrix, 80));
    let effects = update(&mut app, Message::Do(Action::ReviewThese));
    assert_eq!(app.screen, Screen::Review);
    let wrong = found.clips.iter().filter(|clip| !clip.truth.contains(&clip.answer)).count();
    assert_eq!(app.review.current().unwrap().items.len(), wrong);
    assert!(app.review.clip.is_playing(), "{effects:?}");
    frame(&app);
}
