//! The mel spectrogram of a whole clip, from its beginning at the left to its end at the right, with Hz at its left.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    paint,
    raster::Raster,
    waterfall::{TICKS, ticks},
};
use crate::{
    audio::LogMel,
    tui::{terminal::graphics::Graphics, theme::Theme, view::picture::Picture},
};

/// Most pixels across a cell of a picture.
const FINEST: usize = 8;

/// A clip's spectrogram.
pub struct Spectrogram<'a> {
    /// Its log-mel frames.
    pub mel: &'a LogMel,
    /// How many of them are shown, from the first on.
    pub frames: usize,
    /// Where the playhead is, as a share of them.
    pub playhead: Option<f64>,
    /// The graphics, if the theme has colours.
    pub graphics: Graphics,
}

impl Spectrogram<'_> {
    /// Draws it. Returns a picture that the terminal draws over its cells, if any.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Option<Picture> {
        let area = Rect { x: area.x + TICKS.min(area.width), width: area.width.saturating_sub(TICKS), ..area };
        if area.is_empty() || self.mel.frames.min(self.frames) == 0 {
            return None;
        }
        let (wide, bins) = (usize::from(area.width), self.mel.bins);
        ticks(area, bins, theme, buffer);
        let across = self.frames.div_ceil(wide).clamp(1, FINEST);
        let grid = |across: usize, rows: usize| Raster::whole(self.mel, self.frames, across * wide, rows);
        let mut picture = paint(grid, [across, bins], self.graphics, area, theme, buffer);
        if let (Some(picture), Some(share)) = (&mut picture, self.playhead) {
            let back = ((1.0 - share.clamp(0.0, 1.0)) * (across * wide - 1) as f64) as usize;
            picture.mark(back, usize::MAX);
        }
        self.playhead(area, theme, buffer);
        picture
    }

    fn playhead(&self, area: Rect, theme: &Theme, buffer: &mut Buffer) {
        let Some(share) = self.playhead else { return };
        let x = column_of(share, area);
        for y in area.y..area.bottom() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.set_char('│').set_style(theme.strong());
            }
        }
    }
}

/// The column of an area at this share of the time that it shows.
pub fn column_of(share: f64, area: Rect) -> u16 {
    area.x + (share.clamp(0.0, 1.0) * f64::from(area.width.saturating_sub(1))).round() as u16
}
