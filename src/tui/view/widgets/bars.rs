//! Bars: progress, meters, and a row of columns.

use ratatui::{
    buffer::Buffer,
    style::Style,
    text::{Line, Span},
};

use crate::tui::theme::Theme;

/// Progress as a thin line: `━━━━━╸─────`.
pub fn gauge(share: f64, columns: usize, done: Style, theme: &Theme) -> Line<'static> {
    let halves = (share.clamp(0.0, 1.0) * 2.0 * columns as f64).round() as usize;
    let (whole, half) = (halves / 2, halves % 2);
    Line::from(vec![
        Span::styled("━".repeat(whole) + if half > 0 { "╸" } else { "" }, done),
        Span::styled("─".repeat(columns - whole - half), theme.grid()),
    ])
}

/// A bar that leaves a line free above it, so that stacked bars stay apart.
pub fn bar(share: f64, columns: usize) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    match (share * columns as f64).round() as usize {
        // A value above 0 is never drawn as nothing.
        0 if share > 0.0 => "▏".into(),
        whole => "▇".repeat(whole),
    }
}

/// A bar with a resolution of an eighth of a column.
pub fn meter(share: f64, columns: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (share * 8.0 * columns as f64).round() as usize;
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

/// Values between 0 and 1 as columns `▁▂▃▄▅▆▇█` over some rows; `wide` cells each, separated if wider than one.
pub fn columns(at: (u16, u16), rows: u16, wide: u16, values: &[f64], style: Style, buffer: &mut Buffer) {
    const PARTS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let step = wide + u16::from(wide > 1);
    for (i, value) in values.iter().enumerate() {
        let value = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
        // A value above 0 is never drawn as nothing.
        let eighths = ((value * 8.0 * f64::from(rows)).round() as usize).max(usize::from(value > 0.0));
        for row in 0..rows {
            let part = eighths.saturating_sub(8 * usize::from(rows - 1 - row)).min(8);
            for cell in 0..wide {
                let x = at.0 + i as u16 * step + cell;
                if let (true, Some(cell)) = (part > 0, buffer.cell_mut((x, at.1 + row))) {
                    cell.set_symbol(PARTS[part]).set_style(style);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ratatui::layout::Rect;

    use super::*;
    use crate::tui::theme::Theme;

    #[test]
    fn bars_are_as_long_as_their_share() {
        let theme = Theme::all(None, false).0.remove(0);
        assert_eq!(gauge(0.55, 10, Style::new(), &theme).to_string(), "━━━━━╸────");
        assert_eq!(gauge(7.0, 4, Style::new(), &theme).to_string(), "━━━━");
        assert_eq!(meter(0.5, 3), "█▌");
        assert_eq!((bar(0.7, 3).as_str(), bar(0.01, 3).as_str(), bar(0.0, 3).as_str()), ("▇▇", "▏", ""));
        assert_eq!(meter(f64::NAN, 3), "");
    }

    #[test]
    fn columns_rise_over_rows_and_small_values_stay_visible() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 3, 2));
        columns((0, 0), 2, 1, &[1.0, 0.5, 0.001], Style::new(), &mut buffer);
        assert_eq!(buffer.content.iter().map(|cell| cell.symbol()).collect::<String>(), "█  ██▁");
    }
}
