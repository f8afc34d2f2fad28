//! Sessions as folders: their location, their names, their locks.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{LOG_FILE, LogReader, Notes, RunState, SessionError, log, outline, patience, recover, removal};
use crate::{model, regular};

/// Name of the lock in a session's folder. The operating system releases it with the process, however that ends.
const LOCK_FILE: &str = "lock";
/// Bytes of a session's name before its number: most file systems allow 255 in all.
const LONGEST_NAME: usize = 200;

/// A folder of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

/// One session's folder and its folded log.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionInfo {
    /// Its name: the folder's.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// The folded log, without its steps (but the last) and norms.
    pub state: RunState,
    /// Whether a process trains it right now.
    pub in_use: bool,
    /// When its log last changed.
    pub changed: SystemTime,
    /// A person's notes; none where they cannot be read.
    pub notes: Notes,
    /// Why the notes cannot be read.
    pub notes_problem: Option<String>,
}

impl SessionInfo {
    /// Whether the process that trained it ended without an event: the session can be resumed.
    pub fn was_interrupted(&self) -> bool {
        !self.in_use && !self.state.is_over()
    }
}

/// The right to write one session; released when dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// The session's folder.
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// Takes the lock of a session's folder.
    ///
    /// # Errors
    /// When another process holds it, or the folder cannot be written.
    pub fn take(folder: &Path) -> Result<Self, SessionError> {
        let path = folder.join(LOCK_FILE);
        let create = regular::may_write(&path).and_then(|()| File::create(&path));
        let file = create.map_err(SessionError::io(&path, "create"))?;
        let is_ours = patience::take(|| file.try_lock()).map_err(SessionError::io(&path, "lock"))?;
        // Somebody may have removed the lock of a process that still writes.
        let is_free = is_ours && patience::take(|| log::probe(folder)).unwrap_or(true);
        if is_free { Ok(Self { path: folder.to_owned(), _file: file }) } else { Err(busy(folder)) }
    }

    /// Whether some process holds the lock of this folder, or writes its log though its lock was removed.
    pub fn is_taken(folder: &Path) -> bool {
        let lock = regular::open(&folder.join(LOCK_FILE));
        let is_locked = lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)));
        is_locked || matches!(log::probe(folder), Err(TryLockError::WouldBlock))
    }
}

fn busy(folder: &Path) -> SessionError {
    SessionError::Busy { path: folder.to_owned() }
}

impl Store {
    /// The sessions in this folder, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The user's own sessions: the folder for data that the system's conventions name.
    pub fn of_user() -> Self {
        let data = directories::ProjectDirs::from("", "", "aat-tui").map(|dirs| dirs.data_dir().to_owned());
        Self::at(data.unwrap_or_else(|| PathBuf::from(".aat-tui")).join("sessions"))
    }

