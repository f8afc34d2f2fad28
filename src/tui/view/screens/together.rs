//! Several sessions at once, beneath the list: one chart of their metric, or their results with paired differences.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    comparison::{Row, Spread},
    digits::signed,
    plot,
    tui::{
        input::action::TogetherView,
        state::{
            app::App,
            together::{ReadTogether, Together},
        },
        text,
        view::widgets::{Panel, chart, paragraph},
    },
};

/// Draws the panel.
pub fn draw(app: &App, together: &Together, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let inner = Panel::new(title(together), theme).right(aside(together)).draw(area, buffer);
    let Some(read) = &together.read else {
        paragraph(inner, "reading …", theme.dim(), buffer);
        return;
    };
    match (together.view, &read.results) {
        (TogetherView::Curves, _) if read.runs.iter().all(|run| run.state.epochs.is_empty()) => {
            paragraph(inner, "No epoch is complete yet in these sessions.", theme.dim(), buffer);
        }
        (TogetherView::Curves, _) => {
            let at = app.sessions.selected().and_then(|session| together.number(&session.path));
            let view = chart::fit_ticks(app.view(), inner);
            let states = read.runs.iter().map(|run| &run.state);
            chart::draw(&plot::overlay(states, at.map(|number| number - 1), &view), inner, buffer, theme);
        }
        (TogetherView::Results, Err(problem)) => {
            paragraph(inner, problem, theme.warn(), buffer);
        }
        (TogetherView::Results, Ok(rows)) => table(app, rows, inner, buffer),
    }
}

fn title(together: &Together) -> String {
    let Some(read) = &together.read else { return "several sessions".to_owned() };
    let metric = |read: &ReadTogether| {
        let config = read.runs.first().and_then(|run| run.state.config.as_deref());
        config.map_or("metric", |config| config.recipe.metric.name())
    };
    match (together.view, &read.results) {
        (TogetherView::Curves, _) => format!("{} by epoch of {} sessions", metric(read), read.runs.len()),
        (TogetherView::Results, Ok(rows)) => {
            let folds = rows.iter().map(|row| row.folds.len()).max().unwrap_or_default();
            let over = if folds > 1 { format!(", mean ± std over {folds} folds") } else { String::new() };
            format!("{} after the last epoch{over}", metric(read))
        }
        (TogetherView::Results, Err(_)) => "these sessions are not compared".to_owned(),
    }
}

/// What is not shown.
fn aside(together: &Together) -> String {
    let beyond = Some(together.beyond).filter(|n| *n > 0).map(|n| format!("{n} more not read"));
    let left_out = together.read.as_ref().filter(|_| together.view == TogetherView::Curves).and_then(|read| match read
        .left_out
        .as_slice()
    {
        [] => None,
        [one] => Some(format!("left out: {}", text::one_line(one))),
        [one, ..] => Some(format!("{} left out: {}, …", read.left_out.len(), text::one_line(one))),
    });
    beyond.into_iter().chain(left_out).collect::<Vec<_>>().join(" · ")
}

/// A row for each configuration.
fn table(app: &App, rows: &[Row], inner: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let wide = inner.width >= 100;
    // last 16, difference 25, trainable 12, seconds 8; best 16 where there is room.
    let name = usize::from(inner.width).saturating_sub(16 + 25 + 12 + 8 + if wide { 16 } else { 0 });
    let spread = |spread: Spread| match spread.std {
        Some(std) => format!("{:.3} ± {std:.3}", spread.mean),
        None => format!("{:.3}", spread.mean),
    };
    let put = |y: u16, cells: [&str; 6], style| {
        let [method, best, last, difference, trainable, seconds] = cells;
        let best = if wide { text::right(best, 16) } else { String::new() };
        let [last, difference, trainable, seconds] =
            [(last, 16), (difference, 25), (trainable, 12), (seconds, 8)].map(|(cell, width)| text::right(cell, width));
        let line = Line::from(vec![
            Span::styled(text::left(method, name), style),
            Span::styled(best, theme.dim()),
            Span::styled(last, style),
            Span::styled(difference + &trainable + &seconds, theme.dim()),
        ]);
        (y, line)
    };
    let to = rows.first().map_or_else(String::new, |first| format!("{} less it", first.method));
    let head = put(inner.y, ["method", "best", "last", &to, "trainable", "s/epoch"], theme.dim());
    let room = usize::from(inner.height).saturating_sub(1);
    let shown = if rows.len() > room { room.saturating_sub(1) } else { rows.len() };
    let lines = rows.iter().take(shown).zip(inner.y + 1..).map(|(row, y)| {
        let difference = row.last_difference.map_or_else(String::new, |d| {
            let [difference, low, high] = [d.difference, d.low, d.high].map(|value| signed(value, 3));
            format!("{difference} [{low}, {high}]")
        });
        let trainable = text::count(row.trainable as u64);
        let seconds = format!("{:.1}", row.epoch_seconds);
        put(y, [&row.name(), &spread(row.best), &spread(row.last), &difference, &trainable, &seconds], theme.base())
    });
    for (y, line) in std::iter::once(head).chain(lines) {
        buffer.set_line(inner.x, y, &line, inner.width);
    }
    if shown < rows.len() {
        let more = format!("{} more: mark fewer, or a taller window", rows.len() - shown);
        buffer.set_stringn(inner.x, inner.bottom() - 1, more, usize::from(inner.width), theme.dim());
    }
}
