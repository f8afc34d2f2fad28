//! The confusion matrix as a heat map: labels down, answers across; a cell opens to its clips.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
};

use super::border;
use crate::{
    digits::counted,
    findings::SessionFindings,
    tui::{
        state::{app::App, results::ResultsPart},
        text,
        theme::Shade,
        view::widgets::{Panel, heat_map, rows::scrolled},
    },
};

/// Columns of the labels' names, at least and at most.
const NAMES: (usize, usize) = (8, 18);
/// Columns of a cell, at least and at most.
const CELL: (usize, usize) = (4, 7);

/// Draws it.
pub(super) fn draw(app: &App, found: &SessionFindings, title: Line<'static>, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let (label, answer) = app.results.cell;
    let inner = Panel::new(title, theme).border(border(app, ResultsPart::Matrix)).draw(area, buffer);
    let classes = found.labels().len();
    if inner.height < 4 || classes == 0 {
        return;
    }
    let names = found.labels().iter().map(|name| text::width(name)).max().unwrap_or(0).clamp(NAMES.0, NAMES.1);
    let names = names.min(usize::from(inner.width) / 3);
    let room = usize::from(inner.width).saturating_sub(names + 1);
    let cell = (room / classes).clamp(CELL.0, CELL.1);
    let (across, down) = ((room / cell).min(classes), usize::from(inner.height - 2).min(classes));
    let (first_answer, first_label) = (scrolled(answer, classes, across), scrolled(label, classes, down));
    let x = |column: usize| inner.x + (names + 1 + (column - first_answer) * cell) as u16;
    let y = |row: usize| inner.y + 1 + (row - first_label) as u16;

    let corner = ["label ↓ answer →", "label ↓"].into_iter().find(|words| text::width(words) <= names).unwrap_or("↓");
    buffer.set_string(inner.x, inner.y, text::left(corner, names + 1), theme.faint());
    for column in first_answer..first_answer + across {
        let style = if column == answer { theme.accent() } else { theme.dim() };
        // Three letters distinguish more classes than two letters and an ellipsis.
        let name: String = text::clean(&found.labels()[column]).chars().take(cell - 1).collect();
        buffer.set_string(x(column), inner.y, text::right(&name, cell), style);
    }
    for row in first_label..first_label + down {
        let counts = &found.confusion[row * classes..(row + 1) * classes];
        let total: usize = counts.iter().sum();
        let style = if row == label { theme.accent() } else { theme.base() };
        buffer.set_string(inner.x, y(row), text::left(&found.labels()[row], names), style);
        for (column, &own) in counts.iter().enumerate().skip(first_answer).take(across) {
            let place = Rect { x: x(column), y: y(row), width: cell as u16, height: 1 };
            let share = own as f64 / total.max(1) as f64;
            count(app, own, share, row == column, place, buffer);
            if (row, column) == (label, answer) {
                cursor(app, place, buffer);
            }
        }
    }
    let count = found.confusion[label * classes + answer];
    let total: usize = found.confusion[label * classes..(label + 1) * classes].iter().sum();
    let name = |class: usize| text::clean(&found.labels()[class]);
    let said = match label == answer {
        true => [format!("{} answered rightly", name(label)), format!("{} rightly", name(label))],
        false => ["answered as", "as"].map(|how| format!("{} {how} {}", name(label), name(answer))),
    };
    let share = format!("{count} of {total} ");
    let more: Vec<String> = [(classes - across, "answer"), (classes - down, "label")]
        .into_iter()
        .filter(|(hidden, _)| *hidden > 0)
        .map(|(hidden, what)| format!("+{}", counted(hidden, what)))
        .collect();
    let more = if more.is_empty() { String::new() } else { format!("   {}", more.join(", ")) };
    // Whole words where they fit; else the names are shortened and the numbers stay.
    let room = usize::from(inner.width).saturating_sub(text::width(&share) + text::width(&more));
    let said = said.iter().find(|said| text::width(said) <= room).cloned().unwrap_or_else(|| text::fit(&said[1], room));
    let line = Line::from(vec![
        Span::styled(share, theme.strong()),
        Span::styled(said, theme.base()),
        Span::styled(more, theme.faint()),
    ]);
    buffer.set_line(inner.x, inner.bottom() - 1, &line, inner.width);
}

/// One count, on the colour of its share of the label's clips.
fn count(app: &App, count: usize, share: f64, right: bool, place: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let words = if count == 0 { "·".to_owned() } else { count.to_string() };
    // One column between two cells stays free where the theme has no colours.
    let words = text::right(&words, usize::from(place.width) - 1) + " ";
    let style = match theme.shade(share) {
        _ if count == 0 => theme.faint(),
        shade @ Shade::Color(color) => heat_map::ink_on(shade).bg(color),
        Shade::Glyph(_) if right => theme.base(),
        Shade::Glyph(_) => theme.strong().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
    };
    buffer.set_string(place.x, place.y, words, style);
}

/// Marks the cell under the cursor, with and without colours.
fn cursor(app: &App, place: Rect, buffer: &mut Buffer) {
    let style: Style = app.theme().accent().add_modifier(Modifier::BOLD);
    for (x, sign) in [(place.x, "["), (place.right() - 1, "]")] {
        if let Some(cell) = buffer.cell_mut((x, place.y)) {
            cell.set_symbol(sign).set_style(style);
        }
    }
}
