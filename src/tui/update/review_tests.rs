//! Reviewing, key by key.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    effect::{Effect, Task},
    message::Message,
    update,
};
use crate::{
    audio::playback::{PlaybackError, State, Status},
    data::{CorrectionsPlace, Decision, Label},
    model::Method,
    plot::Side,
    tui::{
        input::action::{Action, Screen},
        state::{app::App, review::data_to_search, run_slot::Purpose},
        testing::{data_fixture::clip_sound, findings, fixture},
        view,
    },
};

fn reviewing() -> App {
    let mut app = fixture::app((120, 40));
    app.screen = Screen::Review;
    let effects = update(&mut app, Message::Do(Action::SearchErrors));
    let [.., Effect::SearchErrors(ticket, ..)] = effects.as_slice() else { unreachable!("{effects:?}") };
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
    assert_eq!((app.review.at, app.review.counts()), (5, (5, 9, [1, 1, 2, 1])));
    write_all(&mut app);
    let effects = press(&mut app, KeyCode::Backspace);
    assert_eq!(decided(&effects), Some((list.items[4].index, Decision::Undo)), "nothing is asked");
    assert_eq!((app.review.at, app.review.counts()), (4, (4, 10, [1, 1, 2, 0])));
    assert!(app.overlay.is_none());
}

#[test]
fn without_a_speaker_the_footer_is_read_at_every_clip_but_the_first() {
    let mut app = reviewing();
    let footer = |app: &App| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 40));
        view::draw(app, &mut buffer);
        (0..120).map(|x| buffer[(x, 39)].symbol()).collect::<String>()
    };
    for clip in 0..4 {
        let asked = app.review.clip.asked.unwrap();
        let effects = update(&mut app, Message::Clip(asked, Ok(clip_sound())));
        let played = effects.iter().find_map(|effect| match effect {
            Effect::Play { ticket, .. } => Some(*ticket),
            _ => None,
        });
        let state = State::Failed(PlaybackError::Missing("ALSA lists none".into()));
        update(&mut app, Message::Playing(played.unwrap(), Status { state, ..Status::default() }));
        let footer = footer(&app);
        assert_eq!(footer.contains("unsure"), clip > 0, "clip {clip}: {footer}");
        let now = app.now_ms + 60_000;
        update(&mut app, Message::Tick(now));
        press(&mut app, KeyCode::Right);
    }
}

#[test]
fn while_a_search_runs_no_key_decides_about_the_list_that_it_hides() {
    let mut app = reviewing();
    press(&mut app, KeyCode::Char('e'));
    assert!(app.review.search.is_some());
    for key in ['a', 'x', '-', ' '] {
        assert!(press(&mut app, KeyCode::Char(key)).is_empty(), "{key}");
    }
    assert!(press(&mut app, KeyCode::Backspace).is_empty() && press(&mut app, KeyCode::Right).is_empty());
    assert!(app.review.made.is_empty() && app.review.at == 0);
    press(&mut app, KeyCode::Char('e'));
    assert!(app.review.search.is_none());
    assert!(decided(&press(&mut app, KeyCode::Char('a'))).is_some());
}

#[test]
fn the_data_set_that_is_offered_is_the_one_that_is_searched() {
    let mut app = fixture::app((120, 40));
    let offered = |app: &App| data_to_search(app.reviewed(), &app.setup);
    let searched = |app: &mut App| {
        app.screen = Screen::Review;
        let effects = update(app, Message::Do(Action::SearchErrors));
        let [.., Effect::SearchErrors(_, request, _)] = effects.as_slice() else { unreachable!("{effects:?}") };
        let data = request.data.clone();
        update(app, Message::Do(Action::SearchErrors));
        data
    };
    app.setup.data = "birds".into();
    assert_eq!((offered(&app), searched(&mut app)), ("birds".into(), "birds".into()));
    // A session on the side in focus comes before the next run's data, and is what would be trained again.
    let opened = fixture::opened(Method::aat());
    let config = opened.state.config.clone().unwrap();
    fixture::open(&mut app, Side::A, Purpose::Look, opened);
    app.screen = Screen::Review;
    let effects = update(&mut app, Message::Do(Action::SearchErrors));
    let [.., Effect::SearchErrors(_, request, again)] = effects.as_slice() else { unreachable!("{effects:?}") };
    assert_eq!((&request.data, &again.data, again.fold), (&config.data_spec(), &config.data_spec(), config.fold));
    assert_eq!((again.epochs, again.method), (Some(config.recipe.epochs), config.method));
    update(&mut app, Message::Do(Action::SearchErrors));
    findings::show_results(&mut app, 20);
    let own = app.results.found().unwrap().kept.config.data_spec();
    assert_ne!(own, "birds");
    assert_eq!((offered(&app), searched(&mut app)), (own.clone(), own));
}

#[test]
fn digits_lead_to_screens_where_there_is_no_clip_to_decide_about() {
    let mut app = fixture::app((120, 40));
    app.screen = Screen::Review;
    press(&mut app, KeyCode::Char('7'));
    assert_eq!(app.screen, Screen::Results, "without a list");
    let mut app = reviewing();
    press(&mut app, KeyCode::End);
    press(&mut app, KeyCode::Char('1'));
    assert_eq!(app.screen, Screen::Train, "at the end of the list");
    assert!(app.review.made.is_empty());
}

