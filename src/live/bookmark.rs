//! Bookmarks: sound saved with its predictions in a session, to be scored again by any checkpoint later.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::{
    Window,
    clip::{ClipError, replace, write_wav},
};
use crate::{audio, infer::Score, limits, regular};

/// Folder of a session's bookmarks, inside it.
const FOLDER: &str = "bookmarks";

/// One listener's prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BookmarkedPrediction {
    /// Session or model.
    #[serde(rename = "ear")]
    pub listener: String,
    /// Class names and scores, most likely first.
    pub scores: Vec<(String, f32)>,
    /// Its adapters' gains at the time, as `eval --gains` takes them; empty when all were 1.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gains: String,
}

impl BookmarkedPrediction {
    /// A listener's prediction with every gain at 1.
    pub fn new(listener: &str, scores: &[Score]) -> Self {
        let scores = scores.iter().map(|s| (s.label.clone(), s.score)).collect();
        Self { listener: listener.to_owned(), scores, gains: String::new() }
    }
}

/// A clip with the predictions made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bookmark {
    /// When it was made, milliseconds since the Unix epoch; also the name of its files.
    pub at_ms: u64,
    /// Device or file that was playing.
    pub source: String,
    /// Its end, seconds since the source was opened.
    pub time_s: f64,
    /// What the listeners predicted then.
    #[serde(rename = "said")]
    pub predictions: Vec<BookmarkedPrediction>,
}

/// A session's bookmarks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BookmarkList {
    /// Those that can be read, oldest first.
    pub bookmarks: Vec<Bookmark>,
    /// How many files of bookmarks are damaged or cannot be read.
    pub unread: usize,
}

impl Bookmark {
    /// Saves a window and its predictions in a session's folder.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(
        session: &Path,
        source: &str,
        window: &Window,
        predictions: Vec<BookmarkedPrediction>,
    ) -> Result<Self, ClipError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut at_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        while path(session, at_ms, "json").exists() {
            at_ms += 1;
        }
        let bookmark = Self { at_ms, source: source.to_owned(), time_s: window.end_s, predictions };
        write_wav(&bookmark.clip(session), &window.samples)?;
        // The description is written last, so a bookmark that is listed always has its sound.
        let text = serde_json::to_vec_pretty(&bookmark).unwrap_or_default();
        replace(&path(session, at_ms, "json"), |file| file.write_all(&text))?;
        Ok(bookmark)
    }

    /// A session's bookmarks.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn list(session: &Path) -> Result<BookmarkList, ClipError> {
        let (folder, mut list) = (session.join(FOLDER), BookmarkList::default());
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(list),
            entries => entries.map_err(ClipError::io(&folder))?,
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = regular::read_up_to(&path, limits::SETTINGS).ok();
            match text.and_then(|text| serde_json::from_slice(&text).ok()) {
                Some(bookmark) => list.bookmarks.push(bookmark),
                None => list.unread += 1,
            }
        }
        list.bookmarks.sort_by_key(|bookmark: &Self| bookmark.at_ms);
        Ok(list)
    }

    /// Its sound: a WAV file of 16 kHz, mono.
    pub fn clip(&self, session: &Path) -> PathBuf {
        path(session, self.at_ms, "wav")
    }

    /// The samples that the listeners scored, for [`Classifier::scores_of`](crate::infer::Classifier::scores_of) with
    /// any checkpoint: the same weights give the same scores.
    ///
    /// # Errors
    /// When the clip cannot be read.
    pub fn samples(&self, session: &Path) -> Result<Vec<f32>, ClipError> {
        Ok(audio::load(&self.clip(session))?)
    }

    /// Removes it.
    ///
    /// # Errors
    /// When a file is there and cannot be removed.
    pub fn remove(self, session: &Path) -> Result<(), ClipError> {
        for extension in ["json", "wav"] {
            let path = path(session, self.at_ms, extension);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(ClipError::io(&path)(error)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn path(session: &Path, at_ms: u64, extension: &str) -> PathBuf {
    session.join(FOLDER).join(format!("{at_ms}.{extension}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{sync::Arc, time::Instant};

    use super::*;
    use crate::audio::Fbank;

    #[test]
    fn a_bookmark_keeps_the_sound_to_the_bit_and_its_predictions() {
        let session = tempfile::tempdir().unwrap();
        assert_eq!(Bookmark::list(session.path()).unwrap(), BookmarkList::default());
        let samples: Arc<[f32]> = (0..16_000).map(|n| (n as f32 * 0.1).sin() / 3.0).collect();
        let frames = Fbank::new().compute(&samples).data.into();
        let window = Window { end_s: 7.25, captured: Instant::now(), samples: samples.clone(), frames };
        let scores = [Score { label: "dog".into(), score: 0.91 }, Score { label: "rain".into(), score: 0.09 }];
        let predictions = vec![BookmarkedPrediction::new("a", &scores), BookmarkedPrediction::new("b", &scores[1..])];

        let first = Bookmark::save(session.path(), "mic", &window, predictions.clone()).unwrap();
        let second = Bookmark::save(session.path(), "mic", &window, predictions).unwrap();
        assert_eq!(Bookmark::list(session.path()).unwrap().bookmarks, [first.clone(), second.clone()]);
        assert_eq!(first.samples(session.path()).unwrap(), *samples);

        first.remove(session.path()).unwrap();
        std::fs::write(session.path().join(FOLDER).join("7.json"), "{\"at_ms\":").unwrap();
        let left = BookmarkList { bookmarks: vec![second], unread: 1 };
        assert_eq!(Bookmark::list(session.path()).unwrap(), left, "a damaged one is counted");
    }
}
