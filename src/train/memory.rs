//! Checks whether a run fits into memory before it allocates any.

use std::fs;

use super::TrainError;
use crate::{
    model::{Cost, MemoryOptions},
    session::RunConfig,
};

/// A step of fewer bytes is never refused: free memory changes from moment to moment.
const NEVER_REFUSED: u64 = 1 << 30;
/// Batches that loaders hold ready, and the current one.
const BATCHES: u64 = 5;

/// Refuses a run whose training step does not fit into free memory; the error names the flag and a value that fits.
/// Only the CPU is counted: accelerators find out and halve the batch themselves. `clips` is the largest number of
/// clips that a batch could have.
///
/// # Errors
/// When it does not fit.
pub(super) fn check(config: &RunConfig, clips: usize) -> Result<(), TrainError> {
    let Some(free) = available().filter(|_| config.device == "cpu") else { return Ok(()) };
    fits(config, clips, free)
}

fn fits(config: &RunConfig, clips: usize, free: u64) -> Result<(), TrainError> {
    let batch = config.recipe.batch.min(clips.max(1));
    let at_once = config.micro_batch.min(batch).max(1);
    let needed = |at_once: usize| bytes(config, batch, at_once);
    let Some(all) = needed(at_once).filter(|all| *all > free.max(NEVER_REFUSED)) else { return Ok(()) };
    let gb = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    let smaller = std::iter::successors(Some(at_once / 2), |size| Some(size / 2)).take_while(|size| *size > 0);
    let fitting = smaller.into_iter().find(|&size| needed(size).is_some_and(|bytes| bytes <= free));
    let remedy = match fitting {
        Some(size) => format!("--micro-batch {size} fits, with the same result"),
        None if at_once > 1 => {
            "--micro-batch 1 does not fit either: give --recompute block, fewer --frames, a smaller --batch or --model"
                .to_owned()
        }
        None => "give --recompute block, fewer --frames, a smaller --batch, or a smaller --model".to_owned(),
    };
    Err(TrainError::Request(format!(
        "a step of {at_once} clips at a time takes about {} of memory, and {} are free; {remedy}",
        gb(all),
        gb(free)
    )))
}

/// Bytes that a training step takes: the model, the saved values of `at_once` clips, and batches of features. `None`
/// where that is not known.
fn bytes(config: &RunConfig, batch: usize, at_once: usize) -> Option<u64> {
    let cost = Cost::of(
        &config.shape,
        config.method,
        at_once,
        MemoryOptions {
            recompute: config.recompute,
            precision: config.dtype,
            training: true,
            ..MemoryOptions::default()
        },
    )
    .ok()?;
    let model = [cost.weights, cost.packed, cost.gradients, cost.moments, cost.activations];
    let clip = (config.shape.frames() as u64).saturating_mul(config.shape.mel_bins() as u64).saturating_mul(4);
    let features = clip.saturating_mul(batch as u64).saturating_mul(BATCHES);
    Some(model.iter().fold(features, |sum, part| sum.saturating_add(*part as u64)))
}

/// The variable that limits a run's memory, in bytes: a worker's share of the machine.
pub const MEMORY: &str = "AAT_TUI_MEMORY";

/// Bytes that this process may still allocate: what the system has free, what its control group leaves, or its share of
/// the machine where it was given one.
pub fn available() -> Option<u64> {
    let system = fs::read_to_string("/proc/meminfo").ok().and_then(|text| free_of(&text));
    let group = || {
        let read = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok();
        let limit: u64 = read("max")?.trim().parse().ok()?;
        Some(limit.saturating_sub(read("current")?.trim().parse().ok()?))
    };
    let share = std::env::var(MEMORY).ok().and_then(|bytes| bytes.trim().parse().ok());
    [system, group(), share].into_iter().flatten().min()
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn free_of(meminfo: &str) -> Option<u64> {
    bytes_of(meminfo, "MemAvailable:")
}

/// A line such as `VmHWM:  2048 kB`, in bytes.
fn bytes_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// Peak resident memory of the process; 0 where the system does not report it.
///
/// Linux' `getrusage` begins with what the process that started this one had at its most, so it is asked only where there is
/// no `VmHWM`.
pub fn peak_rss_bytes() -> u64 {
    let own = fs::read_to_string("/proc/self/status").ok().and_then(|text| bytes_of(&text, "VmHWM:"));
    own.unwrap_or_else(largest_of_usage)
}

#[cfg(unix)]
fn largest_of_usage() -> u64 {
    use nix::sys::resource::{UsageWho, getrusage};
    // Linux counts in KiB, macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss().max(0) as u64 * unit)
}

#[cfg(not(unix))]
fn largest_of_usage() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{model, session::testing};

    #[test]
    fn what_is_free_is_read() {
        assert_eq!(free_of("MemTotal:  8 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(free_of("MemTotal: 8 kB\n"), None);
    }

    /// A process that a large one starts reported the large one's peak as its own.
    #[test]
    #[cfg(target_os = "linux")]
    fn peak_memory_is_this_process_s_own() {
        let status = "VmPeak:\t 90000 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(bytes_of(status, "VmHWM:"), Some(2 << 20));
        let now = fs::read_to_string("/proc/self/status").unwrap();
        let least = bytes_of(&now, "VmRSS:").unwrap();
        assert!(peak_rss_bytes() >= least / 2, "{now}");
    }

    #[test]
    fn a_batch_that_does_not_fit_is_refused_and_the_flag_named() {
        let mut config = testing::config();
        config.shape = model::ModelConfig::ast("base", 1024, [10, 10], 3).unwrap();
        (config.recipe.batch, config.micro_batch) = (1024, 1024);
        let error = fits(&config, 100_000, 8 << 30).unwrap_err().to_string();
        assert!(error.contains("--micro-batch") && error.contains("8.6 GB are free"), "{error}");
        // A data set of a few clips never makes such a batch.
        assert!(fits(&config, 1, 8 << 30).is_ok());
        // The value in the message fits.
        let named: usize = error.split("--micro-batch ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        config.micro_batch = named;
        assert!(fits(&config, 100_000, 8 << 30).is_ok(), "{error}");
        config.micro_batch = 2 * named;
        assert!(fits(&config, 100_000, 8 << 30).is_err());
        // A small run is never refused.
        config.shape = testing::config().shape;
        config.micro_batch = 1;
        config.recipe.batch = 1;
        assert!(fits(&config, 100, 1 << 20).is_ok());
    }
}
