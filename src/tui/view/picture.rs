//! A picture that the terminal itself draws over its cells, by kitty's graphics protocol.
//! <https://sw.kovidgoyal.net/kitty/graphics-protocol>
//!
//! `ratatui-image` 12 was considered first. It is made for static pictures: each frame of a moving one would be scaled
//! here to the pixels of the screen and sent in four bytes each, and it does not support palettes. Here a pixel for
//! each frame and mel bin is sent in one byte; the terminal scales it. docs/performance.md has the figures.

use std::io::{self, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crossterm::{cursor::MoveTo, queue};
use ratatui::{layout::Rect, style::Color};

use super::widgets::raster::Raster;

/// Most bytes of base64 in one escape sequence, from the protocol.
const CHUNK: usize = 4096;
/// Ids of the pictures: two, so that the old one stays until the new one is there.
const IDS: [u32; 2] = [0x00AA_7001, 0x00AA_7002];
/// Over the text: kitty 0.26 under a software renderer leaves traces of older text around a picture beneath it.
const OVER: i32 = 1;

/// Pixels of a crosshair's dash to either side.
const DASH: usize = 4;

/// A picture in 256 colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    area: Rect,
    width: usize,
    /// Row by row.
    levels: Vec<u8>,
    ramp: [[u8; 3]; 256],
}

impl Picture {
    /// The grid's contents, `rows` pixels high, over these cells; they begin with the first cell that is not empty.
    pub fn new(area: Rect, raster: &Raster, rows: usize, per_cell: usize, ramp: &[Color; 256]) -> Option<Self> {
        let columns: Vec<_> = raster.columns().collect();
        let first = columns.first()?.0 / per_cell;
        let width = usize::from(area.width) * per_cell - first * per_cell;
        let mut levels = vec![0; width * rows];
        for (x, column) in columns {
            for (y, level) in column.iter().enumerate() {
                levels[y * width + x - first * per_cell] = *level;
            }
        }
        let rgb = |color: &Color| if let Color::Rgb(r, g, b) = color { [*r, *g, *b] } else { [0; 3] };
        let area = Rect { x: area.x + first as u16, width: area.width - first as u16, ..area };
        Some(Self { area, width, levels, ramp: ramp.each_ref().map(rgb) })
    }

    /// Draws a crosshair: the column of the frame so many before the newest, and a dash at this row from the top.
    pub fn mark(&mut self, back: usize, row: usize) {
        let Some(x) = self.width.checked_sub(back + 1) else { return };
        for (y, line) in self.levels.chunks_exact_mut(self.width).enumerate() {
            let reach = if y == row { DASH } else { 0 };
            let end = (x + reach + 1).min(line.len());
            line[x.saturating_sub(reach)..end].fill(u8::MAX);
        }
    }

    /// The cells beneath it.
    #[cfg(test)]
    fn area(&self) -> Rect {
        self.area
    }

    fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut out = Vec::new();
        let height = self.levels.len() / self.width.max(1);
        let mut encoder = png::Encoder::new(&mut out, self.width as u32, height as u32);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(self.ramp.concat());
        // `Fast` is made for filtered true colour and takes two and a half times the space here.
        encoder.set_compression(png::Compression::Default);
        encoder.set_filter(png::FilterType::NoFilter);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.levels)?;
        writer.finish()?;
        Ok(out)
    }
}

/// The pictures that the terminal shows.
#[derive(Debug, Default)]
pub struct Pictures {
    shown: Option<(Picture, u32)>,
}

impl Pictures {
    /// Shows this picture in place of the one before.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn show(&mut self, picture: Option<Picture>, out: &mut impl Write) -> io::Result<()> {
        let before = self.shown.as_ref().map(|(_, id)| *id);
        match picture {
            Some(picture) if self.shown.as_ref().is_some_and(|(shown, _)| *shown == picture) => return Ok(()),
            Some(picture) => {
                let id = if before == Some(IDS[0]) { IDS[1] } else { IDS[0] };
                send(&picture, id, out)?;
                self.shown = Some((picture, id));
            }
            None => self.shown = None,
        }
        before.map_or(Ok(()), |id| write!(out, "\x1b_Ga=d,d=I,i={id},q=2\x1b\\"))
    }

    /// The terminal was cleared: it shows no picture.
    pub fn forget(&mut self) {
        self.shown = None;
    }
}

fn send(picture: &Picture, id: u32, out: &mut impl Write) -> io::Result<()> {
    let data = STANDARD.encode(picture.png().map_err(io::Error::other)?);
    let Rect { x, y, width, height } = picture.area;
    queue!(out, MoveTo(x, y))?;
    let mut begin = format!("a=T,f=100,i={id},c={width},r={height},C=1,z={OVER},q=2,");
    let mut chunks = data.as_bytes().chunks(CHUNK).peekable();
    while let Some(chunk) = chunks.next() {
        write!(out, "\x1b_G{begin}m={};", u8::from(chunks.peek().is_some()))?;
        out.write_all(chunk)?;
        out.write_all(b"\x1b\\")?;
        begin.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::tui::view::widgets::timeline::Timeline;

    #[test]
    fn a_picture_is_sent_once_and_takes_the_place_of_the_one_before() {
        let picture = |frame_count: usize| {
            let frames = (0..frame_count).map(|i| vec![-(i as f32); 4].into()).collect();
            let raster = Raster::new(&frames, &Timeline::new(frame_count as u64, 0, 200), 3, 15, 4);
            let ramp = std::array::from_fn(|i| Color::Rgb(i as u8, 0, 0));
            Picture::new(Rect::new(6, 2, 5, 3), &raster, 4, 3, &ramp)
        };
        assert_eq!(picture(0), None);
        assert_eq!(picture(7).unwrap().area(), Rect::new(8, 2, 3, 3), "from the first cell that holds something");
        let mut marked = picture(9).unwrap();
        marked.mark(2, 1);
        let column = |x: usize| [0, 1, 2, 3].map(|y| marked.levels[y * marked.width + x]);
        assert_eq!(column(marked.width - 3), [255; 4]);
        assert_eq!(column(marked.width - 1)[1], 255);
        let mut pictures = Pictures::default();
        let mut sent = |picture| {
            let mut out = Vec::new();
            pictures.show(picture, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let first = sent(picture(7));
        assert!(first.starts_with("\x1b[3;9H\x1b_Ga=T,f=100,i=11169793,c=3,r=3,C=1,z=1,q=2,m=0;"), "{first:?}");
        let data = first.split(';').next_back().unwrap().trim_end_matches("\x1b\\");
        let png = STANDARD.decode(data).unwrap();
        let mut reader = png::Decoder::new(png.as_slice()).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!((reader.info().width, reader.info().height), (9, 4));
        assert_eq!(pixels[..9], picture(7).unwrap().levels[..9]);
        assert_eq!(sent(picture(7)), "");
        let second = sent(picture(8));
        assert!(second.contains("i=11169794") && second.ends_with("\x1b_Ga=d,d=I,i=11169793,q=2\x1b\\"), "{second:?}");
        assert_eq!(sent(None), "\x1b_Ga=d,d=I,i=11169794,q=2\x1b\\");
    }
}
