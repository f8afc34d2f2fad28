//! Updates of the Review screen: one decision, one key, on the disk, next sound.

use std::sync::Arc;

use super::{Effect, clips, notify, runs};
use crate::{
    data::Decision,
    model::Method,
    plot::Side,
    train::Request,
    tui::{
        input::action::{Action, Move, Screen, Verdict},
        state::{
            app::App,
            clip_panel::Clip,
            review::{Made, ReviewItem, ReviewList, Search},
            ticket::Ticket,
        },
    },
};

/// Reviews the clips that Results lists.
pub(super) fn of_results(app: &mut App) -> Vec<Effect> {
    let rows = app.results.to_review();
    let Some(found) = app.results.found().cloned() else {
        notify(app, "there is nothing to review yet".to_owned(), false);
        return Vec::new();
    };
    let Some(dataset) = found.kept.dataset.clone() else {
        notify(app, "its clips are not there any more, so their labels cannot be reviewed".to_owned(), true);
        return Vec::new();
    };
    let items: Vec<ReviewItem> = rows.iter().filter_map(|row| ReviewItem::of_row(&found, *row)).collect();
    if items.is_empty() {
        notify(app, "no clip is listed".to_owned(), false);
        return Vec::new();
    }
    let method = found.kept.config.method;
    let list = ReviewList {
        title: format!("clips that {} answers otherwise", found.name),
        dataset,
        items,
        again: Some(Box::new(found.again(method))),
        notes: found.kept.notes.clone(),
        cut: found.samples(),
    };
    open(app, Ok(Arc::new(list)))
}

/// Shows a list, its first sound playing.
fn open(app: &mut App, list: Result<Arc<ReviewList>, String>) -> Vec<Effect> {
    let mut effects = clips::silence(&mut app.results.clip);
    app.review.show(list);
    app.screen = Screen::Review;
    effects.extend(follow(app, true));
    effects
}

/// Looks for likely wrong labels in the data of the session on Results, else in those of the next run.
fn search(app: &mut App) -> Vec<Effect> {
    if app.review.search.is_some() {
        app.review.search = None;
        return vec![Effect::StopSearch];
    }
    let found = app.results.found().cloned();
    let (request, again) = match &found {
        Some(found) => {
            let again = found.again(found.kept.config.method);
            let model = Request::default().model;
            (Request { model, recipe: again.recipe.clone(), ..again.clone() }, again)
        }
        None => (app.setup.clone(), app.setup_of(app.focus)),
    };
    let ticket = app.tickets.draw();
    app.review.search = Some(Search { ticket, progress: (0, 0) });
    vec![Effect::SearchErrors(ticket, Box::new(request), Box::new(again))]
}

/// A search has gone on.
pub(super) fn searching(app: &mut App, ticket: Ticket, done: usize, total: usize) {
    if let Some(search) = app.review.search.as_mut().filter(|search| search.ticket == ticket) {
        search.progress = (done, total);
    }
}

/// A search has made a list, or could not.
pub(super) fn searched(app: &mut App, ticket: Ticket, list: Result<Arc<ReviewList>, String>) -> Vec<Effect> {
    if app.review.search.is_none_or(|search| search.ticket != ticket) {
        return Vec::new();
    }
    app.review.search = None;
    if app.screen == Screen::Review {
        return open(app, list);
    }
    // The person went on elsewhere: the list waits, silent.
    let words = list.as_ref().map_or_else(
        |problem| format!("no list of likely wrong labels: {problem}"),
        |list| format!("{} clips may be labelled wrongly: 8 Review", list.items.len()),
    );
    app.review.show(list);
    notify(app, words, false);
    follow(app, false)
}

/// Performs an action of this screen; `None` for another.
pub(super) fn act(app: &mut App, action: &Action) -> Option<Vec<Effect>> {
    if app.screen != Screen::Review {
        return None;
    }
    if app.review.typing.is_some() {
        return Some(typed(app, action));
    }
    Some(match action {
        Action::Decide(verdict) => decide(app, *verdict),
        Action::UndoDecision => undo(app),
        Action::Skip => {
            let last = app.review.current().map_or(0, |list| list.items.len());
            app.review.at = (app.review.at + 1).min(last);
            follow(app, true)
        }
        Action::PlayAgain => {
            let mut effects = clips::silence(&mut app.review.clip);
            effects.extend(clips::toggle(&mut app.review.clip, &mut app.tickets));
            effects
        }
        Action::TypeClass => {
            app.review.typing = app.review.item().map(|_| String::new());
            Vec::new()
        }
        Action::SearchErrors => search(app),
        Action::TeachAgain => teach_again(app),
        Action::Back => {
            let effects = clips::silence(&mut app.review.clip);
            app.screen = Screen::Results;
            effects
        }
        _ => return None,
    })
}

/// Letters of a class's name, and what ends them.
fn typed(app: &mut App, action: &Action) -> Vec<Effect> {
    let Some(text) = &mut app.review.typing else { return Vec::new() };
    match action {
        Action::Type(c) => text.push(*c),
        Action::Erase if text.pop().is_some() => {}
        Action::Erase | Action::Cancel => app.review.typing = None,
        Action::Confirm => {
            let Some(class) = app.review.fitting().first().copied() else {
                notify(app, "no class has such a name; Esc leaves the label as it is".to_owned(), true);
                return Vec::new();
            };
            app.review.typing = None;
            return decided(app, |list, _| Some(Decision::Label { label: list.dataset.classes.get(class)?.clone() }));
        }
        _ => {}
    }
    Vec::new()
}

