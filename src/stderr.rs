//! Redirects standard error while the program draws on the terminal or prints for scripts.
//!
//! ALSA and other native libraries write to file descriptor 2 at any time. Code that draws on the terminal, or prints
//! clean output for a script, redirects that to a file while it runs:
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
//! There is one redirection for the process, since there is one descriptor 2. A panic hook calls [`restore`] first, so
//! that its message is shown. On systems other than Unix nothing is redirected: no library used there writes on its
//! own.

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

/// Redirects file descriptor 2 to `file` until the guard is dropped or [`restore`] is called.
///
/// # Errors
/// When it is redirected already, or the system call fails.
pub fn redirect(file: &File) -> io::Result<Redirected> {
    system::redirect(file).map(Redirected)
}

/// Discards what native libraries write to file descriptor 2 until the guard is dropped. `None` when that fails, as
/// when it is redirected already: then their messages are shown.
pub fn discard() -> Option<Redirected> {
    let nowhere = if cfg!(windows) { "NUL" } else { "/dev/null" };
    redirect(&File::options().write(true).open(nowhere).ok()?).ok()
}

/// Restores standard error, if it was redirected. Never blocks, may be called from a panic hook and more than once.
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

    /// The original target of descriptor 2.
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
            // A failure could be neither handled nor reported.
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
    fn descriptor_2_is_the_file_until_the_guard_is_dropped() {
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
