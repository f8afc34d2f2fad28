//! The clips that a run was trained and validated on, one per line, beside its log.

use std::{io, path::Path};

use super::SessionError;
use crate::{atomic, data::ClipList};

/// Name of the list in a session's folder.
pub const CLIPS_FILE: &str = "clips.csv";

/// Writes the list, whole or not at all.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_clips(folder: &Path, clips: &ClipList) -> Result<(), SessionError> {
    let path = folder.join(CLIPS_FILE);
    atomic::write(&path, |file| -> io::Result<()> {
        let mut table = csv::Writer::from_writer(file);
        clips.0.iter().try_for_each(|clip| table.serialize(clip)).map_err(io::Error::other)?;
        table.flush()
    })
    .map_err(SessionError::io(&path, "write"))
}

/// Reads the list; `None` for a session of an earlier version, which has none.
///
/// # Errors
/// When it exists and cannot be read.
pub fn read_clips(folder: &Path) -> Result<Option<ClipList>, SessionError> {
    let path = folder.join(CLIPS_FILE);
    let table = match csv::Reader::from_path(&path) {
        Ok(table) => table,
        Err(error) => {
            return match error.into_kind() {
                csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                csv::ErrorKind::Io(error) => Err(SessionError::io(&path, "read")(error)),
                _ => Err(damaged(&path, "it is not a list of clips")),
            };
        }
    };
    let clips: Result<Vec<_>, _> = table.into_deserialize().collect();
    clips.map(|clips| Some(ClipList(clips))).map_err(|error| damaged(&path, &error.to_string()))
}

fn damaged(path: &Path, problem: &str) -> SessionError {
    SessionError::Damaged {
        path: path.to_owned(),
        problem: problem.to_owned(),
        remedy: "restore it, or remove it: then what was trained on is not known by content".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::{ClipRecord, Split};

    #[test]
    fn a_list_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_clips(folder.path()).unwrap(), None);
        let clip = |id: &str, part| ClipRecord {
            id: id.into(),
            part,
            label: "a;b".into(),
            sha256: "00".into(),
            recording: None,
        };
        let list = ClipList(vec![clip("dog, \"big\"/1.wav", Split::Train), clip("line\nbreak.wav", Split::Val)]);
        write_clips(folder.path(), &list).unwrap();
        assert_eq!(read_clips(folder.path()).unwrap(), Some(list));
        std::fs::write(folder.path().join(CLIPS_FILE), "id,part\nx,nothing\n").unwrap();
        assert!(read_clips(folder.path()).unwrap_err().to_string().contains("clips.csv"));
    }
}
