//! Updates of the watched sweep.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Effect, choices, list};
use crate::{
    sweep::Snapshot,
    tui::{
        input::{action::Screen, choice::Choice},
        state::{app::App, sweep::SweepTable, ticket::Ticket},
    },
};

/// Begins to watch a sweep, on the Sessions screen.
pub(super) fn watch(app: &mut App, file: Option<PathBuf>) -> Vec<Effect> {
    let ticket = app.tickets.draw();
    app.sweep = Some(SweepTable::new(ticket, file.as_deref()));
    app.screen = Screen::Sessions;
    let spec = file.as_deref().and_then(Path::to_str);
    let mut effects = spec.map(|spec| choices::remember(app, Choice::Sweep, spec)).unwrap_or_default();
    effects.push(Effect::WatchSweep(ticket, file));
    effects
}

/// Shows the list of sessions again.
pub(super) fn leave(app: &mut App) -> Vec<Effect> {
    app.sweep = None;
    let mut effects = vec![Effect::LeaveSweep];
    effects.extend(list(app));
    effects
}

/// The sweep was read.
pub(super) fn read(app: &mut App, ticket: Ticket, read: Result<Arc<Snapshot>, String>) {
    let Some(table) = app.sweep.as_mut().filter(|table| table.ticket == ticket) else { return };
    match read {
        Ok(snapshot) => table.show(snapshot),
        Err(problem) => table.problem = Some(problem),
    }
}
