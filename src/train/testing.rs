//! A data set of ten tones and a short run over it, for tests of what a run does.
#![allow(clippy::unwrap_used)]

use std::{
    f32::consts::TAU,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Feed, Request, journal::Journal, launch::Group, run::Run};
use crate::session::Store;

fn tones(folder: &Path) {
    for (class, hz) in [("low", 220.0), ("high", 3000.0)] {
        fs::create_dir_all(folder.join(class)).unwrap();
        for clip in 0..5 {
            let spec = hound::WavSpec {
                channels: 1,
                sample_rate: 16_000,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut wav = hound::WavWriter::create(folder.join(class).join(format!("{clip}.wav")), spec).unwrap();
            for i in 0..4_000 {
                let wave = (TAU * (hz + 10.0 * clip as f32) * i as f32 / 16_000.0).sin();
                wav.write_sample((wave * 9_000.0) as i16).unwrap();
            }
            wav.finalize().unwrap();
        }
    }
}

/// A folder with clips and a recipe, and room for sessions.
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

    /// What is asked of a run of the head alone.
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
