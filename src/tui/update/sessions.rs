//! What people do to the sessions of the list.

use super::{Effect, live, notify};
use crate::{
    plot::Side,
    tui::{
        action::{Opened, Purpose, Screen},
        app::{App, Overlay, Pending},
    },
};

/// Reads the session under the cursor into a side.
pub(super) fn open_selected(app: &mut App, side: Side, purpose: Purpose) -> Vec<Effect> {
    let Some(path) = app.sessions.selected().map(|session| session.path.clone()) else { return Vec::new() };
    if app.slot(side).is_busy() {
        notify(app, format!("{} still trains: stop it first (S on Train)", side.letter()), true);
        return Vec::new();
    }
    vec![Effect::Open(side, path, purpose)]
}

/// A session was read into a side.
pub(super) fn opened(app: &mut App, side: Side, opened: Opened) -> Vec<Effect> {
    let Opened { name, path, purpose, .. } = opened.clone();
    app.slot_mut(side).open(opened);
    app.cursor = None;
    if purpose != Purpose::Choose {
        (app.focus, app.screen) = (side, Screen::Train);
    }
    app.refresh_parameters();
    let [this, other] = [side, side.other()].map(|side| format!("{} {}", side.letter(), side.marker()));
    match purpose {
        Purpose::Resume => {
            app.slot_mut(side).resume(path.clone());
            return vec![Effect::Resume(side, path)];
        }
        Purpose::Look => notify(app, format!("{name} opened as {this}"), false),
        Purpose::Choose if app.slot(side.other()).is_empty() => {
            let key = side.other().letter().to_lowercase();
            notify(app, format!("{name} is {this}; {key} makes another {other}, 4 Live hears with them"), false);
        }
        Purpose::Choose => notify(app, format!("{name} is {this}, beside {other}; 4 Live hears with both"), false),
    }
    if purpose == Purpose::Choose { live::chosen(app) } else { Vec::new() }
}

pub(super) fn resume_selected(app: &mut App) -> Vec<Effect> {
    let Some(session) = app.sessions.selected().cloned() else { return Vec::new() };
    let focus = app.focus;
    if session.in_use {
        notify(app, format!("{} is being trained already", session.name), false);
    } else if !session.can_resume {
        notify(app, format!("{} has nothing left to do, or no checkpoint to go on from", session.name), false);
    } else if app.slot(focus).is_busy() {
        notify(
            app,
            format!("{} still trains: stop it first (S on Train), or Tab to the other side", focus.letter()),
            true,
        );
    } else {
        return vec![Effect::Open(focus, session.path, Purpose::Resume)];
    }
    Vec::new()
}

pub(super) fn ask_to_delete(app: &mut App) {
    let Some(session) = app.sessions.selected() else { return };
    if session.in_use {
        let text = format!("{} is being trained; stop it first", session.name);
        return notify(app, text, true);
    }
    app.overlay = Some(Overlay::Question {
        question: format!("Delete {}?", session.name),
        detail: "Its curves, checkpoints and weights go for good.".into(),
        then: Pending::Delete(session.path.clone()),
    });
}
