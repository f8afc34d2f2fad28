//! Locks of files, tried for a moment.

use std::{
    fs::TryLockError,
    io, thread,
    time::{Duration, Instant},
};

/// A list probes locks for an instant, and a run that was stopped releases its locks a moment after it reports so: a
/// writer that meets either tries again for this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes a lock; false where another process still holds it after a second.
///
/// # Errors
/// When the file system has no locks.
pub(super) fn take(mut attempt: impl FnMut() -> Result<(), TryLockError>) -> io::Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(PATIENCE / 20),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}
