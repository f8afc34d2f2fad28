//! Ctrl-C for subcommands that run long: asked for politely once, obeyed at once the second time.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::CliError;

/// Whether Ctrl-C was pressed, or the process was asked to end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to watch. A second Ctrl-C ends the process without asking anyone.
    ///
    /// # Errors
    /// When the system gives no thread or no signals.
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
                signals.next().await;
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
    /// Then, and only then.
    pub fn check(&self) -> Result<(), CliError> {
        if self.is_asked() { Err(CliError::Interrupted) } else { Ok(()) }
    }
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
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
