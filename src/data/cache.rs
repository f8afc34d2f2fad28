//! Log-mels on disk, so that a second run decodes nothing: one file for each clip, keyed by the clip's content and
//! by everything that decides its features. Losing it costs time and nothing else, so no failure here is an error, and a
//! file that does not match its checksum is computed again.
//!
//! A file holds, little-endian: [`MAGIC`], frames, bins and bytes of notes (u32 each), the SHA-256 of all the rest, the
//! values (f32), and what was odd about the sound (JSON).

use std::{env, ffi::OsString, fs, io::Write, path::PathBuf, time::SystemTime};

use sha2::{Digest, Sha256};

use crate::{
    atomic,
    audio::{self, LogMel, Note},
    digits::hex,
    regular,
};

/// Bytes the cache may hold; beyond it the files unused for longest go.
const LIMIT: u64 = 8 << 30;

/// First bytes of a cache file; the number counts changes to the form of these files.
const MAGIC: &[u8; 8] = b"aatmel\x00\x02";

/// Bytes before the values.
const HEADER: usize = 20 + 32;

/// A folder of log-mels.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

/// What a clip's features depend on, as 32 bytes.
pub(super) type Key = [u8; 32];

/// The key of a clip under a front end, by its bytes or their digest, as this program decodes and computes.
pub(super) fn key(content: &[u8], front_end: &str) -> Key {
    key_of(content, front_end, [audio::DECODING_VERSION, audio::COMPUTING_VERSION])
}

/// The key of a part of a recording: its content, its first sample at 16 kHz and their number.
pub(super) fn part_key(content: &[u8], front_end: &str, start: u64, samples: u64) -> Key {
    key(content, &format!("{front_end} {start}+{samples}"))
}

fn key_of(content: &[u8], front_end: &str, versions: [u32; 2]) -> Key {
    let versions = versions.map(u32::to_le_bytes);
    let hash = Sha256::new().chain_update(MAGIC).chain_update(versions.as_flattened());
    hash.chain_update(front_end.as_bytes()).chain_update(content).finalize().into()
}

impl Cache {
    /// The cache in the user's cache folder, or where `AAT_TUI_CACHE` says; none when that is `off`. Empty counts as unset.
    pub(super) fn of_user() -> Option<Self> {
        let folder = match env::var_os("AAT_TUI_CACHE").filter(|folder| !folder.is_empty()) {
            Some(folder) if folder == "off" => return None,
            Some(folder) => PathBuf::from(folder),
            None => directories::ProjectDirs::from("", "", "aat-tui")?.cache_dir().to_owned(),
        };
        Some(Self { folder: folder.join("features") })
    }

    /// A cache in another folder.
    pub(super) fn at(folder: &std::path::Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn path(&self, key: &Key) -> PathBuf {
        let name = hex(key);
        self.folder.join(&name[..2]).join(name)
    }

    /// The log-mel under a key and what was odd about the sound, if the file is there and whole.
    pub(super) fn read(&self, key: &Key) -> Option<(LogMel, Vec<Note>)> {
        let path = self.path(key);
        let bytes = regular::read(&path).ok()?;
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let number = |at: usize| -> Option<usize> {
            Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?) as usize)
        };
        let (frames, bins, notes) = (number(8)?, number(12)?, number(16)?);
        let values = frames.checked_mul(bins)?.checked_mul(4)?;
        let is_whole = values.checked_add(notes) == Some(rest.len());
        if !header.starts_with(MAGIC) || !is_whole || header.get(20..) != Some(&checksum(&header[..20], rest)[..]) {
            return None;
        }
        let (values, notes) = rest.split_at(values);
        let notes = serde_json::from_slice(notes).ok()?;
        let data = values.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        if let Ok(file) = fs::File::options().append(true).open(&path) {
            // Marks it as used, for `prune`.
            let _ = file.set_modified(SystemTime::now());
        }
        Some((LogMel { frames, bins, data }, notes))
    }

    /// Keeps a log-mel and what was odd about its sound: whole under its name, or not at all.
    pub(super) fn write(&self, key: &Key, mel: &LogMel, notes: &[Note]) {
        let path = self.path(key);
        let attempt = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(&self.folder);
            fs::create_dir_all(folder)?;
            let notes = serde_json::to_vec(notes)?;
            let mut header = MAGIC.to_vec();
            for size in [mel.frames, mel.bins, notes.len()] {
                header.extend_from_slice(&u32::try_from(size).map_err(std::io::Error::other)?.to_le_bytes());
            }
            let mut rest = Vec::with_capacity(4 * mel.data.len() + notes.len());
            rest.extend(mel.data.iter().flat_map(|value| value.to_le_bytes()));
            rest.extend(notes);
            let mut file = atomic::temporary(folder, TEMPORARY)?;
            file.write_all(&header)?;
            file.write_all(&checksum(&header, &rest))?;
            file.write_all(&rest)?;
            file.persist(&path)?;
            Ok(())
        };
        if let Err(error) = attempt() {
            tracing::debug!("features are not kept in {}: {error}", path.display());
        }
    }

    /// Removes the files unused for longest until the cache fits its limit.
    pub(super) fn prune(&self) {
        self.prune_to(LIMIT);
    }

    fn prune_to(&self, limit: u64) {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        let folders = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten()) {
            let is_ours = |name: &OsString| name.to_str().is_some_and(|name| name.len() == 64);
            if atomic::is_left_over(&entry.path()) {
                let _ = fs::remove_file(entry.path());
                continue;
            }
            if let Ok(metadata) = entry.metadata()
                && is_ours(&entry.file_name())
            {
                files.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), entry.path()));
            }
        }
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        files.sort();
        for (_, bytes, path) in files {
            if total <= limit {
                return;
            }
            if fs::remove_file(path).is_ok() {
                total -= bytes;
            }
        }
    }
}

