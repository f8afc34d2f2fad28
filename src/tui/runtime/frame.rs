//! A frame on its way to the terminal.

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
    /// Colours that the terminal shows.
    pub depth: Depth,
    /// Pictures on it.
    pub pictures: Pictures,
}

impl Frames {
    /// Draws one. Terminals that know how show it all at once.
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
