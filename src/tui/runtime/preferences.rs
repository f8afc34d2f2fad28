//! The user's config folder: what is kept for the next start.

use std::{
    collections::HashSet,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::mpsc::{self, Sender},
    thread::{self, JoinHandle},
};

use super::inbox::Inbox;
use crate::{
    atomic, limits, model, regular,
    tui::{
        input::{choice::Choice, keymap::Keymap},
        state::{browser::names, preferences::Preferences},
        update::message::Message,
    },
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
    match regular::text_up_to(&path, limits::SETTINGS) {
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
    let (keymap, problems) = match regular::text_up_to(&path, limits::SETTINGS) {
        Ok(text) => Keymap::read(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (Keymap::default(), Vec::new()),
        Err(error) => (Keymap::default(), vec![error.to_string()]),
    };
    (keymap, problems.into_iter().map(|problem| format!("{}: {problem}", path.display())).collect())
}

/// Writes what is kept, on a thread of its own: of several choices that wait, the newest.
#[derive(Debug)]
pub(super) struct Keeper {
    choices: Option<Sender<Preferences>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread, which writes into the user's config folder.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub(super) fn start(inbox: Inbox) -> io::Result<Self> {
        Self::into(folder(), inbox)
    }

    fn into(folder: Option<PathBuf>, inbox: Inbox) -> io::Result<Self> {
        let (choices, queue) = mpsc::channel::<Preferences>();
        let thread = thread::Builder::new().name("preferences".into()).spawn(move || {
            while let Ok(choice) = queue.recv() {
                let newest = queue.try_iter().last().unwrap_or(choice);
                if let Err(problem) = folder.as_deref().map_or(Ok(()), |folder| write(folder, &newest)) {
                    // After the last message of all there is nobody to read it; the next choice is written all the same.
                    let _ = inbox.send(Message::trouble(problem));
                }
            }
        })?;
        Ok(Self { choices: Some(choices), thread: Some(thread) })
    }

    /// Writes a choice soon.
    pub(super) fn save(&self, preferences: Preferences) -> Vec<Message> {
        match self.choices.as_ref().map(|choices| choices.send(preferences).is_ok()) {
            Some(true) => Vec::new(),
            _ => {
                vec![Message::trouble("this choice is not kept for the next start: the thread that writes it is gone")]
            }
        }
    }

    /// Waits until the last choice is written.
    pub(super) fn stop(&mut self) {
        self.choices = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(folder: &Path, preferences: &Preferences) -> Result<(), String> {
    let path = folder.join(FILE);
    let write = || -> io::Result<()> {
        let text = toml::to_string(&from_anywhere(preferences)).map_err(io::Error::other)?;
        fs::create_dir_all(folder)?;
        atomic::write(&path, |file| file.write_all(text.as_bytes()))
    };
    write().map_err(|error| format!("{}: this choice is not kept for the next start: {error}", path.display()))
}

/// The same with paths from the root on: the next start may be in another folder. Names, such as `demo` and those of
/// models, stay names, as where they are read, even if a folder is called the same.
fn from_anywhere(preferences: &Preferences) -> Preferences {
    let absolute = |spec: &str, choice: Choice| {
        let is_name = names(choice).any(|name| name == spec) || (choice == Choice::Model && model::is_name(spec));
        match Path::new(spec) {
            path if !is_name && path.exists() => {
                path.canonicalize().map_or_else(|_| spec.to_owned(), |path| path.to_string_lossy().into_owned())
            }
            _ => spec.to_owned(),
        }
    };
    let mut kept = preferences.clone();
    kept.data = kept.data.map(|spec| absolute(&spec, Choice::Data));
    kept.model = kept.model.map(|spec| absolute(&spec, Choice::Model));
    for choice in Choice::ALL {
        let mut seen = HashSet::new();
        let recent = kept.recent_mut(choice);
        *recent = recent.iter().map(|spec| absolute(spec, choice)).filter(|spec| seen.insert(spec.clone())).collect();
    }
    kept
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::tui::runtime::inbox;

    #[test]
    fn the_last_choice_before_leaving_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, answers) = inbox::channel();
        let mut keeper = Keeper::into(Some(folder.path().join("config")), sender).unwrap();
        drop(answers);
        for theme in ["dark", "light", "mono"] {
            keeper.save(Preferences { theme: Some(theme.into()), ..Preferences::default() });
        }
        keeper.stop();
        let text = fs::read_to_string(folder.path().join("config").join(FILE)).unwrap();
        assert_eq!(toml::from_str::<Preferences>(&text).unwrap().theme.as_deref(), Some("mono"));
    }

    #[test]
    fn a_models_name_stays_a_name_even_if_a_folder_is_called_so() {
        // Each of these is looked up as a name before a folder is; `src` is a folder here, and no name.
        for name in ["box", "tiny", "hf:MIT/ast", model::PUBLISHED[0].name] {
            assert!(model::is_name(name), "{name}");
        }
        assert!(!model::is_name("src"));
        let kept = from_anywhere(&Preferences { model: Some("src".into()), ..Preferences::default() });
        assert!(Path::new(&kept.model.unwrap()).is_absolute());
    }

    #[test]
    fn a_path_is_kept_from_the_root_on_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let set = folder.path().join("set");
        fs::create_dir(&set).unwrap();
        let (whole, roundabout) = (set.canonicalize().unwrap(), set.join("../set"));
        let mut preferences = Preferences { model: Some("box".into()), ..Preferences::default() };
        for spec in [&*roundabout.to_string_lossy(), &*whole.to_string_lossy(), "demo", "/gone/set"] {
            for choice in [Choice::Data, Choice::Recordings] {
                preferences.choose(choice, spec);
            }
        }
        let kept = from_anywhere(&preferences);
        let whole = whole.to_string_lossy().into_owned();
        assert_eq!(kept.recent_recordings, ["/gone/set".to_owned(), "demo".to_owned(), whole.clone()]);
        assert_eq!(kept.recent, ["/gone/set".to_owned(), "demo".to_owned(), whole]);
        assert_eq!((kept.data.as_deref(), kept.model.as_deref()), (Some("/gone/set"), Some("box")));
    }
}
