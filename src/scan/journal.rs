//! What is done: one line for each recording whose part is whole, appended as they end.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    audio::{Began, Note},
    regular,
};

/// The scan's own folder inside the one for results.
pub(super) const FOLDER: &str = ".scan";

/// A recording that was scored, as the journal has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    /// Its file, for people.
    pub(super) file: String,
    /// The name of its part, which stands for the file's path, size and time and for the settings.
    pub(super) part: String,
    /// Samples at 16 kHz.
    pub(super) samples: u64,
    /// Samples a second, as the file has them.
    pub(super) rate: u32,
    /// Windows in the part, and their checksum.
    pub(super) windows: u64,
    pub(super) crc: u32,
    /// When it began, as far as it says.
    pub(super) began: Option<Began>,
    /// What is odd about the file.
    pub(super) notes: Vec<Note>,
}

/// The journal of a folder for results, which no other process scans into meanwhile.
pub(super) struct Journal {
    file: File,
    done: HashMap<String, Done>,
    parts: PathBuf,
    /// Held locked as long as this lives.
    _lock: File,
}

impl Journal {
    /// Opens the journal in the folder for results `out`, or begins one. A last line that a killed process left unfinished
    /// is dropped: its recording is scored again.
    ///
    /// # Errors
    /// When the folder cannot be written, or another process scans into it.
    pub(super) fn open(out: &Path) -> io::Result<Self> {
        let folder = out.join(FOLDER);
        let parts = folder.join("parts");
        fs::create_dir_all(&parts)?;
        regular::may_write(&folder.join("lock"))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(io::Error::other(
                    "another scan writes into this folder; wait for it, or give another --out",
                ));
            }
            // A file system without locks: two scans at once are then the user's own affair.
            Err(fs::TryLockError::Error(error)) => tracing::warn!("{}: no lock: {error}", folder.display()),
        }
        let path = folder.join("journal.jsonl");
        let text = match regular::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines = text[..whole].split(|byte| *byte == b'\n');
        let done = lines.filter_map(|line| serde_json::from_slice::<Done>(line).ok());
        let done = done.map(|done| (done.part.clone(), done)).collect();
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        file.set_len(whole as u64)?;
        drop(file);
        let file = OpenOptions::new().append(true).open(&path)?;
        Ok(Self { file, done, parts, _lock: lock })
    }

    /// What is known of a part.
    pub(super) fn done(&self, part: &str) -> Option<&Done> {
        self.done.get(part)
    }

    /// Where a part is. Folders stay small: 256 of them share the parts out.
    pub(super) fn path(&self, part: &str) -> PathBuf {
        self.parts.join(part.get(..2).unwrap_or_default()).join(part)
    }

    /// Writes that a recording's part is whole.
    pub(super) fn add(&mut self, done: Done) -> io::Result<()> {
        let mut line = serde_json::to_vec(&done)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.done.insert(done.part.clone(), done);
        Ok(())
    }

    /// Forgets a part that cannot be read any more.
    pub(super) fn forget(&mut self, part: &str) {
        self.done.remove(part);
    }

    /// Puts what was written on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn done(part: &str) -> Done {
        let (file, part) = ("a.wav".to_owned(), part.to_owned());
        Done { file, part, samples: 16_000, rate: 48_000, windows: 2, crc: 7, began: None, notes: Vec::new() }
    }

    #[test]
    fn a_torn_last_line_costs_its_own_recording_only() {
        let out = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(out.path()).unwrap();
        journal.add(done("aa")).unwrap();
        journal.add(done("bb")).unwrap();
        assert!(Journal::open(out.path()).is_err(), "two scans into one folder");
        drop(journal);
        let path = out.path().join(FOLDER).join("journal.jsonl");
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() - 5]).unwrap();
        let mut journal = Journal::open(out.path()).unwrap();
        assert_eq!((journal.done("aa"), journal.done("bb")), (Some(&done("aa")), None));
        journal.add(done("cc")).unwrap();
        drop(journal);
        let journal = Journal::open(out.path()).unwrap();
        assert!(journal.done("aa").is_some() && journal.done("cc").is_some());
    }
}
