//! Ctrl-C, SIGTERM and SIGHUP for long subcommands: the first one ends the work in order, a second Ctrl-C or SIGTERM
//! ends the process at once.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::CliError;

/// Whether Ctrl-C was pressed, or the process received a signal to end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to watch. A second Ctrl-C ends the process at once.
    ///
    /// # Errors
    /// When the system cannot start a thread or watch for signals.
    pub fn watch() -> io::Result<Self> {
        let asked = Self::default();
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
                signals.next().await;
                seen.0.store(true, Ordering::Relaxed);
                signals.next_of_a_person().await;
                std::process::exit(CliError::Interrupted.code().into());
            });
        })?;
        watching.recv().unwrap_or_else(|_| Err(io::Error::other("no thread to watch for Ctrl-C")))?;
        Ok(asked)
    }

    /// Whether it is time to end.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = if hangs_up() { Some(signal(SignalKind::hangup())?) } else { None };
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
    }

    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
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

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }

    async fn next_of_a_person(&mut self) {
        self.next().await;
    }
}
