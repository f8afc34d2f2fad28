//! One file for each screen: each draws the state into an area, and nothing else.

pub mod help;
pub mod layers;
pub mod live;
pub mod parameters;
pub mod sessions;
pub mod train;

use ratatui::text::{Line, Span};

use super::{action::Screen, app::App, slot::Slot, text};
use crate::{plot::Side, session::Status};

/// `A ● AAT`, in the side's style.
pub fn side_title(app: &App, side: Side, words: &str) -> Line<'static> {
    let theme = app.theme();
    Line::from(vec![
        Span::styled(format!("{} {} ", side.letter(), side.marker()), theme.side(side)),
        Span::styled(text::clean(words), theme.strong()),
    ])
}

/// Where a slot stands, for the right end of its frame.
pub fn status(app: &App, slot: &Slot) -> Line<'static> {
    let theme = app.theme();
    let (sign, words, style) = match &slot.state.status {
        Status::New if slot.alive => ("◌", "starting".to_owned(), theme.dim()),
        Status::New => return Line::default(),
        Status::Preparing(done, total) if done == total => ("◌", "first step".to_owned(), theme.dim()),
        Status::Preparing(done, total) => ("◌", format!("decoding {done}/{total}"), theme.dim()),
        Status::Running | Status::Evaluating(..) | Status::Paused if !slot.alive => {
            ("◦", "interrupted".to_owned(), theme.warn())
        }
        Status::Running => return Line::default(),
        Status::Evaluating(done, total) => ("◌", format!("validating {done}/{total}"), theme.dim()),
        Status::Paused => ("‖", "paused".to_owned(), theme.warn()),
        Status::Stopped => ("◦", "stopped".to_owned(), theme.warn()),
        Status::Failed(_) => ("✗", "failed".to_owned(), theme.bad()),
        Status::Finished => ("✓", format!("done in {}", text::clock(slot.trace.active_s())), theme.good()),
    };
    Line::styled(format!("{sign} {words}"), style)
}

/// What the footer says at its right.
pub fn footer_right(app: &App) -> Line<'static> {
    let theme = app.theme();
    match app.screen {
        Screen::Train | Screen::Layers => {
            let pace: f64 = app.slots.iter().filter(|slot| slot.is_busy()).filter_map(Slot::pace).sum();
            if pace > 0.0 { Line::styled(format!("{pace:.1} steps/s"), theme.dim()) } else { Line::default() }
        }
        Screen::Sessions => {
            let n = app.sessions.list.as_ref().map_or(0, Vec::len);
            Line::styled(format!("{n} session{}", if n == 1 { "" } else { "s" }), theme.dim())
        }
        _ => Line::default(),
    }
}
