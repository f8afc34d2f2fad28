//! Teaching: examples recorded class by class into an ordinary data set of class folders, ready to train on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::clip::{ClipError, write_wav};
use crate::audio::{self, FRAME_LENGTH, Level, SAMPLE_RATE};

/// The class of background sound: the room when none of the other classes sounds.
pub const BACKGROUND: &str = "background";
/// Length of an example, seconds: the window of a model that is trained on a lesson.
pub const EXAMPLE_S: f64 = 1.0;
/// How much quieter than the sounds around it a pause is, dB.
const PAUSE_DB: f32 = 18.0;
/// Longest class name.
const LONGEST_NAME: usize = 64;

/// An example and how loud it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its wav file.
    pub path: PathBuf,
    /// Its length.
    pub seconds: f64,
    /// Root mean square, dB relative to full scale.
    pub rms_dbfs: f32,
}

/// A data set that grows: one folder for each class, one wav file (16 kHz, mono) for each example.
///
/// [`data::open`](crate::data::open) reads it as it is, and the trainer trains on it like on any other.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    root: PathBuf,
    classes: BTreeMap<String, Vec<Example>>,
}

impl Lesson {
    /// Opens the lesson in this folder, with the examples that it holds.
    ///
    /// # Errors
    /// When the folder is there and cannot be read. Files that are no sound are skipped.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ClipError> {
        let root = root.into();
        let mut classes = BTreeMap::new();
        for folder in entries(&root)?.into_iter().filter(|path| path.is_dir()) {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let files = entries(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "wav"));
            let examples = files.filter_map(|path| {
                let samples = audio::load(&path).ok()?;
                Some(example(path, &samples))
            });
            classes.insert(name, examples.collect());
        }
        classes.entry(BACKGROUND.to_owned()).or_insert_with(Vec::new);
        Ok(Self { root, classes })
    }

    /// A lesson from its parts.
    pub fn of(root: impl Into<PathBuf>, classes: impl IntoIterator<Item = (String, Vec<Example>)>) -> Self {
        Self { root: root.into(), classes: classes.into_iter().collect() }
    }

    /// The data set's folder, as `--data` takes it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every class with its examples, in the order of their names.
    pub fn classes(&self) -> impl Iterator<Item = (&str, &[Example])> {
        self.classes.iter().map(|(name, examples)| (name.as_str(), examples.as_slice()))
    }

    /// Names a class that has no examples yet.
    ///
    /// # Errors
    /// When its name cannot be a folder's.
    pub fn name(&mut self, class: &str) -> Result<(), ClipError> {
        self.classes.entry(folder_name(class)?.to_owned()).or_default();
        Ok(())
    }

    /// Saves a recording as examples of a class, each about [`EXAMPLE_S`] long; returns how many. Stretches much
    /// quieter than the loudest are pauses between two sounds and are left out, except for the [`BACKGROUND`], of which
    /// all counts.
    ///
    /// # Errors
    /// As [`Lesson::add`].
    pub fn keep(&mut self, class: &str, samples: &[f32]) -> Result<usize, ClipError> {
        let count = ((samples.len() as f64 / (EXAMPLE_S * f64::from(SAMPLE_RATE))) as usize).max(1);
        let pieces: Vec<_> = samples.chunks_exact((samples.len() / count).max(1)).collect();
        let level = |piece: &[f32]| Level::of(piece).rms_dbfs;
        let loudest = pieces.iter().map(|piece| level(piece)).fold(f32::NEG_INFINITY, f32::max);
        let sounds = |piece: &&[f32]| class.trim() == BACKGROUND || level(piece) >= loudest - PAUSE_DB;
        let pieces: Vec<_> = pieces.into_iter().filter(sounds).collect();
        for piece in &pieces {
            self.add(class, piece)?;
        }
        match pieces.len() {
            0 => self.add(class, samples).map(|_| 1),
            kept => Ok(kept),
        }
    }

    /// Saves a recording as one example of a class.
    ///
    /// # Errors
    /// When the class's name cannot be a folder's, the recording is shorter than 25 ms, or it cannot be written.
    pub fn add(&mut self, class: &str, samples: &[f32]) -> Result<&Example, ClipError> {
        let class = folder_name(class)?;
        if samples.len() < FRAME_LENGTH {
            return Err(ClipError::Request("the recording is too short; hold the key while the sound lasts".into()));
        }
        let folder = self.root.join(class);
        // The numbers of removed examples are not used again.
        let taken = |path: &PathBuf| path.file_stem().and_then(|stem| stem.to_str()?.parse::<u32>().ok());
        let next = entries(&folder)?.iter().filter_map(taken).max().map_or(1, |highest| highest.saturating_add(1));
        let path = folder.join(format!("{next:04}.wav"));
        write_wav(&path, samples)?;
        let examples = self.classes.entry(class.to_owned()).or_default();
        examples.push(example(path, samples));
        Ok(&examples[examples.len() - 1])
    }

    /// Removes one example of a class, counted from 0; the file too.
    ///
    /// # Errors
    /// When there is none, or its file cannot be removed.
    pub fn remove(&mut self, class: &str, index: usize) -> Result<(), ClipError> {
        let examples = self.classes.get_mut(class).filter(|examples| index < examples.len());
        let examples = examples.ok_or_else(|| ClipError::Request(format!("{class} has no example {}", index + 1)))?;
        let path = &examples[index].path;
        std::fs::remove_file(path).map_err(ClipError::io(path))?;
        examples.remove(index);
        if examples.is_empty() {
            // A class folder without sounds is an error in a data set, so it is removed unless it holds other files.
            let _ = std::fs::remove_dir(self.root.join(class));
        }
        Ok(())
    }

    /// What is missing before training makes sense; `None` when nothing is.
    pub fn missing(&self, each: usize) -> Option<String> {
        let taught: Vec<_> = self.classes.iter().filter(|(_, examples)| !examples.is_empty()).collect();
        if taught.len() < 2 {
            return Some("record examples of at least two classes; the background counts as one".into());
        }
        let (name, examples) = taught.into_iter().min_by_key(|(_, examples)| examples.len())?;
        (examples.len() < each).then(|| format!("{name} has {} of {each} examples", examples.len()))
    }
}

