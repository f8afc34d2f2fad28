//! `aat-tui scan`: where in recordings, however long, a model finds its classes.

mod progress;

use std::{
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{CliError, Interrupt, Output, run_args::Place};
use crate::{
    audio::{Began, Note, SAMPLE_RATE},
    digits::{hex, thousands},
    infer::Classifier,
    scan::{self, Choice, Clips, Event, Format, Found, Grid, Plan, Row, Rules, ScanError, Summary, Thresholds},
    session::Store,
    train::peak_rss_bytes,
};
use progress::Meter;

/// Windows that go through the model at once.
const BATCH: usize = 8;

/// Find sounds in recordings, however long, and write where they are.
///
/// Each recording is cut into windows of the length that the model was trained on, one every --hop seconds; the last one
/// ends with the recording. A detection reaches as far as its class scores at least --low, and counts where its highest
/// score reaches the threshold, so that a threshold moves no boundary.
///
/// The results lie in --out: one table for each recording under files/, one for all (scan.csv), and the settings with the
/// recordings that could not be read (scan.json). The scores are kept under .scan/: the same command goes on where an
/// earlier one was broken off, and other thresholds, gaps or formats need no new scoring.
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
    /// Windows that go through the model at once.
    #[arg(long, value_name = "B", env = "AAT_TUI_BATCH", default_value_t = BATCH)]
    batch: usize,
    /// Where the arithmetic is done: auto, cpu, cuda, cuda:N, metal.
    #[arg(long, env = "AAT_TUI_DEVICE", default_value = "auto")]
    device: String,
    #[command(flatten)]
    place: Place,
    /// One JSON object a line instead of text.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

/// Something that happened, as JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Happened<'a> {
    Begin { files: usize, bytes: u64, window_s: f64, hop_s: f64, out: &'a Path, thresholds: &'a str },
    File { file: &'a str, seconds: f64, detections: usize, began: Option<String>, known: bool, notes: &'a [Note] },
    Failed { file: &'a str, error: &'a str },
    Note { message: &'a str },
}

/// A detection, as JSON.
#[derive(Serialize)]
struct DetectionLine<'a> {
    detection: bool,
    #[serde(flatten)]
    row: &'a Row,
}

/// What it came to, as JSON.
#[derive(Serialize)]
struct SummaryLine<'a> {
    summary: bool,
    files: usize,
    failed: usize,
    hours: f64,
    /// Seconds of sound scored in a second.
    speed: f64,
    detections: u64,
    clips: Option<usize>,
    /// Recordings whose scores an earlier run had kept.
    known: usize,
    scored_hours: f64,
    seconds: f64,
    peak_rss_bytes: u64,
    written: &'a [PathBuf],
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
    let (rules, thresholds, said) = rules(&args, &store, classifier.labels(), grid)?;
    for message in &said {
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
            per_class: args.per_class,
            per_file: args.per_file,
            choice: args.choose,
        }),
        began: args.start.clone(),
        batch: args.batch,
        replace: args.replace,
    };
    about(&plan, &mut output)?;
    let mut closed = None;
    let outcome = scan::run(&mut classifier, &plan, &mut |event| {
        if let Err(error) = tell(event, &plan, &mut meter, &mut output) {
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
                output.line("broken off; what is done is kept, and the same command goes on from there")?;
                Err(CliError::Interrupted)
            }
        },
        Err(error) => Err(error.into()),
    }
}

