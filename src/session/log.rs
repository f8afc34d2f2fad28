//! Writing the event log: one JSON object per line, append-only.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{Event, Record, SessionError, patience};
use crate::regular;

/// Name of the log in a session's folder.
pub const LOG_FILE: &str = "events.jsonl";

/// Whether another process writes the log of this folder: an error [`TryLockError::WouldBlock`] says so.
///
/// # Errors
/// Then; and where the file system has no locks.
pub(super) fn probe(folder: &Path) -> Result<(), TryLockError> {
    // Elsewhere a locked file cannot be read either, so the log has no lock of its own.
    if !cfg!(unix) {
        return Ok(());
    }
    // Without a log nobody writes it.
    regular::open(&folder.join(LOG_FILE)).map_or(Ok(()), |file| file.try_lock_shared())
}

/// Locks a log that is written, until it is closed: the session's lock is a file of its own that somebody may remove.
fn hold(file: &File, folder: &Path) -> Result<(), SessionError> {
    if !cfg!(unix) {
        return Ok(());
    }
    match patience::take(|| file.try_lock()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(SessionError::Busy { path: folder.to_owned() }),
        Err(error) => {
            tracing::debug!("{}: its log cannot be locked: {error}", folder.display());
            Ok(())
        }
    }
}

/// Appends events. A line that cannot be written is kept and written with the next one.
pub struct LogWriter {
    path: PathBuf,
    file: File,
    /// Bytes of complete lines in the file.
    length: u64,
    /// Lines that are not on disk yet.
    pending: Vec<u8>,
}

impl LogWriter {
    /// Opens the log for appending; creates it if needed, and cuts off an incomplete last line. The caller holds the
    /// session's lock.
    ///
    /// # Errors
    /// When the file cannot be opened, read or cut, or another process writes it.
    pub fn open(folder: &Path) -> Result<Self, SessionError> {
        let path = folder.join(LOG_FILE);
        let fail = |action| SessionError::io(&path, action);
        regular::may_write(&path).map_err(fail("open"))?;
        let mut file =
            OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path).map_err(fail("open"))?;
        hold(&file, folder)?;
        let length = end_of_last_line(&mut file).map_err(fail("read"))?;
        file.set_len(length).map_err(fail("write"))?;
        file.seek(SeekFrom::End(0)).map_err(fail("read"))?;
        Ok(Self { path, file, length, pending: Vec::new() })
    }

    /// Appends one event and passes it to the operating system, so that it survives the process.
    ///
    /// # Errors
    /// When the write fails; the event is kept and written with the next one.
    pub fn append(&mut self, record: &Record) -> Result<(), SessionError> {
        self.pending.extend(line_of(record));
        self.pending.push(b'\n');
        self.flush()
    }

    /// Writes lines that could not be written before.
    ///
    /// # Errors
    /// When the write still fails.
    pub fn flush(&mut self) -> Result<(), SessionError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(&self.pending) {
            // An incomplete line must not precede the next attempt.
            let _ = self.file.set_len(self.length);
            let _ = self.file.seek(SeekFrom::Start(self.length));
            return Err(SessionError::io(&self.path, "write")(error));
        }
        self.length += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Flushes, then waits until the log is on the medium and survives a power cut.
    ///
    /// # Errors
    /// When the write fails.
    pub fn sync(&mut self) -> Result<(), SessionError> {
        self.flush()?;
        self.file.sync_data().map_err(SessionError::io(&self.path, "write"))
    }
}

/// An event as one line that can be read back. JSON has no NaN and no infinity: an event with such a value is written
/// as a warning that says so, since the line could not be read.
fn line_of(record: &Record) -> Vec<u8> {
    let written = serde_json::to_vec(record).unwrap_or_default();
    if serde_json::from_slice::<Record>(&written).is_ok() {
        return written;
    }
    let text = String::from_utf8_lossy(&written);
    let kind = text.split_once("\"event\":\"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or("event");
    let message = format!("an event could not be recorded, because a value in it is not a number: {kind}");
    serde_json::to_vec(&Record { at_ms: record.at_ms, event: Event::Warning { message } }).unwrap_or_default()
}

/// Offset after the last newline, found from the end.
fn end_of_last_line(file: &mut File) -> std::io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut block = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let block = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        if let Some(at) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
