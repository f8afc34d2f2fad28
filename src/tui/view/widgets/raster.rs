//! A stretch of mel frames as a grid of levels, and a grid as cells.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
    symbols::pixel::OCTANTS,
};

use super::{heat_map::paint_halves, timeline::Timeline};
use crate::{audio::LogMel, tui::theme::Theme};

/// Natural-log units between the palette's ends: about 52 dB.
const RANGE: f32 = 12.0;
/// The least upper end of the palette: silence stays dark.
const QUIET: f32 = -4.0;
/// Levels closer than this are one colour.
const NEAR: u8 = 3;

/// Levels from 0 to 255, column by column, each from the top down.
pub struct Raster {
    rows: usize,
    levels: Vec<u8>,
    /// Columns at the left before the first frame.
    empty: usize,
}

impl Raster {
    /// Frames (oldest first) as `columns` x `rows` pixels, the newest at the right, `across` of them per cell. A pixel
    /// is the mean of its frames and bins.
    pub fn new(frames: &VecDeque<Arc<[f32]>>, timeline: &Timeline, across: usize, columns: usize, rows: usize) -> Self {
        let mut sums = Sums::new(frames.back().map_or(0, |frame| frame.len()), columns, rows);
        for (back, frame) in timeline.shown(frames) {
            let Some(column) = columns.checked_sub(timeline.back(back, across) + 1) else { break };
            sums.add(column, frame);
        }
        sums.levels()
    }

    /// The first frames of a clip as `columns` x `rows` pixels, from the beginning at the left to the end at the right. A
    /// pixel is the mean of its frames and bins; where there are more pixels than frames, neighbours share one.
    pub fn whole(mel: &LogMel, frames: usize, columns: usize, rows: usize) -> Self {
        let frames = frames.min(mel.frames);
        let mut sums = Sums::new(mel.bins, columns, rows);
        for column in 0..columns {
            let from = column * frames / columns;
            let to = ((column + 1) * frames / columns).max(from + 1);
            (from..to.min(frames)).for_each(|frame| sums.add(column, mel.row(frame)));
        }
        sums.levels()
    }

    /// The columns that are not empty: their position and their levels from the top down.
    pub fn columns(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.levels.chunks_exact(self.rows.max(1)).enumerate().skip(self.empty)
    }

    /// Two pixels per cell, by the glyphs of a theme without colours.
    pub fn shades(&self, area: Rect, theme: &Theme, buffer: &mut Buffer) {
        for (x, column) in self.columns() {
            for (y, pair) in column.chunks_exact(2).enumerate() {
                let [up, down] = [pair[0], pair[1]].map(|level| theme.shade(f64::from(level) / 255.0));
                paint_halves(buffer, (area.x + x as u16, area.y + y as u16), up, down, theme.base());
            }
        }
    }

    /// Two pixels per cell, each in its own colour.
    pub fn halves(&self, area: Rect, ramp: &[Color; 256], buffer: &mut Buffer) {
        for (x, column) in self.columns() {
            for (y, pair) in column.chunks_exact(2).enumerate() {
                if let Some(cell) = buffer.cell_mut((area.x + x as u16, area.y + y as u16)) {
                    let [up, down] = [pair[0], pair[1]].map(|level| ramp[usize::from(level)]);
                    cell.set_char('▀').set_style(Style::new().fg(up).bg(down));
                }
            }
        }
    }

    /// Two by four pixels per cell, in the two colours that fit them best.
    pub fn octants(&self, area: Rect, ramp: &[Color; 256], buffer: &mut Buffer) {
        let columns: Vec<_> = self.levels.chunks_exact(self.rows.max(1)).collect();
        for (x, pair) in columns.chunks_exact(2).enumerate().skip(self.empty.div_ceil(2)) {
            for (y, (left, right)) in pair[0].chunks_exact(4).zip(pair[1].chunks_exact(4)).enumerate() {
                let Some(cell) = buffer.cell_mut((area.x + x as u16, area.y + y as u16)) else { continue };
                let (bits, bright, dark) = two_colours(&std::array::from_fn(|i| [left, right][i % 2][i / 2]));
                let [fg, bg] = [bright, dark].map(|level| ramp[usize::from(level)]);
                cell.set_char(OCTANTS[usize::from(bits)]).set_style(Style::new().fg(fg).bg(bg));
            }
        }
    }
}

/// Sums of the frames and bins of each pixel.
struct Sums {
    rows: usize,
    /// The bins of each row of pixels.
    ranges: Vec<Range<usize>>,
    /// Column by column, each from the top down.
    sums: Vec<f32>,
    counts: Vec<u16>,
    loudest: f32,
}