/// What is found by the paths given, and the paths for people; a list's stand for its content.
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
    let mut said = Vec::new();
    let beside = store.find(&args.source).ok().map(|folder| Thresholds::of_session(&folder)).transpose()?.flatten();
    let (mut thresholds, source) = match (&args.thresholds, beside) {
        (Some(path), _) => (Thresholds::read(path)?, path.display().to_string()),
        (None, Some((path, thresholds))) if args.threshold.is_none() => {
            said.push(format!("thresholds are those of {}", path.display()));
            (thresholds, path.display().to_string())
        }
        (None, beside) => {
            if let Some((path, _)) = beside {
                said.push(format!("--threshold is given, so {} is not used", path.display()));
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
        said.push(format!("not detected, since no threshold reaches the wanted precision: {}", silent.join(", ")));
    }
    let windows = (args.smooth / grid.hop_s()).round() as usize;
    let half = windows / 2;
    if args.smooth > 0.0 && half == 0 {
        said.push(format!("--smooth {} spans less than three windows and changes nothing", args.smooth));
    }
    let rules =
        Rules { classes, smooth: half, min_duration: samples(args.min_duration), max_gap: samples(args.max_gap) };
    Ok((rules, source, said))
}

/// Samples at 16 kHz.
fn samples(seconds: f64) -> u64 {
    (seconds * f64::from(SAMPLE_RATE)).round() as u64
}

/// What is about to be done.
fn about(plan: &Plan, output: &mut Output) -> Result<(), CliError> {
    let (found, grid) = (&plan.found, plan.grid);
    output.line(format!(
        "{} recordings, {}, by {}: windows of {} s, one every {} s; results in {}",
        thousands(found.recordings.len()),
        progress::size(found.bytes()),
        plan.session,
        grid.window_s(),
        grid.hop_s(),
        plan.out.display()
    ))?;
    if found.again > 0 {
        output.line(format!("{} recordings were given more than once and are scanned once", found.again))?;
    }
    let left_out = found.left_out.len();
    if left_out > 0 {
        output.line(format!("{left_out} other files are not scanned; scan.json counts them by reason"))?;
    }
    if plan.formats.contains(&Format::Audacity) {
        output.line("an Audacity label track names no file: there is one for each recording and none for all")?;
    }
    Ok(())
}

fn tell(event: Event<'_>, plan: &Plan, meter: &mut Meter, output: &mut Output) -> Result<(), CliError> {
    match event {
        Event::Begin { files, bytes } => {
            meter.begin(files);
            let (window_s, hop_s) = (plan.grid.window_s(), plan.grid.hop_s());
            let (out, thresholds) = (plan.out.as_path(), plan.thresholds.as_str());
            output.object(&Happened::Begin { files, bytes, window_s, hop_s, out, thresholds })
        }
        Event::Progress(progress) => meter.progress(progress, output),
        Event::File { file, seconds, rows, began, notes, known } => {
            let began = began.map(|began| began.after(0.0));
            output.object(&Happened::File { file, seconds, detections: rows.len(), began, known, notes })?;
            rows.iter().try_for_each(|row| output.object(&DetectionLine { detection: true, row }))?;
            // What an earlier run has told is not told again.
            if known || output.is_json() {
                return Ok(());
            }
            let length = progress::duration(seconds);
            let count = thousands(rows.len());
            let line = format!("{file}: {length}, {count} detection{}", if rows.len() == 1 { "" } else { "s" });
            let notes: Vec<String> = notes.iter().map(|note| format!("  {file}: {note}")).collect();
            meter.print(std::iter::once(line).chain(notes), output)
        }
        Event::Failed(unread) => {
            output.object(&Happened::Failed { file: &unread.file, error: &unread.error })?;
            meter.print([format!("not read: {}", unread.error)], output)
        }
    }
}

fn end(plan: &Plan, summary: &Summary, meter: &Meter, output: &mut Output) -> Result<(), CliError> {
    let seconds = meter.seconds();
    let speed = summary.scored_hours * 3_600.0 / seconds.max(1e-9);
    let Summary { files, known, failed, hours, scored_hours, detections, cut, written } = summary;
    let peak_rss_bytes = peak_rss_bytes();
    output.object(&SummaryLine {
        summary: true,
        files: *files,
        failed: failed.len(),
        hours: *hours,
        speed,
        detections: *detections,
        clips: cut.map(|cut| cut.clips),
        known: *known,
        scored_hours: *scored_hours,
        seconds,
        peak_rss_bytes,
        written,
    })?;
    let again = match known {
        0 => String::new(),
        known => format!(", {} of them scored before", thousands(*known)),
    };
    output.line(format!(
        "{} detections in {} recordings{again}, {}; scored {} in {} ({speed:.0} x), {} MiB at most",
        thousands(usize::try_from(*detections).unwrap_or(usize::MAX)),
        thousands(*files),
        progress::duration(hours * 3_600.0),
        progress::duration(scored_hours * 3_600.0),
        progress::duration(seconds),
        peak_rss_bytes >> 20
    ))?;
    let paths: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    output.line(format!(
        "written: {}, and each recording's own under {}",
        paths.join(", "),
        plan.out.join("files").display()
    ))?;
    if let (Some(cut), Some(clips)) = (cut, &plan.clips) {
        let folder = clips.folder.display();
        output.line(format!(
            "{} clips in {folder}; {} detections left out by --per-class and --per-file, {} clips shortened by --longest",
            thousands(cut.clips),
            thousands(cut.left_out),
            thousands(cut.shortened)
        ))?;
        output.line("a machine chose their folders: listen to them before you train on them")?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    output.line("not read:")?;
    for unread in failed {
        output.line(format!("  {}", unread.error))?;
    }
    let all = files + failed.len();
    Err(CliError::Failed(format!("{} of {all} recordings could not be read; scan.json lists them", failed.len())))
}

impl From<ScanError> for CliError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Broken => Self::Interrupted,
            error => Self::Failed(error.to_string()),
        }
    }
}
