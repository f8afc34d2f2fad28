//! Frames to measure the drawing with: for `benches/draw.rs` and `aat-tui bench draw`.

use std::time::{Duration, Instant};

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    action::{Message, Screen},
    app::App,
    fixture, update, view,
};

/// A screen with plenty on it, and where it is drawn.
pub struct Stage {
    /// The screen's name.
    pub name: &'static str,
    app: App,
    buffer: Buffer,
}

impl Stage {
    /// Draws one frame.
    pub fn draw(&mut self) {
        self.buffer.reset();
        view::draw(&self.app, &mut self.buffer);
    }

    /// The median of so many frames.
    pub fn median(&mut self, frames: usize) -> Duration {
        let mut times: Vec<_> = (0..frames.max(1))
            .map(|_| {
                let start = Instant::now();
                self.draw();
                start.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() / 2]
    }
}

/// Every screen, with two long runs, a full waterfall and some sessions.
pub fn stages(size: (u16, u16)) -> Vec<Stage> {
    let stage = |screen: Screen| {
        let mut app = fixture::training(size, (960, 960));
        fixture::listening(&mut app);
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        app.screen = screen;
        Stage { name: screen.name(), app, buffer: Buffer::empty(Rect::new(0, 0, size.0, size.1)) }
    };
    Screen::ALL.map(stage).into()
}
