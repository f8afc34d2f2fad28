//! The files of claims: named by task and generation, read by every runner, rewritten and removed by their own.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{
    regular,
    sweep::{Holder, Place, SweepError},
};

/// Bytes of a claim's file that are read: several times a claim's text.
const LONGEST: u64 = 4096;

/// How often a claim is rewritten, and when it is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time between two rewritings.
    pub beat: Duration,
    /// Age at which a claim is stale. NFS may show a file's time up to a minute late.
    pub stale: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { beat: Duration::from_secs(10), stale: Duration::from_secs(120) }
    }
}

/// Rewrites a claim in its place, so that the file server notes the time. Returns false when the file is gone or is
/// another runner's: then the claim is lost. A disk or a server that does not answer is no such sign: the next beat makes
/// up for it, and the file keeps its size, so a full disk does not matter.
pub(super) fn rewrite(path: &Path, text: &[u8]) -> bool {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) => return error.kind() != ErrorKind::NotFound,
    };
    let mut found = Vec::new();
    if Read::by_ref(&mut file).take(LONGEST).read_to_end(&mut found).is_err() {
        return true;
    }
    if found != text {
        return false;
    }
    let _ = file.rewind().and_then(|()| file.write_all(text)).and_then(|()| file.sync_data());
    true
}

/// Removes a claim's file if it still has the text of its maker.
pub(super) fn remove_own(path: &Path, text: &[u8]) {
    if regular::read_up_to(path, LONGEST).is_ok_and(|found| found == text) {
        let _ = fs::remove_file(path);
    }
}

/// A claim as another process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sweep) struct Seen {
    pub(super) generation: u32,
    /// `None` while it is being written.
    pub(in crate::sweep) holder: Option<Holder>,
    /// When it was last rewritten, by the file system's clock.
    beat: SystemTime,
}

impl Seen {
    /// Whether the task may be taken: the holder is gone, or has not rewritten its claim for too long.
    /// Without the file system's time, its age is unknown, and it is not stale.
    pub(in crate::sweep) fn is_free(&self, asking: &Holder, patience: Patience, now: Option<SystemTime>) -> bool {
        let age = now.and_then(|now| now.duration_since(self.beat).ok());
        self.holder.as_ref().is_some_and(|holder| holder.is_gone(asking)) || age.is_some_and(|age| age > patience.stale)
    }
}

pub(super) fn path_of(place: &Place, id: &str, generation: u32) -> PathBuf {
    place.claims().join(format!("{id}.{generation}"))
}

/// The newest claim of a task.
pub(super) fn newest(place: &Place, id: &str) -> Result<Option<Seen>, SweepError> {
    let newest = generations(place, Some(id))?.remove(id).and_then(|generations| generations.into_iter().max());
    Ok(newest.and_then(|generation| seen(place, id, generation)))
}

/// The newest claim of every task that has one.
///
/// # Errors
/// When the folder is there and cannot be read.
pub(in crate::sweep) fn all(place: &Place) -> Result<Vec<(String, Seen)>, SweepError> {
    let newest = |(id, generations): (String, Vec<u32>)| {
        let seen = seen(place, &id, generations.into_iter().max()?)?;
        Some((id, seen))
    };
    Ok(generations(place, None)?.into_iter().filter_map(newest).collect())
}

/// A claim, read; `None` when it was given back meanwhile.
pub(super) fn seen(place: &Place, id: &str, generation: u32) -> Option<Seen> {
    // Opened, not only looked up: NFS then asks the server for the file's time.
    let mut file = File::open(path_of(place, id, generation)).ok()?;
    let mut text = Vec::new();
    Read::by_ref(&mut file).take(LONGEST).read_to_end(&mut text).ok()?;
    let beat = file.metadata().and_then(|metadata| metadata.modified()).ok()?;
    Some(Seen { generation, holder: serde_json::from_slice(&text).ok(), beat })
}

/// The generations of the claims of each task, or of one.
pub(super) fn generations(place: &Place, only: Option<&str>) -> Result<BTreeMap<String, Vec<u32>>, SweepError> {
    let folder = place.claims();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        other => other.map_err(SweepError::io(&folder, "read"))?,
    };
    let mut all: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((id, generation)) = name.rsplit_once('.') else { continue };
        let (false, Ok(generation)) = (id.is_empty(), generation.parse::<u32>()) else { continue };
        if only.is_none_or(|only| only == id) {
            all.entry(id.to_owned()).or_default().push(generation);
        }
    }
    Ok(all)
}
