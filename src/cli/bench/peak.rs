//! What the multipliers do at most: fused multiply-adds in registers and nothing else, on every compute thread. What a
//! product takes is compared with it, and it shows when virtual cores share a real one.

use std::{hint::black_box, time::Instant};

use pulp::{Arch, Simd};
use serde::Serialize;

use super::{Args, measure};
use crate::{
    cli::{CliError, Output},
    ops::parallel,
};

/// Sums side by side: enough that none waits for the one before.
const CHAINS: usize = 12;
/// Milliseconds of a window: short beside the time for which cores are shared.
const WINDOW: f64 = 5.0;
/// Below this share of the fastest window a window is counted as slow.
const SLOW: f64 = 0.6;

#[derive(Serialize)]
struct Report {
    what: &'static str,
    threads: usize,
    windows: usize,
    /// Thousand million operations a second, an addition and a multiplication each counted as one: the median window, the
    /// fastest and the slowest.
    gflops: f64,
    gflops_max: f64,
    gflops_min: f64,
    /// Share of the windows that are slow.
    slow: f64,
}

/// Measures `--repeats` windows and prints the result.
///
/// # Errors
/// When the output is closed.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let threads = parallel::threads();
    let window = |rounds: usize| {
        parallel::install(|| rayon::broadcast(|_| black_box(multiply_adds(black_box(rounds)))));
    };
    // As many rounds as a window takes, found by doubling.
    let mut rounds = 1024;
    loop {
        let begun = Instant::now();
        window(rounds);
        if begun.elapsed().as_secs_f64() * 1e3 >= WINDOW {
            break;
        }
        rounds *= 2;
    }
    let times = measure(args, || {
        window(rounds);
        Ok(())
    })?;
    let operations = (2 * CHAINS * rounds * threads * lanes()) as f64;
    let rate = |i: usize| times.get(i).map_or(0.0, |ms| operations / ms / 1e6);
    let slow = (0..times.len()).filter(|&i| rate(i) < SLOW * rate(0)).count();
    let report = Report {
        what: "peak",
        threads,
        windows: times.len(),
        gflops: rate(times.len() / 2),
        gflops_max: rate(0),
        gflops_min: rate(times.len().saturating_sub(1)),
        slow: slow as f64 / times.len().max(1) as f64,
    };
    let mut output = Output::stdout(args.json);
    output.object(&report)?;
    output.line(format!(
        "{:.0} GFLOP/s on {threads} threads, the fastest window {:.0}, the slowest {:.0}; {:.0} % of {} windows below {SLOW} of the fastest",
        report.gflops,
        report.gflops_max,
        report.gflops_min,
        100.0 * report.slow,
        report.windows
    ))
}

/// Numbers that one instruction multiplies here.
#[pulp::with_simd(lanes = Arch::new())]
#[inline(always)]
fn lanes_with_simd<S: Simd>(_simd: S) -> usize {
    S::F32_LANES
}

/// So many multiply-adds of every chain.
#[pulp::with_simd(multiply_adds = Arch::new())]
#[inline(always)]
fn multiply_adds_with_simd<S: Simd>(simd: S, rounds: usize) -> f32 {
    let [factor, term] = [black_box(0.999_f32), black_box(0.001)].map(|value| simd.splat_f32s(value));
    let mut sums = [term; CHAINS];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = simd.mul_add_f32s(*sum, factor, term);
        }
    }
    sums.into_iter().map(|sum| simd.reduce_sum_f32s(sum)).sum()
}