impl Sums {
    fn new(bins: usize, columns: usize, rows: usize) -> Self {
        // Pixel 0 is at the top: the highest bins.
        let of_row = |row: usize| {
            let from = (rows - 1 - row) * bins / rows;
            from..((rows - row) * bins / rows).clamp((from + 1).min(bins), bins)
        };
        let ranges = (0..rows).map(of_row).collect();
        Self { rows, ranges, sums: vec![0.0; columns * rows], counts: vec![0; columns], loudest: f32::MIN }
    }

    fn add(&mut self, column: usize, frame: &[f32]) {
        self.counts[column] += 1;
        self.loudest = frame.iter().copied().fold(self.loudest, f32::max);
        for (sum, range) in self.sums[column * self.rows..].iter_mut().zip(&self.ranges) {
            let values = frame.get(range.clone()).unwrap_or_default();
            *sum += values.iter().sum::<f32>() / values.len().max(1) as f32;
        }
    }

    fn levels(self) -> Raster {
        // The upper end moves in whole steps, so that colours do not flicker with each frame.
        let top = self.loudest.max(QUIET).ceil();
        let mut levels = Vec::with_capacity(self.sums.len());
        for (sums, count) in self.sums.chunks_exact(self.rows.max(1)).zip(&self.counts) {
            let scale = 1.0 / f32::from(*count).max(1.0);
            levels.extend(sums.iter().map(|sum| ((1.0 - (top - sum * scale) / RANGE) * 255.0).round() as u8));
        }
        let empty = self.counts.iter().take_while(|count| **count == 0).count();
        Raster { rows: self.rows, levels, empty }
    }
}

/// Splits a cell's levels, row by row, into bright ones (set bits) and dark ones so that each is as near to the mean of
/// its group as possible; returns both means.
fn two_colours(levels: &[u8; 8]) -> (u8, u8, u8) {
    let mut sorted = *levels;
    sorted.sort_unstable();
    let all: u32 = sorted.iter().map(|level| u32::from(*level)).sum();
    if sorted[7] - sorted[0] <= NEAR {
        let mean = (all / 8) as u8;
        return (0, mean, mean);
    }
    // Least squares within both groups means most between them: s²/n of one plus s²/n of the other.
    let (mut dark, mut best) = (0, (0.0, 0, 0));
    for (i, level) in sorted[..7].iter().enumerate() {
        dark += u32::from(*level);
        let (few, rest) = ((i + 1) as f32, (7 - i) as f32);
        let between = (dark as f32).powi(2) / few + ((all - dark) as f32).powi(2) / rest;
        if between > best.0 && sorted[i + 1] > *level {
            best = (between, i, dark);
        }
    }
    let (_, last, dark) = best;
    let bits = levels.iter().enumerate().fold(0, |bits, (i, level)| bits | u8::from(*level > sorted[last]) << i);
    (bits, ((all - dark) as usize / (7 - last)) as u8, (dark as usize / (last + 1)) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(count: usize, value: impl Fn(usize, usize) -> f32) -> VecDeque<Arc<[f32]>> {
        (0..count).map(|frame| (0..8).map(|bin| value(frame, bin)).collect::<Vec<_>>().into()).collect()
    }

    #[test]
    fn pixels_are_means_of_frames_and_bins_with_high_bins_at_the_top() {
        let frames = frames(6, |frame, bin| if bin >= 4 { 0.0 } else { -12.0 * (frame % 3) as f32 / 2.0 });
        let timeline = Timeline::new(6, 0, 200);
        let raster = Raster::new(&frames, &timeline, 1, 3, 2);
        let columns: Vec<_> = raster.columns().collect();
        assert_eq!(columns, [(1, [255, 128].as_slice()), (2, [255, 128].as_slice())], "nothing before the first frame");
        let raster = Raster::new(&frames, &timeline, 3, 6, 2);
        assert_eq!(raster.columns().map(|(_, column)| column[1]).collect::<Vec<_>>(), [255, 128, 0, 255, 128, 0]);
    }

    #[test]
    fn a_cell_is_split_where_its_levels_part() {
        assert_eq!(two_colours(&[10, 200, 12, 200, 10, 204, 12, 200]), (0b1010_1010, 201, 11));
        assert_eq!(two_colours(&[7; 8]), (0, 7, 7));
        assert_eq!(two_colours(&[255, 0, 0, 0, 0, 0, 0, 0]), (1, 255, 0));
        let mut buffer = Buffer::empty(Rect::new(0, 0, 1, 1));
        let frames = frames(2, |frame, _| -12.0 * frame as f32);
        let raster = Raster::new(&frames, &Timeline::new(2, 0, 1000), 2, 2, 4);
        raster.octants(buffer.area, &std::array::from_fn(|i| Color::Indexed(i as u8)), &mut buffer);
        assert_eq!(buffer.content[0].symbol(), "▌");
        assert_eq!((buffer.content[0].fg, buffer.content[0].bg), (Color::Indexed(255), Color::Indexed(0)));
    }
}
