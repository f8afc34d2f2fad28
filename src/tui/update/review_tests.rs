//! Reviewing, key by key.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    effect::{Effect, Task},
    message::Message,
    update,
};
use crate::{
    data::Decision,
    model::Method,
    tui::{
        input::action::{Action, Screen},
        state::app::App,
        testing::{findings, fixture},
    },
};

fn reviewing() -> App {
    let mut app = fixture::app((120, 40));
    app.screen = Screen::Review;
    let effects = update(&mut app, Message::Do(Action::SearchErrors));
    let [Effect::SearchErrors(ticket, ..)] = effects.as_slice() else { unreachable!("{effects:?}") };
    let ticket = *ticket;
    update(&mut app, Message::Searched(ticket, Ok(Arc::new(findings::review_list()))));
    app
}

fn press(app: &mut App, code: KeyCode) -> Vec<Effect> {
    update(app, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

/// The decision that a key leads to, and the clip that it is about.
fn decided(effects: &[Effect]) -> Option<(usize, Decision)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Decide { index, decision, .. } => Some((*index, decision.clone())),
        _ => None,
    })
}

#[test]
fn one_key_decides_goes_on_and_plays_the_next_sound() {
    let mut app = reviewing();
    let list = app.review.current().unwrap().clone();
    let name = |class: usize| list.dataset.classes[class].clone();
    let label = |class: usize| Decision::Label { label: name(class) };
    let held = |place: usize| {
        let item = &list.dataset.items[list.items[place].index];
        list.dataset.label_of(item)
    };
    let effects = press(&mut app, KeyCode::Char('a'));
    assert_eq!(decided(&effects), Some((list.items[0].index, label(list.items[0].proposed))));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::LoadClip { .. })), "{effects:?}");
    assert!(app.review.clip.is_playing());
    let effects = press(&mut app, KeyCode::Char('x'));
    assert_eq!(decided(&effects), Some((list.items[1].index, Decision::Not { label: held(1) })));
    let effects = press(&mut app, KeyCode::Char('1'));
    assert_eq!(decided(&effects), Some((list.items[2].index, Decision::Label { label: held(2) })), "1 keeps the label");
    let effects = press(&mut app, KeyCode::Char('-'));
    assert_eq!(decided(&effects).unwrap().1, Decision::Background);
    let effects = press(&mut app, KeyCode::Char(' '));
    assert_eq!(decided(&effects).unwrap().1, Decision::Unsure);
    assert_eq!((app.review.at, app.review.remaining(), app.review.counts()), (5, 9, [1, 1, 2, 1]));
    let effects = press(&mut app, KeyCode::Backspace);
    assert_eq!(decided(&effects), Some((list.items[4].index, Decision::Undo)), "nothing is asked");
    assert_eq!((app.review.at, app.review.remaining()), (4, 10));
    assert!(app.overlay.is_none());
}

#[test]
fn letters_narrow_the_classes_and_enter_takes_the_first() {
    let mut app = reviewing();
    press(&mut app, KeyCode::Char('/'));
    for c in "cra".chars() {
        press(&mut app, KeyCode::Char(c));
    }
    let effects = press(&mut app, KeyCode::Enter);
    assert_eq!(decided(&effects).unwrap().1, Decision::Label { label: "crackling_fire".into() });
    press(&mut app, KeyCode::Char('/'));
    press(&mut app, KeyCode::Char('q'));
    assert!(decided(&press(&mut app, KeyCode::Enter)).is_none());
    assert!(app.notice.as_ref().is_some_and(|notice| notice.trouble) && !app.quitting);
    press(&mut app, KeyCode::Esc);
    assert!(app.review.typing.is_none() && app.screen == Screen::Review);
}

#[test]
fn a_decision_that_cannot_be_written_is_taken_back_and_named() {
    let mut app = reviewing();
    let effects = press(&mut app, KeyCode::Char('a'));
    let Some(Effect::Decide { ticket, .. }) = effects.iter().find(|one| matches!(one, Effect::Decide { .. })) else {
        unreachable!("{effects:?}")
    };
    let ticket = *ticket;
    update(&mut app, Message::Saved(ticket, Err("corrections.jsonl: no space left".into())));
    assert_eq!((app.review.at, app.review.made.len()), (0, 0));
    assert!(app.notice.as_ref().is_some_and(|notice| notice.trouble && notice.text.contains("no space left")));
}

#[test]
fn teaching_again_begins_on_a_free_side_with_the_lists_own_settings() {
    let mut app = reviewing();
    press(&mut app, KeyCode::Char('a'));
    let effects = press(&mut app, KeyCode::Char('T'));
    let Some(Effect::Train(runs)) = effects.iter().find(|one| matches!(one, Effect::Train(_))) else {
        unreachable!("{effects:?}")
    };
    let [(_, Task::New(request))] = runs.as_slice() else { unreachable!("{runs:?}") };
    assert_eq!(request.method, Method::aat());
    assert_eq!(app.screen, Screen::Train);
}
