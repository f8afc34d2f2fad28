//! How often probabilities are right: a row for each bin that holds answers.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    findings::Overview,
    tui::{
        state::app::App,
        text,
        view::widgets::{Panel, bars::meter},
    },
};

/// Draws the bins, the surest first: a bar for the share that is right, a mark at their mean probability.
pub(super) fn draw(app: &App, found: &Overview, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let state = match &found.calibration {
        Some(calibration) => calibration.scaling.to_string(),
        None => "C calibrates".to_owned(),
    };
    let title = Line::from(vec![
        Span::raw("calibration  "),
        Span::styled(format!("ECE {:.3}", found.reliability.ece), theme.strong()),
    ]);
    let inner = Panel::new(title, theme).right(Line::styled(state, theme.dim())).draw(area, buffer);
    let bins = &found.reliability.bins;
    let width = usize::from(inner.width).saturating_sub(19);
    if width < 6 {
        return;
    }
    buffer.set_stringn(
        inner.x,
        inner.y,
        text::left("said", 11) + "right ▉  said │",
        usize::from(inner.width),
        theme.dim(),
    );
    buffer.set_string(inner.right().saturating_sub(6), inner.y, text::right("n", 6), theme.dim());
    let filled = bins.iter().enumerate().rev().filter(|(_, bin)| bin.count > 0);
    for ((number, bin), y) in filled.zip(inner.y + 1..inner.bottom()) {
        let end = |number: usize| number as f64 / bins.len() as f64;
        buffer.set_string(inner.x, y, format!("{:.2}–{:.2}", end(number), end(number + 1)), theme.dim());
        buffer.set_string(inner.x + 11, y, meter(bin.right, width), theme.accent());
        let at = ((bin.confidence * width as f64) as usize).min(width - 1) as u16;
        if let Some(cell) = buffer.cell_mut((inner.x + 11 + at, y)) {
            cell.set_symbol("│").set_style(theme.strong());
        }
        buffer.set_string(inner.right().saturating_sub(6), y, text::right(&bin.count.to_string(), 6), theme.base());
    }
}
