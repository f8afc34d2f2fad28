//! Folders in the form of Hugging Face's libraries, and the way back in.

use std::{env, fs, path::Path, process::Command};

use serde_json::Value;

use crate::{Bench, text};

impl Bench {
    /// The first class of a clip and its score.
    fn top(&self, source: &str, clip: &str) -> (String, f64) {
        let output = self.run(&format!("classify {source} {clip} --json"));
        assert!(output.status.success(), "{source}: {}", text(&output));
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        (printed["top"][0]["label"].as_str().unwrap().to_owned(), printed["top"][0]["score"].as_f64().unwrap())
    }

    fn same_answers(&self, a: &str, b: &str) {
        for clip in ["tones/low/0.wav", "tones/high/3.wav"] {
            let (ours, theirs) = (self.top(a, clip), self.top(b, clip));
            assert_eq!(ours.0, theirs.0, "{a} {b}");
            assert!((ours.1 - theirs.1).abs() < 1e-4, "{a} {b}: {ours:?} {theirs:?}");
        }
    }
}

/// What of Hugging Face's libraries reads a session of each method, and what of ours.
const FORMS: [(&str, &str, &str, &[&str]); 8] = [
    ("full", "", "transformers", &["README.md", "config.json", "model.safetensors", "preprocessor_config.json"]),
    ("partial", "", "transformers", &["README.md", "config.json", "model.safetensors", "preprocessor_config.json"]),
    ("head", "", "transformers", &["README.md", "config.json", "model.safetensors", "preprocessor_config.json"]),
    ("bitfit", "", "transformers", &["README.md", "config.json", "model.safetensors", "preprocessor_config.json"]),
    ("lora", "", "transformers", &["README.md", "config.json", "model.safetensors", "preprocessor_config.json"]),
    ("lora", "--adapter", "peft", &["README.md", "adapter_config.json", "adapter_model.safetensors", "base"]),
    ("aat", "", "aat-tui adapter", &["README.md", "adapter.safetensors", "adapter_config.json"]),
    ("prompt", "", "aat-tui adapter", &["README.md", "adapter.safetensors", "adapter_config.json"]),
];

#[test]
fn every_method_becomes_the_folder_that_fits_it_and_answers_the_same() {
    let bench = Bench::new();
    for (at, (method, flag, format, files)) in FORMS.into_iter().enumerate() {
        if flag.is_empty() {
            // A recipe that pools class tokens, as Hugging Face's AST does.
            bench.train(method, &format!("--method {method} --lr 3e-3 --recipe esc50"));
        }
        let printed = bench.export(&format!("{method} out{at} {flag}"));
        assert_eq!(printed["format"], format, "{method}");
        assert!(printed["worst_difference"].as_f64().unwrap() < 1e-4, "{printed}");
        assert_eq!(bench.names(&format!("out{at}")), files, "{method}");
        bench.same_answers(method, &format!("out{at}"));
        let card = fs::read_to_string(bench.path(&format!("out{at}/README.md"))).unwrap();
        for says in ["pipeline_tag: audio-classification", "accuracy on the validation clips", "- mid", "--method"] {
            assert!(card.contains(says), "{method}: {card}");
        }
    }
    let config: Value = serde_json::from_slice(&fs::read(bench.path("out0/config.json")).unwrap()).unwrap();
    assert_eq!(config["problem_type"], "single_label_classification");
    assert_eq!(config["id2label"]["1"], "low");
    let left: Vec<String> = bench.names(".").into_iter().filter(|name| name.starts_with(".partial")).collect();
    assert!(left.is_empty(), "{left:?}");
    python(&bench);
}

