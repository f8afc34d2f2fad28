//! Clips and their answers as rows of a table.

use std::{io, path::Path};

use serde::Serialize;

use super::{ClipFinding, Outcome};
use crate::atomic;

/// One clip and its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClipRow {
    /// Its name within the data set.
    pub clip: String,
    /// Names of the classes that it holds, with `;` between.
    pub label: String,
    /// The class with the highest score, and its probability.
    pub answer: String,
    /// The probability of the answer.
    pub probability: f32,
    /// The probability of its label; of several, of the least likely one.
    pub of_label: Option<f32>,
    /// Loss over what is known of it.
    pub loss: f64,
    /// Difference of the two highest probabilities.
    pub margin: f32,
    /// Whether the answer is right; none where that is not known.
    pub right: Option<bool>,
}

impl ClipRow {
    /// The row of a clip of this name.
    pub fn of(clip: &ClipFinding, name: String, labels: &[String]) -> Self {
        let class = |class: usize| labels.get(class).map_or("", String::as_str);
        let held: Vec<&str> = clip.truth.iter().map(|held| class(*held)).collect();
        Self {
            clip: name,
            label: held.join(";"),
            answer: class(clip.answer).to_owned(),
            probability: clip.confidence,
            of_label: clip.of_truth,
            loss: clip.loss,
            margin: clip.margin,
            right: match clip.outcome {
                Outcome::Right => Some(true),
                Outcome::Wrong => Some(false),
                Outcome::Unknown => None,
            },
        }
    }
}

/// Writes rows as CSV, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_table(path: &Path, rows: &[ClipRow]) -> io::Result<()> {
    atomic::write(path, |file| -> io::Result<()> {
        let mut table = csv::Writer::from_writer(file);
        rows.iter().try_for_each(|row| table.serialize(row)).map_err(io::Error::other)?;
        table.flush()
    })
}
