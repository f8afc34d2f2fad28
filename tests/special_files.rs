//! Named pipes, devices and links in circles where a file is expected: each command names what it is and ends at once. A
//! command that waited would be killed, and its test fail.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../src/audio/testing.rs"]
mod sound;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use assert_cmd::Command;
use nix::sys::stat::Mode;

/// Long enough for a loaded machine; only what waits takes this long.
const PATIENCE: Duration = Duration::from_secs(120);

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn pipe(&self, name: &str) {
        nix::unistd::mkfifo(&self.path(name), Mode::S_IRWXU).unwrap();
    }

    /// Runs a line; its exit code, and all that it printed.
    fn run(&self, line: &str) -> (i32, String) {
        let mut command = Command::cargo_bin("aat-tui").unwrap();
        command.args(line.split_whitespace()).current_dir(self.0.path()).env("HOME", self.0.path());
        command.env("XDG_CONFIG_HOME", self.0.path().join("config"));
        command.env("AAT_TUI_SESSIONS", self.0.path().join("sessions")).env("AAT_TUI_CACHE", "off");
        let output = command.timeout(PATIENCE).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        // A command that was killed for waiting has no exit code.
        (output.status.code().unwrap_or_else(|| panic!("{line} waited: {text}")), text)
    }

    /// Runs a line that is refused with one of these words.
    fn refused(&self, line: &str, words: &[&str]) {
        let (code, text) = self.run(line);
        assert!(code == 1 || code == 2, "{line} ends with {code}: {text}");
        assert!(words.iter().any(|word| text.contains(word)), "{line}: {text}");
    }

    fn with_session(&self) -> PathBuf {
        let folder = self.path("sessions/demo-aat/events.jsonl");
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("sessions/demo-aat/events.jsonl"), &folder).unwrap();
        folder.parent().unwrap().to_owned()
    }
}

#[test]
fn pipes_and_devices_are_named_wherever_a_file_is_expected() {
    let home = Home::new();
    for name in ["a.wav", "list.csv", "marks.txt", "marks.jsonl", "recipe.toml", "sweep.toml", "model.safetensors"] {
        home.pipe(name);
    }
    home.with_session();
    let special = ["pipe or device", "no regular file"];
    for line in [
        "classify demo-aat a.wav",
        "features --out out a.wav",
        "features --out out /dev/zero",
        "data check list.csv",
        "data check marks.jsonl",
        "params --model model.safetensors",
        "params --model /dev/zero",
        "models check model.safetensors",
        "train --data demo --model model.safetensors",
        "train --data demo --recipe recipe.toml",
        "train --data demo --recipe /dev/zero",
        "sweep sweep.toml",
        "listen box --input a.wav",
    ] {
        // Some say only that there is no such file or that it is none of theirs, which is true as well.
        let mut words = special.to_vec();
        words.extend(["not a", "no known", "there is no", "no weights", "is no", "has no"]);
        home.refused(line, &words);
    }
}

/// A folder of sounds with a pipe, a device, and links in circles and upward: the files are used once each, and the others
/// are left out with a word.
#[test]
fn a_data_set_with_special_files_is_read_and_they_are_named() {
    let home = Home::new();
    for name in ["dog/1.wav", "dog/2.wav", "rain/1.wav", "rain/2.wav"] {
        let path = home.path(&format!("set/{name}"));
        let seed = name.len() as u32 + u32::from(name.as_bytes()[0]) + u32::from(name.as_bytes()[4]);
        sound::wav(&path, 8_000, |n| (n.wrapping_mul(seed * 7_919) % 20_000) as i16);
    }
    home.pipe("set/dog/pipe.wav");
    symlink("/dev/zero", home.path("set/rain/zero.wav")).unwrap();
    symlink("..", home.path("set/dog/up")).unwrap();
    symlink(".", home.path("set/rain/here")).unwrap();
    symlink("circle.wav", home.path("set/dog/circle.wav")).unwrap();
    let (code, text) = home.run("data check set");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("4 clips"), "{text}");
    for name in ["pipe.wav", "zero.wav", "up", "here", "circle.wav"] {
        assert!(text.contains(name), "{name} is not named: {text}");
    }
}

/// Every file of a session's folder may be something else: the session is named or left out, and the list does not wait.
#[test]
fn a_session_with_pipes_for_files_is_named_and_the_others_are_listed() {
    for name in
        ["lock", "notes.json", "best.safetensors", "checkpoint-00000010.safetensors", "calibration.json", "mix.json"]
    {
        let home = Home::new();
        let folder = home.with_session();
        home.pipe(&format!("{}/{name}", folder.display()));
        let (code, text) = home.run("sessions list");
        assert!(code == 0 && text.contains("demo-aat"), "{name}: {text}");
        for line in [
            "sessions show demo-aat",
            "resume demo-aat",
            "eval demo-aat",
            "classify demo-aat x.wav",
            "sessions remove demo-aat",
        ] {
            home.run(line);
        }
        let _ = fs::remove_dir_all(home.path("sessions/demo-aat"));
        home.pipe("sessions/piped/events.jsonl");
        for line in ["sessions list", "sessions show piped", "resume piped", "sessions remove piped"] {
            home.run(line);
        }
    }
}

/// What a scan and an evaluation read beside sounds.
#[test]
fn thresholds_gains_and_reviewed_tables_do_not_wait_for_pipes() {
    let home = Home::new();
    home.pipe("reviewed.csv");
    home.pipe("thresholds.toml");
    home.pipe("gains.json");
    home.with_session();
    for line in [
        "scan demo-aat x.wav --out out --thresholds thresholds.toml",
        "eval demo-aat --gains gains.json",
        "eval demo-aat --reviewed reviewed.csv",
    ] {
        let (code, text) = home.run(line);
        assert_ne!(code, 0, "{line}: {text}");
    }
}

/// Without SIGXFSZ caught the system would end the program in the middle of a write, and the message would be lost.
#[test]
fn a_limit_on_the_size_of_files_is_an_error_that_names_the_file() {
    let home = Home::new();
    let path = home.path("tone.wav");
    sound::wav(&path, 160_000, |n| (n % 200 * 100) as i16);
    let program = env!("CARGO_BIN_EXE_aat-tui");
    let script = format!("ulimit -f 100; exec {program} features --out out tone.wav");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(home.0.path()).env("HOME", home.0.path());
    let output = command.timeout(PATIENCE).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("tone.npy") && text.contains("large"), "{text}");
    assert_eq!(fs::read_dir(home.0.path().join("out")).unwrap().count(), 0, "nothing half-written is left");
}
