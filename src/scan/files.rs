//! Which recordings are meant: files, folders at any depth, and lists of both.

use std::{
    collections::HashSet,
    fs::{self, Metadata},
    io::{self, Read},
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use crate::data::{LeftOut, Listing};

/// A recording to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The file, as it was given or found below a folder that was given.
    pub path: PathBuf,
    /// Its place below the folder that was given, or below the one that all files given are in: where its own tables go.
    pub place: PathBuf,
    /// Bytes of the file.
    pub bytes: u64,
    /// When it was last changed, in nanoseconds since 1970; negative before.
    pub modified_ns: i128,
}

/// A file or folder that cannot be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Unread {
    /// The file or folder.
    pub file: String,
    /// The reason, with the file's name in it.
    pub error: String,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Recordings: in the order of what was given, and by name below a folder.
    pub recordings: Vec<Recording>,
    /// What was given or found and cannot be read.
    pub unread: Vec<Unread>,
    /// Files below folders that are not scanned.
    pub left_out: Vec<LeftOut>,
    /// Times that a recording was given or found again.
    pub again: usize,
}

impl Found {
    /// Bytes of all recordings.
    pub fn bytes(&self) -> u64 {
        self.recordings.iter().map(|recording| recording.bytes).sum()
    }

    fn take(&mut self, path: PathBuf, place: PathBuf, metadata: &Metadata, seen: &mut HashSet<PathBuf>) {
        if !seen.insert(absolute(&path)) {
            self.again += 1;
            return;
        }
        let modified_ns = metadata.modified().map_or(0, |time| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        });
        self.recordings.push(Recording { path, place, bytes: metadata.len(), modified_ns });
    }

    fn fail(&mut self, path: &Path, error: String) {
        self.unread.push(Unread { file: path.display().to_string(), error });
    }
}

/// A path from the root on, without following links.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The paths of a list: one a line, or with NUL between them as `find -print0` writes it. Empty lines and a byte order mark
/// are skipped.
///
/// # Errors
/// When it cannot be read.
pub fn paths_of(mut list: impl Read) -> io::Result<Vec<PathBuf>> {
    let mut bytes = Vec::new();
    list.read_to_end(&mut bytes)?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let separator = if bytes.contains(&0) { 0 } else { b'\n' };
    let lines = bytes.split(|byte| *byte == separator);
    let lines = lines.map(|line| if separator == b'\n' { line.strip_suffix(b"\r").unwrap_or(line) } else { line });
    Ok(lines.filter(|line| !line.is_empty()).map(path_of).collect())
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// Finds the recordings of files and folders. A file that was given is one whatever its name; below a folder the ending
/// decides, in any letter case. `progress` gets the number found so far, and may break off.
pub fn find(given: &[PathBuf], mut progress: impl FnMut(usize) -> ControlFlow<()>) -> Option<Found> {
    let (mut found, mut seen) = (Found::default(), HashSet::new());
    let mut files = Vec::new();
    for path in given {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => below(path, &mut found, &mut seen, &mut progress)?,
            Ok(metadata) => {
                files.push(found.recordings.len());
                found.take(path.clone(), absolute(path), &metadata, &mut seen);
            }
            Err(error) => found.fail(path, format!("{}: {error}", path.display())),
        }
        if progress(found.recordings.len()).is_break() {
            return None;
        }
    }
    let mut files: Vec<_> =
        found.recordings.iter_mut().enumerate().filter(|(at, _)| files.binary_search(at).is_ok()).collect();
    let common = files.iter().filter_map(|(_, file)| file.place.parent()).map(Path::to_owned).reduce(shared);
    for (_, file) in &mut files {
        if let Ok(below) = file.place.strip_prefix(common.as_deref().unwrap_or(Path::new(""))) {
            file.place = below.to_owned();
        }
    }
    Some(found)
}

