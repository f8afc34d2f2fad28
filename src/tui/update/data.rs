//! Updates of the Data screen: reading, checking, browsing.

use std::sync::Arc;

use super::{Effect, PAGE, clips, notify};
use crate::{
    audio::SOUND_ENDINGS,
    data::{Problem, Source},
    train::Request,
    tui::{
        input::action::Move,
        state::{
            app::App,
            clip_panel::Clip,
            data::{Check, DataPart, Found, Stage},
            data_view::DataView,
            ticket::Ticket,
        },
        text,
    },
};

/// The data that the program synthesises.
const DEMO: &str = "demo";

/// Whether data is to be chosen before any is shown.
pub(super) fn is_to_be_chosen(app: &App) -> bool {
    !app.data.is_chosen && app.setup.data == DEMO && app.data.view.is_none()
}

/// Shows the data of the next run.
pub(super) fn show(app: &mut App) -> Vec<Effect> {
    let is_read = app.data.of.as_ref().is_some_and(|of| same_data(of, &app.setup));
    if is_read { Vec::new() } else { read(app) }
}

/// Whether two setups read the same data in the same way.
fn same_data(a: &Request, b: &Request) -> bool {
    let of = |setup: &Request| {
        (setup.data.clone(), setup.marks.clone(), setup.fold, setup.seed, setup.recipe.clone(), setup.frames)
    };
    of(a) == of(b)
}

/// Reads the data of the next run.
pub(super) fn read(app: &mut App) -> Vec<Effect> {
    let mut effects = stop(app);
    let ticket = app.tickets.draw();
    let data = &mut app.data;
    let is_other = data.of.as_ref().is_none_or(|of| of.data != app.setup.data);
    if is_other {
        (data.view, data.check) = (None, Check::default());
        effects.extend(clips::clear(&mut data.clip));
    }
    (data.asked, data.of) = (Some(ticket), Some(Box::new(app.setup.clone())));
    effects.push(Effect::ReadData(ticket, Box::new(app.setup.clone())));
    effects
}

/// Reads the data again, and the clip on show: files may have changed.
pub(super) fn read_again(app: &mut App) -> Vec<Effect> {
    let mut effects = clips::clear(&mut app.data.clip);
    effects.extend(read(app));
    effects
}

/// The data was read; its check begins.
pub(super) fn was_read(app: &mut App, ticket: Ticket, read: Result<Arc<DataView>, String>) -> Vec<Effect> {
    if app.data.asked != Some(ticket) {
        return Vec::new();
    }
    app.data.asked = None;
    match read {
        Ok(view) => {
            app.data.show(view);
            let mut effects = choose_clip(app, false);
            effects.extend(check(app));
            effects
        }
        Err(problem) => {
            app.data.view = Some(Err(problem));
            Vec::new()
        }
    }
}

/// Begins the check, or stops it.
pub(super) fn check(app: &mut App) -> Vec<Effect> {
    if matches!(app.data.check.stage, Stage::Running(_)) {
        return stop(app);
    }
    let Some(view) = app.data.read().cloned() else { return Vec::new() };
    let ticket = app.tickets.draw();
    app.data.check = Check {
        stage: Stage::Running(ticket),
        facts: vec![None; view.dataset().items.len()],
        seconds: vec![0.0; view.rows.len()],
        problems: view.reading.problems.clone(),
        progress: (0, view.dataset().items.len()),
    };
    app.data.arrange();
    vec![Effect::CheckData(ticket, view)]
}

fn stop(app: &mut App) -> Vec<Effect> {
    if !matches!(app.data.check.stage, Stage::Running(_)) {
        return Vec::new();
    }
    app.data.check.stage = Stage::Stopped;
    vec![Effect::StopCheck]
}

/// Some clips more were decoded.
pub(super) fn found(app: &mut App, ticket: Ticket, found: Found) {
    if app.data.check.stage != Stage::Running(ticket) {
        return;
    }
    let Some(view) = app.data.read().cloned() else { return };
    let known = app.data.check.add(&view, found);
    app.data.move_up(&known);
}

/// The check is complete: every problem, errors first.
pub(super) fn checked(app: &mut App, ticket: Ticket, checked: Result<Vec<Problem>, String>) {
    let data = &mut app.data;
    if data.check.stage != Stage::Running(ticket) {
        return;
    }
    match checked {
        Ok(problems) => {
            let selected = data.selected_problem().cloned();
            let place = selected.and_then(|selected| problems.iter().position(|problem| *problem == selected));
            (data.problem, data.check.problems, data.check.stage) = (place.unwrap_or(0), problems, Stage::Done);
        }
        Err(problem) => data.check.stage = Stage::Failed(problem),
    }
}

/// Moves the cursor of the screen.
pub(super) fn go(app: &mut App, to: Move) -> Vec<Effect> {
    go_by(app, to, PAGE)
}

/// Moves the cursor, by pages of so many rows.
pub(super) fn go_by(app: &mut App, to: Move, page: usize) -> Vec<Effect> {
    app.data.go(to, page);
    choose_clip(app, false)
}

/// Shows the clip under the cursor in the panel, and plays it if `play` says so.
fn choose_clip(app: &mut App, play: bool) -> Vec<Effect> {
    let data = &mut app.data;
    let Some(view) = data.read().cloned() else { return Vec::new() };
    let of_problem = match data.part {
        DataPart::Problems => data.selected_problem().cloned(),
        _ => None,
    };
    let place = match &of_problem {
        Some(problem) => view.clip_of(&problem.path),
        None => data.selected(),
    };
    let clip = match (place.and_then(|place| Some((place, view.item(place)?))), &of_problem) {
        (Some((place, item)), _) => {
            Clip { source: item.source.clone(), name: item.id.clone(), label: view.labels_of(place), cut: view.cut }
        }
        // A sound that is not used can be looked at, too.
        (None, Some(problem)) if is_sound(problem) => {
            let name = text::file_name(&problem.path);
            Clip { source: Source::File(problem.path.clone()), name, label: problem.problem.clone(), cut: view.cut }
        }
        (None, _) => return clips::clear(&mut data.clip),
    };
    clips::show(&mut data.clip, &mut app.tickets, clip, play)
}

/// Whether a problem is about a file that is sound by its name.
fn is_sound(problem: &Problem) -> bool {
    let ending = problem.path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| SOUND_ENDINGS.contains(&ending.as_str()))
}

/// Enter: the clips of the class, the clip of the problem.
pub(super) fn choose(app: &mut App) -> Vec<Effect> {
    match app.data.part {
        DataPart::Classes => {
            app.data.part = DataPart::Clips;
            choose_clip(app, false)
        }
        DataPart::Clips => choose_clip(app, true),
        DataPart::Problems => {
            let Some(view) = app.data.read().cloned() else { return Vec::new() };
            let Some(problem) = app.data.selected_problem().cloned() else { return Vec::new() };
            let effects = choose_clip(app, false);
            match view.clip_of(&problem.path) {
                Some(place) => {
                    app.data.go_to(place);
                    app.data.part = DataPart::Clips;
                }
                None => notify(app, format!("{problem}"), false),
            }
            effects
        }
    }
}

/// Esc: back to the classes.
pub(super) fn back(app: &mut App) -> Vec<Effect> {
    app.data.part = DataPart::Classes;
    choose_clip(app, false)
}

/// The data of the next run was chosen, or is left as it is.
pub(super) fn chosen(app: &mut App) -> Vec<Effect> {
    app.data.is_chosen = true;
    show(app)
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