fn example(path: PathBuf, samples: &[f32]) -> Example {
    Example { path, seconds: samples.len() as f64 / f64::from(SAMPLE_RATE), rms_dbfs: Level::of(samples).rms_dbfs }
}

/// A class's name, if it is valid as a folder's name on every system.
fn folder_name(class: &str) -> Result<&str, ClipError> {
    let class = class.trim();
    let odd = |c: char| c.is_control() || r#"/\:*?"<>|"#.contains(c);
    if class.is_empty() || class.starts_with('.') || class.chars().count() > LONGEST_NAME || class.contains(odd) {
        return Err(ClipError::Request(format!(
            "\"{}\" cannot be a class's name; use letters, digits, spaces, - and _",
            class.escape_debug()
        )));
    }
    Ok(class)
}

/// The contents of a folder, sorted by name; empty when the folder does not exist yet.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, ClipError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(ClipError::io(folder))?,
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_lesson_is_a_data_set_of_class_folders() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("lesson");
        let mut lesson = Lesson::open(&root).unwrap();
        assert!(lesson.missing(2).unwrap().contains("two classes"));
        let loud = lesson.add("knock", &[0.5; 8_000]).unwrap();
        assert_eq!((loud.seconds, (loud.rms_dbfs * 100.0).round()), (0.5, -602.0));
        lesson.add(" knock ", &[0.25; 8_000]).unwrap();
        assert_eq!(lesson.keep(BACKGROUND, &[0.001; 40_000]).unwrap(), 2);
        lesson.add("whistle", &[0.1; 8_000]).unwrap();
        assert_eq!(lesson.missing(2).unwrap(), "whistle has 1 of 2 examples");
        lesson.add("whistle", &[0.1; 8_000]).unwrap();
        assert_eq!(lesson.missing(2), None);

        let dataset = crate::data::open(root.to_str().unwrap()).unwrap();
        assert_eq!(dataset.classes, ["background", "knock", "whistle"]);
        assert_eq!(dataset.items.len(), 6);

        lesson.remove("knock", 0).unwrap();
        assert!(lesson.remove("knock", 1).is_err() && lesson.remove("bell", 0).is_err());
        let third = lesson.add("knock", &[0.5; 8_000]).unwrap();
        assert!(third.path.ends_with("knock/0003.wav"), "a number is not used twice");
        assert_eq!(Lesson::open(&root).unwrap(), lesson);
        for _ in 0..2 {
            lesson.remove("whistle", 0).unwrap();
        }
        assert!(!root.join("whistle").exists(), "a class without examples is no class folder");
    }

    #[test]
    fn a_long_recording_is_cut_into_examples_without_its_pauses() {
        let folder = tempfile::tempdir().unwrap();
        let mut lesson = Lesson::open(folder.path()).unwrap();
        let mut knocks = vec![0.5; 16_000];
        knocks.extend([0.001; 16_000]);
        knocks.extend([0.3; 16_000]);
        assert_eq!(lesson.keep("knock", &knocks).unwrap(), 2);
        assert_eq!(lesson.keep("knock", &knocks[..20_000]).unwrap(), 1);
        assert_eq!(lesson.keep(BACKGROUND, &knocks).unwrap(), 3);
        lesson.name("bell").unwrap();
        assert_eq!(lesson.classes().map(|(_, examples)| examples.len()).collect::<Vec<_>>(), [3, 0, 3]);
    }

    #[test]
    fn names_that_are_no_folders_and_recordings_of_nothing_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut lesson = Lesson::open(folder.path()).unwrap();
        for name in ["", "..", "a/b", "\u{1b}[31m", ".hidden", &"x".repeat(65)] {
            assert!(lesson.add(name, &[0.1; 8_000]).is_err(), "{name:?}");
        }
        assert!(lesson.add("knock", &[0.1; 100]).is_err());
        assert!(lesson.keep("knock", &[]).is_err() && lesson.name("a/b").is_err());
        assert_eq!(lesson.classes().map(|(name, _)| name).collect::<Vec<_>>(), [BACKGROUND]);
    }
}
