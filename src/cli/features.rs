//! `aat-tui features`: the log-mel spectrograms of sound files, or a model's vectors of them, as arrays.

mod embeddings;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{CliError, Output, run_args::Place};
use crate::{
    atomic,
    audio::{AudioError, FrontEnd, Note, WholeMel},
    npy,
};

/// Write the log-mel spectrogram of sound files, before normalisation and padding.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Sound files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder for the arrays: FILE.npy of each, float32 (frames, mel bins), C order.
    #[arg(long, value_name = "DIR", env = "AAT_TUI_OUT")]
    out: PathBuf,
    /// The log-mel of Whisper instead of the 128-bin filter bank of AST: of 80 bins, or with --whisper=128 that of
    /// large-v3 and turbo.
    #[arg(long, env = "AAT_TUI_WHISPER", value_name = "BINS", num_args = 0..=1, require_equals = true,
          default_missing_value = "80", value_parser = whisper)]
    whisper: Option<FrontEnd>,
    /// The log-mel of CED and Dasheng instead: 64 bins, in decibels.
    #[arg(long, env = "AAT_TUI_CED", conflicts_with = "whisper")]
    ced: bool,
    /// The vectors that a session or a model computes of the sounds, before its head, instead: embeddings.npy, float32 (windows, width),
    /// and embeddings.csv with the file and the seconds of each row.
    #[arg(long, value_name = "SESSION", env = "AAT_TUI_EMBEDDINGS", conflicts_with_all = ["whisper", "ced"])]
    embeddings: Option<String>,
    /// With --embeddings, where the arithmetic is done: auto, cpu, cuda, cuda:N, metal.
    #[arg(long, env = "AAT_TUI_DEVICE", default_value = "auto")]
    device: String,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object per line instead of text.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Report {
    Written { file: String, npy: String, frames: usize, bins: usize, notes: Vec<Note> },
    Failed { file: String, error: String },
}

/// Whisper's front end with so many bins; `true` is an old value of the environment variable.
fn whisper(bins: &str) -> Result<FrontEnd, String> {
    let bins = if matches!(bins, "true" | "1") { "80" } else { bins };
    let known = bins.parse().ok().and_then(FrontEnd::whisper);
    known.ok_or_else(|| "Whisper's front ends have 80 or 128 bins".to_owned())
}

/// Writes the arrays; a file that cannot be read is reported and the others continue.
///
/// # Errors
/// When a file could not be read or written.
pub fn run(args: Args) -> Result<(), CliError> {
    let mut output = Output::stdout(args.json);
    fs::create_dir_all(&args.out).map_err(|error| CliError::Failed(format!("{}: {error}", args.out.display())))?;
    if let Some(session) = &args.embeddings {
        return embeddings::run(session, &args.files, &args.out, &args.place, &args.device, output);
    }
    let front_end = if args.ced { FrontEnd::Ced } else { args.whisper.unwrap_or_default() };
    let (mut names, mut faults) = (BTreeSet::new(), Vec::new());
    for file in &args.files {
        let path = args.out.join(unused_name(file, &mut names));
        let written = WholeMel::open(file, front_end).map_err(Fault::from).and_then(|mel| {
            write_npy(&path, &mel)?;
            Ok(mel)
        });
        let file = file.display().to_string();
        match written {
            Ok(mel) => {
                let (frames, bins, notes) = (mel.frames(), mel.bins(), mel.notes().to_vec());
                output.line(format!("{} ({frames}, {bins})", path.display()))?;
                for note in &notes {
                    output.line(format!("  {file}: {note}"))?;
                }
                output.object(&Report::Written { file, npy: path.display().to_string(), frames, bins, notes })?;
            }
            Err(fault) => {
                let error = match fault {
                    Fault::Sound(error) => error.to_string(),
                    Fault::Disk(error) => format!("{}: {error}", path.display()),
                };
                output.line(format!("not written: {error}"))?;
                output.object(&Report::Failed { file, error: error.clone() })?;
                faults.push(error);
            }
        }
    }
    self::faults(&faults, args.files.len())
}

/// The error of a command of which some files could not be used.
fn faults(faults: &[String], all: usize) -> Result<(), CliError> {
    match faults {
        [] => Ok(()),
        [fault] => Err(CliError::Failed(fault.clone())),
        [first, ..] => {
            let bad = faults.len();
            Err(CliError::Failed(format!("{bad} of {all} files could not be used; the first: {first}")))
        }
    }
}

/// `sound.npy` for `sound.wav`; the second file of that name becomes `sound.2.npy`.
fn unused_name(file: &Path, names: &mut BTreeSet<String>) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let candidates = (1..).map(|n| if n == 1 { format!("{stem}.npy") } else { format!("{stem}.{n}.npy") });
    let name = candidates.into_iter().find(|name| !names.contains(name)).unwrap_or_default();
    names.insert(name.clone());
    name
}

/// Why a spectrogram was not written.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Sound(#[from] AudioError),
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// Writes a spectrogram whole or not at all, piece by piece however long the sound is.
fn write_npy(path: &Path, mel: &WholeMel) -> Result<(), Fault> {
    let shape = [mel.frames() as u64, mel.bins() as u64];
    atomic::write(path, |file| npy::write(file, shape, |array| mel.each(|rows| Ok::<_, Fault>(array(rows)?))))
}
