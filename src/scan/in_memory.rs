//! The scores of recordings in memory, for figures rather than tables.

use std::{
    io,
    ops::{ControlFlow, Range},
    path::PathBuf,
};

use super::{
    Detection, Grid, Recording, Rules, ScanError,
    cells::Cells,
    events::{self, Finder},
    journal::Done,
    part,
    score::{self, Sink},
    workers,
};
use crate::infer::Classifier;

/// The scores of one recording's windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// Samples of the recording at 16 kHz.
    pub samples: u64,
    /// First sample of each window.
    pub starts: Vec<u64>,
    /// The stretch of the recording that each window stands for.
    cells: Vec<Range<u64>>,
    /// (windows, classes), row-major.
    pub values: Vec<f32>,
}

impl Scores {
    /// What is detected by these rules, in order.
    pub fn detections(&self, rules: &Rules) -> Vec<Detection> {
        let (mut finder, mut found) = (Finder::new(rules), Vec::new());
        let classes = rules.classes.len();
        for (cell, values) in self.cells.iter().zip(self.values.chunks(classes.max(1))) {
            finder.push(cell.clone(), values, &mut found);
        }
        finder.finish(&mut found);
        events::sort(&mut found);
        found
    }
}

/// Scores recordings, each decoded once and block by block. `progress` gets the number of recordings done and may break off.
///
/// # Errors
/// When a recording cannot be read, the model fails, or `progress` breaks off.
pub fn score_recordings(
    classifier: &mut Classifier,
    paths: &[PathBuf],
    grid: Grid,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<Scores>, ScanError> {
    let folder = tempfile::tempdir().map_err(ScanError::io(std::env::temp_dir()))?;
    let recording = |path: &PathBuf| Recording { path: path.clone(), place: path.clone(), bytes: 0, modified_ns: 0 };
    let recordings: Vec<Recording> = paths.iter().map(recording).collect();
    let cut = score::Cut {
        front_end: classifier.front_end(),
        frames: grid.frames,
        hop: grid.hop,
        batch: workers::batch(classifier),
        embeddings: false,
    };
    let mut sink = Collected {
        folder: folder.path().to_owned(),
        classes: classifier.labels().len(),
        size: grid.size(),
        all: vec![Scores::default(); paths.len()],
        done: 0,
        failure: None,
        progress,
    };
    let wanted: Vec<usize> = (0..paths.len()).collect();
    let outcome = score::score(classifier, cut, &recordings, &wanted, &mut sink);
    match (sink.failure, outcome) {
        (Some(error), _) => Err(ScanError::Request(error)),
        (None, outcome) => outcome.map(|()| sink.all),
    }
}

struct Collected<'a> {
    folder: PathBuf,
    classes: usize,
    size: u64,
    all: Vec<Scores>,
    done: usize,
    failure: Option<String>,
    progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
}

impl Collected<'_> {
    fn part(&self, file: usize) -> PathBuf {
        self.folder.join(file.to_string())
    }

    fn read(&self, file: usize, done: &Done) -> io::Result<Scores> {
        let mut reader = part::Reader::open(&self.part(file), self.classes, done.windows, done.crc)?;
        let mut cells = Cells::new(self.size);
        let (mut scores, mut values) = (Scores { samples: done.samples, ..Scores::default() }, Vec::new());
        while let Some(start) = reader.next(&mut values)? {
            scores.cells.extend(cells.push(start));
            scores.starts.push(start);
            scores.values.extend_from_slice(&values);
        }
        scores.cells.extend(cells.finish(done.samples));
        Ok(scores)
    }
}

impl Sink for Collected<'_> {
    fn part(&mut self, file: usize) -> io::Result<part::Writer> {
        part::Writer::new(Collected::part(self, file))
    }

    fn reached(&mut self, _: usize, _: u64, _: u64) -> ControlFlow<()> {
        (self.progress)(self.done)
    }

    fn ended(&mut self, file: usize, done: Done) -> Result<ControlFlow<()>, ScanError> {
        let path = Collected::part(self, file);
        self.all[file] = self.read(file, &done).map_err(ScanError::io(&path))?;
        // Its place in the folder is free again.
        let _ = std::fs::remove_file(path);
        self.done += 1;
        Ok((self.progress)(self.done))
    }

    fn failed(&mut self, _: usize, error: String) -> ControlFlow<()> {
        self.failure = Some(error);
        ControlFlow::Break(())
    }
}
