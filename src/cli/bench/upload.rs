//! A batch of spectrograms to the device: from ordinary memory, as the trainer does it, and by way of page-locked memory,
//! which is to be chosen by this measurement.

use candle_core::Tensor;
use serde::Serialize;

use super::{Args, CLASSES, measure};
use crate::{
    cli::{CliError, Output},
    model::{self, ModelError, Request},
    ops::fused::upload,
};

#[derive(Serialize)]
struct Report<'a> {
    what: &'static str,
    device: &'a str,
    batch: usize,
    bytes: usize,
    /// From `ordinary` or `page-locked` memory.
    memory: &'static str,
    /// Milliseconds until the host can go on, and until the card has all of it.
    ms_host: f64,
    ms: f64,
    /// Whether the values came back as they were.
    arrives: bool,
}

/// Measures and prints both ways.
///
/// # Errors
/// When there is no such model or device, a copy fails, or the output is closed.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let device = model::device(&args.device)?;
    let request = Request { frames: Some(args.frames), classes: Some(CLASSES), ..Request::new(args.model.as_str()) };
    let config = model::shape(&request)?;
    let shape = (args.batch, config.frames(), config.mel_bins());
    let values: Vec<f32> = (0..shape.0 * shape.1 * shape.2).map(|i| (i as f64 * 12.9898).sin() as f32).collect();
    let mut output = Output::stdout(args.json);
    for memory in ["ordinary", "page-locked"] {
        let copy = || match memory {
            "ordinary" => Tensor::from_slice(&values, shape, &device).map(Some),
            _ => upload(&values, shape, &device),
        };
        let Some(there) = copy().map_err(ModelError::from)? else {
            return output.line("page-locked memory is used on CUDA alone");
        };
        let back: Vec<f32> = there.flatten_all().and_then(|there| there.to_vec1()).map_err(ModelError::from)?;
        let middle = |times: Vec<f64>| times.get(times.len() / 2).copied().unwrap_or_default();
        let wait = || device.synchronize().map_err(ModelError::from);
        let mut host = Vec::new();
        let times = measure(args, || {
            let begun = std::time::Instant::now();
            let there = copy().map_err(ModelError::from)?;
            host.push(begun.elapsed().as_secs_f64() * 1e3);
            wait()?;
            drop(there);
            Ok(())
        })?;
        host.sort_by(f64::total_cmp);
        let (ms, ms_host) = (middle(times), middle(host));
        let (bytes, arrives) = (size_of_val(values.as_slice()), back == values);
        output.object(&Report {
            what: "upload",
            device: &args.device,
            batch: args.batch,
            bytes,
            memory,
            ms_host,
            ms,
            arrives,
        })?;
        let problem = if arrives { "" } else { ", and NOT what was sent" };
        output.line(format!(
            "{} MiB from {memory} memory: {ms:.3} ms, the host's part {ms_host:.3} ms{problem}",
            bytes >> 20
        ))?;
    }
    Ok(())
}
