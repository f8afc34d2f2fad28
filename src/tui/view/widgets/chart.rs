//! A chart of `plot` in a part of the screen.

use plotters::drawing::IntoDrawingArea;
use ratatui::{buffer::Buffer, layout::Rect};

use super::cells::{Cells, LOOK};
use crate::{
    plot::{self, Chart, ChartView},
    tui::theme::Theme,
};

/// Draws a chart; nothing if there is no room for one.
pub fn draw(chart: &Chart, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    if area.width < 20 || area.height < 4 {
        return;
    }
    let canvas = Cells::new(buffer, area, theme).into_drawing_area();
    // Drawing on cells in memory cannot fail.
    let _ = plot::draw(&canvas, chart, &LOOK);
    let _ = canvas.present();
}

/// The view with as many ticks as fit.
pub fn fit_ticks(view: ChartView, area: Rect) -> ChartView {
    ChartView { ticks: (usize::from(area.width / 14).clamp(2, 10), usize::from(area.height / 3).clamp(2, 8)), ..view }
}
