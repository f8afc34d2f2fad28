//! The event loop: keys, the clock, signals and answers in; at most thirty frames a second out, and
//! only when something changed.

use std::{
    io::{self, Write},
    time::Duration,
};

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    action::{Action, Message},
    app::{App, Setup},
    effect::Effect,
    terminal::{self, Guard, Screen},
    theme::{Depth, Theme},
    update::update,
    view,
    world::{self, World},
};
use crate::session::Store;

/// Least time between two frames.
const FRAME: Duration = Duration::from_millis(33);
/// Most answers taken in before a frame is drawn.
const AT_ONCE: usize = 512;

/// What the workbench opens with.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the next run is made of.
    pub setup: Setup,
    /// Where sessions are.
    pub store: Store,
    /// A theme by name.
    pub theme: Option<String>,
}

/// Why the workbench could not open or go on.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// Standard output is no terminal.
    #[error("the workbench needs a terminal; aat-tui --help lists what works without one")]
    NoTerminal,
    /// The terminal refused.
    #[error("the terminal could not be used: {0}")]
    Terminal(#[from] io::Error),
    /// There is no such theme.
    #[error("there is no theme \"{given}\"; there are {known}")]
    Theme {
        /// What was asked for.
        given: String,
        /// Their names.
        known: String,
    },
}

/// Opens the workbench and stays until the person leaves.
///
/// # Errors
/// When there is no terminal to draw on, or it goes away.
pub fn run(options: Options) -> Result<(), TuiError> {
    if !io::IsTerminal::is_terminal(&io::stdout()) || !io::IsTerminal::is_terminal(&io::stdin()) {
        return Err(TuiError::NoTerminal);
    }
    let depth = Depth::of_environment(|name| std::env::var(name).ok());
    let no_color = depth == Depth::None;
    let (themes, problems) = Theme::all(world::themes_folder().as_deref(), no_color);
    let theme = match options.theme.filter(|_| !no_color) {
        None => 0,
        Some(given) => themes.iter().position(|theme| theme.name == given).ok_or_else(|| {
            let known: Vec<_> = themes.iter().map(|theme| theme.name.as_str()).collect();
            TuiError::Theme { given, known: known.join(", ") }
        })?,
    };
    let (log, log_path) = terminal::open_log()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (guard, mut screen) = Guard::take(&log)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), ?log_path, "the workbench opens");

    let size = screen.size()?;
    let mut app = App::new(options.setup, themes, (size.width, size.height));
    app.theme = theme;
    app.now_ms = world::now_ms();
    app.cores = std::thread::available_parallelism().map_or(1, usize::from);
    draw(&app, depth, &mut screen)?;

    let (inbox, answers) = unbounded_channel();
    let mut world = World::new(options.store, inbox.clone());
    for problem in problems {
        let _ = inbox.send(world::trouble(problem));
    }
    let ended = runtime.block_on(events(&mut app, &mut world, answers, depth, &mut screen));
    // Checkpoints may take a moment: the terminal is the person's own again meanwhile.
    drop(screen);
    drop(guard);
    if world.is_training() {
        let _ = writeln!(io::stderr(), "writing checkpoints ...");
    }
    world.stop();
    runtime.shutdown_background();
    ended.map_err(TuiError::Terminal)
}

fn draw(app: &App, depth: Depth, screen: &mut Screen) -> io::Result<()> {
    screen.draw(|frame| {
        let buffer = frame.buffer_mut();
        view::draw(app, buffer);
        depth.apply(buffer);
    })?;
    Ok(())
}

async fn events(
    app: &mut App,
    world: &mut World,
    mut answers: UnboundedReceiver<Message>,
    depth: Depth,
    screen: &mut Screen,
) -> io::Result<()> {
    let mut input = EventStream::new();
    let mut clock = interval(Duration::from_millis(500));
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut signals = Signals::new()?;
    let (mut changed, mut drawn) = (false, Instant::now());
    loop {
        let message = tokio::select! {
            biased;
            () = signals.next() => Message::Do(Action::QuitNow),
            event = input.next() => match event {
                Some(Ok(event)) => match translate(event) {
                    Some(message) => message,
                    None => continue,
                },
                Some(Err(error)) => return Err(error),
                None => Message::Do(Action::QuitNow),
            },
            () = sleep_until(drawn + FRAME), if changed => {
                draw(app, depth, screen)?;
                (changed, drawn) = (false, Instant::now());
                continue;
            }
            Some(message) = answers.recv() => {
                let mut message = message;
                for _ in 0..AT_ONCE {
                    handle(app, world, message);
                    match answers.try_recv() {
                        Ok(next) => message = next,
                        Err(_) => break,
                    }
                }
                changed = true;
                continue;
            }
            _ = clock.tick() => {
                let notice = app.notice.clone();
                handle(app, world, Message::Tick(world::now_ms()));
                changed |= notice != app.notice || !app.busy_sides().is_empty();
                continue;
            }
        };
        // How long a key is held is told from the time of its presses.
        handle(app, world, Message::Tick(world::now_ms()));
        handle(app, world, message);
        changed = true;
        if app.quitting {
            return Ok(());
        }
    }
}

fn handle(app: &mut App, world: &mut World, message: Message) {
    for effect in update(app, message) {
        if effect != Effect::Quit {
            world.perform(effect);
        }
    }
}

fn translate(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => Some(Message::Released(key)),
        Event::Key(key) => Some(Message::Key(key)),
        Event::Paste(text) => Some(Message::Paste(text)),
        Event::Resize(columns, rows) => Some(Message::Resized(columns, rows)),
        _ => None,
    }
}

/// SIGTERM, SIGINT and SIGHUP all mean: leave, in order.
#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?]))
    }

    async fn next(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
