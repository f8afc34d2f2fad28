//! `aat-tui classify`: the classes of sound files.

use std::path::PathBuf;

use serde::Serialize;

use super::{CliError, Output, run_args::Place};
use crate::{
    audio::Note,
    infer::{Classifier, Score, Verdict},
};

/// Print the most likely classes of sound files.
///
/// A file that fits into the model's window is scored whole. A longer one is scored in consecutive windows, the last
/// one moved back so that it ends with the file; the score of a class is its mean over the windows, each counting the
/// same. Each result gives the scored part of the file, in seconds.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A session (name, folder or `last`) or a model whose checkpoint has labels.
    source: String,
    /// Sound files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Number of classes to print, most likely first.
    #[arg(long, value_name = "K", env = "AAT_TUI_TOP", default_value_t = 3)]
    top: usize,
    /// Where the arithmetic is done: auto, cpu, cuda, cuda:N, metal.
    #[arg(long, env = "AAT_TUI_DEVICE", default_value = "auto")]
    device: String,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object per line instead of text.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    file: String,
    /// Start and end, in seconds.
    #[serde(rename = "heard")]
    span_s: [f64; 2],
    /// Windows that the scores are averaged over.
    windows: usize,
    top: &'a [Score],
    /// Notes about the file, though it is usable.
    notes: &'a [Note],
    /// The calibration that the scores are with.
    #[serde(skip_serializing_if = "Option::is_none")]
    calibration: Option<&'a str>,
    /// Notes about the model's weights: other ones than usual, or a calibration that is used or is not.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    model_notes: &'a [String],
}

#[derive(Serialize)]
struct Trouble {
    file: String,
    error: String,
}

/// Classifies each file; one that cannot be read is reported, and the others continue.
///
/// # Errors
/// When the model cannot be opened, or a file could not be read.
pub fn run(args: &Args) -> Result<(), CliError> {
    let mut classifier = Classifier::open(&args.source, &args.place.store(), &args.device)?;
    let mut output = Output::stdout(args.json);
    let calibration = classifier.calibration().map(ToString::to_string);
    let (calibration, model_notes) = (calibration.as_deref(), classifier.notes().to_vec());
    let model_notes = model_notes.as_slice();
    model_notes.iter().try_for_each(|note| output.line(note))?;
    let mut unread = 0;
    for path in &args.files {
        let file = path.display().to_string();
        match classifier.classify_file(path) {
            Ok((Verdict { scores, span_s, windows }, notes)) => {
                let top = &scores[..args.top.min(scores.len())];
                let scores: Vec<_> = top.iter().map(|score| format!("{} {:.3}", score.label, score.score)).collect();
                let [from, to] = span_s;
                let mean = match windows {
                    1 => String::new(),
                    _ => format!(", mean of {windows} windows of {:.2} s", classifier.frames() as f64 / 100.0),
                };
                output.line(format!("{file}: {}  ({from:.2} to {to:.2} s{mean})", scores.join("  ")))?;
                for note in &notes {
                    output.line(format!("  {file}: {note}"))?;
                }
                output.object(&Answer { file, span_s, windows, top, notes: &notes, calibration, model_notes })?;
            }
            Err(error) => {
                unread += 1;
                output.line(error.to_string())?;
                output.object(&Trouble { file, error: error.to_string() })?;
            }
        }
    }
    match unread {
        0 => Ok(()),
        1 => Err(CliError::Failed("one file could not be read".to_owned())),
        _ => Err(CliError::Failed(format!("{unread} files could not be read"))),
    }
}
