//! `aat-tui bench`: the time and memory of a training step, a prediction, a filter bank, a drawn frame.
//!
//! `benches/peers/torch_peer.py` does the same work in PyTorch and prints the same line.

mod agree;
mod attention;
mod draw;
mod live;
mod peak;
mod sweep;
mod upload;

use std::{hint::black_box, path::PathBuf, time::Instant};

use clap::ValueEnum;
use serde::Serialize;

use super::{CliError, Output, count};
use crate::{
    audio::{Fbank, SAMPLE_RATE},
    data::{Loss, Targets},
    model::{
        self, Engine, Features, MemoryOptions, Method, ModelError, Opened, Precision, Published, Recompute, Request,
    },
    ops::parallel,
    train::{AdamW, Criterion, peak_rss_bytes},
};

/// Classes of the head that is measured (ESC-50's).
const CLASSES: usize = 50;

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum What {
    /// One training step: forward, backward, AdamW.
    Step,
    /// The cost per token of a training step, from 66 to 1214 tokens, beside the count of multiplications.
    Sweep,
    /// One forward pass without a graph.
    Infer,
    /// From ten seconds of sound to an answer: filter bank and one forward pass.
    Answer,
    /// One forward pass that measures the adapters' norms as well, for the mixing desk.
    Observe,
    /// The latency of live predictions, alone and beside training, in real time.
    Live,
    /// Whether a device computes what the CPU does: logits, gradients and steps of every method, in f32 and bf16.
    Agree,
    /// Attention's backward pass alone, as the trainer does it and with fewer products.
    Attention,
    /// A batch of spectrograms to the device, from ordinary and from page-locked memory.
    Upload,
    /// The filter bank of ten seconds of sound.
    Fbank,
    /// Multiply-adds in registers and nothing else, on every thread: the limit of products.
    Peak,
    /// One frame of every screen of the workbench: time and bytes.
    Draw,
}

/// Measure the time and memory of a training step, a prediction, a filter bank or a drawn frame.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What to measure.
    what: What,
    /// The backbone: tiny, small, base, a name of `models list` (with random weights: nothing is downloaded), or a
    /// checkpoint's file or folder.
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
    /// Clips of a step or a prediction.
    #[arg(long, env = "AAT_TUI_BATCH", default_value_t = 1, value_parser = count::clips)]
    batch: usize,
    /// Clips that go through the model at a time, their gradients accumulated [default: all].
    #[arg(long, env = "AAT_TUI_MICRO_BATCH", value_parser = count::clips)]
    micro_batch: Option<usize>,
    /// What the backward pass recomputes instead of saving it: nothing, mlp or block. CPU backend only.
    #[arg(long, env = "AAT_TUI_RECOMPUTE", default_value_t = Recompute::Nothing)]
    recompute: Recompute,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal.
    #[arg(long, env = "AAT_TUI_DEVICE", default_value = "cpu")]
    device: String,
    /// Precision of the backbone's products: f32, bf16, or auto: bf16 on CUDA, else f32.
    #[arg(long, env = "AAT_TUI_DTYPE", default_value = "auto")]
    dtype: String,
    /// Repetitions to measure; the median counts.
    #[arg(long, env = "AAT_TUI_REPEATS", default_value_t = 5, value_parser = count::repeats)]
    repeats: usize,
    /// Repetitions before measuring.
    #[arg(long, env = "AAT_TUI_WARMUP", default_value_t = 2, value_parser = count::repeats)]
    warmup: usize,
    /// Training steps to compare.
    #[arg(long, env = "AAT_TUI_STEPS", default_value_t = 20, value_parser = count::repeats)]
    steps: usize,
    /// Seconds of each measurement of live predictions.
    #[arg(long, env = "AAT_TUI_SECONDS", default_value_t = 20, value_parser = count::seconds)]
    seconds: usize,
    /// Also draw the measurements of `sweep`, as .svg or .png.
    #[arg(long)]
    export: Option<PathBuf>,
    /// Columns and rows of the terminal for which frames are drawn.
    #[arg(long, env = "AAT_TUI_SIZE", default_value = "120x40")]
    size: draw::Size,
    /// Graphics of a frame's spectrogram: half, octant or kitty.
    #[arg(long, env = "AAT_TUI_GRAPHICS", default_value = "half", hide_env = true)]
    graphics: String,
    /// One JSON object instead of a line.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

/// Milliseconds of each repetition in order of size, tokens of a clip, and the precision of the products.
struct Measured {
    times: Vec<f64>,
    tokens: usize,
    dtype: Precision,
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
    dtype: Precision,
    /// On the CPU: what a prediction's products are computed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'static str>,
    device: String,
}

/// Measures and prints the result.
///
/// # Errors
/// When there is no such model or device, arithmetic fails, or the output is closed.
pub fn run(args: &Args) -> Result<(), CliError> {
    let Measured { times, tokens, dtype } = match args.what {
        What::Live => return live::run(args),
        What::Agree => return agree::run(args),
        What::Attention => return attention::run(args),
        What::Upload => return upload::run(args),
        What::Sweep => return sweep::run(args),
        What::Draw => return draw::run(args),
        What::Peak => return peak::run(args),
        What::Step => step(args, || Ok(()))?,
        What::Infer => infer(args, |engine, opened, features| Ok(engine.logits(&opened.store, features)?))?,
        What::Answer => answer(args)?,
        What::Observe => infer(args, |engine, opened, features| Ok(engine.observe(&opened.store, features)?.0))?,
        What::Fbank => Measured { times: fbank(args)?, tokens: 0, dtype: Precision::F32 },
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
        dtype,
        instructions: (args.device == "cpu").then(|| dtype.instructions()),
        device: format!("{}, {threads} threads", args.device),
    };
    let mut output = Output::stdout(args.json);
    output.object(&report)?;
    output.line(format!(
        "{ms:.2} ms (fastest {:.2}), {:.1} samples/s, {} MiB at most, {}",
        report.ms_min,
        report.samples_per_s,
        report.peak_rss_bytes >> 20,
        report.instructions.unwrap_or(&args.device)
    ))
}

