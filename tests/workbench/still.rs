//! A terminal that does not read: nothing but drawing waits for it, and nothing grows.

use std::{
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{
    pty::{Workbench, epoch, session_names},
    sounds::{data_set, write},
};

/// Opens the workbench, trains and listens to a file of this length; Train is on show, one epoch is complete.
fn at_work(seconds: f64) -> Workbench {
    let mut bench = Workbench::open(120, 40, &["--data", "sounds", "--model", "tiny", "--epochs", "100000"]);
    bench.wait_for("the first frame", |text| text.contains("Sessions"));
    data_set(&bench.home().join("sounds"), 10);
    write(bench.home(), "whistle", seconds);
    bench.press(":set recipe lesson\r");
    bench.wait_for("the recipe", |text| text.contains("recipe of the next run"));
    bench.press("\r");
    bench.wait_for("an epoch", |text| epoch(text).is_some_and(|epoch| epoch > 1));
    bench.press(":listen whistle.wav\r");
    bench.wait_for("the file being played", |text| text.contains("listening  whistle.wav"));
    bench.press("1");
    bench.wait_for("Train again", |text| text.contains("A - B"));
    bench
}

/// Epochs that the only session's log holds.
fn epochs_on_disk(bench: &Workbench) -> usize {
    let name = session_names(&bench.sessions()).pop().unwrap();
    let log = std::fs::read_to_string(bench.sessions().join(name).join("events.jsonl")).unwrap();
    log.matches("\"event\":\"epoch\"").count()
}

/// Resident memory of the process, in bytes; nothing where the system does not report it.
fn resident(bench: &Workbench) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bench.pid())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok().map(|kilobytes: u64| kilobytes * 1024)
}

/// Nothing is read until this holds.
fn while_it_stands_still(bench: &Workbench, holds: impl Fn() -> bool) {
    let still = bench.stand_still();
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(180), "nothing goes on while the terminal stands still");
        thread::sleep(Duration::from_millis(50));
    }
    drop(still);
}

#[test]
fn a_run_goes_on_while_the_terminal_stands_still_and_the_screen_is_right_afterwards() {
    let mut bench = at_work(120.0);
    let before = epochs_on_disk(&bench);
    while_it_stands_still(&bench, || epochs_on_disk(&bench) >= before + 12);
    let after = epochs_on_disk(&bench);
    bench.wait_for("the epoch of now", |text| epoch(text).is_some_and(|epoch| epoch >= after));
    bench.press("q");
    bench.wait_for("the question", |text| text.contains("and quit?"));
    bench.press("y");
    assert_eq!(bench.wait_for_end(), 0);
    bench.assert_restored();
}

#[test]
fn it_leaves_when_told_though_the_terminal_stands_still() {
    let mut bench = at_work(120.0);
    let before = epochs_on_disk(&bench);
    while_it_stands_still(&bench, || epochs_on_disk(&bench) >= before + 4);
    let pid = nix::unistd::Pid::from_raw(bench.pid().try_into().unwrap());
    let still = bench.stand_still();
    let printed = epochs_on_disk(&bench);
    while epochs_on_disk(&bench) < printed + 4 {
        thread::sleep(Duration::from_millis(50));
    }
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    let name = session_names(&bench.sessions()).pop().unwrap();
    let log = bench.sessions().join(name).join("events.jsonl");
    let begun = Instant::now();
    while !std::fs::read_to_string(&log).unwrap().contains("\"event\":\"stopped\"") {
        assert!(begun.elapsed() < Duration::from_secs(180), "the run is not stopped");
        thread::sleep(Duration::from_millis(50));
    }
    drop(still);
    bench.wait_for_end();
}

/// The greatest and the median resident memory of a minute, in bytes, looked at each second: within an epoch it moves by
/// some megabytes, as batches are made and dropped, so single looks cannot be compared.
fn minute(bench: &Workbench) -> (u64, u64) {
    let begun = Instant::now();
    let mut seen = Vec::new();
    for second in 1..=60 {
        seen.extend(resident(bench));
        thread::sleep(Duration::from_secs(second).saturating_sub(begun.elapsed()));
    }
    seen.sort_unstable();
    (seen.last().copied().unwrap_or(0), seen.get(seen.len() / 2).copied().unwrap_or(0))
}

/// Thirteen minutes: `cargo test --test workbench ten_minutes_without_a_reader -- --ignored --nocapture`
#[test]
#[ignore = "takes thirteen minutes"]
fn ten_minutes_without_a_reader_cost_no_memory() {
    /// By how many bytes a minute may exceed the one before the terminal stood still.
    const ALLOWED: u64 = 5_000_000;
    let mut bench = at_work(15.0 * 60.0);
    // Buffers and caches are full after the first minute.
    thread::sleep(Duration::from_secs(60));
    let (before, median) = minute(&bench);
    eprintln!("reading: at most {before} bytes, median {median}, {} epochs", epochs_on_disk(&bench));
    let still = bench.stand_still();
    let mut greatest = 0;
    for number in 1..=10 {
        let (most, median) = minute(&bench);
        greatest = greatest.max(most);
        eprintln!("still, minute {number}: at most {most} bytes, median {median}, {} epochs", epochs_on_disk(&bench));
    }
    let after = epochs_on_disk(&bench);
    drop(still);
    let read_again = Instant::now();
    bench.wait_for("the epoch of now", |text| epoch(text).is_some_and(|epoch| epoch >= after));
    let right_after = read_again.elapsed();
    eprintln!("the screen was right {} ms after the terminal read again", right_after.as_millis());
    assert!(greatest < before + ALLOWED, "{before} bytes grew to {greatest}");
    assert!(right_after < Duration::from_secs(1), "right after {right_after:?}");
}
