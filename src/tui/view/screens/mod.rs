//! One file for each screen: each draws the state into an area.

pub mod browser;
pub mod data;
pub mod export;
pub mod help;
pub mod layers;
pub mod live;
pub mod parameters;
pub mod results;
pub mod review;
pub mod scan;
pub mod sessions;
pub mod sweep;
pub mod together;
pub mod train;

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::{
    plot::Side,
    session::Status,
    tui::{
        input::action::Screen,
        state::{app::App, run_slot::RunSlot, sweep::SweepTable},
        text,
    },
};

/// `A ● AAT`, in the side's style.
pub fn side_title(app: &App, side: Side, words: &str) -> Line<'static> {
    let theme = app.theme();
    Line::from(vec![
        Span::styled(format!("{} {} ", side.letter(), side.marker()), theme.side(side)),
        Span::styled(text::clean(words), theme.strong()),
    ])
}

/// The status of a run.
pub struct Standing {
    /// One letter.
    pub sign: &'static str,
    /// One word.
    pub word: &'static str,
    /// More detailed text in place of the word.
    pub more: Option<String>,
    /// The style: good, bad, or neither.
    pub style: Style,
}

/// The status of a side's run; `None` when nothing was begun.
pub fn standing(app: &App, slot: &RunSlot) -> Option<Standing> {
    let theme = app.theme();
    let (sign, word, more, style) = match &slot.status() {
        Status::New if slot.is_busy() => ("◌", "starting", None, theme.dim()),
        Status::New => return None,
        Status::Running | Status::Evaluating(..) | Status::Paused if !slot.is_busy() => {
            ("◦", "interrupted", None, theme.warn())
        }
        Status::Preparing(done, total) if done == total => ("◌", "starting", Some("first step".into()), theme.dim()),
        Status::Preparing(done, total) => ("◌", "starting", Some(format!("decoding {done}/{total}")), theme.dim()),
        Status::Running => ("◌", "training", None, theme.accent()),
        Status::Evaluating(done, total) => ("◌", "validating", Some(format!("validating {done}/{total}")), theme.dim()),
        _ if slot.state.waiting.is_some() && slot.is_busy() => {
            ("!", "disk full", Some("disk full, waits".into()), theme.bad())
        }
        Status::Paused => ("‖", "paused", None, theme.warn()),
        Status::Stopped => ("◦", "stopped", None, theme.warn()),
        Status::Failed(_) => ("✗", "failed", None, theme.bad()),
        Status::Finished => {
            ("✓", "done", Some(format!("done in {}", text::clock(slot.state.trace.active_s()))), theme.good())
        }
    };
    Some(Standing { sign, word, more, style })
}

/// The status of a side's run, for the right end of its frame; in training its bar shows it.
pub fn status(app: &App, slot: &RunSlot) -> Line<'static> {
    match standing(app, slot) {
        Some(Standing { word: "training", .. }) | None => Line::default(),
        Some(Standing { sign, word, more, style }) => {
            Line::styled(format!("{sign} {}", more.as_deref().unwrap_or(word)), style)
        }
    }
}

/// The right end of the footer.
pub fn footer_right(app: &App) -> Line<'static> {
    let theme = app.theme();
    match app.screen {
        Screen::Train | Screen::Layers => {
            let pace: f64 = app.slots.iter().filter(|slot| slot.is_busy()).filter_map(RunSlot::pace).sum();
            if pace > 0.0 { Line::styled(format!("{pace:.1} steps/s"), theme.dim()) } else { Line::default() }
        }
        Screen::Sessions if app.sweep.is_some() => {
            let n = app.sweep.as_ref().map_or(0, SweepTable::len);
            Line::styled(format!("{n} task{}", if n == 1 { "" } else { "s" }), theme.dim())
        }
        Screen::Sessions => {
            let (shown, n) = (app.sessions.rows().len(), app.sessions.count());
            let of = if shown == n { String::new() } else { format!("{shown} of ") };
            Line::styled(format!("{of}{n} session{}", if n == 1 { "" } else { "s" }), theme.dim())
        }
        _ => Line::default(),
    }
}
