#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::{
    data::{CorrectionsPlace, Decision},
    live::{Bookmark, BookmarkList, BookmarkedPrediction},
    model::Method,
    plot::Side,
    tui::{
        state::{review::ReviewList, run_slot::Purpose, ticket::Ticket},
        testing::{data_fixture, findings, fixture},
        update,
        update::{effect::Task, message::Message},
    },
};

fn press(app: &mut App, code: KeyCode) -> Vec<Effect> {
    update(app, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

/// What a list is asked of.
fn asked(effects: &[Effect]) -> Option<(Ticket, ToReview)> {
    effects.iter().find_map(|effect| match effect {
        Effect::ReviewDetections(ticket, wanted) => Some((*ticket, (**wanted).clone())),
        _ => None,
    })
}

/// The detections of a scan under review.
fn reviewing() -> App {
    let mut app = fixture::app((120, 40));
    data_fixture::scanning(&mut app);
    let effects = press(&mut app, KeyCode::Char('R'));
    let (ticket, _) = asked(&effects).unwrap();
    update(&mut app, Message::Searched(ticket, Ok(Arc::new(findings::detections_list()))));
    app
}

#[test]
fn the_detections_that_are_listed_are_reviewed_and_nothing_without_any() {
    let mut app = fixture::app((120, 40));
    data_fixture::scanning(&mut app);
    press(&mut app, KeyCode::Char('+'));
    let listed: Vec<f32> = app.scanning.listed().map(|row| row.score).collect();
    let effects = press(&mut app, KeyCode::Char('R'));
    let (_, ToReview::Scan { session, recordings, rows }) = asked(&effects).unwrap() else { unreachable!() };
    assert_eq!((session.to_str(), recordings.to_str()), (Some("/sessions/esc10-f1-aat"), Some("/rec")));
    assert_eq!(rows.iter().map(|row| row.score).collect::<Vec<_>>(), listed, "at the threshold on show");
    assert!(app.screen == Screen::Review && app.review.search.is_some());
    press(&mut app, KeyCode::Char('9'));
    assert_eq!(app.screen, Screen::Scan, "digits lead to screens while there is no clip");
    for _ in 0..20 {
        press(&mut app, KeyCode::Char('+'));
    }
    assert!(asked(&press(&mut app, KeyCode::Char('R'))).is_none());
    assert!(app.notice.as_ref().unwrap().text.contains("no detection is listed"));
}

#[test]
fn one_key_decides_about_a_detection_its_sound_plays_and_escape_leads_back() {
    let mut app = reviewing();
    assert!(app.review.clip.is_playing(), "the first plays at once");
    let list = app.review.current().unwrap().clone();
    let decided = |effects: &[Effect]| -> Option<(usize, Decision)> {
        effects.iter().find_map(|effect| match effect {
            Effect::Decide { index, decision, .. } => Some((*index, decision.clone())),
            _ => None,
        })
    };
    let own = |at: usize| list.sighting(at).unwrap().detected.clone();
    let effects = press(&mut app, KeyCode::Char('a'));
    assert_eq!(decided(&effects), Some((0, Decision::Label { label: own(0) })));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::LoadClip { .. })), "{effects:?}");
    let effects = press(&mut app, KeyCode::Char('x'));
    assert_eq!(decided(&effects), Some((1, Decision::Not { label: own(1) })));
    let effects = press(&mut app, KeyCode::Char('2'));
    assert!(matches!(decided(&effects), Some((2, Decision::Label { label })) if label != own(2)));
    assert_eq!(decided(&press(&mut app, KeyCode::Char('-'))).unwrap().1, Decision::Background);
    assert_eq!(decided(&press(&mut app, KeyCode::Char(' '))).unwrap().1, Decision::Unsure);
    assert_eq!((app.review.at, app.review.counts()), (5, (5, 5, [1, 1, 2, 1])));
    assert_eq!(app.review.right_at_random(), (0, 0), "the only one drawn at random is left unsure");
    let waiting: Vec<_> = app.review.made.iter().filter_map(|made| made.saving).collect();
    for ticket in waiting {
        let place = CorrectionsPlace { path: "/rec/reviewed.jsonl".into(), apart: false };
        update(&mut app, Message::Saved(ticket, Ok(place)));
    }
    assert_eq!(decided(&press(&mut app, KeyCode::Backspace)), Some((4, Decision::Undo)));
    let undoing = app.review.made.iter().find_map(|made| made.undoing).unwrap();
    let place = CorrectionsPlace { path: "/rec/reviewed.jsonl".into(), apart: false };
    update(&mut app, Message::Saved(undoing, Ok(place)));
    press(&mut app, KeyCode::Char('a'));
    assert_eq!(app.review.right_at_random(), (1, 1));
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.screen, Screen::Scan);
}

