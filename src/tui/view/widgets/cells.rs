//! A plotters canvas of terminal cells: a pixel is one of a cell's 2 x 4 braille dots.
//!
//! Colours are inks, not RGB: the drawing says *what* a mark is, the theme decides its style, so that a chart keeps its
//! weights without colours. Grid dots give way to curves in the same cell; circles and triangles become the sides'
//! markers; text is placed on whole cells.
//!
//! `plotters-ratatui-backend` 0.3.0 was tried first, on this definition with two curves of 2048 and two of 25 points in
//! 58 x 25 cells. Its drawing takes as long (0.27 ms of processor time a chart, this one 0.29 ms, opt-level 3), so its
//! appearance decided: it supports only RGB, so that bold, dim and `NO_COLOR` are lost and with them which curve is
//! which; it centres every text on its point, so that the numbers of the y axis overlap the frame; its pixels are 4 x 4
//! a cell on dots of 2 x 4; solid grid lines take the colour of the curves that they cross. It also depends on a second
//! ratatui (0.29) and crossterm (0.28).

use plotters::style::{
    Color as _, RGBAColor, RGBColor,
    text_anchor::{HPos, VPos},
};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use crate::{
    plot::{Ink, Look, Side},
    tui::{text, theme::Theme},
};

/// Dots of a cell, across and down.
const DOTS: (i32, i32) = (2, 4);

/// The braille bit of each dot, by row and column (Unicode 1.1, U+2800).
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

const INKS: [Ink; 9] = [
    Ink::Grid,
    Ink::Tick,
    Ink::Cursor,
    Ink::Thin(Side::A),
    Ink::Thin(Side::B),
    Ink::Main(Side::A),
    Ink::Main(Side::B),
    Ink::Best(Side::A),
    Ink::Best(Side::B),
];

/// Sizes for plotters on cells: numbers one row high, seven cells for those of the y axis.
pub static LOOK: Look = Look {
    color: ink_color,
    text: 4,
    left: 14,
    bottom: 4,
    right: 16,
    top: 2,
    stroke: 2,
    marker: 1,
    marker_gap: 6,
    dash: (7, 5),
    label_gap: 4,
};

/// An ink in the form of a plotters colour.
fn ink_color(ink: Ink) -> RGBAColor {
    let number = INKS.iter().position(|known| *known == ink).unwrap_or_default();
    RGBColor(number as u8, 0, 0).to_rgba()
}

fn ink_of(color: BackendColor) -> u8 {
    color.rgb.0
}

fn style_of(ink: u8, theme: &Theme) -> Style {
    match INKS.get(usize::from(ink)) {
        None | Some(Ink::Grid) => theme.grid(),
        Some(Ink::Tick) => theme.dim(),
        Some(Ink::Cursor) => theme.faint(),
        Some(Ink::Thin(side)) => theme.side_thin(*side),
        Some(Ink::Main(side)) => theme.side(*side),
        Some(Ink::Best(side)) => theme.side(*side).reversed(),
    }
}

#[derive(Clone, Copy, Default)]
struct Dots {
    grid: u8,
    curve: u8,
    ink: u8,
}

/// The error of drawing, which cannot fail.
#[derive(Debug, thiserror::Error)]
pub enum Never {}

/// The canvas. `present` copies it to the buffer.
pub struct Cells<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    theme: &'a Theme,
    dots: Vec<Dots>,
    /// (column, row, text, ink), in cells of the area; drawn over everything else.
    texts: Vec<(i32, i32, String, u8)>,
}

impl<'a> Cells<'a> {
    /// A canvas over this part of the buffer.
    pub fn new(buffer: &'a mut Buffer, area: Rect, theme: &'a Theme) -> Self {
        let area = area.intersection(buffer.area);
        let dots = vec![Dots::default(); usize::from(area.width) * usize::from(area.height)];
        Self { buffer, area, theme, dots, texts: Vec::new() }
    }

    fn dot(&mut self, (x, y): BackendCoord, ink: u8) {
        let (column, row) = (x.div_euclid(DOTS.0), y.div_euclid(DOTS.1));
        if column < 0 || row < 0 || column >= i32::from(self.area.width) || row >= i32::from(self.area.height) {
            return;
        }
        let bit = BITS[(y - row * DOTS.1) as usize][(x - column * DOTS.0) as usize];
        let cell = &mut self.dots[row as usize * usize::from(self.area.width) + column as usize];
        if ink == 0 {
            cell.grid |= bit;
        } else {
            cell.curve |= bit;
            cell.ink = ink;
        }
    }

    fn marker(&mut self, (x, y): BackendCoord, glyph: &str, ink: u8) {
        self.texts.push((x.div_euclid(DOTS.0), y.div_euclid(DOTS.1), glyph.to_owned(), ink));
    }

