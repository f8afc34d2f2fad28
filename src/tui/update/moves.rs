//! Where a move goes: to the panel over the screen, or to the screen's own cursor.

use super::{Effect, PAGE, data, decisions, live, results, runs, scan};
use crate::tui::{
    input::action::{Move, Screen},
    state::{
        app::{App, Overlay},
        layers::Layers,
    },
};

/// Rows of the screen that the help does not fill: the header, the footer and its frame.
const HELP_FRAME: u16 = 4;

pub(super) fn go(app: &mut App, to: Move) -> Vec<Effect> {
    match (&mut app.overlay, app.screen) {
        (Some(Overlay::Help(scroll)), _) => {
            let last = app.keys.help_lines().saturating_sub(app.size.1.saturating_sub(HELP_FRAME));
            *scroll = to.row(usize::from(*scroll), usize::from(last), PAGE) as u16;
        }
        (Some(Overlay::Export(exporting)), _) => exporting.go(to),
        (Some(Overlay::CommandLine(line)), _) => line.recall(&app.history, to == Move::Up),
        (Some(_), _) => {}
        (None, Screen::Train) => runs::move_cursor(app, to),
        (None, Screen::Layers) => match to {
            Move::Up | Move::Down => {
                let depth = Layers::side(app.focus, |side| !app.slot(side).state.norms.is_empty())
                    .map_or(0, |side| app.slot(side).state.norms.depth());
                app.layers.go(to, depth);
            }
            _ => runs::move_cursor(app, to),
        },
        (None, Screen::Parameters) => app.parameters.go(to, PAGE),
        (None, Screen::Live) => return live::go(app, to),
        (None, Screen::Sessions) => match &mut app.sweep {
            Some(table) => table.go(to, PAGE),
            None => app.sessions.go(to, PAGE),
        },
        (None, Screen::Data) => return data::go(app, to),
        (None, Screen::Results) => return results::go(app, to),
        (None, Screen::Review) => return decisions::go(app, to),
        (None, Screen::Scan) => return scan::go(app, to),
    }
    Vec::new()
}
