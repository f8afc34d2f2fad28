//! The mel spectrogram, newest at the right, with Hz at its left.

use std::{collections::VecDeque, sync::Arc};

use ratatui::{buffer::Buffer, layout::Rect};

use super::{paint, raster::Raster, timeline::Timeline};
use crate::tui::{terminal::graphics::Graphics, theme::Theme, view::picture::Picture};

/// Columns left of the waterfall for the frequencies.
pub const TICKS: u16 = 6;

/// Frequencies with a tick, Hz.
const HZ: [(f64, &str); 6] =
    [(250.0, "250"), (500.0, "500"), (1000.0, "1 k"), (2000.0, "2 k"), (4000.0, "4 k"), (7000.0, "7 k")];

/// A waterfall.
pub struct Waterfall<'a> {
    /// Log-mel frames, oldest first.
    pub frames: &'a VecDeque<Arc<[f32]>>,
    /// Their timeline.
    pub timeline: Timeline,
    /// Frames before the newest and mel bin under the cursor.
    pub cursor: Option<(usize, usize)>,
    /// The graphics, if the theme has colours.
    pub graphics: Graphics,
}

/// Kaldi's mel scale: 1127 ln(1 + f / 700).
fn mel(hz: f64) -> f64 {
    1127.0 * (1.0 + hz / 700.0).ln()
}

/// The centre frequency of a mel bin between 20 Hz and 8 kHz.
pub fn hz_of_bin(bin: usize, bins: usize) -> f64 {
    let (low, high) = (mel(20.0), mel(8000.0));
    let at = low + (high - low) * (bin as f64 + 1.0) / (bins as f64 + 1.0);
    700.0 * ((at / 1127.0).exp() - 1.0)
}

fn bin_of_hz(hz: f64, bins: usize) -> f64 {
    let (low, high) = (mel(20.0), mel(8000.0));
    (mel(hz) - low) / (high - low) * (bins as f64 + 1.0) - 1.0
}

/// Frequencies left of an area that shows all bins of a mel spectrogram.
pub fn ticks(area: Rect, bins: usize, theme: &Theme, buffer: &mut Buffer) {
    let pixels = 2.0 * f64::from(area.height);
    let mut free = u16::MAX;
    for (hz, name) in HZ {
        let pixel = pixels - 1.0 - (bin_of_hz(hz, bins) + 0.5) * pixels / bins as f64;
        let row = area.y + (pixel.max(0.0) / 2.0) as u16;
        if row < area.bottom() && row.saturating_add(1) < free {
            buffer.set_string(area.x - TICKS, row, format!("{name:>4} "), theme.dim());
            free = row;
        }
    }
    if free < u16::MAX {
        buffer.set_string(area.x - TICKS, area.bottom() - 1, "  Hz ", theme.faint());
    }
}

impl Waterfall<'_> {
    /// Draws it. Returns a picture that the terminal draws over its cells, if any.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Option<Picture> {
        let area = Rect { x: area.x + TICKS.min(area.width), width: area.width.saturating_sub(TICKS), ..area };
        if area.is_empty() {
            return None;
        }
        let bins = self.frames.back().map_or(128, |frame| frame.len());
        ticks(area, bins, theme, buffer);
        let grid = |across: usize, rows: usize| {
            Raster::new(self.frames, &self.timeline, across, across * usize::from(area.width), rows)
        };
        let mut picture = paint(grid, [self.timeline.per_cell, bins], self.graphics, area, theme, buffer);
        if let (Some(picture), Some((frame, bin))) = (&mut picture, self.cursor) {
            picture.mark(frame, bins - 1 - bin.min(bins - 1));
        }
        self.crosshair(area, bins, theme, buffer);
        picture
    }

    fn crosshair(&self, area: Rect, bins: usize, theme: &Theme, buffer: &mut Buffer) {
        let Some((frame, bin)) = self.cursor else { return };
        let back = self.timeline.back(frame, 1);
        let Some(column) = usize::from(area.width).checked_sub(back + 1) else { return };
        let rows = usize::from(area.height);
        let row = rows - 1 - (bin * rows / bins.max(1)).min(rows.saturating_sub(1));
        let x = area.x + column as u16;
        for y in area.y..area.bottom() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.set_char(if usize::from(y - area.y) == row { '┼' } else { '│' });
                cell.set_style(theme.strong());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_and_frequencies_agree() {
        for bin in [0, 17, 64, 127] {
            assert!((bin_of_hz(hz_of_bin(bin, 128), 128) - bin as f64).abs() < 1e-9);
        }
        assert!((hz_of_bin(127, 128) - 7800.0).abs() < 200.0);
    }
}
