//! `aat-tui bench`: the time and memory of a training step, an answer, a filter bank, a drawn frame.
//!
//! `benches/peers/torch_peer.py` does the same work in PyTorch and prints the same line.

use std::{hint::black_box, time::Instant};

use clap::ValueEnum;
use serde::Serialize;

use super::{CliError, Output};
use crate::{
    audio::{Fbank, SAMPLE_RATE},
    data::{Loss, Targets},
    model::{self, Features, Method, Opened, Request, Thrift},
    ops::parallel,
    train::{AdamW, Criterion, peak_rss_bytes},
    tui,
};

/// Classes of the head that is measured (ESC-50's).
const CLASSES: usize = 50;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum What {
    /// One training step: forward, backward, AdamW.
    Step,
    /// One forward pass without a graph.
    Infer,
    /// The filter bank of ten seconds of sound.
    Fbank,
    /// One frame of every screen of the workbench, 120 x 40.
    Draw,
}

/// Measure the time and memory of a training step, an answer, a filter bank or a drawn frame.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to measure.
    what: What,
    /// The backbone: tiny, small, base, or a checkpoint's file or folder.
    #[arg(long, env = "AAT_TUI_MODEL", default_value = "tiny")]
    model: String,
    #[arg(long, help = super::run_args::methods(), env = "AAT_TUI_METHOD", default_value = "aat")]
    method: Method,
    /// Frames of 10 ms of a clip.
    #[arg(long, env = "AAT_TUI_FRAMES", default_value_t = 128)]
    frames: usize,
    /// Stride of the patches along both axes [default: 16 for tiny, 10 for small and base, else the checkpoint's].
    #[arg(long, env = "AAT_TUI_STRIDE")]
    stride: Option<usize>,
    /// Clips of a step or an answer.
    #[arg(long, env = "AAT_TUI_BATCH", default_value_t = 1)]
    batch: usize,
    /// Clips that go through the model at a time, their gradients accumulated [default: all].
    #[arg(long, env = "AAT_TUI_MICRO_BATCH")]
    micro_batch: Option<usize>,
    /// Keep only each block's input, and compute the rest again in the backward pass.
    #[arg(long, env = "AAT_TUI_CHECKPOINT")]
    checkpoint: bool,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal.
    #[arg(long, env = "AAT_TUI_DEVICE", default_value = "cpu")]
    device: String,
    /// How often to measure; the median counts.
    #[arg(long, env = "AAT_TUI_REPEATS", default_value_t = 5)]
    repeats: usize,
    /// How often to do it before measuring.
    #[arg(long, env = "AAT_TUI_WARMUP", default_value_t = 2)]
    warmup: usize,
    /// One JSON object instead of a line.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    what: What,
    model: String,
    method: Method,
    batch: usize,
    tokens: usize,
    ms: f64,
    ms_min: f64,
    samples_per_s: f64,
    peak_rss_bytes: u64,
    device: String,
}

/// Measures and tells.
///
/// # Errors
/// When there is no such model or device, arithmetic fails, or the output is closed.
pub fn run(args: &Args) -> Result<(), CliError> {
    let (times, tokens) = match args.what {
        What::Step => step(args)?,
        What::Infer => infer(args)?,
        What::Fbank => (fbank(args)?, 0),
        What::Draw => (draw(args)?, 0),
    };
    let ms = times.get(times.len() / 2).copied().unwrap_or_default();
    let threads = parallel::install(rayon::current_num_threads);
    let report = Report {
        what: args.what,
        model: args.model.clone(),
        method: args.method,
        batch: args.batch,
        tokens,
        ms,
        ms_min: times.first().copied().unwrap_or_default(),
        samples_per_s: args.batch as f64 * 1e3 / ms,
        peak_rss_bytes: peak_rss_bytes(),
        device: format!("{}, {threads} threads", args.device),
    };
    let mut output = Output::stdout(args.json);
    output.object(&report)?;
    output.line(format!(
        "{ms:.2} ms (fastest {:.2}), {:.1} samples/s, {} MiB at most",
        report.ms_min,
        report.samples_per_s,
        report.peak_rss_bytes >> 20
    ))
}

/// Milliseconds of each repetition, in order of size.
fn measure(args: &Args, mut work: impl FnMut() -> Result<(), CliError>) -> Result<Vec<f64>, CliError> {
    for _ in 0..args.warmup {
        work()?;
    }
    let mut times = Vec::with_capacity(args.repeats);
    for _ in 0..args.repeats.max(1) {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// A model and a batch of noise for it.
fn prepare(args: &Args) -> Result<(Opened, Features), CliError> {
    let stride = args.stride.or(match args.model.as_str() {
        "tiny" => Some(16),
        _ => None,
    });
    let opened = model::open(&Request {
        frames: Some(args.frames),
        stride: stride.map(|stride| [stride; 2]),
        classes: Some(CLASSES),
        method: Some(args.method),
        device: model::device(&args.device)?,
        ..Request::new(args.model.as_str())
    })?;
    let (frames, bins) = (opened.config.frames(), opened.config.mel_bins());
    let noise = |i: usize| ((i as f32 + 1.0) * 12.9898).sin();
    let data = (0..args.batch * frames * bins).map(noise).collect();
    let features = Features { batch: args.batch, frames, bins, data, valid: vec![frames; args.batch] };
    Ok((opened, features))
}

fn step(args: &Args) -> Result<(Vec<f64>, usize), CliError> {
    let (opened, features) = prepare(args)?;
    let thrift = Thrift { micro_batch: args.micro_batch, checkpoint: args.checkpoint };
    let mut engine = model::engine(&opened.config, args.method, opened.store.device(), thrift);
    let mut optimizer = AdamW::new(&opened.store, 0.05)?;
    let mut values = vec![0.0; args.batch * CLASSES];
    for (clip, values) in values.chunks_exact_mut(CLASSES).enumerate() {
        values[clip % CLASSES] = 1.0;
    }
    let targets = Targets { classes: CLASSES, values, mask: None };
    let criterion = Criterion::new(Loss::CrossEntropy, &targets);
    let times = measure(args, || {
        let mut loss = |range, logits: &[f32]| criterion.share(range, logits);
        let output = engine.step(&opened.store, &features, &mut loss, false)?;
        Ok(optimizer.update(&opened.store, &output.gradients, |_| 1e-5)?)
    })?;
    Ok((times, opened.config.tokens()))
}

fn infer(args: &Args) -> Result<(Vec<f64>, usize), CliError> {
    let (opened, features) = prepare(args)?;
    let mut engine = model::engine(&opened.config, args.method, opened.store.device(), Thrift::default());
    let times = measure(args, || {
        black_box(engine.logits(&opened.store, &features)?);
        Ok(())
    })?;
    Ok((times, opened.config.tokens()))
}

fn fbank(args: &Args) -> Result<Vec<f64>, CliError> {
    let samples: Vec<f32> = (0..10 * SAMPLE_RATE as usize).map(|i| ((i as f32) * 0.37).sin() * 0.1).collect();
    let mut fbank = Fbank::new();
    measure(args, || {
        black_box(fbank.compute(black_box(&samples)));
        Ok(())
    })
}

fn draw(args: &Args) -> Result<Vec<f64>, CliError> {
    let mut stages = tui::bench::stages((120, 40));
    measure(args, || {
        stages.iter_mut().for_each(tui::bench::Stage::draw);
        Ok(())
    })
}
