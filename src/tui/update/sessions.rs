//! What people do to the sessions of the list.

use super::{Effect, notify};
use crate::tui::app::{App, Overlay, Pending};

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
        return vec![Effect::Open(focus, session.path, true)];
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