/// transformers and peft load what is theirs and agree; needs what `make check-export` installs.
fn python(bench: &Bench) {
    let Some(python) = env::var_os("AAT_TUI_EXPORT_TRANSFORMERS") else {
        println!("skipped: `make check-export` lets transformers and peft load the folders");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export/transformers_check.py");
    let output = Command::new(python)
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_aat-tui"))
        .args(["out0", "out1", "out2", "out3", "out4", "out5"])
        .args(["--sounds", "tones/low/0.wav", "tones/mid/1.wav", "tones/high/2.wav"])
        .current_dir(bench.folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    println!("{}", String::from_utf8_lossy(&output.stdout));
}

/// A head on the mean of all tokens has no place in Hugging Face's AST, and Whisper's encoder none at all: own forms, said.
#[test]
fn what_transformers_has_no_model_for_keeps_our_own_form() {
    let bench = Bench::new();
    for (model, method, format) in [("box", "full", "aat-tui model"), ("box-ssl", "head", "aat-tui model")] {
        let line = format!("train --data tones --model {model} --frames 48 --batch 4 --epochs 1 --method {method}");
        let output = bench.run(&format!("{line} --name {model}"));
        assert!(output.status.success(), "{}", text(&output));
        let printed = bench.export(&format!("{model} out-{model}"));
        assert_eq!(printed["format"], format);
        assert!(printed["notes"][0].as_str().unwrap().contains("transformers has no model for"), "{printed}");
        bench.same_answers(model, &format!("out-{model}"));
    }
}

#[test]
fn a_session_is_a_model_for_the_next_training() {
    let bench = Bench::new();
    bench.train("first", "--method full --lr 3e-3");
    bench.train("adapted", "--method aat");
    bench.train("low-rank", "--method lora --lr 3e-3");
    let again = |base: &str, method: &str, name: &str| {
        bench.run(&format!(
            "train --data tones --model {base} --frames 64 --batch 4 --epochs 1 --method {method} --name {name} --json"
        ))
    };
    // A whole model carries adapters, low-rank updates are folded, and a training upon a training upon a training goes on.
    for (base, method, name) in [
        ("first", "aat", "second"),
        ("low-rank", "aat", "folded"),
        ("adapted", "aat", "more"),
        ("more", "aat", "evenmore"),
    ] {
        let output = again(base, method, name);
        assert!(output.status.success(), "{base} {method}: {}", text(&output));
        let printed = bench.export(&format!("{name} {name}.onnx"));
        assert!(printed["worst_difference"].as_f64().unwrap() < 1e-4, "{printed}");
        let log = fs::read_to_string(bench.path(&format!("sessions/{name}/events.jsonl"))).unwrap();
        assert!(log.contains("left out for a fresh one"), "{log}");
    }
    // Adapters on adapters of another kind are refused, with what to do instead.
    let output = again("adapted", "lora", "no");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    for says in ["adapted by aat", "GELU", "--method aat", "backbone tiny"] {
        assert!(complaint.contains(says), "{says}: {complaint}");
    }
    // A session upon another that has changed since is not opened as if nothing had happened.
    let best = bench.path("sessions/first/best.safetensors");
    fs::rename(bench.path("sessions/adapted/best.safetensors"), &best).unwrap();
    let (_, complaint) = bench.refused("second changed.onnx");
    assert!(complaint.contains("missing") || complaint.contains("is not the one"), "{complaint}");
}

#[test]
fn models_show_and_eval_take_sessions_and_exports() {
    let bench = Bench::new();
    bench.train("aat", "--method aat --lr 3e-3");
    bench.export("aat out");
    for (model, says) in [("aat", "aat-tui session"), ("out", "aat-tui adapter")] {
        let output = bench.run(&format!("models show {model}"));
        let shown = text(&output);
        assert!(output.status.success() && shown.contains(says) && shown.contains("adapted by"), "{shown}");
    }
    let value = |line: &str| -> f64 {
        let output = bench.run(line);
        assert!(output.status.success(), "{line}: {}", text(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["value"].as_f64().unwrap()
    };
    assert_eq!(value("eval aat --data tones --json"), value("eval out --data tones --json"));
    let complaint = text(&bench.run("eval out"));
    assert!(complaint.contains("--data"), "{complaint}");
}
