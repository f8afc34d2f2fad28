//! Draws frames to the terminal.

use std::io::{self, Write};

use crossterm::{
    execute, queue,
    terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate},
};
use ratatui::{Terminal, backend::CrosstermBackend};

use crate::tui::{
    state::app::App,
    theme::Depth,
    view::{self, picture::Pictures},
};

/// Draws frames; what the terminal shows already is not sent again.
#[derive(Debug)]
pub struct Frames {
    /// Number of colours that the terminal shows.
    pub depth: Depth,
    /// The pictures on it.
    pub pictures: Pictures,
}

impl Frames {
    /// Draws one frame, as one synchronised update if the terminal supports that.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn draw(&mut self, app: &App, screen: &mut Terminal<CrosstermBackend<impl Write>>) -> io::Result<()> {
        let mut picture = None;
        queue!(screen.backend_mut(), BeginSynchronizedUpdate)?;
        screen.draw(|frame| {
            let buffer = frame.buffer_mut();
            picture = view::draw(app, buffer);
            self.depth.apply(buffer);
        })?;
        self.pictures.show(picture, screen.backend_mut())?;
        execute!(screen.backend_mut(), EndSynchronizedUpdate)
    }
}
