//! Updates of the Review screen: one key makes one decision, which is written to the disk, and the next sound plays.

use std::sync::Arc;

use super::{Effect, clips, notify, runs};
use crate::{
    data::{CorrectionsPlace, Decision, Label},
    findings::Outcome,
    model::Method,
    plot::Side,
    train::Request,
    tui::{
        input::action::{Action, Move, Screen, Verdict},
        state::{
            app::App,
            clip_panel::Clip,
            review::{Made, ReviewItem, ReviewList, Search, data_to_search},
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
    let is_wrong = |row: &usize| found.clips.get(*row).is_some_and(|clip| clip.outcome == Outcome::Wrong);
    let title = match rows.iter().any(is_wrong) {
        true => format!("clips that {} answers wrongly", found.name),
        false => format!("clips that {} validates on", found.name),
    };
    let items: Vec<ReviewItem> = rows.iter().filter_map(|row| ReviewItem::of_row(&found, *row)).collect();
    if items.is_empty() {
        notify(app, "no clip is listed".to_owned(), false);
        return Vec::new();
    }
    let (again, note) = found.again(found.kept.config.method);
    let list = ReviewList {
        title,
        dataset,
        items,
        again: Some(Box::new(again)),
        notes: found.kept.notes.iter().cloned().chain(note).collect(),
        cut: found.samples(),
    };
    let mut effects = stop_search(app);
    effects.extend(open(app, Ok(Arc::new(list))));
    effects
}

/// Shows a list, its first sound playing.
fn open(app: &mut App, list: Result<Arc<ReviewList>, String>) -> Vec<Effect> {
    app.review.show(list);
    app.screen = Screen::Review;
    follow(app, true)
}

/// Stops the search that is running, if one is.
fn stop_search(app: &mut App) -> Vec<Effect> {
    app.review.search.take().map(|_| Effect::StopSearch).into_iter().collect()
}

/// Looks for likely wrong labels in the data of the session on Results, else in those of the next run.
fn search(app: &mut App) -> Vec<Effect> {
    if app.review.search.is_some() {
        return stop_search(app);
    }
    if is_writing(app) {
        return Vec::new();
    }
    let session = app.reviewed();
    let (again, note) = match session {
        Some(config) => Request::again(config, config.method),
        None => (app.setup_of(app.focus), None),
    };
    // A session's own weights have learned its labels.
    let model = if session.is_some() { Request::default().model } else { app.setup.model.clone() };
    let data = data_to_search(session, &app.setup);
    let request = Request { data, model, device: app.setup.device.clone(), ..again.clone() };
    if let Some(note) = note {
        notify(app, note, false);
    }
    let ticket = app.tickets.draw();
    app.review.search = Some(Search { ticket, progress: (0, 0) });
    let mut effects = clips::silence(&mut app.review.clip);
    effects.push(Effect::SearchErrors(ticket, Box::new(request), Box::new(again)));
    effects
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
    // Another screen is shown: the list waits there without a sound.
    let words = match &list {
        Ok(list) => {
            let key = app.key(&Action::Show(Screen::Review));
            format!("{} clips may be labelled wrongly: {key} Review", list.items.len())
        }
        Err(problem) => format!("no list of likely wrong labels: {problem}"),
    };
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
    // Without a clip to decide about, digits lead to screens as they do elsewhere.
    if let Action::Decide(Verdict::Class(class)) = action
        && (app.review.search.is_some() || app.review.item().is_none())
    {
        let screen = Screen::ALL.into_iter().find(|screen| screen.digit().to_digit(10) == Some(*class as u32 + 1));
        return screen.map(|screen| super::show(app, screen));
    }
    // While a search runs no clip is on show.
    let is_about_a_clip = matches!(
        action,
        Action::Decide(_) | Action::UndoDecision | Action::Skip | Action::PlayAgain | Action::TypeClass
    );
    if app.review.search.is_some() && is_about_a_clip {
        return Some(Vec::new());
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
        Action::TrainAgain => train_again(app),
        Action::Back => super::show(app, Screen::Results),
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
                let key = app.key(&Action::Cancel);
                notify(app, format!("no class has such a name; {key} leaves the label as it is"), true);
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
fn decided(app: &mut App, decision: impl FnOnce(&ReviewList, &ReviewItem) -> Option<Decision>) -> Vec<Effect> {
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
fn undo(app: &mut App) -> Vec<Effect> {
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
fn is_writing(app: &mut App) -> bool {
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
fn train_again(app: &mut App) -> Vec<Effect> {
    let Some(list) = app.review.current().cloned() else {
        notify(app, "there is no list to train with".to_owned(), false);
        return Vec::new();
    };
    if is_writing(app) {
        return Vec::new();
    }
    let made = app.review.decided().len();
    let shown = app.results_side();
    let side = if app.slot(shown).session.is_some() { shown.other() } else { shown };
    if app.slot(side).is_busy() {
        let key = app.key_on(Screen::Train, &Action::Stop);
        notify(app, format!("{} trains: stop it first ({key} on Train)", side.letter()), true);
        return Vec::new();
    }
    let request =
        list.again.as_deref().cloned().unwrap_or_else(|| Request { method: Method::aat(), ..app.setup_of(side) });
    let own = (request.model != app.setup.model).then(|| request.model.clone());
    let slot = app.slot_mut(side);
    (slot.method, slot.backbone) = (request.method, own);
    let effects = runs::begin(app, side, request);
    app.screen = Screen::Train;
    let compare = if side == Side::B { "A" } else { "B" };
    let key = app.key(&Action::Show(Screen::Results));
    let words = format!(
        "{} {} trains again with {made} decision{}; {key} Results then compares it with {compare}",
        side.letter(),
        side.marker(),
        if made == 1 { "" } else { "s" }
    );
    notify(app, words, false);
    effects
}
