//! Signals of the system: terminate, suspend, resume.

use std::io;

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalEvent {
    /// Quit in order: SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT.
    Leave,
    /// Give the terminal to the shell and stop: SIGTSTP.
    Suspend,
    /// The process continues after it was stopped: SIGCONT.
    Resume,
}

/// The signals, as they arrive.
pub struct Signals(system::Signals);

impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// When the system call fails.
    pub fn new() -> io::Result<Self> {
        system::Signals::new().map(Self)
    }

    /// The next one.
    pub async fn next(&mut self) -> SignalEvent {
        self.0.next().await
    }
}

pub use system::{step_aside, stop};

#[cfg(unix)]
mod system {
    use std::io;

    use nix::{
        sys::signal::{Signal, kill, raise},
        unistd::{Pid, getppid, getsid},
    };
    use tokio::signal::unix::{self, SignalKind, signal};

    use super::SignalEvent;

    pub struct Signals {
        leave: [unix::Signal; 5],
        aside: unix::Signal,
        back: unix::Signal,
    }

    impl Signals {
        pub(super) fn new() -> io::Result<Self> {
            let raw = |wanted: Signal| signal(SignalKind::from_raw(wanted as i32));
            Ok(Self {
                leave: [
                    signal(SignalKind::terminate())?,
                    signal(SignalKind::interrupt())?,
                    signal(SignalKind::hangup())?,
                    signal(SignalKind::quit())?,
                    raw(Signal::SIGABRT)?,
                ],
                aside: raw(Signal::SIGTSTP)?,
                back: raw(Signal::SIGCONT)?,
            })
        }

        pub(super) async fn next(&mut self) -> SignalEvent {
            let [terminate, interrupt, hangup, quit, abort] = &mut self.leave;
            tokio::select! {
                _ = terminate.recv() => SignalEvent::Leave,
                _ = interrupt.recv() => SignalEvent::Leave,
                _ = hangup.recv() => SignalEvent::Leave,
                _ = quit.recv() => SignalEvent::Leave,
                _ = abort.recv() => SignalEvent::Leave,
                _ = self.aside.recv() => SignalEvent::Suspend,
                _ = self.back.recv() => SignalEvent::Resume,
            }
        }
    }

    /// Stops the whole job, as the terminal does on Ctrl-Z outside raw mode. False where no shell would be there to
    /// continue it.
    pub fn step_aside() -> bool {
        // Started directly by a terminal, the process leads its session; started by a shell, it does not.
        let has_shell = matches!((getsid(Some(getppid())), getsid(None)), (Ok(theirs), Ok(ours)) if theirs == ours);
        has_shell && kill(Pid::from_raw(0), Signal::SIGTSTP).is_ok()
    }

    /// Stops until the process is continued.
    pub fn stop() {
        // A failure cannot be handled: the process continues.
        let _ = raise(Signal::SIGSTOP);
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    use super::SignalEvent;

    pub struct Signals;

    impl Signals {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn next(&mut self) -> SignalEvent {
            let _ = tokio::signal::ctrl_c().await;
            SignalEvent::Leave
        }
    }

    /// There is no job control on this system.
    pub fn step_aside() -> bool {
        false
    }

    /// There is no job control on this system.
    pub fn stop() {}
}
