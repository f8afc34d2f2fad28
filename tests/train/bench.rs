//! A bench for the program that is built: a small data set, sessions of its own, and what its logs and checkpoints hold.

use std::{
    collections::BTreeMap,
    f32::consts::TAU,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use aat_tui::session::{Checkpoints, LogReader, RunState};
use serde_json::Value;

use crate::wav::wav;

/// A folder with a small labelled set of tones, and room for sessions.
pub struct Bench {
    pub folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (class, hz) in [("low", 220.0), ("mid", 880.0), ("high", 3000.0)] {
            for clip in 0..5 {
                let path = folder.path().join("tones").join(class).join(format!("{clip}.wav"));
                let wave = |n| (TAU * (hz + 10.0 * clip as f32) * n as f32 / 16_000.0).sin();
                wav(&path, 5_000, |n| (wave(n) * 9_000.0) as i16);
            }
        }
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn session(&self, name: &str) -> PathBuf {
        self.path("sessions").join(name)
    }

    /// The program with this command line, its sessions in this bench.
    pub fn command(&self, line: &str) -> Command {
        self.under(&[], line)
    }

    /// The same, started by another program.
    pub fn under(&self, wrapper: &[&str], line: &str) -> Command {
        let all: Vec<&str> =
            wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_aat-tui")]).chain(line.split_whitespace()).collect();
        let mut command = Command::new(all[0]);
        command
            .args(&all[1..])
            .current_dir(self.folder.path())
            .env("AAT_TUI_SESSIONS", self.path("sessions"))
            .env("AAT_TUI_CACHE", "off");
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    pub fn json(&self, line: &str) -> Vec<Value> {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", text(&output));
        lines(&output)
    }

    pub fn start(&self, line: &str) -> Child {
        self.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// What every training here has in common: a tiny model on short clips.
pub const SMALL: &str = "--data tones --model tiny --frames 32 --batch 4 --lr 3e-4 --norms-every 2";

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

pub fn state(folder: &Path) -> RunState {
    RunState::from_records(&LogReader::new(folder).poll().unwrap())
}

/// Waits until a session's log says so.
pub fn wait_until(folder: &Path, child: &mut Child, wanted: impl Fn(&RunState) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !wanted(&state(folder)) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before that");
        assert!(Instant::now() < deadline, "it never came to that");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The bits of the newest checkpoint's weights and moments.
pub fn bits(folder: &Path) -> BTreeMap<String, Vec<u32>> {
    let (checkpoint, _) = Checkpoints::of(folder).latest().unwrap();
    let bits = |tensor: &aat_tui::session::Tensor| tensor.data.iter().map(|value| value.to_bits()).collect();
    checkpoint.tensors.iter().map(|(name, tensor)| (name.clone(), bits(tensor))).collect()
}

/// Losses and metric of every epoch, to the bit.
pub fn results(folder: &Path) -> Vec<(u32, u32, u32, u64)> {
    let epochs = state(folder).epochs;
    epochs.iter().map(|(_, e)| (e.epoch, e.train_loss.to_bits(), e.val_loss.to_bits(), e.value.to_bits())).collect()
}

/// Twelve of the tones in two folds.
pub fn in_folds(bench: &Bench) -> String {
    let mut manifest = "path,label,fold\n".to_owned();
    for class in ["low", "mid", "high"] {
        for clip in 0..4 {
            manifest += &format!("tones/{class}/{clip}.wav,{class},{}\n", 1 + clip % 2);
        }
    }
    fs::write(bench.path("folds.csv"), manifest).unwrap();
    SMALL.replace("tones", "folds.csv")
}
