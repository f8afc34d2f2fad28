//! Loading a checkpoint needs its weights' memory once. One test in this file: it measures its own process.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;

use aat_tui::model::{self, Request};

/// Highest resident memory of this process, in bytes (Linux).
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

#[test]
#[ignore = "slow: make test-slow"]
fn base_is_loaded_without_a_second_copy() {
    let folder = std::env::var_os("AAT_TUI_GOLDEN_MODELS").map(|folder| Path::new(&folder).join("base"));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: AAT_TUI_GOLDEN_MODELS names no folder of make_models.py --large");
        return;
    };
    let Some(before) = peak() else {
        eprintln!("skipped: this system does not report a process's peak memory");
        return;
    };
    let source = folder.join("gong-ast/weights.pth");
    let opened = model::open(&Request::new(source.to_str().unwrap())).unwrap();
    let weights: u64 = opened.store.specs().iter().map(|spec| 4 * spec.count() as u64).sum();
    let grown = peak().unwrap() - before;
    eprintln!("weights {weights} bytes, peak grew by {grown}: {:.2} times", grown as f64 / weights as f64);
    assert!(grown as f64 <= 1.3 * weights as f64);
}
