//! Files of any length are streamed: half an hour takes no more memory than eleven minutes. One test in this file: it reads the
//! peak memory of the programs that it started.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    process::Command,
};

use nix::sys::resource::{UsageWho, getrusage};

/// Writes noise of 8 bits at 8 kHz; half an hour is 14 MB, and 115 MB as samples at 16 kHz.
fn write(path: &Path, seconds: u32, seed: u32) {
    let bytes = 8_000 * seconds;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(b"RIFF").unwrap();
    file.write_all(&(36 + bytes).to_le_bytes()).unwrap();
    file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0").unwrap();
    file.write_all(&8_000u32.to_le_bytes()).unwrap();
    file.write_all(&8_000u32.to_le_bytes()).unwrap();
    file.write_all(b"\x01\0\x08\0data").unwrap();
    file.write_all(&bytes.to_le_bytes()).unwrap();
    let mut state = seed;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noise: Vec<u8> = (0..100_003).map(|_| byte()).collect();
    for at in (0..bytes as usize).step_by(noise.len()) {
        file.write_all(&noise[..noise.len().min(bytes as usize - at)]).unwrap();
    }
    file.flush().unwrap();
}

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
            write(&home.path().join(set).join(format!("{clip}.wav")), seconds, seed);
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
