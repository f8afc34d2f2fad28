//! `aat-tui features --embeddings`: the vectors that a model computes of sound files, before its head.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    super::{CliError, Output, run_args::Place},
    faults,
};
use crate::{
    atomic,
    audio::{FRAME_SHIFT, LogMel, Note, SAMPLE_RATE, Streamed, Window},
    infer::{Classifier, InferError},
    npy,
};

/// Windows that go through the model at once.
const BATCH: usize = 8;

/// A row of the table of names.
#[derive(Serialize)]
struct Name {
    row: usize,
    file: String,
    start: f64,
    end: f64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Report {
    Written { file: String, npy: String, row: usize, rows: usize, width: usize, notes: Vec<Note> },
    Failed { file: String, error: String },
}

/// Writes `embeddings.npy`, float32 (windows, width), and `embeddings.csv`, which names the file and the seconds of each row.
/// A file longer than the model's window gives a row for each window, one after another.
///
/// # Errors
/// When the model cannot be opened, or a file could not be read or written.
pub(super) fn run(
    session: &str,
    files: &[PathBuf],
    out: &Path,
    place: &Place,
    device: &str,
    mut output: Output,
) -> Result<(), CliError> {
    let mut classifier = Classifier::open(session, &place.store(), device)?;
    let width = classifier.width();
    let path = out.join("embeddings.npy");
    let (mut vectors, mut names, mut failed): (Vec<f32>, Vec<Name>, Vec<String>) = Default::default();
    for file in files {
        let made = vectors_of(&mut classifier, file);
        let file = file.display().to_string();
        match made {
            Ok(Vectors { spans, rows, notes }) => {
                let (row, count) = (names.len(), spans.len());
                let seconds = |sample: u64| sample as f64 / f64::from(SAMPLE_RATE);
                names.extend(spans.into_iter().enumerate().map(|(at, [from, to])| Name {
                    row: row + at,
                    file: file.clone(),
                    start: seconds(from),
                    end: seconds(to),
                }));
                vectors.extend(rows);
                output.line(format!(
                    "{file}: row {row}{}",
                    if count > 1 { format!(" to {}", row + count - 1) } else { String::new() }
                ))?;
                notes.iter().try_for_each(|note| output.line(format!("  {file}: {note}")))?;
                let npy = path.display().to_string();
                output.object(&Report::Written { file, npy, row, rows: count, width, notes })?;
            }
            Err(error) => {
                output.line(format!("not in it: {error}"))?;
                output.object(&Report::Failed { file, error: error.to_string() })?;
                failed.push(error.to_string());
            }
        }
    }
    if !names.is_empty() {
        write(&path, &vectors, width).map_err(|error| CliError::Failed(format!("{}: {error}", path.display())))?;
        let table = out.join("embeddings.csv");
        table_of(&table, &names).map_err(|error| CliError::Failed(format!("{}: {error}", table.display())))?;
        output.line(format!("{} ({}, {width}), {}", path.display(), names.len(), table.display()))?;
    }
    faults(&failed, files.len())
}

/// The vectors of a sound file.
struct Vectors {
    /// Where windows begin and end, in samples at 16 kHz: one after another, the last one ending with the sound.
    spans: Vec<[u64; 2]>,
    /// (windows, width).
    rows: Vec<f32>,
    notes: Vec<Note>,
}

/// Computes the vectors of a sound file, which is decoded block by block: memory does not depend on its length.
fn vectors_of(classifier: &mut Classifier, file: &Path) -> Result<Vectors, InferError> {
    let frames = classifier.frames();
    let (hop, size) = ((frames * FRAME_SHIFT) as u64, classifier.front_end().samples_of(frames) as u64);
    let mut streamed = Streamed::open(file, classifier.front_end(), frames, hop)?;
    let (mut waiting, mut spans, mut rows): (Vec<Window>, Vec<[u64; 2]>, Vec<f32>) = Default::default();
    loop {
        let more = streamed.next(&mut waiting)?;
        while waiting.len() >= BATCH || !more && !waiting.is_empty() {
            let some: Vec<Window> = waiting.drain(..BATCH.min(waiting.len())).collect();
            spans.extend(some.iter().map(|window| [window.start, window.start + size]));
            let mels: Vec<LogMel> = some.into_iter().map(|window| window.mel).collect();
            rows.extend(classifier.embed(&mels)?.0);
        }
        if !more {
            // A sound shorter than a window ends before it.
            spans.iter_mut().for_each(|span| span[1] = span[1].min(streamed.samples()));
            return Ok(Vectors { spans, rows, notes: streamed.notes().to_vec() });
        }
    }
}

/// Writes vectors whole or not at all.
fn write(path: &Path, vectors: &[f32], width: usize) -> io::Result<()> {
    let shape = [(vectors.len() / width.max(1)) as u64, width as u64];
    atomic::write(path, |file| npy::write(file, shape, |array| array(vectors)))
}

fn table_of(path: &Path, names: &[Name]) -> io::Result<()> {
    atomic::write(path, |file| {
        let mut table = csv::Writer::from_writer(file);
        names.iter().try_for_each(|name| table.serialize(name)).map_err(io::Error::other)?;
        table.flush()
    })
}
