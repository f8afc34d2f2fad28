//! A panel over the screen.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    widgets::{Clear, Widget},
};

use crate::tui::theme::Theme;

/// An empty panel in the middle of the screen.
pub fn over(area: Rect, width: u16, height: u16, theme: &Theme, buffer: &mut Buffer) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let area = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(area, buffer);
    buffer.set_style(area, theme.base());
    area
}
