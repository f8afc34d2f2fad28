//! `aat-tui listen`: classifies a microphone, or a file in real time, once per hop.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{CliError, Interrupt, Output, run_args::Place};
use crate::{
    infer::{Classifier, Score},
    live::{
        Change, ClassifierListener, Detection, Detector, Listener, LiveEvent, LiveState, Pipeline, Prediction, Rule,
        Settings, Source, audacity_label, source,
    },
    stderr,
};

/// How long an interrupt or the time limit may go unnoticed.
const PATIENCE: Duration = Duration::from_millis(50);
/// Default score from which a class counts as present.
const DEFAULT_THRESHOLD: f32 = 0.5;
/// The longest hop: a day.
const LONGEST_HOP_S: f32 = 86_400.0;
/// Extensions that distinguish a missing file from a missing microphone.
const SOUND_EXTENSIONS: [&str; 5] = ["wav", "flac", "ogg", "oga", "mp3"];

/// Classify a microphone, or a file in real time, once per hop.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A session (path, name or `last`) or a model; two of them classify the same windows.
    #[arg(value_name = "SESSION|MODEL", required = true, num_args = 1..=2, env = "AAT_TUI_LISTEN")]
    listeners: Vec<String>,
    /// A microphone's name or id (see `aat-tui devices`), or a sound file to play in real time [default: the default
    /// microphone].
    #[arg(long, value_name = "DEVICE|FILE", env = "AAT_TUI_INPUT")]
    input: Option<String>,
    /// Stop after so many seconds; else at the end of the file, or with Ctrl-C.
    #[arg(long, value_name = "S", env = "AAT_TUI_SECONDS")]
    seconds: Option<f32>,
    /// Seconds between two predictions.
    #[arg(long, value_name = "S", default_value_t = Settings::default().hop_s, env = "AAT_TUI_HOP")]
    hop: f32,
    /// Seconds of sound per prediction [default: the length the model was trained on].
    #[arg(long, value_name = "S", env = "AAT_TUI_WINDOW")]
    window: Option<f32>,
    /// Number of classes to print, most likely first.
    #[arg(long, value_name = "K", default_value_t = 3, env = "AAT_TUI_TOP")]
    top: usize,
    /// Also print each sound with its beginning and end: a class is present from this score on.
    #[arg(long, value_name = "SCORE", env = "AAT_TUI_THRESHOLD")]
    threshold: Option<f32>,
    /// Consecutive predictions that begin or end a sound.
    #[arg(long, value_name = "N", default_value_t = 2, env = "AAT_TUI_DEBOUNCE")]
    debounce: usize,
    /// Write those sounds as a label track that Audacity opens (default threshold 0.5).
    #[arg(long, value_name = "FILE", env = "AAT_TUI_LABELS")]
    labels: Option<PathBuf>,
    /// Where the arithmetic is done: auto, cpu, cuda, cuda:N, metal.
    #[arg(long, default_value = "auto", env = "AAT_TUI_DEVICE")]
    device: String,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object per line.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

/// One prediction, as JSON.
#[derive(Serialize)]
struct Hop<'a> {
    time: f64,
    #[serde(rename = "ear", skip_serializing_if = "Option::is_none")]
    listener: Option<&'a str>,
    top: &'a [Score],
    latency_ms: f32,
    compute_ms: f32,
    dropped: u64,
    skipped: u64,
}

