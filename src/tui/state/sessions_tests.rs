#![allow(clippy::unwrap_used)]

use super::*;
use crate::tui::testing::fixture;

fn names(sessions: &Sessions) -> Vec<&str> {
    sessions.rows().map(|session| session.name.as_str()).collect()
}

fn some() -> Sessions {
    let mut list = fixture::listings();
    list[1].notes.tags.insert("paper".into());
    list[3].notes.note = "Softer learning rate".into();
    list[4].notes.archived = true;
    let mut sessions = Sessions::default();
    sessions.show(list);
    sessions
}

#[test]
fn archived_sessions_are_left_out_and_counted_until_they_are_asked_for() {
    let mut sessions = some();
    assert_eq!((sessions.rows().len(), sessions.count(), sessions.hidden()), (5, 6, 1));
    assert!(!names(&sessions).contains(&"gtzan-prompt"));
    assert!(sessions.show_archived());
    assert_eq!((sessions.rows().len(), sessions.hidden()), (6, 0));
}

#[test]
fn a_filter_finds_words_of_name_method_status_note_and_tags() {
    let mut sessions = some();
    let mut found = |filter: &str| {
        sessions.set_filter(filter);
        names(&sessions).join(" ")
    };
    assert_eq!(found("#paper"), "esc10-f1-full");
    assert_eq!(found("SOFTER rate"), "esc10-f2-partial");
    assert_eq!(found("full training"), "", "it is paused");
    assert_eq!(found("full paused"), "esc10-f1-full");
    assert_eq!(found("esc10-f aat"), "esc10-f1-aat esc10-f2-partial");
    assert_eq!(found("  ").split(' ').count(), 5);
}

#[test]
fn the_cursor_stays_on_its_session_in_every_order() {
    let mut sessions = some();
    sessions.go(Move::Down, 1);
    assert_eq!(sessions.selected().unwrap().name, "esc10-f1-full");
    for order in [Order::Name, Order::Method, Order::Data, Order::Best, Order::Newest] {
        sessions.sort();
        assert_eq!((sessions.order(), sessions.selected().unwrap().name.as_str()), (order, "esc10-f1-full"));
    }
    for _ in 0..4 {
        sessions.sort();
    }
    let values: Vec<f64> = sessions.rows().map(|session| session.best.map_or(0.0, |best| best.value)).collect();
    assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
}

#[test]
fn what_differs_is_of_the_marked_or_else_of_those_on_show() {
    let mut sessions = some();
    assert!(sessions.differing().contains(&"seed".to_owned()));
    // The first two have another method and rate, but one seed.
    sessions.mark();
    sessions.mark();
    assert_eq!(sessions.differing(), ["lr"]);
    sessions.unmark();
    sessions.set_filter("esc10-f1-aat");
    assert!(sessions.differing().is_empty(), "one session alone");
}

#[test]
fn marks_survive_a_filter_and_a_new_list_but_not_their_session() {
    let mut sessions = some();
    sessions.mark();
    sessions.mark();
    assert_eq!((sessions.marks(), sessions.cursor()), (2, 2), "the cursor moves on");
    sessions.set_filter("digits");
    assert_eq!(sessions.chosen().len(), 2, "what is marked is chosen, whether on show or not");
    let mut list = fixture::listings();
    list.remove(0);
    sessions.show(list);
    assert_eq!(sessions.chosen().iter().map(|session| session.name.as_str()).collect::<Vec<_>>(), ["esc10-f1-full"]);
    sessions.mark_all();
    assert_eq!(sessions.marks(), 2);
    sessions.mark_all();
    assert_eq!((sessions.marks(), sessions.chosen().len()), (1, 1), "marking all again marks none of those on show");
}
