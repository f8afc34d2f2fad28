//! Each class's figures.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    findings::SessionFindings,
    train::Interval,
    tui::{
        state::app::App,
        text,
        view::widgets::{Panel, rows::scrolled},
    },
};

/// Columns of a value, and of its interval.
const VALUE: usize = 7;
const INTERVAL: usize = 12;

/// Draws the table. The class of the matrix's cursor is marked, and always in sight.
pub(super) fn draw(app: &App, found: &SessionFindings, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let inner = Panel::new("classes, with 95 % intervals", theme).draw(area, buffer);
    let longest = found.labels().iter().map(|name| text::width(name)).max().unwrap_or(0).clamp(6, 20);
    let fixed = 5 + 3 * VALUE;
    let width = usize::from(inner.width);
    let names = longest.min(width.saturating_sub(fixed).max(6));
    // Intervals as far as there is room: recall's first.
    let intervals = (width.saturating_sub(names + fixed) / INTERVAL).min(3);
    let part = |name: &str, with: bool| text::right(name, VALUE) + &" ".repeat(if with { INTERVAL } else { 0 });
    let head = format!(
        "{}{}{}{}{}",
        text::left("class", names),
        text::right("n", 5),
        part("recall", intervals > 0),
        part("prec.", intervals > 1),
        part("AP", intervals > 2)
    );
    buffer.set_stringn(inner.x, inner.y, head, width, theme.dim());
    let room = usize::from(inner.height.saturating_sub(1));
    let first = scrolled(app.results.cell.0, found.classes.len(), room);
    for (place, class) in found.classes.iter().enumerate().skip(first).take(room) {
        let y = inner.y + 1 + (place - first) as u16;
        let value = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        let between = |interval: Option<Interval>, with: bool| match (with, interval) {
            (false, _) => String::new(),
            (true, None) => " ".repeat(INTERVAL),
            (true, Some(Interval { low, high })) => text::left(&format!(" {low:.2}–{high:.2}"), INTERVAL),
        };
        let mut line = Line::from(vec![
            Span::styled(text::left(&class.label, names), theme.base()),
            Span::styled(text::right(&class.clips.to_string(), 5), theme.dim()),
        ]);
        for (number, (of, interval)) in [
            (class.recall, class.recall_interval),
            (class.precision, class.precision_interval),
            (class.average_precision, class.average_precision_interval),
        ]
        .into_iter()
        .enumerate()
        {
            line.push_span(Span::styled(text::right(&value(of), VALUE), theme.strong()));
            line.push_span(Span::styled(between(interval, intervals > number), theme.dim()));
        }
        buffer.set_line(inner.x, y, &line, inner.width);
        if place == app.results.cell.0 {
            buffer.set_style(Rect { y, height: 1, ..inner }, theme.selected());
        }
    }
}
