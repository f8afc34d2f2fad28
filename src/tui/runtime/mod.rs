//! The event loop: keys, the clock, signals and messages in; at most thirty frames a second out, and only when
//! something changed. It never waits for the terminal: while that does not read, everything but drawing continues, and
//! the next frame shows the state at its time.

mod browse;
mod clerk;
mod clips;
mod data_task;
mod downloads;
mod effects;
mod findings;
pub(super) mod frame;
mod inbox;
mod jobs;
mod listen_task;
mod live_files;
mod names;
mod preferences;
mod review_lists;
mod scan_task;
mod session_files;
mod sweep_watch;
mod trainers;

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use crossterm::event::{
    Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind,
};
use futures_util::StreamExt;
use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use self::{effects::EffectRunner, frame::Frames};
use crate::{
    clock,
    dumb::is_dumb,
    session::Store,
    train::Request,
    tui::{
        input::{action::Action, pointer::Press},
        state::app::App,
        terminal::{
            self, Guard, Screen, capabilities, graphics,
            outlet::Watch,
            signals::{self, SignalEvent, Signals},
        },
        theme::{Depth, Theme},
        update::{effect::Effect, message::Message, update},
        view::{self, picture::Pictures},
    },
};

/// Least time between two frames: thirty a second.
const FRAME: Duration = Duration::from_micros(33_333);
/// Rows that one step of the wheel moves.
const WHEEL: i32 = 3;
/// Most messages handled before a frame is drawn.
const AT_ONCE: usize = 512;

/// The workbench's first settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// The settings of the next run, but for data and model.
    pub setup: Request,
    /// The data; `None`: as last time, at first `demo`.
    pub data: Option<String>,
    /// The model; `None`: as last time, at first the built-in one.
    pub model: Option<String>,
    /// The location of sessions.
    pub store: Store,
    /// A theme by name; `None`: as last time.
    pub theme: Option<String>,
    /// The graphics of the spectrogram, by name; `auto` queries the terminal; `None`: as last time.
    pub graphics: Option<String>,
    /// The file of a sweep to watch.
    pub sweep: Option<PathBuf>,
}

/// Why the workbench could not open or continue.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// Standard output is not a terminal.
    #[error("the workbench needs a terminal; aat-tui --help lists what works without one")]
    NoTerminal,
    /// The terminal shows lines only.
    #[error(
        "the workbench draws a whole screen, and this terminal (TERM=dumb) shows lines only; aat-tui --help lists what \
         works without a screen"
    )]
    Dumb,
    /// The terminal cannot be used.
    #[error("the terminal could not be used: {0}")]
    Terminal(#[from] io::Error),
    /// There is no such theme.
    #[error("there is no theme \"{given}\"; there are {known}")]
    Theme {
        /// The requested name.
        given: String,
        /// The names of all themes.
        known: String,
    },
    /// There are no graphics of this name.
    #[error("{0}, auto")]
    Graphics(String),
}

/// Opens the workbench and stays until the person leaves.
///
/// # Errors
/// When there is no terminal to draw on, or it goes away.
pub fn run(options: Options) -> Result<(), TuiError> {
    if !io::IsTerminal::is_terminal(&io::stdout()) || !io::IsTerminal::is_terminal(&io::stdin()) {
        return Err(TuiError::NoTerminal);
    }
    if is_dumb() {
        return Err(TuiError::Dumb);
    }
    let depth = Depth::of_environment(|name| std::env::var(name).ok());
    let no_color = depth == Depth::None;
    let (themes, mut problems) = Theme::all(preferences::themes_folder().as_deref(), no_color);
    let (preferences, unread) = preferences::load();
    problems.extend(unread);
    let (keys, conflicts) = preferences::keys();
    problems.extend(conflicts);
    let theme = match options.theme.filter(|_| !no_color) {
        // A theme that was removed since is not worth an error.
        None => themes.iter().position(|theme| Some(&theme.name) == preferences.theme.as_ref()).unwrap_or(0),
        Some(given) => themes.iter().position(|theme| theme.name == given).ok_or_else(|| {
            let known: Vec<_> = themes.iter().map(|theme| theme.name.as_str()).collect();
            TuiError::Theme { given, known: known.join(", ") }
        })?,
    };
    let chosen = match &options.graphics {
        Some(given) => graphics::chosen(given).map_err(TuiError::Graphics)?,
        None => preferences.graphics.as_ref().and_then(|kept| graphics::chosen(kept).ok().flatten()),
    };
    let (log, log_path) = terminal::open_log()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before the terminal is taken: an uncaught signal would not restore it.
    let signals = runtime.block_on(async { Signals::new() })?;
    let (guard, mut screen, outlet) = Guard::take(&log)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), ?log_path, "the workbench opens");

    let size = screen.size()?;
    let usual = Request::default();
    let is_given = options.data.is_some();
    let setup = Request {
        data: options.data.or_else(|| preferences.data.clone()).unwrap_or(usual.data),
        model: options.model.or_else(|| preferences.model.clone()).unwrap_or(usual.model),
        ..options.setup
    };
    let mut app = App::new(setup, themes, (size.width, size.height));
    (app.theme, app.preferences, app.keys, app.data.is_chosen) = (theme, preferences, keys, is_given);
    app.now_ms = clock::now_ms();
    app.cores = std::thread::available_parallelism().map_or(1, usize::from);
    app.graphics = chosen.unwrap_or_default();
    let mut frames = Frames { depth, pictures: Pictures::default() };
    frames.draw(&app, &mut screen)?;

    let (inbox, answers) = inbox::channel();
    let mut first = Vec::new();
    if chosen.is_none() && !no_color {
        let answered = capabilities::ask(screen.backend_mut())?;
        app.graphics = answered.graphics();
        first.extend(answered.typed.chars().map(|key| Message::Key(typed(key))));
    }
    let mut runner = EffectRunner::new(options.store, inbox)?;
    if !problems.is_empty() {
        // One message: a second one would take its place at once.
        first.push(Message::trouble(problems.join("; ")));
    }
    first.extend(options.sweep.map(|file| Message::Do(Action::WatchSweep(Some(file)))));
    first.into_iter().for_each(|message| handle(&mut app, &mut runner, message));
    let ended = match app.quitting {
        // Without a reader, what other threads still send is dropped at once.
        true => {
            drop(answers);
            Ok(())
        }
        false => runtime.block_on(events(&mut app, &mut runner, answers, signals, &mut frames, &mut screen, &outlet)),
    };
    let _ = frames.pictures.show(None, screen.backend_mut());
    // Checkpoints may take a moment: the terminal is restored meanwhile.
    drop(screen);
    drop(guard);
    if runner.is_training() {
        let _ = terminal::within(FRAME, || {
            let _ = writeln!(io::stderr(), "writing checkpoints ...");
        });
    }
    runner.stop();
    runtime.shutdown_background();
    ended.map_err(TuiError::Terminal)
}

