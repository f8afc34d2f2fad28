//! Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 for long subcommands: the first one ends the work in order, a second Ctrl-C or
//! SIGTERM ends the process at once. SIGUSR1 is what a sweep sends its children and what SLURM sends before a job's time
//! is up: it asks for the end in order however often it comes, and a signal after it is the first one.
//!
//! A process that a sweep started also ends in order when that sweep is gone.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::CliError;
use crate::sweep;

/// Whether Ctrl-C was pressed, or the process received a signal to end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    asked: AtomicBool,
    /// Whether the first signal was SIGUSR1.
    time_is_up: AtomicBool,
    /// The process that started this one and shall not be outlived.
    parent: Option<u32>,
}

impl Interrupt {
    /// Begins to watch. A second Ctrl-C ends the process at once.
    ///
    /// # Errors
    /// When the system cannot start a thread or watch for signals.
    pub fn watch() -> io::Result<Self> {
        let parent = std::env::var(sweep::PARENT).ok().and_then(|parent| parent.parse().ok());
        let asked = Self(Arc::new(Asked { parent, ..Asked::default() }));
        let seen = asked.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (ready, watching) = std::sync::mpsc::channel();
        thread::Builder::new().name("interrupt".into()).spawn(move || {
            runtime.block_on(async {
                let mut signals = match Signals::new() {
                    Ok(signals) => signals,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                let _ = ready.send(Ok(()));
                let time_is_up = signals.next().await;
                seen.0.time_is_up.store(time_is_up, Ordering::Relaxed);
                seen.0.asked.store(true, Ordering::Relaxed);
                if time_is_up {
                    signals.next_of_a_person().await;
                }
                signals.next_of_a_person().await;
                std::process::exit(CliError::Interrupted.code().into());
            });
        })?;
        watching.recv().unwrap_or_else(|_| Err(io::Error::other("no thread to watch for Ctrl-C")))?;
        Ok(asked)
    }

    /// Whether it is time to end.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed) || self.0.parent.is_some_and(is_gone)
    }

    /// Whether a sweep started this process: then nobody reads what it asks, and the task is run again.
    pub fn is_of_a_sweep(&self) -> bool {
        self.0.parent.is_some()
    }

    /// Whether it is time to end because a job's time is nearly up.
    pub fn time_is_up(&self) -> bool {
        self.0.time_is_up.load(Ordering::Relaxed)
    }

    /// [`CliError::Interrupted`] once it is time to end.
    ///
    /// # Errors
    /// Only then.
    pub fn check(&self) -> Result<(), CliError> {
        if self.is_asked() { Err(CliError::Interrupted) } else { Ok(()) }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// `None` under `nohup`, which ignores the signal.
    hangup: Option<tokio::signal::unix::Signal>,
    time_is_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = if hangs_up() { Some(signal(SignalKind::hangup())?) } else { None };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
            time_is_up: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for a signal; true for SIGUSR1.
    async fn next(&mut self) -> bool {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => false,
            _ = self.terminate.recv() => false,
            _ = hangup => false,
            _ = self.time_is_up.recv() => true,
        }
    }

    /// The next deliberate one: a terminal that closes may send SIGHUP more than once.
    async fn next_of_a_person(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Makes a write beyond the user's limit on the size of files (`ulimit -f`) fail as it does on a full disk: the system ends a
/// process that does not catch SIGXFSZ in the middle of that write. The handler stays for the life of the process.
pub(super) fn catch_file_limits() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let caught = runtime.and_then(|runtime| {
            let _inside = runtime.enter();
            signal(SignalKind::from_raw(nix::sys::signal::Signal::SIGXFSZ as i32)).map(drop)
        });
        if let Err(error) = caught {
            tracing::debug!("SIGXFSZ is not caught: {error}");
        }
    }
}

/// Whether the process that started this one is gone: then another one is its parent.
fn is_gone(parent: u32) -> bool {
    #[cfg(unix)]
    {
        std::os::unix::process::parent_id() != parent
    }
    #[cfg(not(unix))]
    {
        let _ = parent;
        false
    }
}

/// Whether to handle SIGHUP: not where it is ignored, as under `nohup`, nor where that cannot be determined without
/// replacing its handler.
#[cfg(unix)]
fn hangs_up() -> bool {
    const HANGUP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & HANGUP == 0)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> bool {
        let _ = tokio::signal::ctrl_c().await;
        false
    }

    async fn next_of_a_person(&mut self) {
        self.next().await;
    }
}
