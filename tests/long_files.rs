//! Files of any length are streamed: half an hour takes no more memory than eleven minutes. One test in this file: it reads the
//! peak memory of the programs that it started.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "scan/long_noise.rs"]
mod long_noise;

use std::process::Command;

use nix::sys::resource::{UsageWho, getrusage};

/// Highest resident memory of any program that this one started and waited for, in bytes.
fn peak() -> u64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() as u64 * 1024
}

#[test]
fn half_an_hour_takes_no_more_memory_than_eleven_minutes_in_any_command() {
    let home = tempfile::tempdir().unwrap();
    let run = |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aat-tui"));
        command.args(line.split_whitespace()).current_dir(home.path()).env("HOME", home.path());
        command.env("AAT_TUI_SESSIONS", home.path().join("sessions")).env("AAT_TUI_CACHE", home.path().join("cache"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        peak()
    };
    for (set, seconds) in [("short", 660), ("long", 1_800)] {
        for (clip, seconds) in [("a/1", seconds), ("a/2", 20), ("b/1", 20), ("b/2", 20)] {
            let seed = 1_000 * u32::from(clip.as_bytes()[0]) + u32::from(clip.as_bytes()[2]);
            long_noise::write(&home.path().join(set).join(format!("{clip}.wav")), seconds, seed);
        }
    }
    let lines = [
        "data check SET",
        "features SET/a/1.wav --out out",
        "features SET/a/1.wav --out out --whisper",
        "train --data SET --model tiny --method head --epochs 1 --frames 64 --stride 16 --name SET --device cpu",
        "eval SET --device cpu",
        "classify SET SET/a/1.wav --device cpu",
    ];
    // The peak is that of all programs so far: the short files first.
    let short: Vec<u64> = lines.iter().map(|line| run(&line.replace("SET", "short"))).collect();
    let before = *short.last().unwrap();
    for line in lines {
        let after = run(&line.replace("SET", "long"));
        eprintln!("{line}: {} MiB, with eleven minutes {} MiB", after >> 20, before >> 20);
        assert!(after < before + (24 << 20), "{line}: {before} {after}");
    }
}
