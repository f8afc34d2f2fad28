//! Decisions about the clip on Review: each is written to the disk, and the next sound plays.

use super::{Effect, clips, notify};
use crate::{
    data::{CorrectionsPlace, Decision, Label},
    tui::{
        input::action::{Action, Move, Verdict},
        state::{
            app::App,
            clip_panel::Clip,
            review::{Made, ReviewItem, ReviewList},
            ticket::Ticket,
        },
    },
};

/// Decides about the clip on show.
pub(super) fn decide(app: &mut App, verdict: Verdict) -> Vec<Effect> {
    let choices = app.review.choices();
    decided(app, |list, item| {
        let name = |class: usize| list.dataset.classes.get(class).cloned();
        let several = list.dataset.is_multi_label();
        Some(match verdict {
            Verdict::Yes if item.holds => Decision::Label { label: name(item.proposed)? },
            Verdict::Yes => Decision::Not { label: name(item.proposed)? },
            Verdict::No if several && !item.holds => Decision::Label { label: name(item.proposed)? },
            Verdict::No if several => Decision::Not { label: name(item.proposed)? },
            // The label as it stands; where none is known, what is proposed.
            Verdict::No => match list.dataset.items.get(item.index)?.label {
                Label::One(held) => Decision::Not { label: name(held)? },
                _ => Decision::Not { label: name(item.proposed)? },
            },
            Verdict::Class(digit) => Decision::Label { label: name(*choices.get(digit)?)? },
            Verdict::Background => Decision::Background,
            Verdict::Unsure => Decision::Unsure,
        })
    })
}

/// Keeps a decision about the clip on show, and goes on to the next one.
pub(super) fn decided(
    app: &mut App,
    decision: impl FnOnce(&ReviewList, &ReviewItem) -> Option<Decision>,
) -> Vec<Effect> {
    let (Some(list), Some(item)) = (app.review.current().cloned(), app.review.item().cloned()) else {
        let key = app.key(&Action::UndoDecision);
        notify(app, format!("the list is at its end; {key} takes the last decision back"), false);
        return Vec::new();
    };
    let Some(decision) = decision(&list, &item) else {
        notify(app, "there is no such class".to_owned(), false);
        return Vec::new();
    };
    let at = app.review.at;
    if app.review.made.iter().any(|made| made.at == at && (made.saving.is_some() || made.undoing.is_some())) {
        notify(app, "the decision about this clip is still being written".to_owned(), false);
        return Vec::new();
    }
    // A second decision replaces the first: without its removal both would change the label, one after the other.
    let before = app.review.made.iter().rposition(|made| made.at == at);
    let mut effects: Vec<Effect> = before.and_then(|place| take_back(app, place)).into_iter().collect();
    let ticket = app.tickets.draw();
    let kind = list.kind(&item, &decision);
    let made = Made { at, decision: decision.clone(), kind, saving: Some(ticket), undoing: None };
    app.review.made.push(made);
    app.review.at += 1;
    effects.push(Effect::Decide { ticket, list, index: item.index, decision });
    effects.extend(follow(app, true));
    effects
}

/// Takes back the decision at this place among those made: it counts again if that cannot be written.
fn take_back(app: &mut App, place: usize) -> Option<Effect> {
    let list = app.review.current()?.clone();
    let index = list.items.get(app.review.made.get(place)?.at)?.index;
    let ticket = app.tickets.draw();
    app.review.made[place].undoing = Some(ticket);
    Some(Effect::Decide { ticket, list, index, decision: Decision::Undo })
}

/// Takes the last decision back, without a question.
pub(super) fn undo(app: &mut App) -> Vec<Effect> {
    let Some(place) = app.review.made.iter().rposition(|made| made.undoing.is_none()) else {
        notify(app, "there is no decision to take back here".to_owned(), false);
        return Vec::new();
    };
    // If the decision cannot be written, its removal would remove the one before it.
    if app.review.made[place].saving.is_some() {
        notify(app, "the last decision is still being written: take it back afterwards".to_owned(), false);
        return Vec::new();
    }
    let at = app.review.made[place].at;
    let Some(effect) = take_back(app, place) else { return Vec::new() };
    app.review.at = at;
    let mut effects = vec![effect];
    effects.extend(follow(app, true));
    effects
}

/// Whether decisions are still being written, so that what reads them has to wait; then a notice says so.
pub(super) fn is_writing(app: &mut App) -> bool {
    let writes = app.review.unwritten() > 0;
    if writes {
        notify(app, "decisions are still being written: press this key again".to_owned(), false);
    }
    writes
}

/// A decision or its removal is on the disk, or could not be written: then the list shows what is on the disk.
pub(super) fn saved(app: &mut App, ticket: Ticket, saved: Result<CorrectionsPlace, String>) -> Vec<Effect> {
    let review = &mut app.review;
    let decision = review.made.iter().position(|made| made.saving == Some(ticket));
    let removal = review.made.iter().position(|made| made.undoing == Some(ticket));
    match saved {
        Ok(place) => {
            if let Some(decision) = decision {
                review.made[decision].saving = None;
            } else if let Some(removal) = removal {
                review.made.remove(removal);
            }
            if decision.or(removal).is_some() {
                review.file = Some(place);
            }
            Vec::new()
        }
        Err(problem) => {
            let what = match (decision, removal) {
                (None, Some(removal)) => {
                    review.made[removal].undoing = None;
                    "the decision is not taken back"
                }
                _ => "this decision is not on the disk",
            };
            let at = decision.map(|decision| review.made.remove(decision).at);
            notify(app, format!("{what}: {problem}"), true);
            let Some(at) = at else { return Vec::new() };
            app.review.at = at;
            follow(app, false)
        }
    }
}

/// Moves in the list.
pub(super) fn go(app: &mut App, to: Move) -> Vec<Effect> {
    const PAGE: usize = 10;
    if app.review.search.is_some() {
        return Vec::new();
    }
    let last = app.review.current().map_or(0, |list| list.items.len());
    let at = match to {
        Move::Left => Move::Up.row(app.review.at, last, PAGE),
        Move::Right => Move::Down.row(app.review.at, last, PAGE),
        other => other.row(app.review.at, last, PAGE),
    };
    if at == app.review.at {
        return Vec::new();
    }
    app.review.at = at;
    follow(app, true)
}

/// Shows the clip at the place in the panel.
pub(super) fn follow(app: &mut App, play: bool) -> Vec<Effect> {
    let clip = app.review.current().zip(app.review.item()).and_then(|(list, item)| {
        let clip = list.dataset.items.get(item.index)?;
        let label = match list.sighting(app.review.at) {
            Some(one) => format!("{} {:.2}, {:.1} s long", one.detected, one.score, one.end - one.start),
            None => list.dataset.label_of(clip),
        };
        Some(Clip { source: clip.source.clone(), name: clip.id.clone(), label, cut: list.cut })
    });
    match clip {
        Some(clip) => clips::show(&mut app.review.clip, &mut app.tickets, clip, play),
        None => clips::clear(&mut app.review.clip),
    }
}