#[test]
fn decisions_train_anew_or_go_on_from_the_sessions_own_weights() {
    for (key, model) in [('T', "box"), ('G', "/sessions/esc10-f1-aat")] {
        let mut app = reviewing();
        let effects = press(&mut app, KeyCode::Char(key));
        let run = effects.iter().find_map(|effect| match effect {
            Effect::Train(runs) => runs.first(),
            _ => None,
        });
        let Some((_, Task::New(request))) = run else { unreachable!("{effects:?}") };
        assert_eq!((request.data.as_str(), request.model.as_str()), ("/rec/reviewed.jsonl", model), "{key}");
        assert_eq!(app.review.trains, Some(Side::B), "beside the session that scanned");
    }
}

#[test]
fn bookmarks_are_reviewed_from_their_list() {
    let mut app = fixture::app((120, 40));
    fixture::open(&mut app, Side::A, Purpose::Look, fixture::opened(Method::aat()));
    press(&mut app, KeyCode::Char('4'));
    press(&mut app, KeyCode::Char('B'));
    assert!(asked(&press(&mut app, KeyCode::Char('R'))).is_none(), "they are not read yet");
    let session = app.live.bookmarks.session.clone();
    update(&mut app, Message::Bookmarks(session.clone(), BookmarkList::default()));
    assert!(asked(&press(&mut app, KeyCode::Char('R'))).is_none());
    assert!(app.notice.as_ref().unwrap().text.contains("no bookmark yet"));
    let predictions = vec![BookmarkedPrediction::new("esc10-f1-aat", &[])];
    let bookmark = Bookmark { at_ms: 1, source: "mic".into(), time_s: 3.0, predictions };
    update(&mut app, Message::Bookmarks(session.clone(), BookmarkList { bookmarks: vec![bookmark], unread: 1 }));
    let (ticket, wanted) = asked(&press(&mut app, KeyCode::Char('R'))).unwrap();
    assert_eq!(wanted, ToReview::Bookmarks(session));
    update(&mut app, Message::Searched(ticket, Err("every bookmark of esc10-f1-aat is decided".into())));
    assert!(matches!(&app.review.list, Some(Err(problem)) if problem.contains("decided")));
}

#[test]
fn clips_like_one_are_looked_for_in_its_data_and_not_among_detections() {
    let mut app = reviewing();
    let alike = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::SearchAlike { clip, request, .. } => Some((clip.clone(), request.data.clone())),
            _ => None,
        })
    };
    assert!(alike(&press(&mut app, KeyCode::Char('L'))).is_none());
    assert!(app.notice.as_ref().unwrap().text.contains("no data set to search"));
    findings::show_review(&mut app);
    let list: Arc<ReviewList> = app.review.current().unwrap().clone();
    press(&mut app, KeyCode::Right);
    let own = list.dataset.items[list.items[1].index].id.clone();
    let effects = press(&mut app, KeyCode::Char('L'));
    assert_eq!(alike(&effects), Some((own, list.again.as_ref().unwrap().data.clone())));
    assert!(press(&mut app, KeyCode::Char('a')).is_empty(), "while it looks, no key decides");
    // From Results as well.
    press(&mut app, KeyCode::Char('e'));
    findings::show_results(&mut app, 20);
    app.screen = Screen::Results;
    let row = app.results.selected().unwrap();
    let own = app.results.found().unwrap().kept.name(row);
    assert_eq!(alike(&press(&mut app, KeyCode::Char('L'))).unwrap().0, own);
    assert_eq!(app.screen, Screen::Review);
}
