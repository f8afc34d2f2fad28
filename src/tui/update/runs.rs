//! What people do to runs: begin, pause, another method, a place on the curves, a file of them.

use std::path::PathBuf;

use super::{Effect, notify};
use crate::{
    model::{self, Method},
    plot::{self, Side},
    train::Command,
    tui::{
        action::{Move, Screen},
        app::App,
        slot::Origin,
    },
};

pub(super) fn start(app: &mut App, sides: &[Side]) -> Vec<Effect> {
    if let Some(busy) = sides.iter().find(|side| app.slot(**side).is_busy()) {
        let text = format!("{} already trains: Space pauses it, S stops it", busy.letter());
        notify(app, text, false);
        return Vec::new();
    }
    app.cursor = None;
    if let [side] = sides
        && app.slot(*side).can_resume()
        && let Origin::Disk(path) = app.slot(*side).origin.clone()
    {
        app.slot_mut(*side).resume(path.clone());
        return vec![Effect::Resume(*side, path)];
    }
    for side in sides {
        app.slot_mut(*side).start();
    }
    let runs = sides.iter().map(|side| (*side, app.slot(*side).method, app.setup_of(*side)));
    vec![Effect::Start(runs.collect())]
}

/// Pauses what runs; when all of it is paused, lets it go on.
pub(super) fn pause(app: &mut App) -> Vec<Effect> {
    let busy = app.busy_sides();
    if busy.is_empty() {
        notify(app, "nothing runs: Enter starts this side, b both".into(), false);
        return Vec::new();
    }
    let all_paused = busy.iter().all(|side| app.slot(*side).is_paused());
    let command = if all_paused { Command::Continue } else { Command::Pause };
    busy.into_iter().map(|side| Effect::Command(side, command)).collect()
}

pub(super) fn set_method(app: &mut App, method: Method) -> Vec<Effect> {
    if app.focused().is_busy() && app.screen != Screen::Parameters {
        let text = format!("{} trains: stop it first (S), or look at methods on 3 Parameters", app.focus.letter());
        notify(app, text, false);
        return Vec::new();
    }
    let focus = app.focus;
    let slot = app.slot_mut(focus);
    slot.method = method;
    let text = format!("{} {} {}: {} trains", focus.letter(), focus.marker(), method.title(), method.trains_what());
    app.refresh_parameters();
    notify(app, text, false);
    Vec::new()
}

/// Gives the focused side's next run the backbone that comes after its own in the box.
pub(super) fn next_backbone(app: &mut App) -> Vec<Effect> {
    let (focus, boxed) = (app.focus, model::boxed());
    if app.focused().is_busy() {
        notify(app, format!("{} trains: stop it first (S)", focus.letter()), false);
        return Vec::new();
    }
    let own = app.setup_of(focus).model;
    let next = boxed.iter().position(|(name, _)| *name == own).map_or(0, |at| (at + 1) % boxed.len());
    let (name, what) = boxed[next];
    app.slot_mut(focus).backbone = Some(name.to_owned());
    notify(app, format!("{} {} adapts {name}: {what}", focus.letter(), focus.marker()), false);
    vec![Effect::Shape(app.setup_of(focus), app.focused().method)]
}

/// Starts the focused side's method on both sides, each on a backbone of its own: the first two in the box.
pub(super) fn versus(app: &mut App) -> Vec<Effect> {
    if app.busy_sides().is_empty() {
        let method = app.focused().method;
        for (side, (name, _)) in Side::BOTH.into_iter().zip(model::boxed()) {
            let slot = app.slot_mut(side);
            (slot.method, slot.backbone) = (method, Some(name.to_owned()));
        }
    }
    start(app, &Side::BOTH)
}

/// Moves the crosshair by a fortieth of the longest run; it comes from beyond the newest step and goes there.
pub(super) fn move_cursor(app: &mut App, to: Move) {
    let newest = app.slots.iter().map(|slot| slot.state.step()).max().unwrap_or(0);
    if newest == 0 {
        return;
    }
    let stride = (newest / 40).max(1);
    let at = app.cursor.unwrap_or(newest);
    app.cursor = match to {
        Move::Left => Some(at.saturating_sub(stride).max(1)),
        Move::Right => (at + stride < newest).then_some(at + stride),
        Move::Home => Some(1),
        Move::End => None,
        _ => app.cursor,
    };
}

pub(super) fn export(app: &mut App, path: Option<PathBuf>) -> Vec<Effect> {
    let runs = app.runs();
    if runs.is_empty() {
        notify(app, "there are no curves to export yet: Enter starts a run".into(), false);
        return Vec::new();
    }
    let view = plot::View { ticks: (8, 6), ..app.view() };
    let charts = vec![plot::loss(&runs, &view), plot::metric(&runs, &view)];
    let path = path.unwrap_or_else(|| {
        let names: Vec<_> = runs.iter().filter_map(|run| Some(run.state.config.as_ref()?.session.as_str())).collect();
        PathBuf::from(format!("{}.svg", names.join("-vs-")))
    });
    vec![Effect::Export(path, charts)]
}
