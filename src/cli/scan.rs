//! `aat-tui scan`: where in recordings, however long, a model finds its classes.

mod progress;
mod report;

use std::{io, ops::ControlFlow, path::PathBuf};

use sha2::{Digest, Sha256};

use super::{CliError, Interrupt, Output, count, run_args::Place};
use crate::{
    audio::{Began, SAMPLE_RATE},
    digits::hex,
    infer::Classifier,
    scan::{self, Choice, Clips, Format, Found, Grid, Limits, Plan, Rules, ScanError, Thresholds},
    session::Store,
};
use progress::Meter;
use report::{Happened, about, end, report};

/// Find sounds in recordings, however long, and write where they are.
///
/// Each recording is cut into windows of the length that the model was trained on, one every --hop seconds; the last one
/// ends with the recording. A detection reaches as far as its class scores at least --low, and counts where its highest
/// score reaches the threshold, so that a threshold moves no boundary.
///
/// The results are in --out: one table for each recording under files/, one for all (scan.csv), and the settings with the
/// recordings that could not be read (scan.json). The scores are kept under .scan/: the same command continues where an
/// earlier one stopped, and other thresholds, gaps or formats need no new scoring.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A session (name, folder or `last`) or a model whose checkpoint has labels.
    #[arg(value_name = "SESSION|MODEL")]
    source: String,
    /// Sound files, folders (searched at any depth), or `-` for a list of both on standard input.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", env = "AAT_TUI_OUT", default_value = "scan")]
    out: PathBuf,
    /// Tables to write: csv, jsonl, audacity, raven.
    #[arg(long, value_name = "FORMAT", env = "AAT_TUI_FORMAT", value_delimiter = ',', default_value = "csv")]
    format: Vec<Format>,
    /// Seconds from one window to the next [default: the window's length].
    #[arg(long, value_name = "S", env = "AAT_TUI_HOP")]
    hop: Option<f64>,
    /// Seconds of a window [default: the length the model was trained on]; a shorter one is padded.
    #[arg(long, value_name = "S", env = "AAT_TUI_WINDOW")]
    window: Option<f64>,
    /// Score from which on a class counts as found [default: 0.5, or the session's thresholds.toml].
    #[arg(long, value_name = "SCORE", env = "AAT_TUI_THRESHOLD")]
    threshold: Option<f32>,
    /// A TOML file with thresholds by class; classes that it does not name take --threshold.
    #[arg(long, value_name = "FILE", env = "AAT_TUI_THRESHOLDS")]
    thresholds: Option<PathBuf>,
    /// Score down to which a detection reaches [default: 0.2, or the threshold where that is lower].
    #[arg(long, value_name = "SCORE", env = "AAT_TUI_LOW")]
    low: Option<f32>,
    /// Seconds that a median smooths scores over (rounded to an odd number of windows).
    #[arg(long, value_name = "S", env = "AAT_TUI_SMOOTH", default_value_t = 0.0)]
    smooth: f64,
    /// Drop detections shorter than this.
    #[arg(long, value_name = "S", env = "AAT_TUI_MIN_DURATION", default_value_t = 0.0)]
    min_duration: f64,
    /// Join detections of a class with at most so many seconds between them.
    #[arg(long, value_name = "S", env = "AAT_TUI_MAX_GAP", default_value_t = 0.0)]
    max_gap: f64,
    /// Also write every window's scores: scores/NAME.tsv.
    #[arg(long, env = "AAT_TUI_SCORES")]
    scores: bool,
    /// Also write what the backbone makes of every window: embeddings/NAME.npy, float32 (windows, D).
    #[arg(long, env = "AAT_TUI_EMBEDDINGS")]
    embeddings: bool,
    /// Cut detections out into class folders that `train --data` reads; clips.csv there says what each is of.
    #[arg(long, value_name = "DIR", env = "AAT_TUI_CLIPS")]
    clips: Option<PathBuf>,
    /// Seconds of sound on each side of a clip's detection.
    #[arg(long, value_name = "S", env = "AAT_TUI_PADDING", default_value_t = 1.0)]
    padding: f64,
    /// Seconds of the longest detection that is cut out whole; of a longer one, that much around its highest score.
    #[arg(long, value_name = "S", env = "AAT_TUI_LONGEST", default_value_t = 30.0)]
    longest: f64,
    /// Most clips of a class.
    #[arg(long, value_name = "N", env = "AAT_TUI_PER_CLASS", default_value_t = 100)]
    per_class: usize,
    /// Most clips of a class from one recording.
    #[arg(long, value_name = "M", env = "AAT_TUI_PER_FILE", default_value_t = 10)]
    per_file: usize,
    /// Which detections are cut out first: score (the highest), margin (the least sure) or spread (over the scores).
    #[arg(long, value_name = "CHOICE", env = "AAT_TUI_CHOOSE", default_value = "score")]
    choose: Choice,
    /// When the recording began, with its zone where that is known: 2024-05-01T04:00:00+02:00. For one recording; else
    /// GUANO's metadata, AudioMoth's comment or the name says so.
    #[arg(long, value_name = "TIME", env = "AAT_TUI_START")]
    start: Option<Began>,
    /// Write over the tables of another scan in the same folder.
    #[arg(long, env = "AAT_TUI_REPLACE")]
    replace: bool,
    /// Windows in a batch [default: 2 for each core that computes it, 8 on an accelerator].
    #[arg(long, value_name = "B", env = "AAT_TUI_BATCH", value_parser = count::clips)]
    batch: Option<usize>,
    /// Where the arithmetic is done: auto, cpu, cuda, cuda:N, metal.
    #[arg(long, env = "AAT_TUI_DEVICE", default_value = "auto")]
    device: String,
    #[command(flatten)]
    place: Place,
    /// One JSON object a line instead of text.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

