//! A model trained on marks, judged on others, and its thresholds used by a scan.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::made::recording;

/// A recording of 24 seconds with a high and a low tone every three seconds, in turn, and its track.
fn field(folder: &Path, name: &str, shift: f64) {
    let tone = |n: usize| {
        let start = 1.0 + 3.0 * n as f64 + shift * (n % 3) as f64;
        (if n.is_multiple_of(2) { 2_500.0 } else { 600.0 }, start, start + 0.8)
    };
    let tones: Vec<(f64, f64, f64)> = (0..7).map(tone).collect();
    recording(&folder.join(format!("{name}.wav")), 24.0, &tones);
    let label = |hertz: f64| if hertz > 1_000.0 { "high" } else { "low" };
    let track: String =
        tones.iter().map(|(hertz, start, end)| format!("{start:.6}\t{end:.6}\t{}\n", label(*hertz))).collect();
    fs::write(folder.join(format!("{name}.txt")), track).unwrap();
}

fn run(place: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aat-tui"))
        .args(line.split_whitespace())
        .current_dir(place)
        .env("AAT_TUI_SESSIONS", place.join("sessions"))
        .env("AAT_TUI_CACHE", "off")
        .output()
        .unwrap()
}

fn last(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(String::from_utf8_lossy(&output.stdout).lines().last().unwrap()).unwrap()
}

#[test]
fn a_model_trained_on_marks_finds_others_and_scan_uses_its_thresholds() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for (name, shift) in [("one", 0.1), ("two", 0.25), ("three", 0.4), ("four", 0.0), ("five", 0.33)] {
        field(&at("train"), name, shift);
    }
    field(&at("test"), "other", 0.2);
    // The usual masks hide half of a window this short.
    fs::write(at("plain.toml"), "freq_mask = 0\ntime_mask = 0\ngain = 0.0\n").unwrap();
    let printed = run(
        place.path(),
        "train --data train --marked-in-full --model tiny --method full --frames 48 --batch 4 --lr 3e-4 --epochs 3 --recipe plain.toml --name ear --json",
    );
    let text = String::from_utf8_lossy(&printed.stdout).into_owned();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    assert!(text.contains("5 recordings of 0.03 h with 35 marks"), "{text}");

    // Its own held-out recording, by the options that it was trained with.
    let own = last(&run(place.path(), "eval ear --json"));
    assert_eq!((own["marks"]["recordings"].as_u64(), own["trained_clips"].as_u64()), (Some(1), Some(0)), "{own}");
    let other = last(&run(
        place.path(),
        "eval ear --data test --marked-in-full --hop 0.12 --json --save-thresholds --plot curves.svg",
    ));
    let marks = &other["marks"];
    assert_eq!((marks["marks"].as_u64(), marks["complete"].as_u64()), (Some(7), Some(1)));
    let f1 = |figures: &Value| figures["f1"].as_f64().unwrap();
    assert!(f1(&marks["with_chosen"][0]) > 0.6, "{marks}");
    assert!(f1(&marks["with_chosen"][0]) >= f1(&marks["event"][1]), "{marks}");
    assert!(f1(&marks["with_chosen"][1]) > 0.6, "{marks}");
    assert!(marks["windows"]["mAP"].as_f64().unwrap() > 0.8, "{marks}");
    assert!(fs::read_to_string(at("curves.svg")).unwrap().contains("precision and recall, high"));

    // Recordings that trained are reported, whatever table they come with; of two one did, since one of five validates.
    fs::create_dir(at("again")).unwrap();
    for (from, to) in [("one", "x"), ("two", "y")] {
        fs::copy(at(&format!("train/{from}.wav")), at(&format!("again/{to}.wav"))).unwrap();
        fs::write(at(&format!("again/{to}.csv")), "start,end,label\n1.0,1.8,high\n").unwrap();
    }
    let again = last(&run(place.path(), "eval ear --data again --json"));
    assert!(again["trained_clips"].as_u64().unwrap() > 0, "{again}");

    let scan = run(place.path(), "scan ear test --hop 0.12 --out found --json");
    let text = String::from_utf8_lossy(&scan.stdout).into_owned();
    assert!(scan.status.success() && text.contains("thresholds are those of"), "{text}");

    // What was found is no truth.
    let error = run(place.path(), "train --data found/scan.csv --model tiny --method head");
    let said = String::from_utf8_lossy(&error.stderr).into_owned();
    assert!(!error.status.success() && said.contains("--trust-detections"), "{said}");

    // By what a person said of it.
    let found = fs::read_to_string(at("found/scan.csv")).unwrap();
    let reviewed: String = found
        .lines()
        .enumerate()
        .map(|(n, line)| format!("{line},{}\n", if n == 0 { "right" } else { "yes" }))
        .collect();
    fs::write(at("reviewed.csv"), reviewed).unwrap();
    let chosen = last(&run(place.path(), "eval ear --reviewed reviewed.csv --precision 0.99 --json"));
    assert!(chosen["chosen"].to_string().contains("cannot be reached: 1.000 was seen"), "{chosen}");
    let chosen = last(&run(place.path(), "eval ear --reviewed reviewed.csv --precision 0.99 --confidence 0.5 --json"));
    assert!(chosen["chosen"].to_string().contains("right, so at least 1.000"), "{chosen}");
}
