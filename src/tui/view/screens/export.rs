//! The export panel, over the screen.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::tui::{
    state::exporting::{Exporting, Form, Stage},
    text,
    theme::Theme,
    view::{
        overlay,
        widgets::{Panel, gauge},
    },
};

/// Columns of the panel.
const WIDE: u16 = 76;
/// Columns of the names on its left.
const NAMES: u16 = 9;
/// Columns of the progress bar.
const BAR: usize = 30;

/// Draws the panel over the screen.
pub fn draw(exporting: &Exporting, theme: &Theme, body: Rect, buffer: &mut Buffer) {
    let below = below(exporting, theme, usize::from(WIDE.min(body.width)).saturating_sub(4));
    let area = overlay::over(body, WIDE, (7 + below.len() as u16).clamp(9, body.height.max(9)), theme, buffer);
    let title = format!("export {}", exporting.name);
    let border = if matches!(exporting.stage, Stage::Asking(_)) { theme.accent() } else { theme.border() };
    let inner = Panel::new(Span::styled(text::clean(&title), theme.strong()), theme).border(border).draw(area, buffer);
    let mut row = |at: u16, name: &str, line: Line<'_>| {
        if at < inner.height {
            buffer.set_string(inner.x, inner.y + at, name, theme.dim());
            buffer.set_line(inner.x + NAMES, inner.y + at, &line, inner.width.saturating_sub(NAMES));
        }
    };
    let asking = matches!(exporting.stage, Stage::Asking(_));
    let form = match asking {
        true => format!("◂ {} ▸", exporting.form.title()),
        false => exporting.form.title().to_owned(),
    };
    let of = Form::ALL.len();
    let at = Form::ALL.iter().position(|form| *form == exporting.form).unwrap_or(0) + 1;
    row(
        1,
        "format",
        Line::from(vec![Span::styled(form, theme.base()), Span::styled(format!("  {at}/{of}"), theme.dim())]),
    );
    row(2, "", Line::styled(exporting.form.what(), theme.dim()));
    row(3, "target", target(&exporting.target, asking, usize::from(inner.width.saturating_sub(NAMES)), theme));
    for (line, y) in below.into_iter().zip(inner.y + 5..inner.bottom()) {
        buffer.set_line(inner.x, y, &line, inner.width);
    }
}

/// The target as typed: of a long one, its end.
fn target(target: &str, typed: bool, room: usize, theme: &Theme) -> Line<'static> {
    let shown = text::clean(target);
    let skip = text::width(&shown).saturating_sub(room.saturating_sub(1));
    let shown: String = shown.chars().skip(skip).collect();
    let mut line = Line::styled(shown, theme.strong());
    if typed {
        line.push_span(Span::styled("▏", theme.accent()));
    }
    line
}

/// The lower part: the error, the progress, or the report.
fn below(exporting: &Exporting, theme: &Theme, room: usize) -> Vec<Line<'static>> {
    let wrapped = |words: &str, style| {
        text::wrap(words, room).into_iter().map(move |row| Line::styled(row, style)).collect::<Vec<_>>()
    };
    match &exporting.stage {
        Stage::Asking(None) => {
            wrapped("It is compared with the program on up to 40 validation clips before it is kept.", theme.dim())
        }
        Stage::Asking(Some(problem)) => wrapped(&format!("✗ {}", text::one_line(problem)), theme.bad()),
        Stage::Working { stopping: true, .. } => vec![Line::styled("stopping …", theme.warn())],
        Stage::Working { compared: None, .. } => vec![Line::styled("reading and writing …", theme.dim())],
        Stage::Working { compared: Some((done, total)), .. } => {
            let share = *done as f64 / (*total).max(1) as f64;
            let mut line = Line::styled("comparing with the program  ", theme.dim());
            line.spans.extend(gauge(share, BAR, theme.accent(), theme).spans);
            line.push_span(Span::styled(format!("  {done}/{total}"), theme.dim()));
            vec![line]
        }
        Stage::Written(report) => {
            let mut lines = Vec::new();
            for (at, words) in report.lines().iter().enumerate() {
                let style = if at == 0 { theme.good() } else { theme.base() };
                let sign = if at == 0 { "✓ " } else { "" };
                lines.extend(wrapped(&format!("{sign}{}", text::one_line(words)), style));
            }
            lines
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_format_is_good_for_is_not_cut() {
        // Borders and a column of padding on both sides.
        let room = usize::from(WIDE - 4 - NAMES);
        for form in Form::ALL {
            assert!(text::width(form.what()) <= room, "{}", form.what());
        }
    }
}
