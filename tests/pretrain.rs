//! `pretrain` as a user runs it: it learns, can be interrupted, and leaves a backbone for further training.
#![allow(clippy::unwrap_used)]

#[path = "../src/audio/testing.rs"]
mod wav;

use std::{
    f32::consts::TAU,
    path::{Path, PathBuf},
};

use assert_cmd::Command;

/// Nine short sounds: three low tones, three high ones, three of unknown class.
fn sounds(root: &Path) {
    for (class, pitch) in [("low", 200.0), ("high", 2000.0), ("unlabelled", 700.0)] {
        let folder = root.join(class);
        for variation in 0..3 {
            let phase = |n| TAU * pitch * (1.0 + 0.1 * variation as f32) * n as f32 / 16_000.0;
            wav::wav(&folder.join(format!("{variation}.wav")), 16_000, |n| (8000.0 * phase(n).sin()) as i16);
        }
    }
    std::fs::write(root.join("low/broken.wav"), "no sound at all").unwrap();
}

struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        sounds(&root.path().join("sounds"));
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::cargo_bin("aat-tui")
            .unwrap()
            .args(args)
            .arg("--sessions")
            .arg(self.path("sessions"))
            .env("AAT_TUI_CACHE", self.path("cache"))
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn pretrain(&self, name: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let sounds = self.path("sounds").display().to_string();
        let fixed = ["pretrain", "--data", &sounds, "--frames", "64", "--name", name];
        self.run(&[&fixed, more].concat())
    }

    fn backbone(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path("sessions").join(name).join("backbone/model.safetensors")).unwrap()
    }
}

#[test]
fn every_objective_at_once_leaves_a_backbone_to_train_on() {
    let place = Place::new();
    let teacher = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models/hf-whisper");
    let objective = "distill=1,labels=0.5,ssast=0.5";
    let teacher = teacher.display().to_string();
    let more =
        ["--objective", objective, "--teacher", &teacher, "--teacher-layers", "1,2", "--epochs", "2", "--batch", "2"];
    let (code, text, errors) = place.pretrain("one", &more);
    assert_eq!(code, Some(0), "{errors}");
    for part in ["1 sounds cannot be read", "labels loss", "distill loss", "ssast loss", "score best"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (_, again, _) = place.pretrain("two", &more);
    assert!(again.contains("labels loss"));
    assert_eq!(place.backbone("one"), place.backbone("two"));

    let (code, _, errors) = place.run(&["eval", "one"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("was pretrained"), "{errors}");
    let backbone = place.path("sessions/one/backbone").display().to_string();
    let (code, text, errors) =
        place.run(&["train", "--data", "demo", "--model", &backbone, "--epochs", "1", "--method", "head"]);
    assert_eq!(code, Some(0), "{text}{errors}");
}

/// In bf16 the blocks go through the engine that accelerators have.
#[test]
fn the_engine_for_accelerators_pretrains_as_well() {
    let place = Place::new();
    let more = ["--objective", "labels=0.5,ssast=0.5", "--dtype", "bf16", "--epochs", "2", "--batch", "2"];
    let (code, text, errors) = place.pretrain("rounded", &more);
    assert_eq!(code, Some(0), "{errors}");
    assert!(text.contains("ssast loss"), "{text}");
    let (_, _, errors) = place.pretrain("exact", &[&more[..2], &more[4..]].concat());
    assert_eq!(errors, "", "single precision");
    assert_ne!(place.backbone("rounded"), place.backbone("exact"));
    assert_eq!(place.backbone("rounded").len(), place.backbone("exact").len());
}

#[test]
fn what_cannot_be_learned_is_said() {
    let place = Place::new();
    let cases: [(&[&str], &str); 6] = [
        (&["--objective", "distill"], "needs a teacher"),
        (&["--objective", "label"], "there is no objective `label`"),
        (&["--objective", "labels=0"], "at least one objective"),
        (&["--frames", "70"], "multiple of 64"),
        (&["--objective", "distill", "--teacher", "nowhere"], "nowhere"),
        (&["--objective", "distill", "--teacher", "box", "--teacher-layers", "4,2"], "in rising order"),
    ];
    for (more, expected) in cases {
        let mut more = more.to_vec();
        if more[0] != "--frames" {
            more.extend(["--frames", "64"]);
        }
        let sounds = place.path("sounds").display().to_string();
        let (code, _, errors) = place.run(&[&["pretrain", "--data", &sounds], more.as_slice()].concat());
        assert!(code == Some(1) || code == Some(2), "{expected}: {code:?}");
        assert!(errors.contains(expected), "{expected}: {errors}");
    }
    let (code, _, errors) = place.run(&["pretrain", "--data", "/nowhere/at/all"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("/nowhere/at/all"), "{errors}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_on_to_the_same_bits() {
    use std::{
        io::{BufRead, BufReader},
        process::Stdio,
    };

    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };

    let place = Place::new();
    let more = ["--objective", "labels=1,ssast=0.2", "--epochs", "4", "--batch", "1", "--json"];
    let (code, _, errors) = place.pretrain("whole", &more);
    assert_eq!(code, Some(0), "{errors}");

    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_aat-tui"))
        .args(["pretrain", "--frames", "64", "--name", "parts", "--data"])
        .arg(place.path("sounds"))
        .args(more)
        .arg("--sessions")
        .arg(place.path("sessions"))
        .env("AAT_TUI_CACHE", place.path("cache"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Held until the end: a closed pipe would end the run by itself.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.by_ref() {
        if line.unwrap().contains("\"event\":\"epoch\"") {
            kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
            break;
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let (code, text, errors) = place.run(&["resume", "parts", "--json"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(text.contains("\"event\":\"resumed\""), "{text}");
    assert_eq!(place.backbone("whole"), place.backbone("parts"));
}