fn checksum(header: &[u8], rest: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(header).chain_update(rest).finalize().into()
}

/// How the names of unfinished files begin.
const TEMPORARY: &str = ".new-";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A process was killed while it wrote: its file goes with the next pruning, one that is just being written stays.
    #[test]
    fn leftovers_are_removed_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        cache.write(&key(b"a", "kaldi"), &LogMel { frames: 1, bins: 1, data: vec![1.0] }, &[]);
        let inner = cache.path(&key(b"a", "kaldi")).parent().unwrap().to_owned();
        let [old, new] = [".new-old", ".new-new"].map(|name| inner.join(name));
        fs::write(&new, "x").unwrap();
        let long_ago = SystemTime::now() - 2 * atomic::LEFT_OVER;
        fs::File::create(&old).unwrap().set_modified(long_ago).unwrap();
        cache.prune();
        assert_eq!((old.exists(), new.exists(), cache.read(&key(b"a", "kaldi")).is_some()), (false, true, true));
    }

    #[test]
    fn what_is_kept_comes_back_to_the_bit_and_damage_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let mel = LogMel { frames: 2, bins: 3, data: vec![1.5, -2.25, 1e-30, 0.1, f32::MIN, 7.0] };
        let one = key(b"sound", "kaldi");
        assert_ne!(one, key(b"sound", "whisper"));
        assert_eq!(cache.read(&one), None);
        let notes = vec![Note { problem: "every sample is zero".into(), remedy: "leave it out".into() }];
        cache.write(&one, &mel, &notes);
        assert_eq!(cache.read(&one), Some((mel.clone(), notes)));

        let path = cache.path(&one);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(cache.read(&one), None);
        fs::write(&path, b"short").unwrap();
        assert_eq!(cache.read(&one), None);
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(cache.read(&one), None, "byte {place}");
        }
    }

    #[test]
    fn another_way_to_decode_or_compute_is_another_key() {
        let now = [audio::DECODING_VERSION, audio::COMPUTING_VERSION];
        assert_eq!(key(b"sound", "kaldi"), key_of(b"sound", "kaldi", now));
        assert_ne!(key(b"sound", "kaldi"), key_of(b"sound", "kaldi", [now[0] + 1, now[1]]));
        assert_ne!(key(b"sound", "kaldi"), key_of(b"sound", "kaldi", [now[0], now[1] + 1]));
    }

    #[test]
    fn the_longest_unused_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let mel = LogMel { frames: 1, bins: 1, data: vec![0.0] };
        for n in 0..4u64 {
            let key = key(&[n as u8], "");
            cache.write(&key, &mel, &[]);
            let file = fs::File::options().append(true).open(cache.path(&key)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000 - n)).unwrap();
        }
        cache.prune_to(2 * (HEADER as u64 + 4 + 2));
        let there: Vec<bool> = (0..4u8).map(|n| cache.path(&key(&[n], "")).exists()).collect();
        assert_eq!(there, [true, true, false, false]);
    }
}
