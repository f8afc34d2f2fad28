//! The terminal while the workbench has it: raw mode, the other screen, standard error in the log.
//!
//! It is given back when the guard goes, and before a panic of the drawing thread is told. A panic in
//! any other thread goes to the log: the screen stays whole, and whoever waits for that thread tells.
//! A terminal that does not read delays none of this for longer than a moment.

pub mod capabilities;
pub mod graphics;
pub mod outlet;
pub mod signals;

use std::{
    fs::File,
    io::{self, Write, stdout},
    panic,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crossterm::{
    cursor::{Hide, Show},
    event::{
        DisableBracketedPaste, EnableBracketedPaste, KeyboardEnhancementFlags, PopKeyboardEnhancementFlags,
        PushKeyboardEnhancementFlags,
    },
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{backend::CrosstermBackend, layout::Rect};

use self::outlet::{Outlet, Watch};
use crate::stderr;

/// How long a terminal that does not read is waited for when it is given back.
const PATIENCE: Duration = Duration::from_millis(400);

/// Whether the screen is ours.
static OURS: AtomicBool = AtomicBool::new(false);

/// What is still on its way to the terminal.
static ON_ITS_WAY: Mutex<Option<Watch>> = Mutex::new(None);

/// ratatui's terminal on standard output, written to by a thread of its own.
pub type Screen = ratatui::Terminal<CrosstermBackend<Outlet>>;

/// The terminal is ours until this is dropped.
pub struct Guard {
    _stderr: Option<stderr::Redirected>,
}

impl Guard {
    /// Takes the terminal; standard error and the log go to `log`.
    ///
    /// # Errors
    /// When standard output is no terminal that can be taken.
    pub fn take(log: &File) -> io::Result<(Self, Screen, Watch)> {
        hook();
        let redirected = stderr::redirect(log).ok();
        OURS.store(true, Ordering::SeqCst);
        let guard = Self { _stderr: redirected };
        enter()?;
        let outlet = Outlet::to(system::output()?)?;
        let watch = outlet.watch();
        *ON_ITS_WAY.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch.clone());
        Ok((guard, ratatui::Terminal::new(CrosstermBackend::new(outlet))?, watch))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide)?;
    if reports_releases(|name| std::env::var(name).ok()) {
        let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES | KeyboardEnhancementFlags::REPORT_EVENT_TYPES;
        execute!(stdout(), PushKeyboardEnhancementFlags(flags))?;
    }
    Ok(())
}

/// Takes the terminal once more after the process was stopped: the shell had it meanwhile, whether it was given back or
/// not. Everything has to be drawn again.
///
/// # Errors
/// When the terminal cannot be taken.
pub fn reenter(screen: &mut Screen) -> io::Result<()> {
    restore();
    OURS.store(true, Ordering::SeqCst);
    enter()?;
    // As at another size: `clear` would ask where the cursor is, and the answer belongs to whoever reads the keys.
    let size = screen.size()?;
    screen.resize(Rect::new(0, 0, size.width, size.height))
}

/// Whether the terminal is one that is known to tell when a key is let go. To ask it would take until it answers, and
/// one that does not know the question never does.
fn reports_releases(variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    let program = variable("TERM_PROGRAM").unwrap_or_default();
    ["kitty", "ghostty", "foot"].iter().any(|name| term.contains(name)) || matches!(&*program, "ghostty" | "WezTerm")
}

/// Gives the terminal back, if it is ours: what is on its way to it is written first, as long as it reads. May be called
/// more than once and from a panic hook.
pub fn restore() {
    if OURS.swap(false, Ordering::SeqCst) {
        // Nothing could be done about a failure, and nobody could be told.
        let watch = ON_ITS_WAY.try_lock().ok().and_then(|watch| watch.clone());
        if let Some(watch) = watch {
            watch.settle(PATIENCE);
        }
        let _ = disable_raw_mode();
        let restore = || {
            if reports_releases(|name| std::env::var(name).ok()) {
                let _ = execute!(stdout(), PopKeyboardEnhancementFlags);
            }
            let _ = execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
            let _ = stdout().flush();
        };
        if within(PATIENCE, restore).is_err() {
            restore();
        }
    }
}

/// Does something that may wait for the terminal, for no longer than this.
///
/// # Errors
/// When the system gives no thread for it: nothing was done.
pub fn within(patience: Duration, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (done, is_done) = mpsc::channel();
    thread::Builder::new().name("terminal".into()).spawn(move || {
        work();
        let _ = done.send(());
    })?;
    let _ = is_done.recv_timeout(patience);
    Ok(())
}

/// Gives the terminal back before the drawing thread's panic is told; other threads' panics go to the log.
fn hook() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return;
    }
    let drawing = thread::current().id();
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !OURS.load(Ordering::SeqCst) {
            before(info);
        } else if thread::current().id() == drawing {
            restore();
            stderr::restore();
            before(info);
        } else {
            let name = thread::current().name().unwrap_or("unnamed").to_owned();
            let backtrace = std::backtrace::Backtrace::force_capture();
            tracing::error!("thread {name} panicked: {info}\n{backtrace}");
        }
    }));
}

/// Opens the log, in the folder that the system's conventions name for a program's state, and sends
/// tracing to it. Where nothing can be written, to a file without a name.
///
/// # Errors
/// When not even that can be made.
pub fn open_log() -> io::Result<(File, Option<PathBuf>)> {
    let folder = directories::ProjectDirs::from("", "", "aat-tui")
        .map(|dirs| dirs.state_dir().unwrap_or(dirs.data_local_dir()).to_owned());
    let named = folder.and_then(|folder| {
        std::fs::create_dir_all(&folder).ok()?;
        let path = folder.join("aat-tui.log");
        Some((File::create(&path).ok()?, Some(path)))
    });
    let (file, path) = match named {
        Some(named) => named,
        None => (tempfile::tempfile()?, None),
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("AAT_TUI_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A second workbench in one process (tests) keeps the first one's log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Mutex::new(file.try_clone()?))
        .try_init();
    Ok((file, path))
}

#[cfg(unix)]
mod system {
    use std::{
        fs::File,
        io::{self, stdout},
        os::fd::AsFd,
    };

    /// Standard output without the standard library's lock: one that writes to a terminal that stands still would hold
    /// it, and nobody could give the terminal back.
    pub(super) fn output() -> io::Result<File> {
        Ok(stdout().as_fd().try_clone_to_owned()?.into())
    }
}

#[cfg(not(unix))]
mod system {
    use std::io::{self, Stdout, stdout};

    pub(super) fn output() -> io::Result<Stdout> {
        Ok(stdout())
    }
}
