//! Draws a grid of levels with the graphics that the terminal has.

use ratatui::{buffer::Buffer, layout::Rect};

use super::raster::Raster;
use crate::tui::{terminal::graphics::Graphics, theme::Theme, view::picture::Picture};

/// Draws a grid into these cells, by shades in a theme without colours. `grid` makes it, of so many pixels across a cell and
/// so many rows in all. A picture has a row for each of `bins` and `across` pixels across a cell; it is returned, for the
/// terminal to draw it.
pub fn paint(
    grid: impl Fn(usize, usize) -> Raster,
    [across, bins]: [usize; 2],
    graphics: Graphics,
    area: Rect,
    theme: &Theme,
    buffer: &mut Buffer,
) -> Option<Picture> {
    let halves = 2 * usize::from(area.height);
    match (theme.ramp(), graphics) {
        (None, _) => grid(1, halves).shades(area, theme, buffer),
        (Some(ramp), Graphics::Half) => grid(1, halves).halves(area, &ramp, buffer),
        (Some(ramp), Graphics::Octant) => grid(2, 2 * halves).octants(area, &ramp, buffer),
        (Some(ramp), Graphics::Kitty) => return Picture::new(area, &grid(across, bins), bins, across, &ramp),
    }
    None
}
