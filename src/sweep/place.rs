//! The folder of a sweep: its sessions, and beside them, in `.sweep`, what the engines write.

use std::{
    collections::HashMap,
    fs,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use super::{SweepError, Task, digest};
use crate::{
    atomic,
    clock::now_ms,
    limits, regular,
    session::{LOG_FILE, RunState, Status, Store, outline},
};

/// Names of sessions by the digests of their tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    names: HashMap<String, String>,
    /// What is wrong where several sessions have one digest.
    warnings: HashMap<String, String>,
}

impl Names {
    /// The name of a task's session: the one that is there, else the one that it will have.
    pub(super) fn of<'a>(&'a self, task: &'a Task) -> &'a str {
        self.names.get(&task.id).map_or(task.session.as_str(), String::as_str)
    }

    /// A warning where a task has several sessions.
    pub(super) fn warning(&self, task: &Task) -> Option<&str> {
        self.warnings.get(&task.id).map(String::as_str)
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

    /// The names of the sessions of tasks, by digest. A session is found by the digest: the
    /// part before it may have had another pattern when it was made.
    pub(super) fn names(&self) -> Names {
        let mut all: HashMap<String, Vec<String>> = HashMap::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let id = name.rsplit_once('-').map(|(_, id)| id).filter(|id| digest::is_one(id)).map(str::to_owned);
            let Some(id) = id else { continue };
            all.entry(id).or_default().push(name);
        }
        let mut names = Names::default();
        for (id, mut of) in all {
            // By name, so that every machine takes the same one.
            of.sort();
            let name = if of.len() == 1 {
                of.swap_remove(0)
            } else {
                let (name, warning) = self.one_of(&of);
                names.warnings.extend(warning.map(|warning| (id.clone(), warning)));
                name
            };
            names.names.insert(id, name);
        }
        names
    }

    /// Of several sessions of one task the one that counts: a finished one, else the one that has most epochs, and a copied or
    /// renamed folder, whose log has another name, only where there is nothing else; and a warning that names them all.
    /// Folders without a log are no sessions.
    fn one_of(&self, names: &[String]) -> (String, Option<String>) {
        let read = |name: &String| {
            let state = Some(self.session(name))
                .filter(|folder| folder.join(LOG_FILE).is_file())
                .and_then(|folder| outline(&folder).ok());
            state.filter(|state| state.config.is_some()).map(|state| (name.clone(), state))
        };
        let mut read: Vec<(String, RunState)> = names.iter().filter_map(read).collect();
        let rank = |(name, state): &(String, RunState)| {
            let own = state.config.as_ref().is_some_and(|config| config.session == *name);
            (own, state.status == Status::Finished, state.epochs.len())
        };
        read.sort_by_key(|of| std::cmp::Reverse(rank(of)));
        let Some((name, _)) = read.first() else { return (names.first().cloned().unwrap_or_default(), None) };
        let words: Vec<String> = read
            .iter()
            .map(|(name, state)| match (&state.status, state.last()) {
                (Status::Finished, Some(last)) => format!("{name} (finished with {:.4})", last.value),
                _ => format!("{name} ({} epochs)", state.epochs.len()),
            })
            .collect();
        let warning =
            format!("several sessions are of this task: {}; the first one counts, remove the others", words.join(", "));
        (name.clone(), (read.len() > 1).then_some(warning))
    }

    /// Claims of tasks that run.
    pub(super) fn claims(&self) -> PathBuf {
        self.folder.join(".sweep").join("claims")
    }

    /// The journals of tasks, a file for each.
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

