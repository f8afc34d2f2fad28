//! `aat-tui export`, for users and scripts: its output, its messages, its refusals.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod bad;
mod ced;
mod examples;
mod folder;
mod onnx;

#[path = "../../src/audio/testing.rs"]
mod wav;

use std::{
    f32::consts::TAU,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// A folder with a small labelled set of tones, and room for sessions.
struct Bench {
    folder: tempfile::TempDir,
}

/// What every training here has in common, unless it says otherwise: a tiny model on short clips.
const SMALL: [(&str, &str); 7] = [
    ("--data", "tones"),
    ("--model", "tiny"),
    ("--frames", "48"),
    ("--stride", "16"),
    ("--batch", "4"),
    ("--lr", "3e-4"),
    ("--epochs", "1"),
];

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (class, hz) in [("low", 220.0), ("mid", 880.0), ("high", 3000.0)] {
            fs::create_dir_all(folder.path().join("tones").join(class)).unwrap();
            for clip in 0..4 {
                tone(&folder.path().join("tones").join(class).join(format!("{clip}.wav")), hz + 10.0 * clip as f32);
            }
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, line: &str) -> Output {
        self.command().args(line.split_whitespace()).output().unwrap()
    }

    /// The program, its sessions in this bench.
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aat-tui"));
        command
            .current_dir(self.folder.path())
            .env("AAT_TUI_SESSIONS", self.path("sessions"))
            .env("AAT_TUI_CACHE", "off");
        command
    }

    fn train(&self, name: &str, more: &str) {
        let own: Vec<&str> = more.split_whitespace().collect();
        let usual = SMALL.iter().filter(|(flag, _)| !own.contains(flag)).flat_map(|&(flag, value)| [flag, value]);
        let output = self.command().args(["train", "--name", name]).args(usual).args(&own).output().unwrap();
        assert!(output.status.success(), "{more}: {}", text(&output));
    }

    /// The summary of an export that succeeds.
    fn export(&self, line: &str) -> Value {
        let output = self.run(&format!("export {line} --json"));
        assert!(output.status.success(), "{line}: {}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What an export that fails says, with its exit code.
    fn refused(&self, line: &str) -> (Option<i32>, String) {
        let output = self.run(&format!("export {line}"));
        assert!(!output.status.success(), "{line}: {}", text(&output));
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Names in a folder of the bench, sorted.
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn tone(path: &Path, hz: f32) {
    wav::wav(path, 6_000, |n| ((TAU * hz * n as f32 / 16_000.0).sin() * 9_000.0) as i16);
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
