//! One file from raw sound to scores.

use std::{collections::HashMap, fs};

use aat_tui::{audio, model::export::Runtime};
use serde_json::Value;

use crate::{Bench, text};

/// A clip's scores by label, as `classify` prints them.
fn classified(bench: &Bench, session: &str, clip: &str) -> HashMap<String, f64> {
    let output = bench.run(&format!("classify {session} {clip} --top 9 --json"));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let scores = printed["top"].as_array().unwrap().iter();
    scores.map(|score| (score["label"].as_str().unwrap().to_owned(), score["score"].as_f64().unwrap())).collect()
}

#[test]
fn a_session_becomes_one_file_that_answers_as_classify_does() {
    let bench = Bench::new();
    fs::create_dir(bench.path("out")).unwrap();
    bench.train("aat", "--method aat");
    let printed = bench.export("aat out/model.onnx");
    assert_eq!((&printed["summary"], &printed["file"]), (&Value::Bool(true), &Value::from("out/model.onnx")));
    assert!(
        printed["clips"].as_u64().unwrap() > 0 && printed["worst_difference"].as_f64().unwrap() < 1e-4,
        "{printed}"
    );
    assert_eq!(printed["accuracy"]["ours"], printed["accuracy"]["file"]);
    let bytes = fs::read(bench.path("out/model.onnx")).unwrap();
    assert_eq!(printed["bytes"], bytes.len());

    let runtime = Runtime::open(&bench.path("out/model.onnx")).unwrap();
    let labels: Vec<String> = serde_json::from_str(runtime.metadata("labels").unwrap()).unwrap();
    let expected = classified(&bench, "aat", "tones/mid/0.wav");
    let sound = audio::load(&bench.path("tones/mid/0.wav")).unwrap();
    let scores = runtime.run(&sound, 1, "scores").unwrap();
    for (label, score) in labels.iter().zip(scores) {
        assert!((f64::from(score) - expected[label]).abs() < 1e-4, "{label}: {score} {expected:?}");
    }
    for (key, says) in [
        ("sample_rate", "16000"),
        ("frames", "48"),
        ("window_seconds", "0.495"),
        ("front_end", "kaldi-fbank-128"),
        ("answers", "softmax"),
        ("temperature", "1"),
        ("method", "aat"),
        ("base", "tiny"),
        ("session", "aat"),
        ("epoch", "1"),
    ] {
        assert_eq!(runtime.metadata(key), Some(says), "{key}");
    }

    // The same session gives the same bytes, and other storage a smaller file with hardly other scores.
    bench.export("aat out/again.onnx --verify none");
    assert_eq!(fs::read(bench.path("out/again.onnx")).unwrap(), bytes);
    let half = bench.export("aat out/half.onnx --dtype f16");
    assert!(half["bytes"].as_u64().unwrap() < bytes.len() as u64 * 6 / 10, "{half}");
    assert!(half["worst_difference"].as_f64().unwrap() < 1e-2, "{half}");
    assert_eq!(bench.names("out"), ["again.onnx", "half.onnx", "model.onnx"]);
}

/// The built-in backbone is Whisper's encoder, whose licence requires that its notice is included.
#[test]
fn the_box_becomes_a_file_with_its_makers_licence_in_it() {
    let bench = Bench::new();
    let output = bench.run("train --data tones --model box --frames 40 --batch 4 --epochs 1 --method lora --name w");
    assert!(output.status.success(), "{}", text(&output));
    let printed = bench.export("w w.onnx --logits --embeddings --samples 6000");
    assert!(printed["worst_difference"].as_f64().unwrap() < 1e-4, "{printed}");
    let runtime = Runtime::open(&bench.path("w.onnx")).unwrap();
    assert!(runtime.metadata("base_license").unwrap().contains("Copyright (c) 2022 OpenAI"));
    assert_eq!(runtime.metadata("front_end"), Some("whisper-log-mel-80"));
    let sound = audio::load(&bench.path("tones/low/1.wav")).unwrap();
    assert_eq!(runtime.run(&sound, 1, "embeddings").unwrap().len(), 384);
    assert_eq!(runtime.run(&sound, 1, "logits").unwrap().len(), 3);
}

/// If a session's data are missing, synthesised sounds are compared, and a note says so.
#[test]
fn a_session_without_its_data_is_compared_on_synthesised_sounds() {
    let bench = Bench::new();
    bench.train("gone", "--method head");
    bench.command().args(["export", "gone", "a.onnx", "--verify", "tones", "--json"]).output().unwrap();
    fs::remove_dir_all(bench.path("tones")).unwrap();
    let printed = bench.export("gone b.onnx");
    assert_eq!(printed["verified_on"], "synthesised sounds");
    assert!(printed["accuracy"].is_null());
    assert!(printed["notes"][0].as_str().unwrap().contains("its data cannot be read"), "{printed}");
    assert_eq!(fs::read(bench.path("a.onnx")).unwrap(), fs::read(bench.path("b.onnx")).unwrap());
}

#[test]
fn clips_of_another_set_are_compared_where_it_is_named() {
    let bench = Bench::new();
    bench.train("aat", "--method aat-m");
    // Its classes are unknown to the session, so that only scores are compared.
    let printed = bench.export("aat model.onnx --verify demo");
    assert_eq!((&printed["clips"], printed["accuracy"].is_null()), (&Value::from(40), true), "{printed}");
    assert_eq!(printed["verified_on"], "demo");
}

/// Classes that occur together are answered one by one, by sigmoid and with a threshold.
#[test]
fn a_session_of_several_labels_becomes_a_file_that_answers_by_sigmoid() {
    let bench = Bench::new();
    let mut table = "path,labels,split\n".to_owned();
    for clip in 0..4 {
        let split = if clip == 3 { "val" } else { "train" };
        for (class, labels) in [("low", "deep;steady"), ("mid", "steady"), ("high", "shrill;steady")] {
            table += &format!("tones/{class}/{clip}.wav,{labels},{split}\n");
        }
    }
    fs::write(bench.path("several.csv"), table).unwrap();
    bench.train("several", "--data several.csv --method aat");
    let printed = bench.export("several m.onnx --logits");
    assert!(printed["clips"] == 3 && printed["worst_difference"].as_f64().unwrap() < 1e-4, "{printed}");
    let runtime = Runtime::open(&bench.path("m.onnx")).unwrap();
    assert_eq!((runtime.metadata("answers"), runtime.metadata("threshold")), (Some("sigmoid"), Some("0.5")));
    let labels: Vec<String> = serde_json::from_str(runtime.metadata("labels").unwrap()).unwrap();
    let expected = classified(&bench, "several", "tones/high/3.wav");
    let sound = audio::load(&bench.path("tones/high/3.wav")).unwrap();
    let (scores, logits) = (runtime.run(&sound, 1, "scores").unwrap(), runtime.run(&sound, 1, "logits").unwrap());
    for ((label, score), logit) in labels.iter().zip(scores).zip(logits) {
        assert!((f64::from(score) - expected[label]).abs() < 1e-4, "{label}: {score} {expected:?}");
        assert!((score - 1.0 / (1.0 + (-logit).exp())).abs() < 1e-6, "{label}: {score}, {logit}");
    }
    assert_eq!(labels.len(), 3);
}