async fn events(
    app: &mut App,
    runner: &mut EffectRunner,
    mut answers: Receiver<Message>,
    mut signals: Signals,
    frames: &mut Frames,
    screen: &mut Screen,
    outlet: &Watch,
) -> io::Result<()> {
    let mut input = EventStream::new();
    let mut clock = interval(Duration::from_millis(500));
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut changed, mut drawn, mut due) = (true, Instant::now(), Instant::now());
    let mut mouse = false;
    loop {
        let free = outlet.is_idle();
        let message = tokio::select! {
            biased;
            signal = signals.next() => match signal {
                SignalEvent::Leave => Message::Do(Action::QuitNow),
                // Nobody would ever continue it.
                SignalEvent::Suspend if !signals::has_shell() => Message::Notice("there is no shell to go back to".into()),
                SignalEvent::Suspend => {
                    frames.pictures.show(None, screen.backend_mut())?;
                    screen.backend_mut().flush()?;
                    terminal::restore();
                    signals::stop();
                    continue;
                }
                SignalEvent::Resume => {
                    terminal::reenter(screen)?;
                    frames.pictures.forget();
                    changed = true;
                    continue;
                }
            },
            event = input.next() => match event {
                Some(Ok(event)) => match translate(app, event) {
                    Some(message) => message,
                    None => continue,
                },
                Some(Err(error)) => return Err(error),
                None => Message::Do(Action::QuitNow),
            },
            // No frame is drawn until the terminal has read the last one.
            () = outlet.idle(), if changed && !free => continue,
            () = sleep_until(due), if changed && free => {
                let now = Instant::now();
                handle(app, runner, Message::Drawing((now - drawn).as_secs_f64() * 1e3));
                if mouse != app.preferences.mouse {
                    mouse = app.preferences.mouse;
                    terminal::set_mouse(mouse, screen.backend_mut())?;
                }
                frames.draw(app, screen)?;
                // A late tick does not delay the next one, and missed ticks are skipped.
                due = (due + FRAME).max(now + FRAME / 2);
                (changed, drawn) = (false, now);
                continue;
            }
            Some(message) = answers.recv() => {
                let mut message = message;
                for _ in 0..AT_ONCE {
                    handle(app, runner, message);
                    match answers.try_recv() {
                        Ok(next) => message = next,
                        Err(_) => break,
                    }
                }
                changed = true;
                // A key pressed while the terminal was queried.
                if app.quitting {
                    return Ok(());
                }
                continue;
            }
            _ = clock.tick() => {
                let notice = app.notice.clone();
                handle(app, runner, Message::Tick(clock::now_ms()));
                changed |= notice != app.notice || !app.busy_sides().is_empty() || app.scanning.is_on();
                continue;
            }
        };
        // The times of its presses show how long a key is held.
        handle(app, runner, Message::Tick(clock::now_ms()));
        handle(app, runner, message);
        changed = true;
        if app.quitting {
            return Ok(());
        }
    }
}

/// The key of a byte that the terminal sent in raw mode.
fn typed(byte: char) -> KeyEvent {
    match byte {
        '\r' => KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE),
        '\t' => KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE),
        // Ctrl and a letter is the letter's number in the alphabet.
        '\x01'..='\x1a' => KeyEvent::new(KeyCode::Char(char::from(byte as u8 - 1 + b'a')), KeyModifiers::CONTROL),
        other => KeyEvent::new(KeyCode::Char(other), KeyModifiers::NONE),
    }
}

fn handle(app: &mut App, runner: &mut EffectRunner, message: Message) {
    let mut messages = vec![message];
    while let Some(message) = messages.pop() {
        for effect in update(app, message) {
            if effect != Effect::Quit {
                messages.extend(runner.perform(effect));
            }
        }
    }
}

fn translate(app: &App, event: Event) -> Option<Message> {
    match event {
        Event::Mouse(mouse) => {
            let press = match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => Press::Click,
                MouseEventKind::Drag(MouseButton::Left) => Press::Drag,
                MouseEventKind::ScrollUp => Press::Wheel(-WHEEL),
                MouseEventKind::ScrollDown => Press::Wheel(WHEEL),
                _ => return None,
            };
            Some(Message::Pointed(view::hit(app, mouse.column, mouse.row), press))
        }
        Event::Key(key) if key.kind == KeyEventKind::Release => Some(Message::Released(key)),
        Event::Key(key) => Some(Message::Key(key)),
        Event::Paste(text) => Some(Message::Paste(text)),
        Event::Resize(columns, rows) => Some(Message::Resized(columns, rows)),
        _ => None,
    }
}