/// The folder that two folders are in.
fn shared(a: PathBuf, b: PathBuf) -> PathBuf {
    a.components().zip(b.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}

/// Everything below a folder, depth first and by name; a link to a folder is followed once.
fn below(
    root: &Path,
    found: &mut Found,
    seen: &mut HashSet<PathBuf>,
    progress: &mut impl FnMut(usize) -> ControlFlow<()>,
) -> Option<()> {
    let mut visited = HashSet::new();
    // A stack in memory, since people nest deeper than threads like. Files have their metadata.
    let mut waiting = vec![(root.to_owned(), true)];
    while let Some((path, is_folder)) = waiting.pop() {
        if !is_folder {
            match fs::metadata(&path) {
                Ok(metadata) => {
                    let place = path.strip_prefix(root).unwrap_or(&path).to_owned();
                    found.take(path, place, &metadata, seen);
                }
                Err(error) => found.fail(&path, format!("{}: {error}", path.display())),
            }
            continue;
        }
        if path.canonicalize().is_ok_and(|real| !visited.insert(real)) {
            found.left_out.push(LeftOut { path, reason: crate::data::Reason::Link });
            continue;
        }
        match Listing::of(&path) {
            Ok(listing) => {
                found.left_out.extend(listing.left_out);
                let folders = listing.folders.into_iter().map(|path| (path, true));
                let mut entries: Vec<_> = folders.chain(listing.sounds.into_iter().map(|path| (path, false))).collect();
                entries.sort_by(|a, b| b.0.cmp(&a.0));
                waiting.extend(entries);
            }
            Err(error) => found.fail(&path, error.to_string()),
        }
        if progress(found.recordings.len() + waiting.len()).is_break() {
            return None;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn touch(path: PathBuf) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    fn go(given: &[PathBuf]) -> Found {
        find(given, |_| ControlFlow::Continue(())).unwrap()
    }

    #[test]
    fn folders_of_any_depth_and_endings_in_any_case() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in ["b/2/x.WAV", "b/1/y.Flac", "a.wav", "notes.txt", ".hidden.wav", "data.bin"] {
            touch(at(name));
        }
        let found = go(&[at("")]);
        let places: Vec<_> = found.recordings.iter().map(|one| one.place.display().to_string()).collect();
        assert_eq!(places, ["a.wav", "b/1/y.Flac", "b/2/x.WAV"]);
        assert_eq!((found.left_out.len(), found.bytes()), (3, 3));
        // A file that is given counts whatever its name; twice is once; what is not there is named.
        let found = go(&[at("data.bin"), at("a.wav"), at(""), at("gone.wav")]);
        assert_eq!((found.recordings.len(), found.again, found.unread.len()), (4, 1, 1));
        assert!(found.unread[0].error.contains("gone.wav"), "{:?}", found.unread);
        let found = go(&[at("b/2/x.WAV"), at("b/1/y.Flac")]);
        let places: Vec<_> = found.recordings.iter().map(|one| one.place.display().to_string()).collect();
        assert_eq!(places, ["2/x.WAV", "1/y.Flac"]);
        assert_eq!(go(&[at("b/2/x.WAV")]).recordings[0].place, Path::new("x.WAV"));
    }

    #[test]
    fn lists_come_by_line_or_with_nul() {
        let read = |text: &[u8]| paths_of(text).unwrap();
        assert_eq!(read(b"\xEF\xBB\xBFa.wav\r\n\nb c.wav"), [PathBuf::from("a.wav"), "b c.wav".into()]);
        assert_eq!(read(b"a\n.wav\0b.wav\0"), [PathBuf::from("a\n.wav"), "b.wav".into()]);
        assert!(read(b"").is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_a_circle_ends() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path().join("a/x.wav"));
        std::os::unix::fs::symlink(root.path(), root.path().join("a/up")).unwrap();
        let found = go(&[root.path().to_owned()]);
        assert_eq!((found.recordings.len(), found.left_out.len()), (1, 1));
    }
}
