//! Results: what a session gets wrong. The confusion matrix, the clips of a cell or all of them, classes, calibration.

mod calibration;
mod classes;
mod clips;
mod matrix;

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
};

use super::side_title;
use crate::{
    data::Metric,
    digits::counted,
    findings::SessionFindings,
    tui::{
        input::action::{Action, Screen},
        state::{app::App, results::ResultsPart},
        text,
        view::{
            clip_panel,
            picture::Picture,
            widgets::{Panel, hint, middle},
        },
    },
};

/// Columns from which on classes and calibration stand side by side.
const WIDE: u16 = 110;

/// Draws the screen. Returns a picture that the terminal draws over it, if any.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Picture> {
    let theme = app.theme();
    let found = match &app.results.overview {
        Some(Ok(found)) => found,
        Some(Err(problem)) => {
            let inner = Panel::new("results", theme).border(theme.bad()).draw(area, buffer);
            let (again, sessions) = (app.key(&Action::Refresh), app.key(&Action::Show(Screen::Sessions)));
            middle(
                inner,
                &text::one_line(problem),
                theme.bad(),
                &format!("{again} reads it again; {sessions} Sessions opens another"),
                theme,
                buffer,
            );
            return None;
        }
        None if app.results.asked.is_some() => {
            let inner = Panel::new("results", theme).draw(area, buffer);
            hint(inner, "reading …", &[], theme, buffer);
            return None;
        }
        None => {
            let inner = Panel::new("results", theme).draw(area, buffer);
            let [sessions, train] = [Screen::Sessions, Screen::Train].map(|screen| app.key(&Action::Show(screen)));
            let keys = [
                (&*sessions, "Sessions: open one that was trained".to_owned()),
                (&*train, "Train: start a run; its first epoch fills this screen".to_owned()),
            ];
            hint(
                inner,
                "What a session gets wrong: which classes, which clips, how sure it was.",
                &keys,
                theme,
                buffer,
            );
            return None;
        }
    };
    let wide = area.width >= WIDE;
    let left = (area.width * 11 / 20).max(42);
    let [left, right] = Layout::horizontal([Constraint::Length(left), Constraint::Fill(1)]).areas(area);
    let tables = (found.labels().len() as u16 + 3).clamp(6, (area.height * 2 / 5).max(6));
    let [top, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(tables)]).areas(left);
    matrix::draw(app, found, title(app, found, left.width), top, buffer);
    if wide {
        let [classes, calibration] = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(below);
        classes::draw(app, found, classes, buffer);
        calibration::draw(app, found, calibration, buffer);
    } else {
        classes::draw(app, found, below, buffer);
    }
    let sound = (area.height * 11 / 20).max(9);
    let [list, sound] = Layout::vertical([Constraint::Fill(1), Constraint::Length(sound)]).areas(right);
    clips::draw(app, found, list, buffer);
    let empty = match found.kept.dataset {
        Some(_) => "no clip is chosen",
        None => "the clips are not there any more",
    };
    clip_panel::draw(app, &app.results.clip, empty, sound, buffer)
}

/// The session, what it was judged by, and how it does.
fn title(app: &App, found: &SessionFindings, width: u16) -> Line<'static> {
    let theme = app.theme();
    let mut line = side_title(app, app.results_side(), &found.name);
    let narrow = width < 60;
    let value = match (found.metric, found.accuracy) {
        (Metric::Accuracy, Some((value, _))) if narrow => format!("accuracy {value:.3}"),
        (Metric::Accuracy, Some((value, interval))) => {
            format!("accuracy {value:.3} ({:.3} to {:.3})", interval.low, interval.high)
        }
        _ => format!("{} {:.3}", found.metric.name(), found.value),
    };
    line.push_span(Span::styled(format!("  {value}"), theme.base()));
    let clips = if narrow { "clip" } else { "validation clip" };
    let clips = format!("  {}", counted(found.clips.len(), clips));
    // Whole or not at all: the list beside it counts clips as well.
    if line.width() + text::width(&clips) + 4 <= usize::from(width) {
        line.push_span(Span::styled(clips, theme.dim()));
    }
    line
}

/// The border of a part: bright where keys move.
fn border(app: &App, part: ResultsPart) -> Style {
    if app.results.part == part { app.theme().accent() } else { app.theme().border() }
}