    /// The folder that holds the sessions.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every session, the most recently changed first. A folder whose log cannot be read is left out:
    /// [`list_all`](Self::list_all) reports it.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn list(&self) -> Result<Vec<SessionInfo>, SessionError> {
        Ok(self.list_all()?.0)
    }

    /// Every session, the most recently changed first, and what is wrong with those that cannot be read.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn list_all(&self) -> Result<(Vec<SessionInfo>, Vec<SessionError>), SessionError> {
        let (mut sessions, mut unreadable) = (Vec::new(), Vec::new());
        for folder in self.folders()? {
            match describe(&folder) {
                // A log with lines that do not say what was trained; one that has just begun has none yet.
                Ok(info) if info.state.config.is_none() && !info.in_use && has_lines(&folder) => {
                    unreadable.extend(self.describe(&folder).err());
                }
                Ok(info) => sessions.push(info),
                Err(error) => unreadable.push(error),
            }
        }
        sessions.sort_by(|a, b| b.changed.cmp(&a.changed).then_with(|| b.name.cmp(&a.name)));
        Ok((sessions, unreadable))
    }

    /// The folder of a session given as a path, a name or `last`. With a separator it is a path; a bare name means a
    /// session of this store, whatever the working directory contains.
    ///
    /// # Errors
    /// When there is none; the message contains the nearest name.
    pub fn find(&self, given: &str) -> Result<PathBuf, SessionError> {
        let is_path = given.chars().any(std::path::is_separator);
        let folder = if is_path { PathBuf::from(given) } else { self.root.join(given) };
        if !given.is_empty() && is_session(&folder) {
            return Ok(folder);
        }
        let folders = self.folders()?;
        if given == "last" {
            let changed = |folder: &&PathBuf| changed(folder).unwrap_or(SystemTime::UNIX_EPOCH);
            return folders.iter().max_by_key(changed).cloned().ok_or_else(|| self.unknown(given, &[]));
        }
        if !is_path && is_session(Path::new(given)) {
            let hint = format!("the folder here of that name is meant by ./{given}");
            return Err(SessionError::Unknown { given: given.to_owned(), root: self.root.clone(), hint });
        }
        let names: Vec<_> = folders.iter().map(|folder| name_of(folder)).collect();
        Err(self.unknown(given, &names))
    }

    /// The session's folder that a model's name refers to, if it names a session and neither a model (built in, published or
    /// on the hub) nor a path.
    pub fn model(&self, given: &str) -> String {
        let taken = model::is_name(given) || Path::new(given).exists();
        let session = if taken { None } else { self.find(given).ok() };
        let session = session.and_then(|folder| std::path::absolute(folder).ok());
        session.map_or_else(|| given.to_owned(), |folder| folder.to_string_lossy().into_owned())
    }

    /// The sessions that [`create`](Self::create) made for this requested name, with or without a number.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn named(&self, wanted: &str) -> Result<Vec<SessionInfo>, SessionError> {
        let wanted = folder_name(wanted);
        let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        let fits = |folder: &PathBuf| {
            let name = name_of(folder);
            let rest = name.strip_prefix(&wanted);
            rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-').is_some_and(is_number))
        };
        let mut folders: Vec<_> = self.folders()?.into_iter().filter(fits).collect();
        folders.sort();
        Ok(folders.iter().filter_map(|folder| describe(folder).ok()).collect())
    }

    /// One session's log, in outline.
    ///
    /// # Errors
    /// When its log cannot be read, or does not say what was trained.
    pub fn describe(&self, folder: &Path) -> Result<SessionInfo, SessionError> {
        let info = describe(folder)?;
        // A log without its beginning: `load` reports how many lines are damaged.
        if info.state.config.is_none() && load(folder)?.config.is_none() {
            return Err(SessionError::Damaged {
                path: folder.join(LOG_FILE),
                problem: "it does not say what was trained: its first line is missing or damaged".to_owned(),
                remedy: "restore it from a copy".to_owned(),
            });
        }
        Ok(info)
    }

    /// Makes the folder of a new session, adding a number to the name when it is taken, and locks it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(&self, wanted: &str) -> Result<(String, Lock), SessionError> {
        fs::create_dir_all(&self.root).map_err(SessionError::io(&self.root, "create"))?;
        let wanted = folder_name(wanted);
        let mut name = wanted.clone();
        let mut number = 1;
        loop {
            let folder = self.root.join(&name);
            match fs::create_dir(&folder) {
                Ok(()) => return Lock::take(&folder).map(|lock| (name, lock)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    number += 1;
                    name = format!("{wanted}-{number}");
                }
                Err(error) => return Err(SessionError::io(&folder, "create")(error)),
            }
        }
    }

    /// Deletes a session: what this program wrote into its folder, and the folder if nothing else is in it. Returns
    /// what is left.
    ///
    /// # Errors
    /// When a process trains it, its log does not begin like a session's, or it cannot be deleted.
    pub fn remove(&self, folder: &Path) -> Result<Vec<PathBuf>, SessionError> {
        removal::check(folder)?;
        let _lock = Lock::take(folder)?;
        removal::remove(folder, LOCK_FILE)
    }

    /// Removes a session's folder in which nothing was begun: its process ended before the first line of its log. Does
    /// nothing where there is no folder.
    ///
    /// # Errors
    /// When a process holds it, anything else is in it (then nothing is removed), or it cannot be deleted.
    pub fn discard_unbegun(&self, folder: &Path) -> Result<(), SessionError> {
        if !folder.exists() {
            return Ok(());
        }
        removal::check_unbegun(folder, LOCK_FILE)?;
        let _lock = Lock::take(folder)?;
        removal::discard_unbegun(folder, LOCK_FILE)
    }

    fn folders(&self) -> Result<Vec<PathBuf>, SessionError> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(SessionError::io(&self.root, "read"))?,
        };
        Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_session(path)).collect())
    }

    fn unknown(&self, given: &str, names: &[String]) -> SessionError {
        let near = |name: &&String| strsim::jaro_winkler(name, given);
        let hint = match names.iter().max_by(|a, b| near(a).total_cmp(&near(b))) {
            Some(nearest) => format!("the nearest name is \"{nearest}\" (aat-tui sessions list shows all)"),
            None => "none are there yet: aat-tui train makes one, --sessions names another folder".to_owned(),
        };
        SessionError::Unknown { given: given.to_owned(), root: self.root.clone(), hint }
    }
}