/// Decides about the clip on show.
fn decide(app: &mut App, verdict: Verdict) -> Vec<Effect> {
    let choices = app.review.choices();
    decided(app, |list, item| {
        let name = |class: usize| list.dataset.classes.get(class).cloned();
        let several = list.dataset.is_multi_label();
        Some(match verdict {
            Verdict::Yes if item.holds => Decision::Label { label: name(item.proposed)? },
            Verdict::Yes => Decision::Not { label: name(item.proposed)? },
            Verdict::No if several => Decision::Not { label: name(item.proposed)? },
            // The label as it stands; where none is known, what is proposed.
            Verdict::No => {
                let held = list.dataset.items.get(item.index).map(|clip| list.dataset.label_of(clip))?;
                let known = list.dataset.classes.contains(&held);
                Decision::Not { label: if known { held } else { name(item.proposed)? } }
            }
            Verdict::Class(digit) => Decision::Label { label: name(*choices.get(digit)?)? },
            Verdict::Background => Decision::Background,
            Verdict::Unsure => Decision::Unsure,
        })
    })
}

/// Keeps a decision about the clip on show, and goes on to the next one.
fn decided(app: &mut App, decision: impl FnOnce(&ReviewList, &ReviewItem) -> Option<Decision>) -> Vec<Effect> {
    let (Some(list), Some(item)) = (app.review.current().cloned(), app.review.item().cloned()) else {
        notify(app, "the list is at its end; Backspace takes the last decision back".to_owned(), false);
        return Vec::new();
    };
    let Some(decision) = decision(&list, &item) else {
        notify(app, "there is no such class".to_owned(), false);
        return Vec::new();
    };
    let ticket = app.tickets.draw();
    app.review.made.push(Made { at: app.review.at, decision: decision.clone(), saving: Some(ticket) });
    app.review.at += 1;
    let mut effects = vec![Effect::Decide { ticket, list, index: item.index, decision }];
    effects.extend(follow(app, true));
    effects
}

/// Takes the last decision back, without a question.
fn undo(app: &mut App) -> Vec<Effect> {
    let (Some(list), Some(last)) = (app.review.current().cloned(), app.review.made.pop()) else {
        notify(app, "there is no decision to take back here".to_owned(), false);
        return Vec::new();
    };
    let Some(item) = list.items.get(last.at) else { return Vec::new() };
    app.review.at = last.at;
    let (ticket, index) = (app.tickets.draw(), item.index);
    let mut effects = vec![Effect::Decide { ticket, list, index, decision: Decision::Undo }];
    effects.extend(follow(app, true));
    effects
}

/// A decision is on the disk, or could not be written: then it is taken back, so that the screen says what is true.
pub(super) fn saved(app: &mut App, ticket: Ticket, saved: Result<(), String>) -> Vec<Effect> {
    let place = app.review.made.iter().position(|made| made.saving == Some(ticket));
    match (saved, place) {
        (Ok(()), Some(place)) => app.review.made[place].saving = None,
        (Ok(()), None) => {}
        (Err(problem), place) => {
            notify(app, format!("this decision is not on the disk: {problem}"), true);
            if let Some(place) = place {
                app.review.at = app.review.made.remove(place).at;
                return follow(app, false);
            }
        }
    }
    Vec::new()
}

/// Moves in the list.
pub(super) fn go(app: &mut App, to: Move) -> Vec<Effect> {
    const PAGE: usize = 10;
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
        let label = list.dataset.label_of(clip);
        Some(Clip { source: clip.source.clone(), name: clip.id.clone(), label, cut: list.cut })
    });
    match clip {
        Some(clip) => clips::show(&mut app.review.clip, &mut app.tickets, clip, play),
        None => clips::clear(&mut app.review.clip),
    }
}

/// Trains again on the same data with the decisions: on the side that the session on show is not on, so that both can be
/// compared.
fn teach_again(app: &mut App) -> Vec<Effect> {
    let Some(list) = app.review.current().cloned() else {
        notify(app, "there is no list to teach with".to_owned(), false);
        return Vec::new();
    };
    let made = app.review.decided().len();
    let shown = app.results_side();
    let side = if app.slot(shown).session.is_some() { shown.other() } else { shown };
    if app.slot(side).is_busy() {
        notify(app, format!("{} trains: stop it first (S on Train)", side.letter()), true);
        return Vec::new();
    }
    let request =
        list.again.as_deref().cloned().unwrap_or_else(|| Request { method: Method::aat(), ..app.setup.clone() });
    let method = request.method;
    app.setup = request;
    let slot = app.slot_mut(side);
    (slot.method, slot.backbone) = (method, None);
    let mut effects = clips::silence(&mut app.review.clip);
    effects.extend(runs::anew(app, &[side]));
    app.screen = Screen::Train;
    let compare = if side == Side::B { "A" } else { "B" };
    let words = format!(
        "{} {} trains again with {made} decision{}; 7 Results then compares it with {compare}",
        side.letter(),
        side.marker(),
        if made == 1 { "" } else { "s" }
    );
    notify(app, words, false);
    effects
}
