//! A session of a million events: how long it takes to open and how much memory that costs.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    io::{BufWriter, Write},
    time::Instant,
};

use aat_tui::{
    model::BlockNorms,
    session::{self, Event, LOG_FILE, Record, StepRecord},
};

const EVENTS: u64 = 1_000_000;

/// `cargo test --release --test long_log -- --ignored --nocapture` prints the figures.
#[test]
#[ignore = "slow: make test-slow"]
fn a_million_events_open_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LOG_FILE);
    let mut log = BufWriter::new(std::fs::File::create(&path).unwrap());
    let blocks: Vec<_> = (0..12u8)
        .map(|block| {
            let value = 0.123_456 + f32::from(block) / 7.0;
            BlockNorms { spatial: value, spatial_ratio: value / 3.0, mlp: value / 2.0, mlp_ratio: value / 9.0 }
        })
        .collect();
    for n in 0..EVENTS {
        let step = n - n / 11;
        let event = match n % 11 {
            10 => Event::Norms { step, blocks: blocks.clone(), cost_ms: 0.4 },
            _ => Event::Step(StepRecord {
                step: step + 1,
                epoch: 1 + (step / 100) as u32,
                loss: 2.3 / (1.0 + step as f32 / 1e4),
                lr: 8.5e-5,
                data_ms: 0.412_3,
                compute_ms: 21.765,
            }),
        };
        serde_json::to_writer(&mut log, &Record { at_ms: 1_780_000_000_000 + 22 * n, event }).unwrap();
        log.write_all(b"\n").unwrap();
    }
    log.into_inner().unwrap().sync_all().unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len();
    let before = peak();
    let begun = Instant::now();
    let state = session::load(folder.path()).unwrap();
    let opened = begun.elapsed();
    let begun = Instant::now();
    let outline = session::outline(folder.path()).unwrap();
    let listed = begun.elapsed();
    assert_eq!((state.step(), outline.step()), (909_091, 909_091));
    eprintln!(
        "{EVENTS} events, {} MB: opened in {} ms, listed in {} ms, peak memory {:?} kB before, {:?} kB after",
        bytes / 1_000_000,
        opened.as_millis(),
        listed.as_millis(),
        before,
        peak()
    );
    if let (Some(before), Some(after)) = (before, peak()) {
        assert!(after - before < 20_000, "{before} to {after} kB");
    }
}

/// Peak resident memory of this process, kB, where the system reports it.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find(|line| line.starts_with("VmHWM:"))?.split_whitespace().nth(1)?.parse().ok()
}