/// Folds a whole session's log.
///
/// # Errors
/// When it cannot be read, or holds no event of a known kind.
pub fn load(folder: &Path) -> Result<RunState, SessionError> {
    let (mut reader, mut state) = (LogReader::new(folder), RunState::default());
    reader.fold(&mut state)?;
    if state.config.is_none()
        && let Some((begun, file)) = recover::from_checkpoints(folder)
    {
        state = RunState::default();
        state.apply(&begun);
        LogReader::new(folder).fold(&mut state)?;
        state.warnings.push(recover::note(&file));
    }
    if state.span_ms.is_none() {
        return Err(SessionError::Damaged {
            path: folder.join(LOG_FILE),
            problem: format!("no usable event in it ({} lines skipped)", reader.damaged()),
            remedy: "restore it, or remove the session's folder".to_owned(),
        });
    }
    Ok(state)
}

fn describe(folder: &Path) -> Result<SessionInfo, SessionError> {
    let (notes, notes_problem) = match Notes::load(folder) {
        Ok(notes) => (notes, None),
        Err(error) => (Notes::default(), Some(error.to_string())),
    };
    Ok(SessionInfo {
        notes,
        notes_problem,
        name: name_of(folder),
        path: folder.to_owned(),
        state: outline(folder)?,
        in_use: Lock::is_taken(folder),
        changed: changed(folder)?,
    })
}

fn has_lines(folder: &Path) -> bool {
    fs::metadata(folder.join(LOG_FILE)).is_ok_and(|metadata| metadata.len() > 0)
}

fn is_session(folder: &Path) -> bool {
    folder.join(LOG_FILE).is_file()
}

fn changed(folder: &Path) -> Result<SystemTime, SessionError> {
    let log = folder.join(LOG_FILE);
    fs::metadata(&log).and_then(|metadata| metadata.modified()).map_err(SessionError::io(&log, "read"))
}

fn name_of(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// A requested name as a session's folder has it: with only letters, digits, `.`, `-` and `_`.
pub fn folder_name(wanted: &str) -> String {
    let allowed = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let mut name: String = wanted.chars().map(allowed).take(80).collect();
    // File systems count bytes, and a number may follow.
    while name.len() > LONGEST_NAME {
        name.pop();
    }
    let name = name.trim_matches(['-', '.']);
    // `last` always means the most recently changed session.
    if name.is_empty() || name == "last" { "session".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
