//! A map of values over blocks (down) and steps (across), in half-blocks, with its scale beside it.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
};

use crate::tui::theme::{Shade, Theme};

/// Paints a cell with one value.
pub fn paint(buffer: &mut Buffer, at: (u16, u16), shade: Shade, base: Style) {
    if let Some(cell) = buffer.cell_mut(at) {
        match shade {
            Shade::Color(color) => cell.set_char(' ').set_style(Style::new().bg(color)),
            Shade::Glyph(glyph) => cell.set_char(glyph).set_style(base),
        };
    }
}

/// Paints a cell with two values, one above the other.
pub fn paint_halves(buffer: &mut Buffer, at: (u16, u16), upper: Shade, lower: Shade, base: Style) {
    match (upper, lower) {
        (Shade::Color(up), Shade::Color(down)) => {
            if let Some(cell) = buffer.cell_mut(at) {
                cell.set_char('▀').set_style(Style::new().fg(up).bg(down));
            }
        }
        // Glyphs cannot share a cell: the larger value is shown.
        (Shade::Glyph(up), Shade::Glyph(down)) => {
            const ORDER: [char; 5] = [' ', '░', '▒', '▓', '█'];
            let rank = |glyph| ORDER.iter().position(|g| *g == glyph);
            paint(buffer, at, Shade::Glyph(if rank(up) > rank(down) { up } else { down }), base);
        }
        (upper, _) => paint(buffer, at, upper, base),
    }
}

/// The scale: from `top` at the top to `bottom`, in `area`, one column of colour with numbers beside it.
pub fn scale(area: Rect, top: &str, bottom: &str, theme: &Theme, buffer: &mut Buffer) {
    let pixels = f64::from(2 * area.height).max(2.0);
    for row in 0..area.height {
        let value = |half: u16| 1.0 - f64::from(2 * row + half) / (pixels - 1.0);
        let at = (area.x, area.y + row);
        paint_halves(buffer, at, theme.shade(value(0)), theme.shade(value(1)), theme.base());
    }
    let room = usize::from(area.width.saturating_sub(2));
    buffer.set_stringn(area.x + 2, area.y, top, room, theme.dim());
    buffer.set_stringn(area.x + 2, area.bottom().saturating_sub(1), bottom, room, theme.dim());
}

/// Black or white, whichever is read more easily on this colour.
pub fn ink_on(shade: Shade) -> Style {
    match shade {
        Shade::Color(Color::Rgb(r, g, b)) => {
            // Rec. 601 luma.
            let luma = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
            Style::new().fg(if luma > 140.0 { Color::Rgb(16, 16, 16) } else { Color::Rgb(240, 240, 240) })
        }
        _ => Style::new(),
    }
}
