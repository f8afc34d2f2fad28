//! `probe` from the outside: what a frozen backbone makes of a data set, beside the log-mel's own statistics.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../src/audio/testing.rs"]
mod wav;

use std::{f32::consts::TAU, path::Path};

use assert_cmd::Command;
use serde_json::Value;

/// Two classes of ten tones, in folders.
fn tones(root: &Path) {
    for (class, pitch) in [("low", 200.0), ("high", 2000.0)] {
        let folder = root.join(class);
        for clip in 0..10 {
            let phase = |n| TAU * (pitch + 20.0 * clip as f32) * n as f32 / 16_000.0;
            wav::wav(&folder.join(format!("{clip}.wav")), 8_000, |n| (8000.0 * phase(n).sin()) as i16);
        }
    }
}

fn probe(root: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("aat-tui").unwrap();
    command.arg("probe").arg("--data").arg(root).args(args).env("AAT_TUI_CACHE", "off");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn tones_are_told_apart_without_training() {
    let root = tempfile::tempdir().unwrap();
    tones(root.path());
    let (code, text, _) = probe(root.path(), &["--model", "tiny", "--frames", "48", "--json"]);
    assert_eq!(code, Some(0));
    let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [found, mean] = objects.as_slice() else { panic!("{text}") };
    assert_eq!((&found["train_clips"], &found["clips"], &found["metric"]), (&16.into(), &4.into(), &"accuracy".into()));
    assert_eq!((&found["log_mel"], &mean["log_mel"], &mean["aggregate"]), (&1.0.into(), &1.0.into(), &true.into()));
    // Even random weights know a low tone from a high one.
    assert!(found["backbone"].as_f64().unwrap() > 0.5, "{text}");
}

#[test]
fn folds_that_are_not_there_are_named() {
    let root = tempfile::tempdir().unwrap();
    tones(root.path());
    let (code, _, complaint) = probe(root.path(), &["--folds", "all"]);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("has no folds; leave --folds out"), "{complaint}");
}