#[test]
fn a_second_decision_about_a_clip_takes_the_first_one_back() {
    let mut app = reviewing();
    let index = app.review.item().unwrap().index;
    let first = press(&mut app, KeyCode::Char('x'));
    press(&mut app, KeyCode::Left);
    let effects = press(&mut app, KeyCode::Char('1'));
    assert!(decisions(&effects).is_empty(), "the first is still being written");
    write_all(&mut app);
    assert_eq!(decisions(&first).len(), 1);
    let effects = press(&mut app, KeyCode::Char('1'));
    let made = decisions(&effects);
    assert_eq!(made.iter().map(|one| one.0).collect::<Vec<_>>(), [index, index]);
    assert!(made[0].1 == Decision::Undo && matches!(made[1].1, Decision::Label { .. }), "{made:?}");
    write_all(&mut app);
    assert_eq!((app.review.made.len(), app.review.counts().0), (1, 1));
}

#[test]
fn an_undo_that_cannot_be_written_leaves_the_decision_and_what_is_being_written_is_waited_for() {
    let mut app = reviewing();
    press(&mut app, KeyCode::Char('a'));
    // Not on the disk yet: an undo now might remove an older decision about the clip.
    assert!(decided(&press(&mut app, KeyCode::Backspace)).is_none());
    for key in ['T', 'e'] {
        let effects = press(&mut app, KeyCode::Char(key));
        assert!(effects.is_empty() && app.review.search.is_none(), "{key}: {effects:?}");
    }
    write_all(&mut app);
    let effects = press(&mut app, KeyCode::Backspace);
    assert_eq!(decided(&effects).unwrap().1, Decision::Undo);
    assert_eq!(app.review.counts().0, 0);
    let ticket = app.review.made[0].undoing.unwrap();
    update(&mut app, Message::Saved(ticket, Err("corrections.jsonl: no space left".into())));
    assert_eq!(app.review.counts().0, 1, "it is on the disk, and counts");
    assert!(app.notice.as_ref().is_some_and(|notice| notice.trouble && notice.text.contains("not taken back")));
    let effects = press(&mut app, KeyCode::Backspace);
    assert_eq!(decided(&effects).unwrap().1, Decision::Undo, "it can be tried again");
    write_all(&mut app);
    assert!(app.review.made.is_empty());
}

#[test]
fn of_several_labels_x_is_the_opposite_of_what_is_proposed() {
    let mut app = fixture::app((120, 40));
    app.screen = Screen::Review;
    let mut list = findings::review_list();
    let (present, absent) = (&list.items[0], &list.items[1]);
    let (present, absent) = ((present.index, present.proposed), (absent.index, absent.proposed));
    let mut dataset = (*list.dataset).clone();
    let name = |class: usize| dataset.classes[class].clone();
    let (has, lacks) = (name(present.1), name(absent.1));
    dataset.items[present.0].label = Label::Many(vec![(present.1, true)]);
    dataset.items[absent.0].label = Label::Many(vec![(absent.1, false)]);
    list.dataset = Arc::new(dataset);
    // The first holds a class that the model does not find; the second lacks one that it finds.
    (list.items[0].holds, list.items[1].holds) = (false, true);
    let index = list.items[0].index;
    let effects = update(&mut app, Message::Do(Action::SearchErrors));
    let [.., Effect::SearchErrors(ticket, ..)] = effects.as_slice() else { unreachable!("{effects:?}") };
    let ticket = *ticket;
    update(&mut app, Message::Searched(ticket, Ok(Arc::new(list))));
    let made = decided(&press(&mut app, KeyCode::Char('x')));
    assert_eq!(made, Some((index, Decision::Label { label: has })), "x keeps it");
    assert_eq!(decided(&press(&mut app, KeyCode::Char('x'))).unwrap().1, Decision::Not { label: lacks });
    assert_eq!(app.review.counts().2, [0, 2, 0, 0], "both labels stay as they are");
}

/// Everything that is being written is on the disk.
fn write_all(app: &mut App) {
    let waiting: Vec<_> = app.review.made.iter().flat_map(|made| [made.undoing, made.saving]).flatten().collect();
    for ticket in waiting {
        let place = CorrectionsPlace { path: "corrections.jsonl".into(), apart: false };
        update(app, Message::Saved(ticket, Ok(place)));
    }
}

/// All decisions that effects write, in order.
fn decisions(effects: &[Effect]) -> Vec<(usize, Decision)> {
    let made = |effect: &Effect| match effect {
        Effect::Decide { index, decision, .. } => Some((*index, decision.clone())),
        _ => None,
    };
    effects.iter().filter_map(made).collect()
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
fn training_again_begins_on_a_free_side_with_the_lists_own_settings() {
    let mut app = reviewing();
    let before = app.setup.clone();
    press(&mut app, KeyCode::Char('a'));
    write_all(&mut app);
    let effects = press(&mut app, KeyCode::Char('T'));
    let Some(Effect::Train(runs)) = effects.iter().find(|one| matches!(one, Effect::Train(_))) else {
        unreachable!("{effects:?}")
    };
    let [(_, Task::New(request))] = runs.as_slice() else { unreachable!("{runs:?}") };
    assert_eq!(Some(request.as_ref()), app.review.current().unwrap().again.as_deref());
    assert_eq!(request.method, Method::aat());
    assert_eq!((app.screen, &app.setup), (Screen::Train, &before), "the next run's settings stay");
}
