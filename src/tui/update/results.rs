//! Updates of the Results screen: what is computed of sessions, and where its cursors are.

use std::{path::PathBuf, sync::Arc};

use super::{Effect, clips, notify, review_lists};
use crate::{
    findings::{Against, SessionFindings},
    plot::Side,
    tui::{
        input::action::{Action, Move, Screen},
        state::{app::App, clip_panel::Clip, results::ResultsPart, ticket::Ticket},
    },
};

/// Rows that PgUp and PgDn move.
const PAGE: usize = 10;

/// Asks for what the sessions on both sides get wrong.
pub(super) fn ask(app: &mut App) -> Vec<Effect> {
    let side = app.results_side();
    let session = |side: Side| app.slot(side).session.clone();
    let sessions = [session(side), session(side.other())];
    app.results.keep_only(sessions[0].as_ref());
    let [Some(first), second] = &sessions else {
        (app.results.session, app.results.asked) = (None, None);
        return clips::clear(&mut app.results.clip);
    };
    let (first, second) = (first.clone(), second.clone());
    let ticket = app.tickets.draw();
    app.results.asked = Some((ticket, sessions));
    let mut effects = if app.results.overview.is_none() { clips::clear(&mut app.results.clip) } else { Vec::new() };
    effects.push(Effect::Results(ticket, first, second));
    effects
}

/// What a session gets wrong was computed, or cannot be.
pub(super) fn received(app: &mut App, ticket: Ticket, overview: Result<Arc<SessionFindings>, String>) -> Vec<Effect> {
    let Some((_, sessions)) = app.results.asked.as_ref().filter(|(asked, _)| *asked == ticket) else {
        return Vec::new();
    };
    let session: Option<PathBuf> = sessions[0].clone();
    app.results.show(session, overview);
    follow(app)
}

/// The other side's session was compared with it, or cannot be.
pub(super) fn compared(app: &mut App, ticket: Ticket, against: Result<Arc<Against>, String>) {
    if app.results.asked.as_ref().is_none_or(|(asked, _)| *asked != ticket) {
        return;
    }
    match against {
        Ok(against) => app.results.compare(against),
        Err(problem) => notify(app, format!("nothing to compare with: {problem}"), false),
    }
}

/// Performs an action of this screen; `None` for another.
pub(super) fn act(app: &mut App, action: &Action) -> Option<Vec<Effect>> {
    if app.screen != Screen::Results {
        return None;
    }
    match action {
        Action::Choose => match app.results.part {
            ResultsPart::Matrix => {
                let cell = app.results.cell;
                app.results.open(Some(cell));
                if app.results.rows().is_empty() {
                    app.results.open(None);
                    app.results.part = ResultsPart::Matrix;
                    notify(app, "no clip is in this cell".to_owned(), false);
                }
            }
            ResultsPart::Clips => return Some(clips::act(app, &Action::PlayClip)),
        },
        Action::Back => {
            app.results.open(None);
            app.results.part = ResultsPart::Matrix;
        }
        Action::AllClips => {
            app.results.open(None);
            app.results.part = ResultsPart::Clips;
        }
        Action::SortClips => app.results.next_order(),
        Action::NextConfusion => app.results.next_confusion(),
        Action::Refresh => return Some(ask(app)),
        Action::ExportErrors => return Some(export(app)),
        Action::Calibrate => return Some(calibrate(app)),
        Action::ReviewThese => return Some(review_lists::of_results(app)),
        Action::Alike => return Some(review_lists::like_result(app)),
        _ => return None,
    }
    Some(follow(app))
}

/// Moves the cursor.
pub(super) fn go(app: &mut App, to: Move) -> Vec<Effect> {
    if app.results.part == ResultsPart::Clips && to == Move::Left {
        app.results.part = ResultsPart::Matrix;
        return Vec::new();
    }
    app.results.go(to, PAGE);
    follow(app)
}

/// Shows the clip under the cursor in the panel.
fn follow(app: &mut App) -> Vec<Effect> {
    let clip = app.results.found().zip(app.results.selected()).and_then(|(found, row)| clip_of(found, row));
    match clip {
        Some(clip) => {
            let play = app.results.clip.is_playing();
            clips::show(&mut app.results.clip, &mut app.tickets, clip, play)
        }
        None => clips::clear(&mut app.results.clip),
    }
}

/// A row's clip for the panel; none where the data set is not there.
pub(super) fn clip_of(found: &SessionFindings, row: usize) -> Option<Clip> {
    let (dataset, index) = (found.kept.dataset.as_ref()?, found.kept.items.get(row)?);
    let item = dataset.items.get(*index)?;
    let clip = found.clips.get(row)?;
    let answer = found.labels().get(clip.answer).map_or("", String::as_str);
    let label = format!("{} → {answer}", dataset.label_of(item));
    Some(Clip { source: item.source.clone(), name: item.id.clone(), label, cut: found.samples() })
}

/// Writes the clips as a table.
fn export(app: &mut App) -> Vec<Effect> {
    let Some(found) = app.results.found().cloned() else {
        notify(app, "there is nothing to write yet".to_owned(), false);
        return Vec::new();
    };
    let path = PathBuf::from(format!("{}-errors.csv", found.name));
    vec![Effect::WriteErrors(path, found)]
}

/// Fits a calibration to the session, or removes the one that it has.
fn calibrate(app: &mut App) -> Vec<Effect> {
    let Some((found, session)) = app.results.found().cloned().zip(app.results.session.clone()) else {
        notify(app, "there is nothing to calibrate yet".to_owned(), false);
        return Vec::new();
    };
    let ticket = app.tickets.draw();
    let sessions = [Some(session.clone()), app.slot(app.results_side().other()).session.clone()];
    let other = sessions[1].clone();
    app.results.asked = Some((ticket, sessions));
    vec![Effect::Calibrate { ticket, session, other, found }]
}