/// Milliseconds of each repetition, in order of size.
fn measure(args: &Args, mut work: impl FnMut() -> Result<(), CliError>) -> Result<Vec<f64>, CliError> {
    for _ in 0..args.warmup {
        work()?;
    }
    let mut times = Vec::with_capacity(args.repeats.min(1024));
    for _ in 0..args.repeats.max(1) {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// The stride that the model is measured with, where it is not its own.
fn stride(args: &Args) -> Option<usize> {
    args.stride.or(match args.model.as_str() {
        "tiny" => Some(16),
        _ => None,
    })
}

/// A model and a batch of noise for it.
fn prepare(args: &Args) -> Result<(Opened, Features), CliError> {
    let device = model::device(&args.device)?;
    let request = Request {
        frames: Some(args.frames),
        stride: stride(args).map(|stride| [stride; 2]),
        classes: Some(CLASSES),
        method: Some(args.method),
        precision: Some(Precision::named(&args.dtype, &device)?),
        device,
        ..Request::new(args.model.as_str())
    };
    let opened = match Published::find(&args.model) {
        Some(published) => model::open_random(published, &request)?,
        None => model::open(&request)?,
    };
    let (frames, bins) = (opened.config.frames(), opened.config.mel_bins());
    let noise = |i: usize| ((i as f32 + 1.0) * 12.9898).sin();
    let data = (0..args.batch * frames * bins).map(noise).collect();
    let features = Features { batch: args.batch, frames, bins, data, valid: vec![frames; args.batch] };
    Ok((opened, features))
}

/// One class for each clip.
fn targets(batch: usize) -> Targets {
    let mut values = vec![0.0; batch * CLASSES];
    for (clip, values) in values.chunks_exact_mut(CLASSES).enumerate() {
        values[clip % CLASSES] = 1.0;
    }
    Targets { classes: CLASSES, values, mask: None }
}

/// Training steps. `go_on` is called before each and may end them.
fn step(args: &Args, go_on: impl Fn() -> Result<(), CliError>) -> Result<Measured, CliError> {
    let (opened, features) = prepare(args)?;
    let memory = MemoryOptions {
        micro_batch: args.micro_batch,
        recompute: args.recompute,
        precision: opened.precision,
        training: true,
    };
    let mut engine = model::engine(&opened.config, args.method, opened.store.device(), memory);
    let mut optimizer = AdamW::new(&opened.store, 0.05)?;
    let targets = targets(args.batch);
    let criterion = Criterion::new(Loss::CrossEntropy, &targets);
    let times = measure(args, || {
        let mut loss = |range, logits: &[f32]| criterion.share(range, logits);
        go_on()?;
        let output = engine.step(&opened.store, &features, &mut loss, false)?;
        optimizer.update(&opened.store, &output.gradients, 1.0, |_| 1e-5)?;
        // An accelerator is still computing when the host is done.
        Ok(opened.store.device().synchronize().map_err(ModelError::from)?)
    })?;
    if let Some(note) = engine.note() {
        return Err(CliError::Failed(note));
    }
    Ok(Measured { times, tokens: opened.config.tokens(), dtype: opened.precision })
}

fn infer(
    args: &Args,
    pass: impl Fn(&mut dyn Engine, &Opened, &Features) -> Result<Vec<f32>, CliError>,
) -> Result<Measured, CliError> {
    let (opened, features) = prepare(args)?;
    let mut engine = opened.engine();
    let times = measure(args, || {
        black_box(pass(&mut *engine, &opened, &features)?);
        Ok(())
    })?;
    Ok(Measured { times, tokens: opened.config.tokens(), dtype: opened.precision })
}

/// Ten seconds of sound, 16 kHz mono.
fn sound() -> Vec<f32> {
    (0..10 * SAMPLE_RATE as usize).map(|i| ((i as f32) * 0.37).sin() * 0.1).collect()
}

/// The model's own filter bank of ten seconds, cut to its frames, and its answer.
fn answer(args: &Args) -> Result<Measured, CliError> {
    let (opened, mut features) = prepare(&Args { batch: 1, ..args.clone() })?;
    let (mut engine, mut extractor) = (opened.engine(), opened.config.front_end()?.extractor());
    let (samples, frames, bins) = (sound(), features.frames, features.bins);
    let times = measure(args, || {
        let mel = parallel::install(|| extractor.compute_wide(black_box(&samples)));
        let kept = mel.frames.min(frames) * bins;
        features.data[..kept].copy_from_slice(&mel.data[..kept]);
        black_box(engine.logits(&opened.store, &features)?);
        Ok(())
    })?;
    Ok(Measured { times, tokens: opened.config.tokens(), dtype: opened.precision })
}

fn fbank(args: &Args) -> Result<Vec<f64>, CliError> {
    let samples = sound();
    let mut fbank = Fbank::new();
    measure(args, || {
        black_box(fbank.compute_wide(black_box(&samples)));
        Ok(())
    })
}
