//! Deletes a session: only files that this program writes, by name, the log last.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use super::{BEST_FILE, CLIPS_FILE, Event, LOG_FILE, NOTES_FILE, Record, SessionError};
use crate::{atomic, limits, regular};

/// Whether this program writes a file of this name in this folder of a session (`""` is the session's own folder).
fn is_ours(folder: &str, name: &str) -> bool {
    let numbered = |before: &str, after: &str| {
        let digits = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let unfinished = atomic::is_temporary(name);
    match folder {
        "" => {
            [BEST_FILE, "averaged.safetensors", CLIPS_FILE, NOTES_FILE].contains(&name)
                // Written by modules above this one: the mixing desk, the calibration, a scan's thresholds.
                || ["mix.json", "calibration.json", "thresholds.toml", "thresholds.toml.before"].contains(&name)
                || numbered("checkpoint-", ".safetensors")
                || numbered("checkpoint-", ".partial")
                || ["best.partial", "averaged.partial"].contains(&name)
                || unfinished
        }
        // With what a person decided about them.
        "bookmarks" => numbered("", ".wav") || numbered("", ".json") || name == "reviewed.jsonl" || unfinished,
        "backbone" => ["model.safetensors", "config.json"].contains(&name) || unfinished,
        _ => false,
    }
}

/// The files of a session's folder in which nothing was begun, the lock last.
///
/// # Errors
/// When it holds anything else, or its log has a complete line: the message names it.
pub(super) fn check_unbegun(folder: &Path, lock: &str) -> Result<Vec<PathBuf>, SessionError> {
    let (mut files, mut last) = (Vec::new(), None);
    for entry in fs::read_dir(folder).map_err(SessionError::io(folder, "read"))? {
        let entry = entry.map_err(SessionError::io(folder, "read"))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let refused = |problem: String| SessionError::Damaged {
            path: folder.to_owned(),
            problem,
            remedy: "move the folder away, then try again".to_owned(),
        };
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            || !([lock, LOG_FILE, CLIPS_FILE].contains(&name.as_str()) || atomic::is_temporary(&name))
        {
            let problem =
                format!("it is no session and holds {name}, which is no file of a session that has just begun");
            return Err(refused(problem));
        }
        if name == LOG_FILE && regular::read(&path).map_err(SessionError::io(&path, "read"))?.contains(&b'\n') {
            return Err(refused(format!("the log {name} has complete lines, but not the first one of a session")));
        }
        if name == lock { last = Some(path) } else { files.push(path) }
    }
    files.extend(last);
    Ok(files)
}

/// Removes such a folder; looks at all of its files before it removes the first one.
///
/// # Errors
/// As [`check_unbegun`], or when a file cannot be removed.
pub(super) fn discard_unbegun(folder: &Path, lock: &str) -> Result<(), SessionError> {
    for path in check_unbegun(folder, lock)? {
        fs::remove_file(&path).map_err(SessionError::io(&path, "remove"))?;
    }
    fs::remove_dir(folder).map_err(SessionError::io(folder, "remove"))
}

/// Refuses a folder whose log does not begin like a session's.
///
/// # Errors
/// When the log cannot be read, or its first line is not `started`.
pub(super) fn check(folder: &Path) -> Result<(), SessionError> {
    let path = folder.join(LOG_FILE);
    let file = regular::open(&path).map_err(SessionError::io(&path, "read"))?;
    let mut line = Vec::new();
    BufReader::new(file.take(limits::FIRST_LOG_LINE))
        .read_until(b'\n', &mut line)
        .map_err(SessionError::io(&path, "read"))?;
    match serde_json::from_slice(&line) {
        Ok(Record { event: Event::Started { .. }, .. }) => Ok(()),
        _ => Err(SessionError::Damaged {
            path,
            problem: "its first line is not the beginning of a session, so nothing was removed".to_owned(),
            remedy: "remove the folder by hand if it is one".to_owned(),
        }),
    }
}

/// Removes this program's files from a session's folder, and the folder if nothing else is in it. Returns what is left.
/// If it is interrupted, the log is still there, and the session is listed and can be removed again.
///
/// # Errors
/// When a file cannot be removed.
pub(super) fn remove(folder: &Path, lock: &str) -> Result<Vec<PathBuf>, SessionError> {
    let mut left = Vec::new();
    for inner in ["bookmarks", "backbone", ""] {
        let at = if inner.is_empty() { folder.to_owned() } else { folder.join(inner) };
        // A symbolic link is not followed.
        if !fs::symlink_metadata(&at)
            .is_ok_and(|metadata| metadata.is_dir() || (inner.is_empty() && metadata.is_symlink()))
        {
            continue;
        }
        for entry in fs::read_dir(&at).map_err(SessionError::io(&at, "read"))?.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let is_file = entry.file_type().is_ok_and(|kind| !kind.is_dir());
            match name.as_str() {
                LOG_FILE if inner.is_empty() => {}
                name if inner.is_empty() && name == lock => {}
                name if is_file && is_ours(inner, name) => {
                    fs::remove_file(&path).map_err(SessionError::io(&path, "remove"))?;
                }
                _ => left.push(path),
            }
        }
        if !inner.is_empty() && fs::remove_dir(&at).is_ok() {
            left.retain(|path| *path != at);
        }
    }
    left.retain(|path| path.exists());
    let log = folder.join(LOG_FILE);
    fs::remove_file(&log).map_err(SessionError::io(&log, "remove"))?;
    // Held until now, so that no other process begins to write here.
    let _ = fs::remove_file(folder.join(lock));
    if left.is_empty() {
        fs::remove_dir(folder).map_err(SessionError::io(folder, "remove"))?;
    }
    left.sort();
    Ok(left)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::session::{LogWriter, SessionError, Store, testing};

    fn session(store: &Store) -> PathBuf {
        let (_, lock) = store.create("run").unwrap();
        let mut log = LogWriter::open(lock.folder()).unwrap();
        testing::records().iter().for_each(|record| log.append(record).unwrap());
        let folder = lock.folder().to_owned();
        for name in [
            "checkpoint-00000004.safetensors",
            "best.safetensors",
            "mix.json",
            "calibration.json",
            "thresholds.toml",
            "thresholds.toml.before",
            "notes.json",
            "clips.csv",
            "checkpoint-00000008.partial",
            ".new-1a",
        ] {
            fs::write(folder.join(name), "x").unwrap();
        }
        fs::create_dir(folder.join("bookmarks")).unwrap();
        fs::write(folder.join("bookmarks/1780000000000.wav"), "x").unwrap();
        fs::write(folder.join("bookmarks/reviewed.jsonl"), "x").unwrap();
        folder
    }

    #[test]
    fn a_folder_in_which_nothing_was_begun_is_removed_and_any_other_is_left_whole() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::at(place.path());
        let folder = place.path().join("run");
        store.discard_unbegun(&folder).unwrap();
        let with = |files: &[(&str, &str)]| {
            fs::create_dir(&folder).unwrap();
            for (name, text) in files {
                fs::write(folder.join(name), text).unwrap();
            }
        };
        // A log whose first line was cut short is no session yet.
        with(&[("lock", ""), (LOG_FILE, "{\"at_ms\":5,\"ev"), (CLIPS_FILE, "x"), (".tmp12", ""), (".new-1a", "")]);
        store.discard_unbegun(&folder).unwrap();
        assert!(!folder.exists());
        for (name, text, words) in [
            ("thesis.tex", "x", "thesis.tex"),
            (BEST_FILE, "x", BEST_FILE),
            (LOG_FILE, "{\"at_ms\":1,\"event\":\"paused\"}\n", "complete lines"),
        ] {
            with(&[("lock", ""), (CLIPS_FILE, "x"), (".tmp12", ""), (name, text)]);
            let why = store.discard_unbegun(&folder).unwrap_err().to_string();
            assert!(why.contains(words), "{why}");
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 4, "nothing is removed");
            fs::remove_dir_all(&folder).unwrap();
        }
    }

    #[test]
    fn a_session_goes_with_all_that_was_written_for_it() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::at(place.path());
        let folder = session(&store);
        assert_eq!(store.remove(&folder).unwrap(), Vec::<PathBuf>::new());
        assert!(!folder.exists());
    }

    #[test]
    fn what_someone_put_there_stays_and_is_listed() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::at(place.path());
        let folder = session(&store);
        fs::create_dir(folder.join("thesis")).unwrap();
        for name in ["notes.txt", "thesis/chapter.tex", "bookmarks/mine.wav", "checkpoint-final.safetensors"] {
            fs::write(folder.join(name), "x").unwrap();
        }
        let left = store.remove(&folder).unwrap();
        let names: Vec<_> = left.iter().map(|path| path.strip_prefix(&folder).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["bookmarks", "bookmarks/mine.wav", "checkpoint-final.safetensors", "notes.txt", "thesis"]);
        assert!(folder.join("thesis/chapter.tex").exists());
        assert!(!folder.join(LOG_FILE).exists() && !folder.join(BEST_FILE).exists());
    }

    #[test]
    fn a_folder_that_is_no_session_is_not_touched() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::at(place.path());
        for line in ["{\"event\":\"click\"}\n", "", "{\"at_ms\":1,\"event\":\"paused\"}\n", "\u{0}\u{1}"] {
            let folder = place.path().join("analytics");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(LOG_FILE), line).unwrap();
            fs::write(folder.join("precious.csv"), "x").unwrap();
            let why = store.remove(&folder).unwrap_err();
            assert!(
                matches!(&why, SessionError::Damaged { .. }) && why.to_string().contains("nothing was removed"),
                "{why}"
            );
            let left: Vec<_> = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
            assert_eq!(left.len(), 2, "{left:?}");
        }
    }

    /// A removal that is killed midway leaves a session that is listed and can be removed again.
    #[test]
    fn the_log_goes_last() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::at(place.path());
        let folder = session(&store);
        // A folder with the name of one of the program's files is not removed.
        fs::remove_file(folder.join("mix.json")).unwrap();
        fs::create_dir(folder.join("mix.json")).unwrap();
        let left = store.remove(&folder).unwrap();
        assert_eq!(left, [folder.join("mix.json")]);
        // What is left when a removal is killed after its first files.
        let again = session(&store);
        fs::remove_file(again.join(BEST_FILE)).unwrap();
        assert!(store.list().unwrap().iter().any(|info| info.path == again));
        assert!(store.remove(&again).unwrap().is_empty());
    }
}
