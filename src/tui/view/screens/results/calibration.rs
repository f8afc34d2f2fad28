//! How often probabilities are right: a row for each bin that holds answers.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    findings::SessionFindings,
    tui::{
        state::app::App,
        text,
        view::widgets::{Panel, bars::meter},
    },
};

/// Columns of a bin's lower end, and of the number of its answers.
const LOWER: usize = 6;
const COUNT: usize = 6;

/// Draws the bins, the surest first: a bar for the share that is right, a mark at their mean probability.
pub(super) fn draw(app: &App, found: &SessionFindings, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let state = match &found.calibration {
        // The error is worth more than the key.
        _ if area.width < 32 => String::new(),
        Some(calibration) => calibration.scaling.to_string(),
        None => "C calibrates".to_owned(),
    };
    let mut title = Line::default();
    if area.width >= 44 {
        title.push_span(Span::raw("calibration  "));
    }
    title.push_span(Span::styled(format!("ECE {:.3}", found.reliability.ece), theme.strong()));
    let inner = Panel::new(title, theme).right(Line::styled(state, theme.dim())).draw(area, buffer);
    let bins = &found.reliability.bins;
    let width = usize::from(inner.width).saturating_sub(LOWER + COUNT);
    if width < 6 {
        return;
    }
    let heads = ["right ▉ mean p │", "right ▉ p│", "right"];
    let head = heads.into_iter().find(|head| text::width(head) <= width).unwrap_or_default();
    buffer.set_string(inner.x, inner.y, text::left("p", LOWER) + head, theme.dim());
    let right = |words: &str| text::right(words, COUNT);
    let counts = inner.x + (LOWER + width) as u16;
    buffer.set_string(counts, inner.y, right("n"), theme.dim());
    let filled = bins.iter().enumerate().rev().filter(|(_, bin)| bin.count > 0);
    for ((number, bin), y) in filled.zip(inner.y + 1..inner.bottom()) {
        buffer.set_string(inner.x, y, format!("{:.2}+", number as f64 / bins.len() as f64), theme.dim());
        buffer.set_string(inner.x + LOWER as u16, y, meter(bin.right, width), theme.accent());
        let at = ((bin.confidence * width as f64) as usize).min(width - 1);
        if let Some(cell) = buffer.cell_mut((inner.x + (LOWER + at) as u16, y)) {
            cell.set_symbol("│").set_style(theme.strong());
        }
        buffer.set_string(counts, y, right(&bin.count.to_string()), theme.base());
    }
}
