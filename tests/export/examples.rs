//! The examples of docs/deploy.md, each run on a fresh export. Python and the web page need what `make check-export` installs;
//! without it they are skipped, and that is printed.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{Bench, text};

/// A bench with an exported model, and what the program itself says to a few clips: scores in label order.
fn exported() -> (Bench, Vec<(PathBuf, Vec<f64>)>) {
    let bench = Bench::new();
    bench.train("heard", "--method aat --lr 3e-3 --epochs 3");
    bench.export("heard model.onnx");
    let mut clips = Vec::new();
    for class in ["low", "mid", "high"] {
        for clip in 0..4 {
            let path = bench.path("tones").join(class).join(format!("{clip}.wav"));
            let line = format!("classify heard {} --top 9 --json", path.display());
            let printed: Value = serde_json::from_slice(&bench.run(&line).stdout).unwrap();
            let score = |label: &str| {
                let found = printed["top"].as_array().unwrap().iter().find(|score| score["label"] == label).unwrap();
                found["score"].as_f64().unwrap()
            };
            // Labels are sorted by name.
            clips.push((path, ["high", "low", "mid"].map(score).to_vec()));
        }
    }
    (bench, clips)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The label with the highest score.
fn first(scores: &[f64]) -> &'static str {
    let best = (0..3).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
    ["high", "low", "mid"][best]
}

/// Lines of the form `label 0.123`, first ones first, as the examples print them.
fn agrees(printed: &str, expected: &[f64]) {
    let words: Vec<&str> = printed.split_whitespace().collect();
    assert_eq!(words[0], first(expected), "{printed}");
    for pair in words.chunks(2) {
        let score = expected[["high", "low", "mid"].iter().position(|label| *label == pair[0]).unwrap()];
        assert!((pair[1].parse::<f64>().unwrap() - score).abs() < 6e-4, "{printed} {expected:?}");
    }
}

#[path = "../../examples/classify_onnx.rs"]
mod classify_onnx;

#[test]
fn rust() {
    let (bench, clips) = exported();
    for (clip, expected) in clips {
        let ranked = classify_onnx::classify(&bench.path("model.onnx"), &clip).unwrap();
        let printed: Vec<String> = ranked.iter().map(|(label, score)| format!("{label} {score:.3}")).collect();
        agrees(&printed.join(" "), &expected);
    }
}

#[test]
fn python() {
    let Some(python) = env::var_os("AAT_TUI_EXPORT_PYTHON") else {
        println!("skipped: `make check-export` runs it with onnxruntime from PyPI");
        return;
    };
    let (bench, clips) = exported();
    for (clip, expected) in clips {
        let script = root().join("examples/python/listen.py");
        let output = Command::new(&python).arg(script).arg(bench.path("model.onnx")).arg(clip).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        agrees(&String::from_utf8(output.stdout).unwrap(), &expected);
    }
}

#[test]
fn web_page() {
    let Some(modules) = env::var_os("AAT_TUI_EXPORT_MODULES") else {
        println!("skipped: `make check-export` runs it with onnxruntime-web from npm in headless Chromium");
        return;
    };
    let (bench, clips) = exported();
    let output = Command::new("node")
        .arg(root().join("tests/export/web.mjs"))
        .arg(root().join("examples/web"))
        .arg(&modules)
        .arg(bench.path("model.onnx"))
        .args(clips.iter().map(|(clip, _)| clip))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let printed: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(printed.len(), clips.len() + 1);
    let mut worst = 0f64;
    for (said, (_, expected)) in printed.iter().zip(&clips) {
        let scores: Vec<f64> = said["scores"].as_array().unwrap().iter().map(|score| score.as_f64().unwrap()).collect();
        assert_eq!(first(&scores), first(expected));
        let apart = scores.iter().zip(expected).map(|(a, b)| (a - b).abs());
        worst = apart.fold(worst, f64::max);
    }
    // A browser decodes 16-bit samples to other last digits than this program does.
    assert!(worst < 1e-3, "{worst}");
    println!("the page's scores of {} clips differ by at most {worst:.1e}", clips.len());
    // The microphone gets the sound at the browser's own rate and loudness: an answer is all that is asked.
    assert_eq!(printed.last().unwrap()["scores"].as_array().unwrap().len(), 3);
}
