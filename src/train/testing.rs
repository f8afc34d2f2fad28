//! A data set of ten tones and a short run over it, for tests of runs.
#![allow(clippy::unwrap_used)]

use std::{
    f32::consts::TAU,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Feed, Request, journal::Journal, launch::Group, run::Run};
use crate::{audio::testing::wav, session::Store};

fn tones(folder: &Path) {
    for (class, hz) in [("low", 220.0), ("high", 3000.0)] {
        for clip in 0..5 {
            let wave = |n| (TAU * (hz + 10.0 * clip as f32) * n as f32 / 16_000.0).sin();
            wav(&folder.join(class).join(format!("{clip}.wav")), 4_000, |n| (wave(n) * 9_000.0) as i16);
        }
    }
}

/// A folder with clips, a recipe and sessions.
pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new(recipe: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        tones(&folder.path().join("tones"));
        fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
        Self { folder }
    }

    pub(super) fn group(&self) -> Group {
        Group::new(Store::at(self.folder.path().join("sessions")))
    }

    /// The request for a run of the head alone.
    pub(super) fn request(&self) -> Request {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        Request {
            data: path("tones"),
            model: "tiny".into(),
            method: "head".parse().unwrap(),
            recipe: Some(path("recipe.toml")),
            epochs: Some(3),
            batch: Some(3),
            micro_batch: Some(2),
            frames: Some(32),
            device: "cpu".into(),
            ..Request::default()
        }
    }

    pub(super) fn begin(&self) -> (Run, Journal) {
        self.begin_with(&self.request())
    }

    pub(super) fn begin_with(&self, request: &Request) -> (Run, Journal) {
        let mut journal = Journal::new(0, Feed::new(), Arc::default());
        let run = self.group().begin(request, &mut journal).unwrap();
        (run, journal)
    }
}

/// Names of the files in a session's folder, sorted.
pub(super) fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The newest checkpoint of a session.
pub(super) fn newest(folder: &Path) -> PathBuf {
    let name = files(folder).into_iter().rfind(|name| name.starts_with("checkpoint-")).unwrap();
    folder.join(name)
}
