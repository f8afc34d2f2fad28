//! The latency of live predictions: alone, beside training on the same threads, and beside training on other threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde::Serialize;

use super::{Args, CLASSES, prepare, step};
use crate::{
    audio::SAMPLE_RATE,
    cli::{CliError, Output},
    infer::Score,
    live::{FileSource, Listener, LiveEvent, Pipeline, Prediction, Settings, Window},
    model::{Engine, Features, Opened},
    ops::parallel,
};

/// Longest wait for an event.
const PATIENCE: Duration = Duration::from_secs(30);

/// What runs beside listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Beside {
    /// Nothing.
    Nothing,
    /// Training steps, on the threads of live predictions.
    TrainingShared,
    /// Training steps; live predictions have threads of their own, as they do in the program.
    TrainingApart,
}

#[derive(Serialize)]
struct Report {
    what: &'static str,
    beside: Beside,
    model: String,
    frames: usize,
    batch: usize,
    seconds: usize,
    hop_s: f32,
    answers: usize,
    mean_latency_ms: f64,
    median_latency_ms: f64,
    worst_latency_ms: f64,
    mean_compute_ms: f64,
    skipped: u64,
    dropped: u64,
}

/// Classifies with a model as opened, with or without threads of its own.
struct Answering {
    opened: Opened,
    engine: Box<dyn Engine>,
    apart: bool,
}

impl Listener for Answering {
    fn name(&self) -> &str {
        "bench"
    }

    fn frames(&self) -> usize {
        self.engine.config().frames()
    }

    fn score(&mut self, window: &Window) -> Result<Prediction, String> {
        let (frames, mel) = (self.frames(), window.log_mel(self.frames()));
        let mut data = mel.data;
        data.resize(frames * mel.bins, 0.0);
        let features = Features { batch: 1, frames, bins: mel.bins, data, valid: vec![frames] };
        let Self { opened, engine, apart } = self;
        let mut work = || engine.observe(&opened.store, &features);
        let answered = if *apart { parallel::install_apart(work) } else { work() };
        let (logits, norms) = answered.map_err(|error| error.to_string())?;
        let scores = logits.into_iter().enumerate().map(|(i, score)| Score { label: i.to_string(), score }).collect();
        Ok(Prediction { scores, untouched: None, norms })
    }
}

/// Measures one after another and prints the results.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let mut output = Output::stdout(args.json);
    for beside in [Beside::Nothing, Beside::TrainingShared, Beside::TrainingApart] {
        let report = measure(args, beside)?;
        output.object(&report)?;
        output.line(format!(
            "{beside:?}: {} predictions, {:.0} ms on average, {:.0} ms median, {:.0} ms at worst (model {:.0} ms), {} skipped",
            report.answers,
            report.mean_latency_ms,
            report.median_latency_ms,
            report.worst_latency_ms,
            report.mean_compute_ms,
            report.skipped
        ))?;
    }
    Ok(())
}

fn measure(args: &Args, beside: Beside) -> Result<Report, CliError> {
    let single = Args { batch: 1, ..args.clone() };
    let (opened, _) = prepare(&single)?;
    let engine = opened.engine();
    let listener = Answering { opened, engine, apart: beside != Beside::TrainingShared };
    let sound = noise(args.seconds)?;
    let stop = Arc::new(AtomicBool::new(false));
    let training = (beside != Beside::Nothing).then(|| {
        let (args, stop) = (Args { warmup: 0, repeats: usize::MAX, ..args.clone() }, stop.clone());
        thread::spawn(move || {
            let endless = || if stop.load(Ordering::Relaxed) { Err(CliError::Interrupted) } else { Ok(()) };
            step(&args, endless)
        })
    });
    let settings = Settings::default();
    let source = FileSource::new(sound.path());
    let pipeline = Pipeline::start(Box::new(source), vec![Box::new(listener)], settings)
        .map_err(|error| CliError::Failed(format!("no thread to listen on: {error}")))?;
    let (mut latencies, mut computes, mut skipped, mut dropped) = (Vec::new(), Vec::new(), 0, 0);
    while let Some(events) = pipeline.events().wait(PATIENCE) {
        for event in events {
            match event {
                LiveEvent::Prediction { latency_ms, compute_ms, .. } => {
                    latencies.push(f64::from(latency_ms));
                    computes.push(f64::from(compute_ms));
                }
                LiveEvent::Skipped(total) => skipped = total,
                LiveEvent::Dropped(total) => dropped = total,
                LiveEvent::Problem(problem) => return Err(CliError::Failed(problem)),
                _ => {}
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    if let Some(Ok(Err(error))) = training.map(thread::JoinHandle::join)
        && !matches!(error, CliError::Interrupted)
    {
        return Err(error);
    }
    latencies.sort_by(f64::total_cmp);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    Ok(Report {
        what: "live",
        beside,
        model: args.model.clone(),
        frames: args.frames,
        batch: args.batch,
        seconds: args.seconds,
        hop_s: settings.hop_s,
        answers: latencies.len(),
        mean_latency_ms: mean(&latencies),
        median_latency_ms: latencies.get(latencies.len() / 2).copied().unwrap_or_default(),
        worst_latency_ms: latencies.last().copied().unwrap_or_default(),
        mean_compute_ms: mean(&computes),
        skipped,
        dropped,
    })
}

/// So many seconds of synthetic sound, as a file.
fn noise(seconds: usize) -> Result<tempfile::NamedTempFile, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::Failed(format!("no sound could be written: {error}"));
    let file = tempfile::Builder::new().suffix(".wav").tempfile().map_err(|error| failed(&error))?;
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(file.path(), spec).map_err(|error| failed(&error))?;
    for n in 0..seconds * SAMPLE_RATE as usize {
        let sample = ((n as f32 * 0.37).sin() * 3000.0) as i16 + (n % CLASSES) as i16;
        writer.write_sample(sample).map_err(|error| failed(&error))?;
    }
    writer.finalize().map_err(|error| failed(&error))?;
    Ok(file)
}
