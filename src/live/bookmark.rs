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

    /// A session's bookmarks, oldest first. One that cannot be read is left out.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn list(session: &Path) -> Result<Vec<Self>, ClipError> {
        let folder = session.join(FOLDER);
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(ClipError::io(&folder))?,
        };
        let mut found: Vec<Self> = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
            .filter_map(|entry| {
                serde_json::from_slice(&regular::read_up_to(&entry.path(), limits::SETTINGS).ok()?).ok()
            })
            .collect();
        found.sort_by_key(|bookmark| bookmark.at_ms);
        Ok(found)
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
        assert!(Bookmark::list(session.path()).unwrap().is_empty());
        let samples: Arc<[f32]> = (0..16_000).map(|n| (n as f32 * 0.1).sin() / 3.0).collect();
        let frames = Fbank::new().compute(&samples).data.into();
        let window = Window { end_s: 7.25, captured: Instant::now(), samples: samples.clone(), frames };
        let scores = [Score { label: "dog".into(), score: 0.91 }, Score { label: "rain".into(), score: 0.09 }];
        let predictions = vec![BookmarkedPrediction::new("a", &scores), BookmarkedPrediction::new("b", &scores[1..])];

        let first = Bookmark::save(session.path(), "mic", &window, predictions.clone()).unwrap();
        let second = Bookmark::save(session.path(), "mic", &window, predictions).unwrap();
        assert_eq!(Bookmark::list(session.path()).unwrap(), [first.clone(), second.clone()]);
        assert_eq!(first.samples(session.path()).unwrap(), *samples);

        first.remove(session.path()).unwrap();
        assert_eq!(Bookmark::list(session.path()).unwrap(), [second]);
    }
}