/// Scans.
///
/// # Errors
/// When nothing can answer, nothing is found, results cannot be written, or a recording could not be read; 130 after Ctrl-C.
pub fn run(args: Args) -> Result<(), CliError> {
    for (name, seconds) in [
        ("smooth", args.smooth),
        ("min-duration", args.min_duration),
        ("max-gap", args.max_gap),
        ("padding", args.padding),
        ("longest", args.longest),
    ] {
        if !(seconds.is_finite() && (0.0..1e7).contains(&seconds)) {
            return Err(CliError::Usage(format!("--{name} is a number of seconds, 0 or more")));
        }
    }
    let interrupt = Interrupt::watch()?;
    let mut output = Output::stdout(args.json);
    let mut meter = Meter::new(args.json);
    let store = args.place.store();
    let mut classifier = Classifier::open(&args.source, &store, &args.device)?;
    for note in classifier.notes() {
        output.line(format!("{}: {note}", classifier.name()))?;
        output.object(&Happened::Note { message: note })?;
    }
    let grid = Grid::new(classifier.frames(), args.window, args.hop).map_err(CliError::Usage)?;
    let (rules, thresholds, notes) = rules(&args, &store, classifier.labels(), grid)?;
    for message in &notes {
        output.line(message)?;
        output.object(&Happened::Note { message })?;
    }
    let (given, found) = recordings(&args.paths, &mut meter, &mut output, &interrupt)?;
    if found.recordings.is_empty() {
        let reason = found.unread.first().map_or_else(
            || "no sound files are there; give files, folders, or a list of them on standard input with -".to_owned(),
            |unread| unread.error.clone(),
        );
        return Err(CliError::Failed(reason));
    }
    if args.start.is_some() && found.recordings.len() > 1 {
        let count = found.recordings.len();
        return Err(CliError::Usage(format!("--start is of one recording, and {count} are given")));
    }
    let mut format = args.format.clone();
    format.sort();
    format.dedup();
    let plan = Plan {
        session: classifier.name().to_owned(),
        given,
        found,
        out: args.out.clone(),
        grid,
        rules,
        thresholds,
        formats: format,
        scores: args.scores,
        embeddings: args.embeddings,
        clips: args.clips.clone().map(|folder| Clips {
            folder,
            padding: samples(args.padding),
            longest: samples(args.longest).max(1),
            limits: Limits { per_class: args.per_class, per_file: args.per_file, choice: args.choose },
        }),
        began: args.start.clone(),
        batch: args.batch,
        replace: args.replace,
    };
    about(&plan, &mut output)?;
    let mut closed = None;
    let outcome = scan::run(&mut classifier, &plan, &mut |event| {
        if let Err(error) = report(event, &plan, &mut meter, &mut output) {
            closed = Some(error);
        }
        if closed.is_some() || interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    meter.end();
    match outcome {
        Ok(summary) => end(&plan, &summary, &meter, &mut output),
        Err(ScanError::Broken) => match closed {
            Some(error) => Err(error),
            None => {
                output.line("stopped; what is done is kept, and the same command continues from there")?;
                Err(CliError::Interrupted)
            }
        },
        Err(error) => Err(error.into()),
    }
}

/// What is found by the paths given, and the paths for people; of a list, its length and digest.
fn recordings(
    paths: &[PathBuf],
    meter: &mut Meter,
    output: &mut Output,
    interrupt: &Interrupt,
) -> Result<(Vec<String>, Found), CliError> {
    let (mut given, mut all) = (Vec::new(), Vec::new());
    for path in paths {
        if path.as_os_str() != "-" {
            given.push(path.display().to_string());
            all.push(path.clone());
            continue;
        }
        let list = scan::paths_of(io::stdin().lock())?;
        let mut hash = Sha256::new();
        list.iter().for_each(|path| hash.update([path.as_os_str().as_encoded_bytes(), b"\0"].concat()));
        given.push(format!("- ({} paths, {})", list.len(), hex(&hash.finalize()[..8])));
        all.extend(list);
    }
    let mut failure = None;
    let found = scan::find(&all, |count| {
        if let Err(error) = meter.searching(count, output) {
            failure = Some(error);
        }
        if failure.is_some() || interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match (found, failure) {
        (Some(found), None) => Ok((given, found)),
        (_, Some(error)) => Err(error),
        (None, None) => Err(CliError::Interrupted),
    }
}

/// The rules, where the thresholds came from, and what a person should know of them.
fn rules(args: &Args, store: &Store, labels: &[String], grid: Grid) -> Result<(Rules, String, Vec<String>), CliError> {
    let mut notes = Vec::new();
    let beside = store.find(&args.source).ok().map(|folder| Thresholds::of_session(&folder)).transpose()?.flatten();
    let (mut thresholds, source) = match (&args.thresholds, beside) {
        (Some(path), _) => (Thresholds::read(path)?, path.display().to_string()),
        (None, Some((path, thresholds))) if args.threshold.is_none() => {
            notes.push(format!("thresholds are those of {}", path.display()));
            (thresholds, path.display().to_string())
        }
        (None, beside) => {
            if let Some((path, _)) = beside {
                notes.push(format!("--threshold is given, so {} is not used", path.display()));
            }
            (Thresholds::default(), if args.threshold.is_some() { "--threshold" } else { "default" }.to_owned())
        }
    };
    thresholds.threshold = args.threshold.or(thresholds.threshold);
    thresholds.low = args.low.or(thresholds.low);
    let classes = thresholds.rules(labels).map_err(|reason| match args.thresholds.is_some() {
        true => CliError::Usage(format!("{source}: {reason}")),
        false => CliError::Usage(reason),
    })?;
    let silent: Vec<&str> =
        labels.iter().zip(&classes).filter(|(_, rule)| rule.is_none()).map(|(l, _)| l.as_str()).collect();
    if !silent.is_empty() {
        notes.push(format!("not detected, since no threshold reaches the wanted precision: {}", silent.join(", ")));
    }
    let windows = (args.smooth / grid.hop_s()).round() as usize;
    let half = windows / 2;
    if args.smooth > 0.0 && half == 0 {
        notes.push(format!("--smooth {} spans less than three windows and changes nothing", args.smooth));
    }
    let rules =
        Rules { classes, smooth: half, min_duration: samples(args.min_duration), max_gap: samples(args.max_gap) };
    Ok((rules, source, notes))
}

/// Samples at 16 kHz.
fn samples(seconds: f64) -> u64 {
    (seconds * f64::from(SAMPLE_RATE)).round() as u64
}

impl From<ScanError> for CliError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Broken => Self::Interrupted,
            error => Self::Failed(error.to_string()),
        }
    }
}
