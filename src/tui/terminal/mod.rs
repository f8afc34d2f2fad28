//! The terminal while the workbench uses it: raw mode, the alternate screen, standard error in the log.
//!
//! It is restored when the guard is dropped, and before a panic of the drawing thread is printed. A panic in any other
//! thread goes to the log: the screen stays intact, and the code that waits for that thread reports it. A terminal that does
//! not read delays none of this by more than a moment.

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
        DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, KeyboardEnhancementFlags,
        PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
    },
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{backend::CrosstermBackend, layout::Rect};

use self::outlet::{Outlet, Watch};
use crate::stderr;

/// How long to wait for a terminal that does not read when it is restored.
const PATIENCE: Duration = Duration::from_millis(400);

/// Whether the workbench uses the screen.
static OURS: AtomicBool = AtomicBool::new(false);

/// Whether the mouse is taken from the terminal.
static MOUSE: AtomicBool = AtomicBool::new(false);

/// Bytes still on their way to the terminal.
static ON_ITS_WAY: Mutex<Option<Watch>> = Mutex::new(None);

/// ratatui's terminal on standard output, written to by a thread of its own.
pub type Screen = ratatui::Terminal<CrosstermBackend<Outlet>>;

/// The workbench uses the terminal until this is dropped.
pub struct Guard {
    _stderr: Option<stderr::Redirected>,
}

impl Guard {
    /// Takes the terminal; standard error and the log go to `log`.
    ///
    /// # Errors
    /// When standard output is not a terminal, or cannot be set up.
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
    if MOUSE.load(Ordering::SeqCst) {
        execute!(stdout(), EnableMouseCapture)?;
    }
    if reports_releases(|name| std::env::var(name).ok()) {
        let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES | KeyboardEnhancementFlags::REPORT_EVENT_TYPES;
        execute!(stdout(), PushKeyboardEnhancementFlags(flags))?;
    }
    Ok(())
}

/// Takes the terminal again after the process was stopped: the shell had it meanwhile, whether it was restored or not.
/// Everything has to be redrawn.
///
/// # Errors
/// When the terminal cannot be set up.
pub fn reenter(screen: &mut Screen) -> io::Result<()> {
    restore();
    OURS.store(true, Ordering::SeqCst);
    enter()?;
    // As after a change of size: `clear` would query the cursor's position, and the reply would go to the thread that reads the
    // keys.
    let size = screen.size()?;
    screen.resize(Rect::new(0, 0, size.width, size.height))
}

/// Takes the mouse from the terminal, which can then not select text with it, or leaves it to it.
///
/// # Errors
/// When the terminal cannot be written to.
pub fn set_mouse(on: bool, out: &mut impl Write) -> io::Result<()> {
    MOUSE.store(on, Ordering::SeqCst);
    if on { execute!(out, EnableMouseCapture) } else { execute!(out, DisableMouseCapture) }
}

/// Whether the terminal is known to report the release of a key. A query would wait for the reply, which a terminal
/// that does not know the query never sends.
fn reports_releases(variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    let program = variable("TERM_PROGRAM").unwrap_or_default();
    ["kitty", "ghostty", "foot"].iter().any(|name| term.contains(name)) || matches!(&*program, "ghostty" | "WezTerm")
}

/// Restores the terminal, if the workbench uses it: pending output is written first, as long as the terminal reads. May
/// be called more than once and from a panic hook.
pub fn restore() {
    if OURS.swap(false, Ordering::SeqCst) {
        // A failure could be neither handled nor reported.
        let watch = ON_ITS_WAY.try_lock().ok().and_then(|watch| watch.clone());
        if let Some(watch) = watch {
            watch.settle(PATIENCE);
        }
        let _ = disable_raw_mode();
        let restore = || {
            if reports_releases(|name| std::env::var(name).ok()) {
                let _ = execute!(stdout(), PopKeyboardEnhancementFlags);
            }
            if MOUSE.load(Ordering::SeqCst) {
                let _ = execute!(stdout(), DisableMouseCapture);
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
/// When the system cannot start a thread for it: nothing was done.
pub fn within(patience: Duration, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (done, is_done) = mpsc::channel();
    thread::Builder::new().name("terminal".into()).spawn(move || {
        work();
        let _ = done.send(());
    })?;
    let _ = is_done.recv_timeout(patience);
    Ok(())
}

/// Restores the terminal before the drawing thread's panic is printed; other threads' panics go to the log.
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

/// Opens the log, in the system's conventional folder for a program's state, and sends tracing to it. Where nothing can
/// be written, to a file without a name.
///
/// # Errors
/// When not even that can be created.
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

    /// Standard output without the standard library's lock: a thread blocked in a write would hold it, and the terminal
    /// could not be restored.
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
