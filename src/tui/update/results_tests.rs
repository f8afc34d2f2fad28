//! Results, as sessions change beneath it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::{effect::Effect, message::Message, update};
use crate::{
    findings::{Against, Order},
    model::Method,
    plot::Side,
    tui::{
        input::action::{Action, Screen},
        state::{app::App, run_slot::Purpose, ticket::Ticket},
        testing::{findings, fixture},
    },
};

/// The request for a session's findings among effects.
fn asked(effects: &[Effect]) -> Option<Ticket> {
    effects.iter().find_map(|effect| if let Effect::Results(ticket, ..) = effect { Some(*ticket) } else { None })
}

/// Results of the session on A, with another one on B.
fn shown() -> (App, Ticket) {
    let mut app = fixture::app((120, 40));
    fixture::open(&mut app, Side::A, Purpose::Look, fixture::opened(Method::aat()));
    let mut other = fixture::opened(Method::full());
    (other.name, other.path) = ("esc10-f1-full".into(), "sessions/esc10-f1-full".into());
    fixture::open(&mut app, Side::B, Purpose::Choose, other);
    app.focus = Side::A;
    let ticket = asked(&update(&mut app, Message::Do(Action::Show(Screen::Results)))).unwrap();
    update(&mut app, Message::Results(ticket, Ok(Arc::new(findings::overview(Method::aat(), 80, 1)))));
    (app, ticket)
}

#[test]
fn figures_of_one_session_are_not_shown_under_the_name_of_another() {
    let (mut app, _) = shown();
    assert!(app.results.found().is_some());
    let effects = update(&mut app, Message::Do(Action::NextFocus));
    assert!(asked(&effects).is_some() && app.results.found().is_none(), "{effects:?}");
    assert!(app.results.rows().is_empty() && app.results.clip.clip.is_none());
}

#[test]
fn leaving_review_asks_for_the_results_again() {
    let (mut app, _) = shown();
    update(&mut app, Message::Do(Action::ReviewThese));
    assert_eq!(app.screen, Screen::Review);
    let effects = update(&mut app, Message::Do(Action::Back));
    assert!(app.screen == Screen::Results && asked(&effects).is_some(), "{effects:?}");
    assert!(app.results.found().is_some(), "the same session's figures stay meanwhile");
}

#[test]
fn without_common_clips_nothing_is_ordered_by_disagreement() {
    let (mut app, ticket) = shown();
    let sort = |app: &mut App| -> Vec<Order> {
        let next = |_| {
            update(app, Message::Do(Action::SortClips));
            app.results.order()
        };
        (0..3).map(next).collect()
    };
    assert!(!sort(&mut app).contains(&Order::Disagreement));
    let found = app.results.found().unwrap().clone();
    update(&mut app, Message::Against(ticket, Ok(Arc::new(Against { name: "b".into(), ..Against::default() }))));
    assert!(!sort(&mut app).contains(&Order::Disagreement), "it validated on other clips");
    update(&mut app, Message::Against(ticket, Ok(Arc::new(findings::against(&found)))));
    assert!(sort(&mut app).contains(&Order::Disagreement));
    update(&mut app, Message::Against(ticket, Err("esc10-f1-full keeps no predictions".into())));
    assert!(app.notice.as_ref().is_some_and(|notice| notice.text.contains("keeps no predictions")));
}

#[test]
fn a_session_whose_recipe_is_gone_trains_again_with_the_one_that_fits_and_says_so() {
    let mut found = findings::overview(Method::aat(), 20, 1);
    let (request, note) = found.again(Method::aat());
    assert_eq!((request.recipe.as_deref(), note), (Some(found.kept.config.recipe.name.as_str()), None));
    found.kept.config.recipe.name = "/gone/mine.toml".into();
    found.kept.config.micro_batch = 3;
    let (request, note) = found.again(Method::aat());
    assert_eq!((request.recipe, request.micro_batch), (None, Some(3)));
    assert!(note.unwrap().contains("/gone/mine.toml"));
}
