//! Standard error while something else owns the terminal.
//!
//! ALSA and other native libraries write to file descriptor 2 as they please. Whoever draws on the terminal, or
//! promises clean output to a script, sends that to a file for as long as it runs:
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! let log = std::fs::File::create("aat-tui.log")?;
//! let redirected = aat_tui::stderr::redirect(&log)?;
//! // ... draw, listen ...
//! drop(redirected);
//! # Ok(())
//! # }
//! ```
//!
//! There is one redirection for the process, since there is one descriptor 2. A panic hook that wants to be read calls
//! [`restore`] first. On systems that are not Unix nothing is redirected: no library used there writes on its own.

use std::{fs::File, io};

/// Ends the redirection when dropped.
#[derive(Debug)]
#[must_use = "standard error comes back as soon as this is dropped"]
pub struct Redirected(());

impl Drop for Redirected {
    fn drop(&mut self) {
        restore();
    }
}

/// Sends file descriptor 2 to `file` until the guard is dropped or [`restore`] is called.
///
/// # Errors
/// When it is redirected already, or the system refuses.
pub fn redirect(file: &File) -> io::Result<Redirected> {
    system::redirect(file).map(Redirected)
}

/// Throws away what native libraries write to file descriptor 2 until the guard is dropped. `None` when that cannot be
/// had, as when someone redirected it already: nothing worse follows than their chatter.
pub fn discard() -> Option<Redirected> {
    let nowhere = if cfg!(windows) { "NUL" } else { "/dev/null" };
    redirect(&File::options().write(true).open(nowhere).ok()?).ok()
}

/// Gives standard error back, if it was redirected. Never blocks, may be called from a panic hook and more than once.
pub fn restore() {
    system::restore();
}

#[cfg(unix)]
mod system {
    use std::{
        fs::File,
        io,
        os::fd::OwnedFd,
        sync::{Mutex, PoisonError, TryLockError},
    };

    /// Where descriptor 2 pointed before.
    static SAVED: Mutex<Option<OwnedFd>> = Mutex::new(None);

    pub(super) fn redirect(file: &File) -> io::Result<()> {
        let mut saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner);
        if saved.is_some() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "standard error is redirected already"));
        }
        let before = nix::unistd::dup(io::stderr())?;
        nix::unistd::dup2_stderr(file)?;
        *saved = Some(before);
        Ok(())
    }

    pub(super) fn restore() {
        let mut saved = match SAVED.try_lock() {
            Ok(saved) => saved,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if let Some(before) = saved.take() {
            // Nothing could be done about a failure, and nobody could be told.
            let _ = nix::unistd::dup2_stderr(&before);
        }
    }
}

#[cfg(not(unix))]
mod system {
    pub(super) fn redirect(_: &std::fs::File) -> std::io::Result<()> {
        Ok(())
    }

    pub(super) fn restore() {}
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{Read, Seek, Write};

    #[test]
    fn what_is_written_to_descriptor_2_lands_in_the_file_until_the_guard_goes() {
        let mut file = tempfile::tempfile().unwrap();
        let guard = super::redirect(&file).unwrap();
        assert!(super::redirect(&file).is_err(), "there is only one descriptor 2");
        std::io::stderr().write_all(b"chatter\n").unwrap();
        drop(guard);
        super::restore();
        std::io::stderr().write_all(b"").unwrap();

        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        // Other tests of this process may have written meanwhile.
        assert!(text.contains("chatter\n"), "{text:?}");
        let again = super::redirect(&file).unwrap();
        drop(again);
    }
}
