//! CED and Dasheng in everything that the program does: every method trains and goes out, sounds are classified, scanned,
//! listened to and probed.

use std::path::Path;

use serde_json::Value;

use super::{Bench, text, wav};

fn golden(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models").join(name).to_str().unwrap().to_owned()
}

impl Bench {
    fn lines(&self, line: &str) -> Vec<Value> {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", text(&output));
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn scores(&self, source: &str, clip: &str) -> Vec<(String, f64)> {
        let answer = self.lines(&format!("classify {source} {clip} --json")).remove(0);
        let score = |top: &Value| (top["label"].as_str().unwrap().to_owned(), top["score"].as_f64().unwrap());
        answer["top"].as_array().unwrap().iter().map(score).collect()
    }
}

#[test]
fn every_method_trains_on_them_and_goes_out_as_onnx() {
    let bench = Bench::new();
    for model in ["ced-hf", "dasheng-hf"] {
        for method in ["aat", "aat-m", "full", "partial", "prompt", "lora", "bitfit", "head"] {
            let name = format!("{model}-{method}");
            bench.train(&name, &format!("--model {} --method {method} --lr 1e-3", golden(model)));
            let printed = bench.export(&format!("{name} {name}.onnx"));
            assert!(printed["worst_difference"].as_f64().unwrap() < 1e-4, "{printed}");
        }
    }
}

/// Whatever weights can absorb goes into the makers' own form, and answers the same from there.
#[test]
fn their_own_form_is_read_again_and_answers_the_same() {
    let bench = Bench::new();
    for (model, method, format) in [
        ("ced-hf", "lora", "CED"),
        ("ced-hf", "full", "CED"),
        ("dasheng-hf", "head", "CED"),
        ("ced-hf", "aat", "aat-tui adapter"),
    ] {
        let name = format!("{model}-{method}");
        // Shorter than the clips: those that are shorter the session fills with silence and the folder takes as they are.
        bench.train(&name, &format!("--model {} --method {method} --lr 3e-3 --frames 32", golden(model)));
        let printed = bench.export(&format!("{name} out-{name}"));
        assert_eq!(printed["format"], format, "{printed}");
        assert!(printed["worst_difference"].as_f64().unwrap() < 1e-4, "{printed}");
        assert_eq!(bench.scores(&name, "tones/mid/1.wav").len(), 3);
        for ((a, x), (b, y)) in bench
            .scores(&name, "tones/mid/1.wav")
            .into_iter()
            .zip(bench.scores(&format!("out-{name}"), "tones/mid/1.wav"))
        {
            assert!(a == b && (x - y).abs() < 1e-4, "{name}: {a} {x} {b} {y}");
        }
    }
}

#[test]
fn they_classify_scan_listen_and_are_probed() {
    let bench = Bench::new();
    let ced = golden("ced-hf");
    // Its own head: a clip shorter than its length as it is, a longer one in windows.
    wav::wav(&bench.path("long.wav"), 60_000, |n| ((n as f32 * 0.17).sin() * 9000.0) as i16);
    let answer = bench.lines(&format!("classify {ced} tones/low/0.wav long.wav --json"));
    assert_eq!((&answer[0]["windows"], &answer[1]["windows"]), (&1.into(), &3.into()));
    let mut labels: Vec<_> =
        answer[0]["top"].as_array().unwrap().iter().map(|top| top["label"].as_str().unwrap()).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["clock tick", "dog", "rain"]);
    let printed = bench.export(&format!("{ced} own.onnx --verify none"));
    assert!(
        printed["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains("fills clips shorter")),
        "{printed}"
    );

    // The last window of a stream is the same sound as the end of the file, cut to the model's frames; a Whisper of 128 bins
    // must not take the frames of Kaldi's bank, which the pipeline computes for all.
    let sound = |n: u32| ((n as f32 * 0.3).sin() * 9000.0) as i16;
    wav::wav(&bench.path("clip.wav"), 12_000, sound);
    for (name, model, window) in [("ear128", golden("hf-whisper-128"), 48 * 160), ("ear", ced.clone(), 47 * 160)] {
        bench.train(name, &format!("--model {model} --method aat --lr 3e-3"));
        let heard = bench.lines(&format!("listen {name} --input clip.wav --hop 0.1 --json"));
        let answers: Vec<_> = heard.iter().filter(|line| line["top"].is_array()).collect();
        let last = answers.last().unwrap();
        let at = (last["time"].as_f64().unwrap() * 16_000.0).round() as u32;
        wav::wav(&bench.path("window.wav"), window, |n| sound(at - window + n));
        let expected = bench.scores(name, "window.wav");
        for (top, (label, score)) in last["top"].as_array().unwrap().iter().zip(expected) {
            assert_eq!(top["label"], label.as_str(), "{name}");
            assert!((top["score"].as_f64().unwrap() - score).abs() < 1e-4, "{name}: {last}");
        }
    }
    let output = bench.run("scan ear long.wav --out scanned --format csv");
    assert!(output.status.success(), "{}", text(&output));
    let probed = bench.lines(&format!("probe --data tones --model {ced} --frames 48 --json"));
    assert!(probed[0]["backbone"].as_f64().unwrap() > 0.3, "{probed:?}");
    // Pretraining trains on another filter bank, and says so.
    let output = bench.run(&format!("pretrain --data tones --model {ced} --frames 64 --epochs 1"));
    let complaint = text(&output);
    assert!(!output.status.success() && complaint.contains("Kaldi's filter bank"), "{complaint}");
}
