//! `aat-tui models`, as a user and a script see it.
#![allow(clippy::unwrap_used)]

#[path = "../src/audio/testing.rs"]
mod wav;

use std::path::{Path, PathBuf};

use aat_tui::model::{self, Features, Request};
use assert_cmd::Command;

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models").join(file)
}

fn models(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::cargo_bin("aat-tui").unwrap().arg("models").args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn list_names_what_has_a_name() {
    let (code, text, _) = models(&["list"]);
    assert_eq!(code, Some(0));
    for name in ["box", "box-ssl", "tiny", "small", "base", "hf:ORG/NAME", "ced-tiny", "dasheng-base", "whisper-small"]
    {
        assert!(text.contains(name), "{text}");
    }
    let (_, text, _) = models(&["list", "--json"]);
    let parsed: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ced = parsed.iter().find(|model| model["model"] == "ced-tiny").unwrap();
    assert_eq!((&ced["parameters"], &ced["license"]), (&5_400_960.into(), &"Apache-2.0".into()));
    assert!(ced["good_for"].as_str().unwrap().contains("95.8 %"));
    let base = parsed.iter().find(|model| model["model"] == "base").unwrap();
    assert_eq!(base["parameters"], 85_254_912 + 768 * 1214);
}

#[test]
fn show_tells_what_a_file_is() {
    let (code, text, _) = models(&["show", golden("gong-ast/weights.pth").to_str().unwrap()]);
    assert_eq!(code, Some(0));
    for fact in ["Gong's AST", "2 blocks, hidden size 64", "7, without names", "module.v.head.weight (a head of DeiT's"]
    {
        assert!(text.contains(fact), "{fact}: {text}");
    }
    let (_, text, _) = models(&["show", golden("hf-ast").to_str().unwrap(), "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["labels"][2], "clock tick");
}

/// A checkpoint with class names, as AST trained on AudioSet has 527 of, answers in them without any session.
#[test]
fn classify_answers_in_the_labels_of_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tone.wav");
    wav::wav(&file, 16_000, |n| ((n as f32 * 0.17).sin() * 9000.0) as i16);
    let mut command = Command::cargo_bin("aat-tui").unwrap();
    let output =
        command.arg("classify").arg(golden("hf-ast")).arg(&file).args(["--top", "3", "--json"]).output().unwrap();
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut labels: Vec<_> =
        printed["top"].as_array().unwrap().iter().map(|top| top["label"].as_str().unwrap()).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["clock tick", "dog", "rain"]);
}

/// The backbone in the box is whole, says what it is, and needs no file beside the program.
#[test]
fn the_box_holds_the_encoder_of_whisper() {
    let (code, text, _) = models(&["show", "box"]);
    assert_eq!(code, Some(0));
    for fact in ["Whisper", "MIT", "4 blocks, hidden size 384, 6 heads", "80 mel bins"] {
        assert!(text.contains(fact), "{fact}: {text}");
    }
    let (code, text, _) = models(&["check", "box"]);
    assert_eq!((code, text.contains("all 59 weights")), (Some(0), true), "{text}");
}

/// The other one, made by `pretrain`, brings its own card, with the statistics that its makers' features had.
#[test]
fn the_box_holds_a_backbone_of_our_own() {
    let (code, text, _) = models(&["show", "box-ssl"]);
    assert_eq!(code, Some(0));
    for fact in ["SSAST", "12 blocks, hidden size 192, 3 heads", "128 mel bins"] {
        assert!(text.contains(fact), "{fact}: {text}");
    }
    let (code, text, _) = models(&["check", "box-ssl"]);
    assert_eq!((code, text.contains("weights")), (Some(0), true), "{text}");
}

#[test]
fn check_reads_every_weight() {
    let (code, text, _) = models(&["check", golden("ggml-whisper/weights.bin").to_str().unwrap()]);
    assert_eq!(code, Some(0), "{text}");
    let (code, _, complaint) = models(&["check", golden("gong-ast").to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("gong-ast") && complaint.contains("it needs model.safetensors"), "{complaint}");
}

/// What comes out answers as what went in; `tests/golden/check_convert.py` lets transformers say the same.
#[test]
fn convert_keeps_every_answer() {
    for (source, frames) in [("gong-ast/weights.pth", 66), ("hf-ast", 64)] {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("converted");
        let (code, _, complaint) = models(&["convert", golden(source).to_str().unwrap(), to.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{complaint}");
        let data = (0..frames * 128).map(|i| (i as f32 * 0.37).sin()).collect();
        let input = Features { batch: 1, frames, bins: 128, data, valid: vec![frames] };
        let answers = |source: &str| {
            let opened = model::open(&Request::new(source)).unwrap();
            let input = Features { frames: opened.config.frames(), ..input.clone() };
            let input = Features { data: input.data[..input.frames * 128].to_vec(), ..input };
            opened.engine().logits(&opened.store, &input).unwrap()
        };
        for (a, b) in answers(golden(source).to_str().unwrap()).into_iter().zip(answers(to.to_str().unwrap())) {
            assert!((a - b).abs() < 1e-4, "{source}: {a} {b}");
        }
    }
}

/// Without a network a short name says which files to put where, and a slip of the finger which name is meant.
#[test]
fn a_name_without_a_network_says_which_files_to_put_where() {
    let cache = tempfile::tempdir().unwrap();
    let show = |name: &str| {
        let mut command = Command::cargo_bin("aat-tui").unwrap();
        command.args(["models", "show", name]).env("HF_HOME", cache.path()).env("HF_HUB_OFFLINE", "1");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, complaint) = show("ced-tiny");
    assert_eq!(code, Some(1));
    let wanted = ["model.safetensors", "config.json", "https://huggingface.co/mispeech/ced-tiny", "one folder"];
    for says in wanted.into_iter().chain(["that folder as the model"]) {
        assert!(complaint.split_whitespace().collect::<Vec<_>>().join(" ").contains(says), "{says}: {complaint}");
    }
    assert!(show("ced-tinny").1.contains("did you mean ced-tiny?"));
    // Put there, it is that model.
    let folder = golden("ced-hf");
    let (code, text, _) = models(&["show", folder.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    for fact in ["CED (Hugging Face)", "164 frames of 64 mel bins", "40 tokens", "3: dog, rain, clock tick"] {
        assert!(text.contains(fact), "{fact}: {text}");
    }
    assert!(text.contains("clips longer than 1.64 s are answered in windows"), "{text}");
    let (code, text, _) = models(&["check", golden("dasheng-raw/weights.pt").to_str().unwrap()]);
    assert_eq!((code, text.contains("weights are there and are numbers")), (Some(0), true), "{text}");
}

/// In their makers' own form, and from it again, the same answers to the last digits.
#[test]
fn convert_keeps_every_answer_of_ced_and_dasheng() {
    for (source, has_head) in [("ced-raw/weights.pt", true), ("ced-hf", true), ("dasheng-raw/weights.pt", false)] {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("converted");
        let (code, text, complaint) = models(&["convert", golden(source).to_str().unwrap(), to.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{complaint}");
        assert!(text.contains("makers' code for transformers"), "{text}");
        let vectors = |source: &str| {
            let opened = model::open(&Request { classes: (!has_head).then_some(2), ..Request::new(source) }).unwrap();
            let (frames, bins) = (opened.config.frames(), opened.config.mel_bins());
            let data = (0..frames * bins).map(|i| -30.0 + 20.0 * (i as f32 * 0.37).sin()).collect();
            let input = Features { batch: 1, frames, bins, data, valid: vec![frames] };
            opened.engine().logits(&opened.store, &input).unwrap()
        };
        for (a, b) in vectors(golden(source).to_str().unwrap()).into_iter().zip(vectors(to.to_str().unwrap())) {
            assert!((a - b).abs() < 1e-4, "{source}: {a} {b}");
        }
    }
}

#[test]
fn convert_says_what_it_cannot_do() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out");
    for (from, says) in [("hf-whisper", "no AST"), ("gong-ssast-frame/weights.pth", "square patches")] {
        let (code, _, complaint) = models(&["convert", golden(from).to_str().unwrap(), to.to_str().unwrap()]);
        assert_eq!(code, Some(1));
        assert!(complaint.contains(says), "{complaint}");
    }
    let (_, _, complaint) = models(&["convert", "tiny", to.to_str().unwrap()]);
    assert!(complaint.contains("no weights to convert"), "{complaint}");
    assert!(!to.join("model.safetensors").exists());
}
