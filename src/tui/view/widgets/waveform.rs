//! The waveform of a whole clip: least and greatest sample of each column, as a band of braille around the middle.

use plotters::drawing::IntoDrawingArea;
use ratatui::{buffer::Buffer, layout::Rect};

use super::cells;
use crate::{plot::Ink, tui::theme::Theme};

/// Draws least and greatest samples, in order, over the whole area; `full` is the sample that reaches its edge.
pub fn whole(extremes: &[(f32, f32)], full: f32, area: Rect, theme: &Theme, buffer: &mut Buffer) {
    if extremes.is_empty() || area.is_empty() {
        return;
    }
    let canvas = cells::Cells::new(buffer, area, theme).into_drawing_area();
    let middle = f64::from(area.height) * 2.0;
    let pixels = usize::from(area.width) * 2;
    let color = (cells::LOOK.color)(Ink::Tick);
    let full = if full > 0.0 { full } else { 1.0 };
    let y = |sample: f32| (middle - f64::from((sample / full).clamp(-1.0, 1.0)) * (middle - 1.0)).round() as i32;
    for x in 0..pixels {
        let from = x * extremes.len() / pixels;
        let to = ((x + 1) * extremes.len() / pixels).max(from + 1).min(extremes.len());
        let (mut low, mut high) = (f32::MAX, f32::MIN);
        for (lower, higher) in &extremes[from.min(to)..to] {
            (low, high) = (low.min(*lower), high.max(*higher));
        }
        if low <= high {
            let path = plotters::element::PathElement::new(vec![(x as i32, y(high)), (x as i32, y(low))], color);
            let _ = canvas.draw(&path);
        }
    }
    let _ = canvas.present();
}