    /// Moves a line's ends near the canvas, so that a far point costs no walk outside it.
    fn clip(&self, (mut x0, mut y0): (f64, f64), (mut x1, mut y1): (f64, f64)) -> Option<[BackendCoord; 2]> {
        let (w, h) = self.get_size();
        let (w, h) = (f64::from(w), f64::from(h));
        // Liang and Barsky's clipping against (-1, -1) .. (w, h).
        let (mut from, mut to) = (0.0_f64, 1.0_f64);
        for (delta, room) in [(x0 - x1, x0 + 1.0), (x1 - x0, w - x0), (y0 - y1, y0 + 1.0), (y1 - y0, h - y0)] {
            if delta == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if delta < 0.0 {
                from = from.max(room / delta);
            } else {
                to = to.min(room / delta);
            }
        }
        if from > to {
            return None;
        }
        let (dx, dy) = (x1 - x0, y1 - y0);
        (x1, y1) = (x0 + to * dx, y0 + to * dy);
        (x0, y0) = (x0 + from * dx, y0 + from * dy);
        Some([(x0.round() as i32, y0.round() as i32), (x1.round() as i32, y1.round() as i32)])
    }

    fn flush(&mut self) {
        let width = usize::from(self.area.width).max(1);
        for (i, dots) in self.dots.iter().enumerate() {
            let (bits, ink) = if dots.curve != 0 { (dots.curve, dots.ink) } else { (dots.grid, 0) };
            let at = (self.area.x + (i % width) as u16, self.area.y + (i / width) as u16);
            if let (true, Some(cell)) = (bits != 0, self.buffer.cell_mut(at)) {
                let glyph = char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ');
                cell.set_char(glyph).set_style(style_of(ink, self.theme));
            }
        }
        for (column, row, text, ink) in &self.texts {
            let (width, height) = (i32::from(self.area.width), i32::from(self.area.height));
            if *row < 0 || *row >= height || *column < 0 || *column >= width {
                continue;
            }
            let room = (width - column) as usize;
            let at = (self.area.x + *column as u16, self.area.y + *row as u16);
            self.buffer.set_stringn(at.0, at.1, text, room, style_of(*ink, self.theme));
        }
    }
}

type Drawn = Result<(), DrawingErrorKind<Never>>;

impl DrawingBackend for Cells<'_> {
    type ErrorType = Never;

    fn get_size(&self) -> (u32, u32) {
        (u32::from(self.area.width) * DOTS.0 as u32, u32::from(self.area.height) * DOTS.1 as u32)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        self.flush();
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        self.dot(point, ink_of(color));
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        let ink = ink_of(style.color());
        let wide = style.stroke_width() > 1;
        let real = |(x, y): BackendCoord| (f64::from(x), f64::from(y));
        let Some([(mut x, mut y), (x1, y1)]) = self.clip(real(from), real(to)) else { return Ok(()) };
        // Bresenham. Grid lines and the crosshair are dotted: every second, every fourth dot.
        let (dx, dy) = ((x1 - x).abs(), -(y1 - y).abs());
        let (sx, sy) = ((x1 - x).signum(), (y1 - y).signum());
        let mut error = dx + dy;
        loop {
            let skip = match INKS.get(usize::from(ink)) {
                Some(Ink::Grid) => x % 4 != 0,
                Some(Ink::Cursor) => y % 2 != 0,
                _ => false,
            };
            if !skip {
                self.dot((x, y), ink);
                if wide {
                    self.dot((x, y + 1), ink);
                }
            }
            if (x, y) == (x1, y1) {
                return Ok(());
            }
            let twice = 2 * error;
            if twice >= dy {
                error += dy;
                x += sx;
            }
            if twice <= dx {
                error += dx;
                y += sy;
            }
        }
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let mut last: Option<BackendCoord> = None;
        for point in path {
            self.draw_line(last.unwrap_or(point), point, style)?;
            last = Some(point);
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, center: BackendCoord, _: u32, style: &S, _: bool) -> Drawn {
        self.marker(center, Side::A.marker(), ink_of(style.color()));
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, corners: I, style: &S) -> Drawn {
        let corners: Vec<_> = corners.into_iter().collect();
        let n = corners.len().max(1) as i32;
        let (x, y) = corners.iter().fold((0, 0), |(x, y), corner| (x + corner.0, y + corner.1));
        self.marker((x / n, y / n), Side::B.marker(), ink_of(style.color()));
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        let columns = text::width(text) as i32;
        let column = match style.anchor().h_pos {
            HPos::Left => x.div_euclid(DOTS.0),
            HPos::Right => x.div_euclid(DOTS.0) - columns + 1,
            HPos::Center => (x - columns * DOTS.0 / 2).div_euclid(DOTS.0),
        };
        let row = match style.anchor().v_pos {
            VPos::Bottom => (y - 1).div_euclid(DOTS.1),
            VPos::Top | VPos::Center => y.div_euclid(DOTS.1),
        };
        self.texts.push((column.max(0), row, text.to_owned(), ink_of(style.color())));
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        _: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Never>> {
        Ok((text::width(text) as u32 * DOTS.0 as u32, DOTS.1 as u32))
    }
}
