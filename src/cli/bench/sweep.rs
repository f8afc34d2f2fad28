//! The cost per token, from short clips to long ones, beside the count of multiplications.

use std::path::Path;

use serde::Serialize;

use super::{Args, CLASSES, CliError, Measured, Output, step};
use crate::{
    model::{self, Cost, MemoryOptions, Request},
    plot::{self, Axis, Chart, Curve, Kind, Side, Unit},
};

/// Frames and stride of each length: 66 to 1214 tokens.
const LENGTHS: [(usize, usize); 7] = [(128, 16), (128, 10), (256, 10), (384, 10), (512, 10), (768, 10), (1024, 10)];

/// One length.
#[derive(Clone, Debug, Serialize)]
struct Length {
    frames: usize,
    stride: usize,
    batch: usize,
    tokens: usize,
    ms: f64,
    /// Microseconds per token.
    us_a_token: f64,
    /// Million multiplications per token.
    millions_a_token: f64,
    /// Microseconds per token at the average rate of all lengths.
    us_by_count: f64,
}

/// Measures and prints; each step has about as many tokens as `--batch` of the longest clips.
///
/// # Errors
/// When there is no such model, arithmetic fails, or the picture or the output cannot be written.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let mut lengths = Vec::with_capacity(LENGTHS.len());
    for (frames, stride) in LENGTHS {
        let shape = |batch| Args { frames, stride: Some(stride), batch, ..args.clone() };
        let request = Request {
            frames: Some(frames),
            stride: Some([stride; 2]),
            classes: Some(CLASSES),
            ..Request::new(args.model.as_str())
        };
        let config = model::shape(&request)?;
        let batch = (args.batch * 1214 / config.tokens()).max(1);
        let Measured { times, tokens, .. } = step(&shape(batch), || Ok(()))?;
        let ms = times.get(times.len() / 2).copied().unwrap_or_default();
        let cost = Cost::of(
            &config,
            args.method,
            batch,
            MemoryOptions { recompute: args.recompute, training: true, ..MemoryOptions::default() },
        )?;
        let all = (batch * tokens) as f64;
        lengths.push(Length {
            frames,
            stride,
            batch,
            tokens,
            ms,
            us_a_token: ms * 1e3 / all,
            millions_a_token: (cost.forward + cost.backward) as f64 / 1e6 / all,
            us_by_count: 0.0,
        });
    }
    let sum = |of: fn(&Length) -> f64| lengths.iter().map(of).sum::<f64>();
    let pace = sum(|length| length.us_a_token) / sum(|length| length.millions_a_token);
    lengths.iter_mut().for_each(|length| length.us_by_count = pace * length.millions_a_token);

    let mut output = Output::stdout(args.json);
    output.line(format!("{:>8}{:>8}{:>12}{:>12}{:>14}", "tokens", "batch", "ms", "us a token", "us by count"))?;
    for length in &lengths {
        output.object(length)?;
        let Length { tokens, batch, ms, us_a_token, us_by_count, .. } = length;
        output.line(format!("{tokens:>8}{batch:>8}{ms:>12.1}{us_a_token:>12.1}{us_by_count:>14.1}"))?;
    }
    match &args.export {
        Some(path) => export(path, args, &lengths),
        None => Ok(()),
    }
}

fn export(path: &Path, args: &Args, lengths: &[Length]) -> Result<(), CliError> {
    let points = |of: fn(&Length) -> f64| lengths.iter().map(|length| (length.tokens as f64, of(length))).collect();
    let curve = |side, kind, points| Curve { side, kind, points, best: None, end_label: None };
    let curves = vec![
        curve(Side::B, Kind::Line, points(|length| length.us_by_count)),
        curve(Side::A, Kind::Marked, points(|length| length.us_a_token)),
    ];
    let values = |at: fn(&(f64, f64)) -> f64| curves.iter().flat_map(|curve| &curve.points).map(at);
    let chart = Chart {
        title: format!("microseconds a token, {} on {}", args.method, args.model),
        x: Axis::covering("tokens", Unit::Count, false, values(|point| point.0).chain([0.0]), 8),
        y: Axis::covering("microseconds a token", Unit::Number, false, values(|point| point.1).chain([0.0]), 6),
        curves,
        cursor: None,
        names: vec![(Side::A, "measured".to_owned()), (Side::B, "by count of multiplications".to_owned())],
    };
    plot::export(path, &[chart]).map_err(|error| CliError::Failed(error.to_string()))
}
