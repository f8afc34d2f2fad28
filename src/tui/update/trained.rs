//! What training with the decisions made on Review came to: the session before and the new one on the same clips.

use super::{Effect, notify, results};
use crate::{
    digits::{counted, signed},
    plot::Side,
    session::Status,
    train::Difference,
    tui::state::{app::App, ticket::Ticket},
};

/// A run is over: if it trained with the decisions, it is compared with the session before.
pub(super) fn run_over(app: &mut App, side: Side) -> Vec<Effect> {
    if app.review.trains != Some(side) {
        return Vec::new();
    }
    app.review.trains = None;
    let slot = app.slot(side);
    if slot.state.status != Status::Finished || app.slot(side.other()).session.is_none() {
        return Vec::new();
    }
    let effects = results::ask(app);
    app.review.compares = app.results.asked.as_ref().map(|(ticket, _)| (*ticket, side));
    effects
}

/// Both sessions were compared: what the decisions came to, on the clips that both held out.
pub(super) fn compared(app: &mut App, asked: Ticket) {
    let Some((_, side)) = app.review.compares.take_if(|(ticket, _)| *ticket == asked) else { return };
    // Results may show other sessions by now.
    if app.results.asked.as_ref().is_none_or(|(ticket, _)| *ticket != asked) {
        return;
    }
    let Some((against, found)) = app.results.against.clone().zip(app.results.found().cloned()) else { return };
    let words = match against.difference {
        Some(Difference { difference, low, high }) => {
            // The difference is that of the session on show.
            let [value, low, high] =
                if app.results_side() == side { [difference, low, high] } else { [-difference, -high, -low] };
            format!(
                "{} of {} minus {}: {} ({} to {}) on the {} that both held out",
                found.metric.name(),
                side.letter(),
                side.other().letter(),
                signed(value, 3),
                signed(low, 3),
                signed(high, 3),
                counted(against.common, "clip"),
            )
        }
        None => format!("{} is trained; no clip is held out in both, so they are not compared", side.letter()),
    };
    notify(app, words, false);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::*;
    use crate::{
        model::Method,
        session::{Event, Summary},
        tui::{
            input::action::Action,
            state::run_slot::Purpose,
            testing::{findings, fixture},
            update,
            update::message::Message,
        },
    };

    #[test]
    fn when_it_is_trained_the_difference_on_the_same_clips_is_shown() {
        let mut app = fixture::app((120, 40));
        fixture::open(&mut app, Side::A, Purpose::Look, fixture::opened(Method::aat()));
        findings::show_review(&mut app);
        app.screen = crate::tui::input::action::Screen::Review;
        update(&mut app, Message::Do(Action::TrainAgain));
        assert_eq!(app.review.trains, Some(Side::B));
        for record in fixture::events(Method::full(), 40) {
            fixture::run_event(&mut app, Side::B, record.event);
        }
        app.slot_mut(Side::B).session = Some("/sessions/again".into());
        let summary =
            Summary { best: None, last: None, averaged: None, trainable: 1, epoch_seconds: 0.0, peak_rss_bytes: 0 };
        let effects = fixture::run_event(&mut app, Side::B, Event::Finished { summary });
        let asked = effects.iter().find_map(|effect| match effect {
            Effect::Results(ticket, ..) => Some(*ticket),
            _ => None,
        });
        let asked = asked.unwrap_or_else(|| unreachable!("{effects:?}"));
        let found = Arc::new(findings::overview(Method::aat(), 80, 1));
        update(&mut app, Message::Results(asked, Ok(found.clone())));
        let against = findings::against(&found);
        let shown = app.results_side();
        let value = against.difference.unwrap().difference * if shown == Side::B { 1.0 } else { -1.0 };
        update(&mut app, Message::Against(asked, Ok(Arc::new(against))));
        let notice = app.notice.as_ref().unwrap().text.clone();
        let words = format!("of B minus A: {} (", signed(value, 3));
        assert!(notice.contains(&words) && notice.contains("80 clips that both held out"), "{notice}");
        assert!(app.review.compares.is_none());
    }
}
