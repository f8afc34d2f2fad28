//! What a file holds, as a digest: each file is read once in the life of the process, as long as it stays the same.

use std::{
    collections::HashMap,
    fs::Metadata,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use crate::regular;
use sha2::{Digest, Sha256};

/// SHA-256 of a file's bytes.
pub(super) type Content = [u8; 32];

/// Files whose digests are kept in memory, some 200 bytes each.
const KEPT: usize = 1 << 20;

/// How a file was when it was read: what any change of it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Device, file number and time of the last change of either name or content, where the system has them.
    node: (u64, u64, i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let node = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
        };
        #[cfg(not(unix))]
        let node = (0, 0, 0, 0);
        Self { bytes: metadata.len(), modified: metadata.modified().ok(), node }
    }
}

/// Digests by path, each with how its file was.
type Known = HashMap<PathBuf, (Stamp, Content)>;

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

/// The digest of a file's content: remembered while the file is unchanged, else read.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn digest(path: &Path) -> io::Result<Content> {
    let mut file = regular::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let known =
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|known| known.get(path).copied());
    if let Some((was, content)) = known
        && was == stamp
    {
        return Ok(content);
    }
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut hasher)?;
    let content: Content = hasher.finalize().into();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if known.len() < KEPT {
        known.insert(path.to_owned(), (stamp, content));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::digits::hex;

    #[test]
    fn a_changed_file_has_another_digest_even_under_its_old_name_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        std::fs::write(&path, "one").unwrap();
        let first = digest(&path).unwrap();
        assert_eq!(
            (digest(&path).unwrap(), hex(first).as_str()),
            (first, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed")
        );
        // Another file of the same size takes its place, as when folders are swapped.
        let other = folder.path().join("b.wav");
        std::fs::write(&other, "two").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_ne!(digest(&path).unwrap(), first);
    }
}
