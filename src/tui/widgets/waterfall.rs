//! The mel spectrogram, newest at the right, two mel rows a cell, with Hz at its left.

use std::{collections::VecDeque, sync::Arc};

use ratatui::{buffer::Buffer, layout::Rect};

use super::heat_map::paint_halves;
use crate::tui::theme::Theme;

/// Columns left of the waterfall for the frequencies.
pub const TICKS: u16 = 6;

/// Natural-log units between the palette's ends: about 52 dB.
const RANGE: f64 = 12.0;

/// Frequencies worth a tick, Hz.
const HZ: [(f64, &str); 6] =
    [(250.0, "250"), (500.0, "500"), (1000.0, "1 k"), (2000.0, "2 k"), (4000.0, "4 k"), (7000.0, "7 k")];

/// What is drawn.
pub struct Waterfall<'a> {
    /// Log-mel frames, oldest first.
    pub frames: &'a VecDeque<Arc<[f32]>>,
    /// Frames since the beginning: columns keep their frames while they move.
    pub count: u64,
    /// Frames of a column.
    pub per_column: usize,
    /// Frames before the newest and mel bin under the cursor.
    pub cursor: Option<(usize, usize)>,
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

impl Waterfall<'_> {
    /// Draws it; returns the loudest value on show, the palette's upper end.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) -> f64 {
        let area = Rect { x: area.x + TICKS.min(area.width), width: area.width.saturating_sub(TICKS), ..area };
        let bins = self.frames.back().map_or(128, |frame| frame.len());
        let pixels = usize::from(area.height) * 2;
        self.ticks(area, bins, pixels, theme, buffer);
        let columns = self.columns(usize::from(area.width));
        // The upper end moves in whole steps, so that colours do not flicker with each frame.
        let loudest = columns.iter().flatten().flat_map(|frame| frame.iter().copied()).fold(f32::MIN, f32::max);
        let top = f64::from(loudest).max(-4.0).ceil();
        let mut values = vec![0.0; pixels];
        for (i, frames) in columns.iter().enumerate() {
            if frames.is_empty() {
                continue;
            }
            for (pixel, value) in values.iter_mut().enumerate() {
                // Pixel 0 is at the top: the highest bins.
                let from = (pixels - 1 - pixel) * bins / pixels.max(1);
                let to = ((pixels - pixel) * bins / pixels.max(1)).clamp(from + 1, bins);
                let sum: f32 = frames.iter().filter_map(|frame| frame.get(from..to)).flatten().sum();
                let mean = f64::from(sum) / (frames.len() * (to - from)) as f64;
                *value = 1.0 - (top - mean) / RANGE;
            }
            for row in 0..area.height {
                let at = usize::from(row) * 2;
                let (up, down) = (theme.shade(values[at]), theme.shade(values[at + 1]));
                paint_halves(buffer, (area.x + i as u16, area.y + row), up, down, theme.base());
            }
        }
        self.crosshair(area, bins, pixels, columns.len(), theme, buffer);
        top
    }

    /// The frames of each column; a column's frames stay together while it moves left.
    fn columns(&self, width: usize) -> Vec<Vec<&Arc<[f32]>>> {
        let per = self.per_column.max(1) as u64;
        let newest_column = self.count.saturating_sub(1) / per;
        let first_frame = self.count.saturating_sub(self.frames.len() as u64);
        let mut columns = vec![Vec::new(); width];
        for (i, frame) in self.frames.iter().enumerate().rev() {
            let back = (newest_column - (first_frame + i as u64) / per) as usize;
            if back >= width {
                break;
            }
            columns[width - 1 - back].push(frame);
        }
        columns
    }

    fn ticks(&self, area: Rect, bins: usize, pixels: usize, theme: &Theme, buffer: &mut Buffer) {
        let mut free = u16::MAX;
        for (hz, name) in HZ {
            let pixel = pixels as f64 - 1.0 - (bin_of_hz(hz, bins) + 0.5) * pixels as f64 / bins as f64;
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

    fn crosshair(&self, area: Rect, bins: usize, pixels: usize, width: usize, theme: &Theme, buffer: &mut Buffer) {
        let Some((frame, bin)) = self.cursor else { return };
        let back = frame / self.per_column.max(1);
        let Some(column) = width.checked_sub(back + 1) else { return };
        let row = (pixels - 1 - (bin * pixels / bins.max(1)).min(pixels - 1)) / 2;
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

    #[test]
    fn a_column_keeps_its_frames_while_it_moves() {
        let frames: VecDeque<Arc<[f32]>> = (0..20).map(|i| Arc::from(vec![i as f32])).collect();
        let shown = |count: u64| {
            let frames: VecDeque<_> = frames.iter().take(count as usize).cloned().collect();
            let waterfall = Waterfall { frames: &frames, count, per_column: 4, cursor: None };
            waterfall.columns(3).iter().map(|c| c.iter().map(|f| f[0] as i32).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(shown(12), [[3, 2, 1, 0], [7, 6, 5, 4], [11, 10, 9, 8]]);
        assert_eq!(shown(13), [vec![7, 6, 5, 4], vec![11, 10, 9, 8], vec![12]]);
    }
}
