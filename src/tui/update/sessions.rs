//! Opening, resuming and deleting sessions: requests and results.

use std::path::{Path, PathBuf};

use super::{Effect, list, live, notify, runs, still_trains};
use crate::{
    plot::Side,
    tui::{
        input::action::{Action, Screen},
        state::{
            app::App,
            run_slot::{Opened, Opening, Purpose, RunSlot},
            sweep::SweepTable,
            ticket::Ticket,
        },
    },
};

/// How often a session is read again because newer events are known than were read.
const EARLY: u8 = 8;

/// The session under the cursor, in the list or in the watched sweep.
fn selected(app: &mut App) -> Option<PathBuf> {
    match app.sweep.as_ref().map(SweepTable::selected) {
        None => app.sessions.selected().map(|session| session.path.clone()),
        Some(Ok(path)) => Some(path),
        Some(Err(why)) => {
            notify(app, why, false);
            None
        }
    }
}

/// Reads the session under the cursor into a side.
pub(super) fn open_selected(app: &mut App, side: Side, purpose: Purpose) -> Vec<Effect> {
    let Some(path) = selected(app) else { return Vec::new() };
    let other = side.other();
    if app.slot(side).is_busy() {
        notify(app, still_trains(app, side), true);
        return Vec::new();
    }
    if app.slot(other).is_busy() && app.slot(other).holds(&path) {
        notify(app, format!("it trains on {} {} already", other.letter(), other.marker()), false);
        return Vec::new();
    }
    let asked = |opening: &Opening| opening.path == path && opening.purpose == purpose;
    if app.slot(side).opening.as_ref().is_some_and(asked) {
        return Vec::new();
    }
    let ticket = app.tickets.draw();
    app.slot_mut(side).opening = Some(Opening { ticket, path: path.clone(), purpose, early: 0 });
    vec![Effect::Open(ticket, path)]
}

/// A session was read. It is shown unless something else was requested of its side since.
pub(super) fn opened(app: &mut App, ticket: Ticket, opened: Result<Opened, String>) -> Vec<Effect> {
    let asked = |side: &Side| app.slot(*side).opening.as_ref().is_some_and(|opening| opening.ticket == ticket);
    let Some(side) = Side::BOTH.into_iter().find(asked) else { return Vec::new() };
    let Some(Opening { purpose, early, path, .. }) = app.slot_mut(side).opening.take() else { return Vec::new() };
    let opened = match opened {
        Ok(opened) => opened,
        Err(problem) => {
            notify(app, problem, true);
            return Vec::new();
        }
    };
    if app.known.is_gone(&path, &opened.state) {
        notify(app, format!("{} was deleted", opened.name), false);
        return Vec::new();
    }
    if early < EARLY && app.known.is_stale(&path, &opened.state) {
        // It was read before its newest known event was written.
        let ticket = app.tickets.draw();
        app.slot_mut(side).opening = Some(Opening { ticket, path: path.clone(), purpose, early: early + 1 });
        return vec![Effect::Open(ticket, path)];
    }
    let other = side.other();
    if app.slot(other).holds(&opened.path) {
        if app.slot(other).is_busy() {
            notify(app, format!("{} trains on {} {} by now", opened.name, other.letter(), other.marker()), false);
            return Vec::new();
        }
        // A session is on one side only: here from now on.
        app.slot_mut(other).clear();
    }
    let name = opened.name.clone();
    app.slot_mut(side).open(opened);
    app.cursor = None;
    if purpose != Purpose::Choose {
        (app.focus, app.screen) = (side, Screen::Train);
    }
    app.refresh_parameters();
    let [this, that] = [side, other].map(|side| format!("{} {}", side.letter(), side.marker()));
    let both = format!("{} Live uses both", app.key(&Action::Show(Screen::Live)));
    match purpose {
        Purpose::Resume => return runs::resume(app, &[side]),
        Purpose::Look => notify(app, format!("{name} opened as {this}"), false),
        Purpose::Choose if app.slot(other).is_empty() => {
            let key = app.key_on(Screen::Sessions, &Action::ChooseSession(other));
            notify(app, format!("{name} is {this}; {key} makes another {that}; {both}"), false);
        }
        Purpose::Choose => notify(app, format!("{name} is {this}, beside {that}; {both}"), false),
    }
    if purpose == Purpose::Choose { live::chosen(app) } else { Vec::new() }
}

/// A session was deleted, or not.
pub(super) fn removed(app: &mut App, path: &Path, removed: Result<u64, String>) -> Vec<Effect> {
    match removed {
        Err(problem) => notify(app, problem, true),
        Ok(at_ms) => {
            app.known.remove(path, at_ms);
            let App { slots, known, .. } = app;
            slots
                .iter_mut()
                .filter(|slot| slot.holds(path) && known.is_gone(path, &slot.state))
                .for_each(RunSlot::clear);
            app.refresh_parameters();
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            notify(app, format!("{name} was deleted"), false);
        }
    }
    list(app)
}

pub(super) fn resume_selected(app: &mut App) -> Vec<Effect> {
    let Some(session) = app.sessions.selected().cloned() else { return Vec::new() };
    if session.in_use {
        notify(app, format!("{} is being trained already", session.name), false);
    } else if !session.can_resume {
        notify(app, format!("{} is complete, or its log does not say what was trained", session.name), false);
    } else {
        return open_selected(app, app.focus, Purpose::Resume);
    }
    Vec::new()
}
