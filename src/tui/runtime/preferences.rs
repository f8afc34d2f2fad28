//! The user's config folder: what is kept for the next start.

use std::{
    collections::HashSet,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    atomic,
    tui::{input::keymap::Keymap, state::preferences::Preferences},
};

/// The name of the file of what is kept, and of that of keys.
const FILE: &str = "workbench.toml";
const KEYS: &str = "keys.toml";

/// The user's config folder of this program.
fn folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "aat-tui").map(|dirs| dirs.config_dir().to_owned())
}

/// The folder of the user's own themes.
pub(super) fn themes_folder() -> Option<PathBuf> {
    folder().map(|folder| folder.join("themes"))
}

/// What was kept, or the defaults; and why it could not be read.
pub(super) fn load() -> (Preferences, Option<String>) {
    let Some(path) = folder().map(|folder| folder.join(FILE)) else { return (Preferences::default(), None) };
    let problem = |detail: String| format!("{}: {detail}; it is written anew with the next choice", path.display());
    match fs::read_to_string(&path) {
        Ok(text) => match toml::from_str(&text) {
            Ok(preferences) => (preferences, None),
            Err(error) => (Preferences::default(), Some(problem(error.to_string().trim_end().to_owned()))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Preferences::default(), None),
        Err(error) => (Preferences::default(), Some(problem(error.to_string()))),
    }
}

/// The user's keys, and what is wrong with their file; without one, the keys of the table.
pub(super) fn keys() -> (Keymap, Vec<String>) {
    let Some(path) = folder().map(|folder| folder.join(KEYS)) else { return (Keymap::default(), Vec::new()) };
    let (keymap, problems) = match fs::read_to_string(&path) {
        Ok(text) => Keymap::read(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (Keymap::default(), Vec::new()),
        Err(error) => (Keymap::default(), vec![error.to_string()]),
    };
    (keymap, problems.into_iter().map(|problem| format!("{}: {problem}", path.display())).collect())
}

/// Writes what is kept, the newest last, whichever thread comes first.
#[derive(Clone, Debug, Default)]
pub(super) struct Keeper(Arc<Mutex<u64>>);

impl Keeper {
    /// Writes choice number `number`, unless a newer one was written already.
    ///
    /// # Errors
    /// A message to show.
    pub(super) fn save(&self, number: u64, preferences: &Preferences) -> Result<(), String> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *newest >= number {
            return Ok(());
        }
        let Some(folder) = folder() else { return Ok(()) };
        let path = folder.join(FILE);
        let write = || -> io::Result<()> {
            let text = toml::to_string(&from_anywhere(preferences)).map_err(io::Error::other)?;
            fs::create_dir_all(&folder)?;
            atomic::write(&path, |file| file.write_all(text.as_bytes()))
        };
        write().map_err(|error| format!("{}: this choice is not kept for the next start: {error}", path.display()))?;
        *newest = number;
        Ok(())
    }
}

/// The same with paths from the root on: the next start may be in another folder. Names, such as `demo`, stay names.
fn from_anywhere(preferences: &Preferences) -> Preferences {
    let absolute = |spec: &String| match Path::new(spec) {
        path if spec != "demo" && path.exists() => {
            path.canonicalize().map_or_else(|_| spec.clone(), |path| path.to_string_lossy().into_owned())
        }
        _ => spec.clone(),
    };
    let mut recent: Vec<String> = preferences.recent.iter().map(absolute).collect();
    let mut seen = HashSet::new();
    recent.retain(|spec| seen.insert(spec.clone()));
    Preferences {
        data: preferences.data.as_ref().map(absolute),
        model: preferences.model.as_ref().map(absolute),
        recent,
        ..preferences.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_path_is_kept_from_the_root_on_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let set = folder.path().join("set");
        fs::create_dir(&set).unwrap();
        let (whole, roundabout) = (set.canonicalize().unwrap(), set.join("../set"));
        let mut preferences = Preferences { model: Some("box".into()), ..Preferences::default() };
        for spec in [&*roundabout.to_string_lossy(), &*whole.to_string_lossy(), "demo", "/gone/set"] {
            preferences.choose_data(spec);
        }
        let kept = from_anywhere(&preferences);
        let whole = whole.to_string_lossy().into_owned();
        assert_eq!(kept.recent, ["/gone/set".to_owned(), "demo".to_owned(), whole]);
        assert_eq!((kept.data.as_deref(), kept.model.as_deref()), (Some("/gone/set"), Some("box")));
    }
}
