//! Frames for measuring the drawing: for `benches/draw.rs` and `aat-tui bench draw`.

use std::{
    cell::Cell,
    io::{self, Write},
    rc::Rc,
};

use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect};

use super::{data_fixture, findings, fixture, sweep_fixture};
use crate::tui::{
    input::action::{Action, Move, Screen},
    runtime::frame::Frames,
    state::{app::App, data::DataPart, results},
    terminal::graphics::Graphics,
    theme::Depth,
    update,
    update::message::Message,
    view::picture::Pictures,
};

/// A writer that only counts bytes.
#[derive(Clone, Default)]
struct Counter(Rc<Cell<usize>>);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A full screen, and the terminal that it is drawn on.
pub struct Stage {
    /// The screen's name.
    pub name: &'static str,
    app: App,
    frames: Frames,
    terminal: Terminal<CrosstermBackend<Counter>>,
    written: Counter,
    /// Frames drawn.
    drawn: usize,
}

impl Stage {
    /// Draws one frame as the workbench does, from the state to the terminal's bytes, and returns their number. On Live
    /// each frame adds 33 ms of sound, on Data, Results and Review it moves the cursor to another clip.
    ///
    /// # Errors
    /// Never: nothing is written.
    pub fn draw(&mut self) -> io::Result<usize> {
        self.drawn += 1;
        let to = if self.drawn % 400 < 200 { Move::Down } else { Move::Up };
        match self.app.screen {
            Screen::Data => {
                self.app.data.part = DataPart::Clips;
                self.app.data.go(to, 1);
            }
            Screen::Results => {
                self.app.results.part = results::ResultsPart::Clips;
                self.app.results.go(to, 1);
            }
            Screen::Review => {
                let last = self.app.review.current().map_or(0, |list| list.items.len().saturating_sub(1));
                self.app.review.at = to.row(self.app.review.at, last, 1);
            }
            _ => {}
        }
        if self.app.screen == Screen::Live {
            fixture::with_sound(&mut self.app, self.drawn);
            update(&mut self.app, Message::Drawing(1e3 / 30.0));
        }
        let before = self.written.0.get();
        self.frames.draw(&self.app, &mut self.terminal)?;
        Ok(self.written.0.get() - before)
    }
}

/// Clips of the sets that Data, Results and Review are drawn with, and the names of these stages.
const SIZES: [(usize, [&str; 3]); 2] = [
    (2_000, ["Data, 2,000 clips", "Results, 2,000 clips", "Review, 2,000 clips"]),
    (50_000, ["Data, 50,000 clips", "Results, 50,000 clips", "Review, 50,000 clips"]),
];

/// Every screen, with two long runs, a full waterfall, some sessions, and data of two sizes with a clip that plays; and a sweep of
/// a thousand tasks.
///
/// # Errors
/// Never: nothing is written.
pub fn stages(size: (u16, u16), graphics: Graphics) -> io::Result<Vec<Stage>> {
    let stage = |name: &'static str, mut app: App| -> io::Result<Stage> {
        app.graphics = graphics;
        let written = Counter::default();
        let viewport = Viewport::Fixed(Rect::new(0, 0, size.0, size.1));
        let backend = CrosstermBackend::new(written.clone());
        let terminal = Terminal::with_options(backend, TerminalOptions { viewport })?;
        let frames = Frames { depth: Depth::True, pictures: Pictures::default() };
        let mut stage = Stage { name, app, frames, terminal, written, drawn: 0 };
        stage.draw()?;
        Ok(stage)
    };
    let of_screen = |screen: Screen| {
        let mut app = fixture::training(size, (960, 960));
        fixture::listening(&mut app);
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        app.screen = screen;
        app
    };
    let of_data = |clips: usize| {
        let mut app = of_screen(Screen::Data);
        app.graphics = graphics;
        data_fixture::show(&mut app, clips, clips);
        data_fixture::decoded(&mut app);
        update(&mut app, Message::Do(Action::SortClips));
        app
    };
    let of_results = |clips: usize| {
        let mut app = of_screen(Screen::Results);
        findings::show_results(&mut app, clips);
        app
    };
    let of_review = |clips: usize| {
        let mut app = of_screen(Screen::Review);
        findings::show_review_of(&mut app, clips);
        app
    };
    let has_own = [Screen::Data, Screen::Results, Screen::Review];
    let others = Screen::ALL.into_iter().filter(|screen| !has_own.contains(screen));
    let others = others.map(|screen| stage(screen.name(), of_screen(screen)));
    let with_clips = SIZES.into_iter().flat_map(|(clips, [data, results, review])| {
        [stage(data, of_data(clips)), stage(results, of_results(clips)), stage(review, of_review(clips))]
    });
    others.chain(with_clips).chain([stage("Sweep", sweep_fixture::watching(size, 100))]).collect()
}
