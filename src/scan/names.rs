//! Where each recording's own files go, and how they are written.

use std::{
    collections::HashSet,
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{Recording, ScanError};
use crate::atomic;

/// `folder/stem` with an ending behind the stem, whatever dots it has.
pub(super) fn under(folder: &Path, stem: &Path, ending: &str) -> PathBuf {
    let mut path = folder.join(stem).into_os_string();
    path.push(ending);
    path.into()
}

/// Writes one recording's file: whole or not at all, without waiting for the disk.
pub(super) fn write_light(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), ScanError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(ScanError::io(folder))?;
    atomic::write_unsynced(path, |file| fill(file)).map_err(ScanError::io(path))
}

/// For each recording, where its own tables go, without their endings: its place without the ending of its name, or with
/// it where that would be another recording's.
pub(super) fn stems(recordings: &[Recording]) -> Vec<PathBuf> {
    let mut taken = HashSet::new();
    let lower = |stem: &Path| stem.to_string_lossy().to_lowercase();
    let stem_of = |recording: &Recording| {
        let place = &recording.place;
        let numbered = (2..).map(|n| {
            under(
                place.parent().unwrap_or(Path::new("")),
                Path::new(place.file_name().unwrap_or_default()),
                &format!(".{n}"),
            )
        });
        let names = [place.with_extension(""), place.clone()].into_iter().chain(numbered);
        let free = names.into_iter().find(|stem| taken.insert(lower(stem)));
        free.unwrap_or_else(|| place.clone())
    };
    recordings.iter().map(stem_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recording_has_tables_of_its_own() {
        let places = ["a/x.wav", "a/X.WAV", "b/x.wav", "a/x.flac", "a/x.flac", "y.1.wav", "y.2.wav"];
        let recording = |place: &str| Recording { path: place.into(), place: place.into(), bytes: 0, modified_ns: 0 };
        let recordings: Vec<_> = places.into_iter().map(recording).collect();
        let stems: Vec<_> = stems(&recordings).iter().map(|stem| stem.display().to_string()).collect();
        assert_eq!(stems, ["a/x", "a/X.WAV", "b/x", "a/x.flac", "a/x.flac.2", "y.1", "y.2"]);
    }
}