/// An event of the source, as JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Happened<'a> {
    Opened { source: &'a str, rate: u32, channels: u16, window_s: f32, hop_s: f32 },
    Note { message: &'a str },
    Problem { time: f64, message: &'a str },
    Recovered { time: f64, source: &'a str, rate: u32, channels: u16 },
    Began { label: &'a str, start: f64 },
    Ended(&'a Detection),
}

/// The summary, as JSON.
#[derive(Default, Serialize)]
struct Summary {
    summary: bool,
    seconds: f64,
    answers: u64,
    mean_latency_ms: f64,
    worst_latency_ms: f32,
    real_time_factor: f64,
    dropped: u64,
    skipped: u64,
}

/// Listens until the file ends, the time is over or Ctrl-C.
///
/// # Errors
/// When the model or the source cannot be opened, or the output is closed; 130 after Ctrl-C.
pub fn run(args: Args) -> Result<(), CliError> {
    let positive = |what: &str, seconds: f32| {
        let usable = seconds.is_finite() && seconds > 0.0;
        if usable { Ok(()) } else { Err(CliError::Usage(format!("--{what} must be more than 0 seconds"))) }
    };
    positive("hop", args.hop)?;
    if args.hop > LONGEST_HOP_S {
        return Err(CliError::Usage(format!("--hop must be at most {LONGEST_HOP_S} seconds, a day")));
    }
    args.window.map_or(Ok(()), |seconds| positive("window", seconds))?;
    args.seconds.map_or(Ok(()), |seconds| positive("seconds", seconds))?;

    if args.threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
        return Err(CliError::Usage("--threshold is a score, from 0 to 1".into()));
    }
    let threshold = args.threshold.or(args.labels.is_some().then_some(DEFAULT_THRESHOLD));
    let detectors = threshold.map_or_else(Vec::new, |threshold| {
        let rule = Rule::new(threshold, args.debounce);
        args.listeners.iter().map(|_| Detector::new(rule, f64::from(args.hop))).collect()
    });

    let source = chosen(args.input.as_deref())?;
    let store = args.place.store();
    let (mut listeners, mut notes): (Vec<Box<dyn Listener>>, Vec<String>) = Default::default();
    for name in &args.listeners {
        let classifier = Classifier::open(name, &store, &args.device)?;
        notes.extend(classifier.notes().iter().map(|note| format!("{name}: {note}")));
        listeners.push(Box::new(ClassifierListener::new(name, classifier)));
    }
    // Before signals are caught and anything is captured: opening a pipe waits for its reader, and Ctrl-C ends that.
    let labels = match args.labels {
        Some(path) => {
            let file = File::create(&path);
            let file = file.map_err(|error| CliError::Failed(format!("{}: {error}", path.display())))?;
            Some(Labels { path, file, lost: None })
        }
        None => None,
    };
    let interrupt = Interrupt::watch()?;
    let settings = Settings { hop_s: args.hop, window_s: args.window, ..Settings::default() };
    let _quiet = stderr::discard();
    let pipeline = Pipeline::start(source, listeners, settings)?;

    let mut printer = Printer {
        detectors,
        output: if labels.is_some() { Output::beside_work(args.json) } else { Output::stdout(args.json) },
        labels,
        names: args.listeners,
        top: args.top,
        state: LiveState::default(),
        summary: Summary { summary: true, ..Summary::default() },
        compute_ms: 0.0,
    };
    for note in &notes {
        printer.output.line(note)?;
        printer.output.object(&Happened::Note { message: note })?;
    }
    let mut opened = None;
    while let Some(events) = pipeline.events().wait(PATIENCE) {
        for event in events {
            match &event {
                LiveEvent::Opened { .. } => opened = Some(Instant::now()),
                LiveEvent::Problem(problem) if opened.is_none() => return Err(no_sound(problem)),
                _ => {}
            }
            printer.print(event)?;
        }
        if interrupt.is_asked() {
            printer.end()?;
            return Err(CliError::Interrupted);
        }
        let over = |limit: f32| opened.is_some_and(|opened| opened.elapsed().as_secs_f32() > limit);
        if args.seconds.is_some_and(over) {
            break;
        }
    }
    printer.end()
}

/// The file or the microphone of `--input`.
fn chosen(input: Option<&str>) -> Result<Box<dyn Source>, CliError> {
    if let Some(given) = input {
        let path = Path::new(given);
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let names_a_sound = extension.is_some_and(|extension| SOUND_EXTENSIONS.contains(&extension.as_str()));
        if names_a_sound && !path.exists() {
            return Err(CliError::Failed(format!("{given}: there is no such file")));
        }
        if path.is_dir() {
            return Err(CliError::Usage(format!("{given} is a folder; --input takes one file or a microphone")));
        }
        if path.exists() && !path.is_file() {
            let remedy = "write its sound to a file first, and give that";
            return Err(CliError::Usage(format!("{given} is a pipe or device; {remedy}")));
        }
    }
    Ok(source(input))
}

fn no_sound(problem: &str) -> CliError {
    CliError::Failed(format!(
        "{problem}\nTo use a recording instead: --input FILE. To list the microphones: aat-tui devices"
    ))
}

/// The file of labels.
struct Labels {
    path: PathBuf,
    file: File,
    /// Why a label could not be written. Listening continues, and later labels are tried again.
    lost: Option<String>,
}

impl Labels {
    fn add(&mut self, found: &Detection) {
        if let Err(error) = self.file.write_all(audacity_label(found).as_bytes())
            && self.lost.is_none()
        {
            let why = format!("{}: {error}", self.path.display());
            super::output::warn(&why);
            self.lost = Some(why);
        }
    }
}

/// Prints events, and keeps what the summary needs.
struct Printer {
    output: Output,
    names: Vec<String>,
    top: usize,
    /// One for each classifier, if detections are to be printed.
    detectors: Vec<Detector>,
    labels: Option<Labels>,
    state: LiveState,
    summary: Summary,
    compute_ms: f64,
}

impl Printer {
    fn print(&mut self, event: LiveEvent) -> Result<(), CliError> {
        self.state.apply(event.clone());
        let state = &self.state;
        match event {
            LiveEvent::Opened { source, rate, channels, window_s, hop_s, .. } => {
                self.output.object(&Happened::Opened { source: &source, rate, channels, window_s, hop_s })?;
                self.output.line(format!(
                    "listening to {source}, {rate} Hz, {channels} channel{}; {window_s:.1} s windows every {hop_s} s",
                    if channels == 1 { "" } else { "s" }
                ))
            }
            LiveEvent::Prediction {
                listener,
                time_s,
                prediction: Prediction { scores, .. },
                latency_ms,
                compute_ms,
            } => {
                self.summary.answers += 1;
                self.summary.mean_latency_ms += f64::from(latency_ms);
                self.summary.worst_latency_ms = self.summary.worst_latency_ms.max(latency_ms);
                self.compute_ms += f64::from(compute_ms);
                let top = &scores[..self.top.min(scores.len())];
                let name = (self.names.len() > 1).then(|| self.names[listener].as_str());
                let (dropped, skipped) = (state.dropped, state.skipped);
                self.output.object(&Hop {
                    time: time_s,
                    listener: name,
                    top,
                    latency_ms,
                    compute_ms,
                    dropped,
                    skipped,
                })?;
                let classes: Vec<_> = top.iter().map(|top| format!("{} {:.2}", top.label, top.score)).collect();
                let name = name.map_or_else(String::new, |name| format!("{name}  "));
                self.output.line(format!("{time_s:8.2} s  {name}{}  ({latency_ms:.0} ms)", classes.join("  ")))?;
                let changes = self.detectors.get_mut(listener).map_or_else(Vec::new, |d| d.push(time_s, &scores));
                changes.iter().try_for_each(|change| self.change(change))
            }
            LiveEvent::Note(message) => {
                self.output.object(&Happened::Note { message: &message })?;
                self.output.line(message)
            }
            LiveEvent::Problem(message) => {
                self.output.object(&Happened::Problem { time: state.time_s, message: &message })?;
                self.output.line(format!("{:8.2} s  ! {message}", state.time_s))
            }
            LiveEvent::Recovered { source, rate, channels } => {
                let time = state.time_s;
                self.output.object(&Happened::Recovered { time, source: &source, rate, channels })?;
                self.output.line(format!("{time:8.2} s  sound again from {source}, {rate} Hz"))
            }
            LiveEvent::Sound { .. } | LiveEvent::Dropped(_) | LiveEvent::Skipped(_) | LiveEvent::Closed => Ok(()),
        }
    }

    fn change(&mut self, change: &Change) -> Result<(), CliError> {
        match change {
            Change::Began { label, start } => {
                self.output.object(&Happened::Began { label, start: *start })?;
                self.output.line(format!("{start:8.2} s  {label} begins"))
            }
            Change::Ended(found) => {
                if let Some(labels) = &mut self.labels {
                    labels.add(found);
                }
                self.output.object(&Happened::Ended(found))?;
                let Detection { label, start, end, peak } = found;
                self.output.line(format!("{end:8.2} s  {label} ends, {:.2} s long, {peak:.2} at most", end - start))
            }
        }
    }

    fn end(&mut self) -> Result<(), CliError> {
        for listener in 0..self.detectors.len() {
            for found in self.detectors[listener].finish() {
                self.change(&Change::Ended(found))?;
            }
        }
        let summary = &mut self.summary;
        (summary.seconds, summary.dropped, summary.skipped) =
            (self.state.time_s, self.state.dropped, self.state.skipped);
        summary.mean_latency_ms /= summary.answers.max(1) as f64;
        summary.real_time_factor = self.compute_ms / 1e3 / summary.seconds.max(1e-9);
        self.output.object(&*summary)?;
        self.output.line(format!(
            "{:.1} s of sound, {} predictions, latency {:.0} ms on average and {:.0} ms at worst; {} samples dropped, \
             {} windows skipped",
            summary.seconds,
            summary.answers,
            summary.mean_latency_ms,
            summary.worst_latency_ms,
            summary.dropped,
            summary.skipped
        ))?;
        match self.labels.as_ref().and_then(|labels| labels.lost.as_ref()) {
            Some(why) => Err(CliError::Failed(format!("labels are missing at the end: {why}"))),
            None => self.output.complete(),
        }
    }
}