    /// Holds the path of the sweep's file, relative to the sweep's folder where it is above or in it.
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
        let relative = relative(file, &self.folder);
        let text = relative.as_os_str().as_encoded_bytes();
        if regular::read_up_to(&source, limits::SETTINGS).is_ok_and(|known| known == text)
            && !is_read_only(&self.claims())
        {
            return Ok(());
        }
        atomic::write(&source, |to| std::io::Write::write_all(to, text)).map_err(SweepError::io(&source, "write"))
    }

    /// The sweep's file, as noted by the last `sweep` that worked here.
    pub fn file(&self) -> Option<PathBuf> {
        let text = regular::text_up_to(&self.source(), limits::SETTINGS).ok()?;
        let mut file = std::path::absolute(&self.folder).ok()?;
        // Step by step: `..` of a link is not the folder that the link is in.
        for part in Path::new(&text).components() {
            match part {
                Component::ParentDir => drop(file.pop()),
                Component::CurDir => {}
                part => file.push(part),
            }
        }
        Some(file)
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
        regular::text_up_to(&self.stopped_file(), limits::SETTINGS).ok()
    }

    /// Whether a task is to stop that began when the last cancellation was this one: the sweep is cancelled, or it was
    /// cancelled and run again since then.
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

/// The path of a file from a folder, so that both can be moved together; absolute where the file is neither beside the
/// folder, above it nor in it.
fn relative(file: &Path, folder: &Path) -> PathBuf {
    let plain = |path: &Path| path.components().all(|part| !matches!(part, Component::ParentDir | Component::CurDir));
    let Ok(folder) = std::path::absolute(folder) else { return file.to_owned() };
    if !plain(file) || !plain(&folder) {
        return file.to_owned();
    }
    if let Ok(inside) = file.strip_prefix(&folder) {
        return inside.to_owned();
    }
    match (file.parent().and_then(|beside| folder.strip_prefix(beside).ok()), file.file_name()) {
        (Some(down), Some(name)) => down.components().map(|_| Component::ParentDir).collect::<PathBuf>().join(name),
        _ => file.to_owned(),
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
    use crate::{
        session::{Event, LogWriter},
        sweep::standing::testing::task_and_log,
    };

    /// The pattern of the names has changed since, or someone has copied a session: the finished one counts, and a warning names it.
    #[test]
    fn of_several_sessions_of_a_task_the_finished_one_counts() {
        let (mut plan, records) = task_and_log();
        let folder = tempfile::tempdir().unwrap();
        plan.place = Place::at(folder.path());
        let (place, task) = (&plan.place, &plan.tasks[0]);
        let session = |name: &str, of: &str, count: usize| {
            let (name, lock) = place.store().create(&format!("{name}-{}", task.id)).unwrap();
            let mut log = LogWriter::open(lock.folder()).unwrap();
            let mut records = records.clone();
            if let Event::Started { config, .. } = &mut records[0].event {
                config.session = format!("{of}-{}", task.id);
            }
            records[..count].iter().for_each(|record| log.append(record).unwrap());
            name
        };
        let half = session("a", "a", 8);
        assert_eq!((place.names().of(task), place.names().warning(task)), (half.as_str(), None));
        // A folder without a log is no session.
        fs::create_dir(place.session(&format!("0-{}", task.id))).unwrap();
        assert_eq!((place.names().of(task), place.names().warning(task)), (half.as_str(), None));
        let whole = session("b", "b", records.len());
        let names = place.names();
        assert_eq!(names.of(task), whole);
        let warning = names.warning(task).unwrap();
        assert!(warning.contains(&format!("{whole} (finished with 0.5000), {half} (1 epochs)")), "{warning}");
        // A copy of it under another name is the copy.
        session("a-copy", "b", records.len());
        assert_eq!(place.names().of(task), whole);
    }

    /// A sweep that is moved with its file finds it.
    #[test]
    fn the_sweeps_file_is_found_after_both_were_moved() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (folder.path().join("here"), folder.path().join("there"));
        for of in ["a-sweep", "deep/er", "."] {
            fs::create_dir_all(&here).unwrap();
            Place::at(here.join(of)).prepare(&here.join("a.toml")).unwrap();
            fs::rename(&here, &there).unwrap();
            assert_eq!(Place::at(there.join(of)).file(), Some(there.join("a.toml")), "{of}");
            fs::remove_dir_all(&there).unwrap();
        }
        let place = Place::at(folder.path().join("sessions"));
        let elsewhere = folder.path().join("files/a.toml");
        place.prepare(&elsewhere).unwrap();
        assert_eq!(place.file(), Some(elsewhere));
    }

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
