//! The folder of a sweep: its sessions, and beside them, in `.sweep`, what the engines write.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{SweepError, Task, digest};
use crate::{atomic, clock::now_ms, session::Store};

/// Names of sessions by the digests of their tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(HashMap<String, String>);

impl Names {
    /// The name of a task's session: the one that is there, else the one that it will have.
    pub(super) fn of<'a>(&'a self, task: &'a Task) -> &'a str {
        self.0.get(&task.id).map_or(task.session.as_str(), String::as_str)
    }
}

/// The folder of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    folder: PathBuf,
}

impl Place {
    /// The place in this folder, which need not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its sessions.
    pub fn store(&self) -> Store {
        Store::at(&self.folder)
    }

    /// The folder of a session.
    pub fn session(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The names of the sessions of tasks, by digest. The digest is what a session is known by: what stands before it may
    /// have been another pattern when it was made.
    pub(super) fn names(&self) -> Names {
        let mut names = Names::default();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let id = name.rsplit_once('-').map(|(_, id)| id).filter(|id| digest::is_one(id)).map(str::to_owned);
            let Some(id) = id else { continue };
            // Of two, the first by name, so that every machine takes the same.
            match names.0.entry(id) {
                Entry::Vacant(free) => drop(free.insert(name)),
                Entry::Occupied(mut known) if name < *known.get() => drop(known.insert(name)),
                Entry::Occupied(_) => {}
            }
        }
        names
    }

    /// Claims of tasks that run.
    pub(super) fn claims(&self) -> PathBuf {
        self.folder.join(".sweep").join("claims")
    }

    /// What happened to each task, a file for each.
    pub(super) fn journals(&self) -> PathBuf {
        self.folder.join(".sweep").join("tasks")
    }

    /// What each task printed, a file for each.
    pub fn logs(&self) -> PathBuf {
        self.folder.join(".sweep").join("logs")
    }

    /// What each task printed.
    pub fn log(&self, session: &str) -> PathBuf {
        self.logs().join(format!("{session}.log"))
    }

    /// Submissions to SLURM.
    pub(super) fn slurm(&self) -> PathBuf {
        self.folder.join(".sweep").join("slurm")
    }

    /// There while the sweep is cancelled: no task begins. Holds the time of the cancellation.
    fn stop_file(&self) -> PathBuf {
        self.folder.join(".sweep").join("stop")
    }

    /// What the stop file was renamed to when the sweep was run again: the last cancellation that was withdrawn.
    fn stopped_file(&self) -> PathBuf {
        self.folder.join(".sweep").join("stopped")
    }

    /// Holds the path of the sweep's file.
    fn source(&self) -> PathBuf {
        self.folder.join(".sweep").join("file")
    }

    /// Makes the folders, and notes which file the sweep is of.
    ///
    /// # Errors
    /// When a folder cannot be made, or cannot be written.
    pub fn prepare(&self, file: &Path) -> Result<(), SweepError> {
        for folder in [self.claims(), self.journals(), self.logs(), self.slurm()] {
            fs::create_dir_all(&folder).map_err(SweepError::io(&folder, "create"))?;
        }
        let source = self.source();
        let text = file.as_os_str().as_encoded_bytes();
        if fs::read(&source).is_ok_and(|known| known == text) && !is_read_only(&self.claims()) {
            return Ok(());
        }
        atomic::write(&source, |to| std::io::Write::write_all(to, text)).map_err(SweepError::io(&source, "write"))
    }

    /// The sweep's file, as noted by the last `sweep` that worked here.
    pub fn file(&self) -> Option<PathBuf> {
        let text = fs::read_to_string(self.source()).ok()?;
        Some(PathBuf::from(text))
    }

    /// Asks every task of the sweep, on whatever machine, to write a checkpoint and stop.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn ask_to_stop(&self) -> Result<(), SweepError> {
        let path = self.stop_file();
        let text = format!("{} {}", now_ms(), std::process::id());
        atomic::write(&path, |to| std::io::Write::write_all(to, text.as_bytes()))
            .map_err(SweepError::io(&path, "write"))
    }

    /// Withdraws that: tasks may begin. A runner that has not noticed the cancellation yet still stops, because the last
    /// cancellation is not the one that it began with.
    ///
    /// # Errors
    /// When the file cannot be renamed.
    pub fn withdraw_stop(&self) -> Result<(), SweepError> {
        let path = self.stop_file();
        match fs::rename(&path, self.stopped_file()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(SweepError::io(&path, "rename")(error)),
            _ => Ok(()),
        }
    }

    /// Whether the sweep is cancelled: no task begins until it is run again.
    pub fn is_cancelled(&self) -> bool {
        self.stop_file().exists()
    }

    /// The last cancellation that was withdrawn: a runner keeps it for [`stop_is_asked`](Self::stop_is_asked).
    pub fn cancellations(&self) -> Option<String> {
        fs::read_to_string(self.stopped_file()).ok()
    }

    /// Whether every task shall stop that began when the last cancellation was this one: the sweep is cancelled, or was
    /// since then, and somebody has run it again.
    pub fn stop_is_asked(&self, since: Option<&str>) -> bool {
        self.is_cancelled() || self.cancellations().is_some_and(|last| since != Some(last.as_str()))
    }

    /// The time by the clock of the file system that holds the folder: that of a file written just now. Ages of files are
    /// measured against it, so the clocks of the machines may differ.
    ///
    /// # Errors
    /// When no file can be written there: then the age of a file is unknown.
    pub(super) fn now(&self) -> std::io::Result<SystemTime> {
        let mut file = atomic::temporary(&self.claims(), ".clock-")?;
        std::io::Write::write_all(&mut file, b"x")?;
        file.as_file().metadata()?.modified()
    }
}

/// Whether no file can be made in a folder.
fn is_read_only(folder: &Path) -> bool {
    atomic::temporary(folder, ".probe-").is_err()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A run right after `cancel` does not keep machines from stopping that have not looked yet.
    #[test]
    fn a_cancellation_reaches_a_runner_that_looks_after_it_was_withdrawn() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::at(folder.path());
        place.prepare(Path::new("/x.toml")).unwrap();
        let began = place.cancellations();
        assert!(!place.stop_is_asked(began.as_deref()));
        place.ask_to_stop().unwrap();
        assert!(place.stop_is_asked(began.as_deref()) && place.is_cancelled());
        place.withdraw_stop().unwrap();
        assert!(place.stop_is_asked(began.as_deref()) && !place.is_cancelled());
        let again = place.cancellations();
        assert!(!place.stop_is_asked(again.as_deref()));
        place.withdraw_stop().unwrap();
        assert!(!place.stop_is_asked(again.as_deref()));
        place.ask_to_stop().unwrap();
        assert!(place.stop_is_asked(again.as_deref()));
    }
}
