//! Updates of the browser, in which data, a model, a recipe or a sound is chosen.

use std::path::{Path, PathBuf};

use super::{Effect, PAGE, clips, data, effect::Place, notify};
use crate::{
    model,
    tui::{
        input::{
            action::{Action, Move, Screen},
            choice::Choice,
        },
        state::{
            app::App,
            browser::{Browser, Landing, Listed, names},
            look::{Look, Recognised},
            ticket::Ticket,
        },
        text,
    },
};

/// Opens the browser in the folder around what is chosen now: data on its screen, anything else on the screen on show.
pub(super) fn open(app: &mut App, choice: Choice) -> Vec<Effect> {
    let mut effects = app.clip_panel_mut().map(clips::silence).unwrap_or_default();
    if choice == Choice::Data {
        app.screen = Screen::Data;
    }
    let place = Place::Around(current(app, choice));
    effects.extend(list(app, choice, place, Landing::Recent));
    effects
}

/// What is chosen now, as far as it is a path: else the path that was chosen last; empty without one.
fn current(app: &App, choice: Choice) -> String {
    let now = match choice {
        Choice::Data => Some(app.setup.data.clone()),
        Choice::Model => Some(app.setup_of(app.focus).model),
        Choice::Recipe => app.setup.recipe.clone(),
        Choice::Sound => app.live.file.as_deref().and_then(Path::to_str).map(str::to_owned),
        Choice::Lesson => {
            let lesson = app.live.teaching.lesson.as_deref();
            lesson.and_then(|lesson| lesson.root().to_str()).map(str::to_owned)
        }
        Choice::Recordings | Choice::Sweep => None,
    };
    let is_name =
        |spec: &str| names(choice).any(|name| name == spec) || (choice == Choice::Model && model::is_name(spec));
    let is_path = |spec: &String| !is_name(spec);
    now.into_iter().chain(app.preferences.recent(choice).iter().cloned()).find(is_path).unwrap_or_default()
}

/// Shows what is known, and requests what is in a folder.
fn list(app: &mut App, choice: Choice, place: Place, landing: Landing) -> Vec<Effect> {
    let folder = match &place {
        Place::In(folder) => Some(folder.clone()),
        Place::Around(_) => None,
    };
    let ticket = app.tickets.draw();
    let browser = Browser::new(ticket, (choice, app.screen), app.preferences.recent(choice), folder, landing);
    let known = browser.known().map(|entry| entry.spec.clone()).collect();
    app.browsing = Some(browser);
    vec![Effect::Browse { ticket, choice, place, known }]
}

/// What an action does in the browser on show; `None` where it means what it means elsewhere.
pub(super) fn act(app: &mut App, action: &Action) -> Option<Vec<Effect>> {
    app.browser()?;
    Some(match action {
        Action::Move(to) => go_by(app, *to, PAGE),
        Action::Choose => choose(app),
        Action::Back => leave(app),
        // It has one list.
        Action::NextFocus => Vec::new(),
        _ => return None,
    })
}

/// Moves the cursor, by pages of so many rows; to the folder above, and into the one under the cursor.
pub(super) fn go_by(app: &mut App, to: Move, page: usize) -> Vec<Effect> {
    match to {
        Move::Left => return up(app),
        Move::Right => return enter(app),
        _ => {
            if let Some(browser) = &mut app.browsing {
                browser.go(to, page);
            }
        }
    }
    Vec::new()
}

/// Chooses what is under the cursor; a folder that cannot be chosen is opened. What is not recognised yet is chosen, too:
/// whatever reads it says what is wrong.
fn choose(app: &mut App) -> Vec<Effect> {
    let Some(browser) = app.browser() else { return Vec::new() };
    let Some(entry) = browser.selected().cloned() else { return Vec::new() };
    let choice = browser.choice;
    match entry.look {
        Some(Look { recognised: Recognised::Fits, .. }) => chosen(app, choice, entry.spec),
        None if !entry.is_folder => chosen(app, choice, entry.spec),
        Some(look) if !entry.is_folder => {
            let why = text::one_line(look.sentence());
            notify(app, format!("{}: {why}", text::last_part(&entry.spec)), true);
            Vec::new()
        }
        _ => enter(app),
    }
}

fn chosen(app: &mut App, choice: Choice, spec: String) -> Vec<Effect> {
    let mut effects = close(app);
    let action = match choice {
        Choice::Data => Action::SetData(spec),
        Choice::Model => Action::SetModel(spec),
        Choice::Recipe => Action::Set("recipe".to_owned(), spec),
        Choice::Sound => Action::Listen(Some(spec.into())),
        Choice::Recordings => Action::Scan(spec.into()),
        Choice::Lesson => Action::Teach(Some(spec.into())),
        Choice::Sweep => Action::WatchSweep(Some(spec.into())),
    };
    effects.extend(super::act(app, action));
    effects.extend(behind(app));
    effects
}

/// Leaves the browser without a choice.
fn leave(app: &mut App) -> Vec<Effect> {
    let is_of_data = app.browser().is_some_and(|browser| browser.choice == Choice::Data);
    let mut effects = close(app);
    // Without a choice of data there is nothing behind the browser but the data of the next run.
    effects.extend(if is_of_data { data::chosen(app) } else { behind(app) });
    effects
}

/// What the screen behind the browser needs: Data may not have been read while another choice was made.
fn behind(app: &mut App) -> Vec<Effect> {
    if app.screen == Screen::Data { show_data(app) } else { Vec::new() }
}

/// Shows Data: the data of the next run, or the browser where none was chosen.
pub(super) fn show_data(app: &mut App) -> Vec<Effect> {
    match app.browser() {
        Some(_) => Vec::new(),
        None if data::is_to_be_chosen(app) => open(app, Choice::Data),
        None => data::show(app),
    }
}

/// Closes the browser: nothing more is looked at for it.
pub(super) fn close(app: &mut App) -> Vec<Effect> {
    app.browsing.take().map(|_| Effect::LeaveBrowser).into_iter().collect()
}

/// The folder above.
fn up(app: &mut App) -> Vec<Effect> {
    let Some(browser) = app.browser() else { return Vec::new() };
    let (choice, folder) = (browser.choice, browser.folder.clone());
    let above = folder.as_deref().and_then(Path::parent).map(Path::to_owned);
    match folder.zip(above) {
        Some((folder, above)) => list(app, choice, Place::In(above), Landing::Below(folder)),
        None => Vec::new(),
    }
}

/// Opens the folder under the cursor.
fn enter(app: &mut App) -> Vec<Effect> {
    let Some(browser) = app.browser() else { return Vec::new() };
    let choice = browser.choice;
    match browser.selected().filter(|entry| entry.is_folder).map(|entry| PathBuf::from(&entry.spec)) {
        Some(folder) => list(app, choice, Place::In(folder), Landing::First),
        None => Vec::new(),
    }
}

/// A folder was listed.
pub(super) fn listed(app: &mut App, ticket: Ticket, listed: Listed) {
    if let Some(browser) = app.browsing.as_mut().filter(|browser| browser.ticket == ticket) {
        browser.list(listed);
    }
}

/// What an entry is recognised as.
pub(super) fn recognised(app: &mut App, ticket: Ticket, spec: &str, look: &Look) {
    if let Some(browser) = app.browsing.as_mut().filter(|browser| browser.ticket == ticket) {
        browser.recognise(spec, look);
    }
}

#[cfg(test)]
#[path = "browser_tests.rs"]
mod tests;
