//! Lists for Review: the clips that Results lists, likely wrong labels, clips that are like one.

use std::{path::PathBuf, sync::Arc};

use super::{
    Effect, clips,
    decisions::{follow, is_writing},
    effect::Playback,
    notify,
};
use crate::{
    findings::Outcome,
    train::Request,
    tui::{
        input::action::{Action, Screen},
        state::{
            app::App,
            review::{About, ReviewItem, ReviewList, Search, SearchFor, data_to_search},
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
        about: About::Labels,
        dataset,
        items,
        again: Some(Box::new(again)),
        session: app.results.session.clone(),
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

/// Begins to look for the next list: with its ticket, and with what stops the search before.
pub(super) fn begin_search(app: &mut App, of: SearchFor) -> (Ticket, Vec<Effect>) {
    let mut effects = stop_search(app);
    let ticket = app.tickets.draw();
    app.review.search = Some(Search { ticket, of, progress: (0, 0) });
    effects.extend(clips::silence(&mut app.review.clip));
    effects.push(Effect::Playback(Playback::Prepare));
    (ticket, effects)
}

/// Stops the search that is running, if one is.
fn stop_search(app: &mut App) -> Vec<Effect> {
    app.review.search.take().map(|_| Effect::StopSearch).into_iter().collect()
}

/// Looks for likely wrong labels in the data of the session on Results, else in those of the next run.
pub(super) fn search(app: &mut App) -> Vec<Effect> {
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
    let (ticket, mut effects) = begin_search(app, SearchFor::Errors);
    effects.push(Effect::SearchErrors(ticket, Box::new(request), Box::new(again)));
    effects
}

/// Looks for the clips that are most like the one on show.
pub(super) fn like_this(app: &mut App) -> Vec<Effect> {
    let Some((list, item)) = app.review.current().cloned().zip(app.review.item().cloned()) else {
        notify(app, "no clip is on show".to_owned(), false);
        return Vec::new();
    };
    let request = match (&list.about, &list.again) {
        (About::Labels, Some(again)) => (**again).clone(),
        _ => {
            let words = "detections have no data set to search: train on the decisions, then search there";
            notify(app, words.to_owned(), false);
            return Vec::new();
        }
    };
    let clip = list.dataset.items.get(item.index).map(|clip| clip.id.clone()).unwrap_or_default();
    look_alike(app, request, list.session.clone(), clip)
}

/// Looks for the clips that are most like the one under the cursor of Results.
pub(super) fn like_result(app: &mut App) -> Vec<Effect> {
    let found = app.results.found().cloned().zip(app.results.selected());
    let Some((found, row)) = found.filter(|(found, _)| found.kept.dataset.is_some()) else {
        notify(app, "no clip is on show".to_owned(), false);
        return Vec::new();
    };
    let (again, note) = found.again(found.kept.config.method);
    if let Some(note) = note {
        notify(app, note, false);
    }
    let session = app.results.session.clone();
    look_alike(app, again, session, found.kept.name(row))
}

fn look_alike(app: &mut App, request: Request, session: Option<PathBuf>, clip: String) -> Vec<Effect> {
    if is_writing(app) {
        return Vec::new();
    }
    let (ticket, mut effects) = begin_search(app, SearchFor::Alike);
    app.screen = Screen::Review;
    effects.push(Effect::SearchAlike { ticket, request: Box::new(request), session, clip });
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
    let of = app.review.search.take().map(|search| search.of);
    if app.screen == Screen::Review {
        return open(app, list);
    }
    // Another screen is shown: the list waits there without a sound.
    let key = app.key(&Action::Show(Screen::Review));
    let words = match (&list, of) {
        (Ok(list), Some(SearchFor::Errors)) => {
            format!("{} clips may be labelled wrongly: {key} Review", list.items.len())
        }
        (Ok(list), _) => format!("{} to decide about: {key} Review", list.items.len()),
        (Err(problem), Some(SearchFor::Errors)) => format!("no list of likely wrong labels: {problem}"),
        (Err(problem), _) => format!("no list to decide about: {problem}"),
    };
    app.review.show(list);
    notify(app, words, false);
    follow(app, false)
}
