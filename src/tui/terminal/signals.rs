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

pub use system::{has_shell, step_aside, stop};

#[cfg(unix)]
mod system {
    use std::io;

    use nix::{
        sys::signal::{Signal, kill, raise},
        unistd::{Pid, getpgid, getpgrp, getppid, getsid},
    };
    use tokio::signal::unix::{self, SignalKind, signal};

    use super::SignalEvent;

    /// Most processes between this one and its shell.
    const ANCESTORS: usize = 64;

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
        has_shell() && kill(Pid::from_raw(0), Signal::SIGTSTP).is_ok()
    }

    /// Whether a shell with job control waits for this job: the parent of one of its processes is outside of the process
    /// group and in the same session. POSIX calls a group without such a parent orphaned, and the system stops none at the
    /// terminal, because nobody would continue it.
    pub fn has_shell() -> bool {
        let (Ok(session), group, mut parent) = (getsid(None), getpgrp(), getppid()) else { return false };
        // What is in between belongs to the group: make, a script.
        for _ in 0..ANCESTORS {
            if parent.as_raw() <= 0 || getsid(Some(parent)) != Ok(session) {
                return false;
            }
            if getpgid(Some(parent)) != Ok(group) {
                return true;
            }
            let Some(next) = parent_of(parent) else { return true };
            parent = next;
        }
        false
    }

    /// The parent of a process; `None` where the system does not provide it.
    fn parent_of(process: Pid) -> Option<Pid> {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The program's name, in brackets, may hold anything; then state and parent.
        text.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok().map(Pid::from_raw)
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
    pub fn has_shell() -> bool {
        false
    }

    /// There is no job control on this system.
    pub fn stop() {}
}
