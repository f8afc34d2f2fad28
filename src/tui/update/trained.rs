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
