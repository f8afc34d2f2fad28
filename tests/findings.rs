//! Wrong answers, wrong labels, corrections and calibration, as a user meets them on the command line.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../src/audio/testing.rs"]
mod wav;

use std::{
    f32::consts::TAU,
    fs,
    path::{Path, PathBuf},
};

use aat_tui::{
    data::{self, Decision, Label},
    infer::{Classifier, Which},
    session::Checkpoint,
};
use assert_cmd::Command;
use serde_json::Value;

/// Two classes of tones in folders; every fifth clip lies in the other one's folder.
fn tones(root: &Path, clips: usize, wrong: bool) {
    for (class, pitch) in [("low", 200.0), ("high", 2000.0)] {
        for clip in 0..clips {
            let other = if class == "low" { "high" } else { "low" };
            let folder = root.join(if wrong && clip % 5 == 4 { other } else { class });
            let phase = |n| TAU * (pitch + 3.0 * clip as f32) * n as f32 / 16_000.0;
            wav::wav(&folder.join(format!("{class}{clip:02}.wav")), 8_000, |n| (8000.0 * phase(n).sin()) as i16);
        }
    }
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::cargo_bin("aat-tui").unwrap();
        command.current_dir(self.folder.path()).args(args);
        command.env("AAT_TUI_CACHE", "off").env("AAT_TUI_CORRECTIONS", self.path("corrections"));
        command.env("AAT_TUI_SESSIONS", self.path("sessions"));
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn text(&self, args: &[&str]) -> String {
        let (code, out, error) = self.run(args);
        assert_eq!(code, Some(0), "{args:?}: {out}{error}");
        out
    }

    fn objects(&self, args: &[&str]) -> Vec<Value> {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        self.text(&args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn train(&self, name: &str) {
        let args = ["train", "--data", "set", "--model", "tiny", "--frames", "48", "--method", "head"];
        self.text(&[&args[..], &["--epochs", "5", "--lr", "0.02", "--name", name, "--device", "cpu"]].concat());
    }

    fn decide(&self, clip: &str, decision: Decision) {
        self.decide_in("set", clip, decision);
    }

    fn decide_in(&self, set: &str, clip: &str, decision: Decision) {
        let dataset = data::open(self.path(set).to_str().unwrap()).unwrap();
        let index = dataset.items.iter().position(|item| item.id == clip).unwrap();
        let correction = dataset.decide(index, decision, "a test", 1).unwrap();
        dataset.corrections.as_ref().unwrap().file.append(&correction).unwrap();
    }
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn an_evaluation_shows_which_clips_are_wrong_and_is_calibrated_only_when_asked() {
    let place = Place::new();
    tones(&place.path("set"), 30, true);
    place.train("s");
    let text = place.text(&["eval", "s", "--errors", "errors.csv"]);
    for part in ["confusion: label down", "expected calibration error", "clips with the highest loss", "errors.csv"] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    assert!(!text.contains("calibrated"), "{text}");
    let plain = &place.objects(&["eval", "s"])[0];
    let (clips, confusion) = (plain["clips"].as_u64().unwrap(), &plain["confusion"]);
    let cell = |row: usize, column: usize| confusion[row][column].as_u64().unwrap();
    assert_eq!((0..4).map(|at| cell(at / 2, at % 2)).sum::<u64>(), clips);
    let mut table = csv::Reader::from_path(place.path("errors.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len() as u64, clips);
    let wrong = rows.iter().filter(|row| &row[7] == "false").count() as u64;
    assert_eq!(wrong, cell(0, 1) + cell(1, 0));
    let losses: Vec<f64> = rows.iter().map(|row| row[5].parse().unwrap()).collect();
    assert!(losses.is_sorted_by(|a, b| a >= b) && (losses[0] - float(&plain["worst"][0]["loss"])).abs() < 1e-9);
    let own = &plain["per_class"][0];
    assert!(float(&own["recall_interval"]["low"]) <= float(&own["recall"]));

    let fitted = place.text(&["eval", "s", "--calibrate"]);
    assert!(fitted.contains("temperature") && fitted.contains("calibration.json"), "{fitted}");
    let after = &place.objects(&["eval", "s"])[0];
    assert_eq!((&after["value"], &after["confusion"]), (&plain["value"], confusion), "no first class changes");
    assert!(float(&after["loss"]) <= float(&plain["loss"]) + 1e-9);
    let temperature = float(&after["calibration"]["temperature"]);
    assert!(temperature > 0.0 && after["notes"].to_string().contains("probabilities are calibrated"), "{after}");
    // Whatever opens the session has the same probabilities, and says so.
    let file = fs::read_dir(place.path("set/low")).unwrap().next().unwrap().unwrap().path();
    let file = file.to_str().unwrap();
    let classified = &place.objects(&["classify", "s", file])[0];
    assert!(classified["calibration"].as_str().unwrap().contains("temperature"));
    let logit = |found: &Value| {
        let p = float(&found["top"][0]["score"]);
        (p / (1.0 - p)).ln()
    };
    let calibrated = logit(classified);
    place.text(&["export", "s", "s.onnx"]);
    // Other weights of the session are not calibrated by it, and whatever uses them says so.
    let session = place.path("sessions/s");
    let mut classifier = Classifier::of_session(&session, Which::Best, "cpu").unwrap();
    let best = Checkpoint::read(&session.join("best.safetensors")).unwrap();
    let mut other = best.clone();
    other.position.step += 1;
    assert!(classifier.calibration().is_some());
    classifier.restore(&other).unwrap();
    assert!(classifier.calibration().is_none());
    classifier.restore(&best).unwrap();
    assert!(classifier.calibration().is_some());
    let kept = fs::read_to_string(session.join("calibration.json")).unwrap();
    let mut of_other: Value = serde_json::from_str(&kept).unwrap();
    of_other["step"] = 1.into();
    fs::write(session.join("calibration.json"), of_other.to_string()).unwrap();
    assert!(place.text(&["classify", "s", file]).contains("not used with these"));
    let classified = &place.objects(&["classify", "s", file])[0];
    assert!(classified.get("calibration").is_none() && classified["model_notes"].to_string().contains("step 1"));
    fs::write(session.join("calibration.json"), kept).unwrap();
    assert!(place.text(&["eval", "s", "--calibrate=off"]).contains("was removed"));
    let plain_again = &place.objects(&["classify", "s", file])[0];
    assert!(plain_again.get("calibration").is_none());
    let ratio = logit(plain_again) / calibrated;
    assert!((ratio / temperature - 1.0).abs() < 0.02, "{ratio} {temperature}");
}

#[test]
fn a_lesson_is_calibrated_and_evaluated_with_the_same_weights() {
    let place = Place::new();
    tones(&place.path("set"), 30, true);
    let args =
        ["train", "--data", "set", "--model", "tiny", "--frames", "48", "--method", "head", "--recipe", "lesson"];
    place.text(&[&args[..], &["--epochs", "5", "--lr", "0.02", "--name", "s", "--device", "cpu"]].concat());
    let fitted = place.text(&["eval", "s", "--calibrate"]);
    assert!(fitted.contains("temperature"), "{fitted}");
    let [fitted, after] = [fitted, place.text(&["eval", "s"])];
    for text in [&fitted, &after] {
        assert!(text.contains("probabilities are calibrated") && !text.contains("not used"), "{text}");
    }
    let step = |name: &str| Checkpoint::read(&place.path("sessions/s").join(name)).unwrap().position.step;
    let kept: Value = serde_json::from_slice(&fs::read(place.path("sessions/s/calibration.json")).unwrap()).unwrap();
    assert_ne!(kept["step"], step("best.safetensors"), "the last weights are not the best ones here");
}

#[test]
fn a_temperature_that_cannot_be_fitted_is_refused_and_none_is_kept() {
    let place = Place::new();
    tones(&place.path("set"), 30, false);
    place.train("s");
    let (code, _, error) = place.run(&["eval", "s", "--calibrate"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("answered rightly"), "{error}");
    assert!(!place.path("sessions/s/calibration.json").exists());
}

#[test]
fn likely_wrong_labels_come_first_and_corrections_are_trained_with_recorded_and_written() {
    let place = Place::new();
    tones(&place.path("set"), 30, true);
    let rows = place.objects(&["data", "errors", "set", "--model", "tiny"]);
    let (ranked, summary) = (&rows[..60], rows.last().unwrap());
    let is_wrong = |row: &Value| {
        let clip = row["clip"].as_str().unwrap();
        !clip.split_once('/').unwrap().1.starts_with(row["label"].as_str().unwrap())
    };
    assert!(ranked[..12].iter().filter(|row| is_wrong(row)).count() >= 11, "12 of 60 labels are wrong");
    assert!(ranked[..12].iter().filter(|row| row["likely"] == true).count() >= 11);
    assert_eq!(summary["clips"], 60);
    let confidences: Vec<f64> = ranked.iter().map(|row| float(&row["self_confidence"])).collect();
    assert!(confidences.is_sorted());

    let before = place.text(&["data", "stats", "set"]);
    place.train("before");
    for row in ranked[..11].iter().filter(|row| is_wrong(row)) {
        let label = row["proposed"].as_str().unwrap().to_owned();
        place.decide(row["clip"].as_str().unwrap(), Decision::Label { label });
    }
    place.decide(ranked[59]["clip"].as_str().unwrap(), Decision::Background);
    let clip = ranked[58]["clip"].as_str().unwrap();
    place.decide(clip, Decision::Not { label: ranked[58]["label"].as_str().unwrap().to_owned() });
    let after = place.text(&["data", "stats", "set"]);
    assert!(after.contains("corrections are applied") && after != before, "{after}");

    // A session from before is evaluated on the same clips, by the labels of now.
    let evaluated = &place.objects(&["eval", "before"])[0];
    assert!(evaluated["notes"].to_string().contains("made since it was trained"), "{evaluated}");
    // Decisions about another data set have nothing to do with it.
    fs::create_dir(place.path("other")).unwrap();
    for clip in ["low/low00.wav", "low/low01.wav", "high/high00.wav", "high/high01.wav"] {
        fs::create_dir_all(place.path("other").join(clip).parent().unwrap()).unwrap();
        fs::copy(place.path("set").join(clip), place.path("other").join(clip)).unwrap();
    }
    place.decide_in("other", "low/low00.wav", Decision::Unsure);
    let elsewhere = &place.objects(&["eval", "before", "--data", "other"])[0]["notes"];
    assert!(elsewhere.to_string().contains("left as they were"), "{elsewhere}");
    assert!(!elsewhere.to_string().contains("made since it was trained"), "{elsewhere}");
    // One from now records them, and its digest differs.
    place.train("after");
    let started = |name: &str| -> Value {
        let log = fs::read_to_string(place.path("sessions").join(name).join("events.jsonl")).unwrap();
        serde_json::from_str(log.lines().next().unwrap()).unwrap()
    };
    let (old, new) = (started("before"), started("after"));
    assert!(old["config"]["dataset"].get("corrections").is_none());
    let record = &new["config"]["dataset"]["corrections"];
    let lines = fs::read_to_string(place.path("set/corrections.jsonl")).unwrap().lines().count();
    assert_eq!(record["lines"], lines);
    assert_eq!(record["digest"].as_str().unwrap().len(), 64);
    assert_ne!(old["config"]["dataset"]["digest"], new["config"]["dataset"]["digest"]);
    // The same clips validate.
    let val = |name: &str| -> Vec<String> {
        let mut table = csv::Reader::from_path(place.path("sessions").join(name).join("clips.csv")).unwrap();
        let rows = table.records().map(Result::unwrap).filter(|row| &row[1] == "val");
        rows.map(|row| row[0].to_owned()).filter(|id| id != clip).collect()
    };
    let left_out = ranked[59]["clip"].as_str().unwrap();
    let expected: Vec<String> = val("before").into_iter().filter(|id| id != left_out).collect();
    assert_eq!(expected, val("after"));
    assert!(place.text(&["eval", "after"]).contains("clip without any of the classes"));

    let said = place.text(&["data", "export", "set", "--to", "manifest.csv"]);
    assert!(said.contains("58 clips"), "{said}");
    let written = data::open(place.path("manifest.csv").to_str().unwrap()).unwrap();
    let corrected = data::open(place.path("set").to_str().unwrap()).unwrap();
    assert_eq!(written.classes, corrected.classes);
    for item in &written.items {
        let other = corrected.items.iter().find(|other| other.id == item.id.trim_start_matches("set/")).unwrap();
        assert_eq!(item.label, other.label, "{}", item.id);
        assert!(matches!(item.label, Label::One(_)));
    }
    // What was decided is not asked about again.
    let again = place.text(&["data", "errors", "set", "--model", "tiny"]);
    let clip = ranked[0]["clip"].as_str().unwrap();
    assert!(!again.contains(clip), "{again}");
}

#[test]
fn what_is_exported_is_read_again() {
    let place = Place::new();
    tones(&place.path("set"), 3, false);
    let manifest = "path,label\nset/low/low00.wav,low;high\nset/low/low01.wav,low\nset/low/low02.wav,low\n\
                    set/high/high00.wav,\"hum, high\"\nset/high/high01.wav,high\n";
    fs::write(place.path("birds.csv"), manifest).unwrap();
    place.decide_in("birds.csv", "set/low/low01.wav", Decision::Not { label: "low".into() });
    place.decide_in("birds.csv", "set/low/low02.wav", Decision::Label { label: "high".into() });
    let written = place.objects(&["data", "export", "birds.csv", "--to", "out.csv"]);
    let summary = written.last().unwrap();
    assert_eq!((&summary["clips"], &summary["left_out"], &summary["changed"]), (&4.into(), &1.into(), &1.into()));
    assert!(summary["notes"].to_string().contains("without any of the classes are left out"), "{summary}");
    let label_of = |dataset: &data::Dataset, id: &str| {
        let item = dataset.items.iter().find(|item| item.id == id).unwrap();
        dataset.label_of(item)
    };
    let [corrected, read] =
        ["birds.csv", "out.csv"].map(|name| data::open(place.path(name).to_str().unwrap()).unwrap());
    assert_eq!((read.items.len(), &read.classes), (4, &corrected.classes));
    for item in &read.items {
        assert_eq!(label_of(&read, &item.id), label_of(&corrected, &item.id));
    }
}

#[test]
fn vectors_are_written_with_the_file_of_each_row() {
    let place = Place::new();
    tones(&place.path("set"), 20, false);
    place.train("s");
    let files = ["set/low/low00.wav", "set/high/high00.wav"];
    let rows = place.objects(&["features", files[0], files[1], "--embeddings", "s", "--out", "out"]);
    assert_eq!((&rows[0]["row"], &rows[1]["row"]), (&0.into(), &rows[0]["rows"]));
    let bytes = fs::read(place.path("out/embeddings.npy")).unwrap();
    let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
    let shape = npy.shape().to_vec();
    let values: Vec<f32> = npy.into_vec().unwrap();
    assert!(values.iter().all(|value| value.is_finite()));
    let names: Vec<csv::StringRecord> =
        csv::Reader::from_path(place.path("out/embeddings.csv")).unwrap().records().map(Result::unwrap).collect();
    assert_eq!(names.len() as u64, shape[0]);
    assert_eq!((&names[0][1], shape[1]), (files[0], rows[0]["width"].as_u64().unwrap()));
}

#[test]
fn a_simulated_review_learns_with_every_label() {
    let place = Place::new();
    tones(&place.path("set"), 40, false);
    let rows =
        place.objects(&["data", "review", "set", "--model", "tiny", "--mixed", "--round", "6", "--labels", "24"]);
    let names: Vec<&str> = rows[..3].iter().map(|row| row["strategy"].as_str().unwrap()).collect();
    assert_eq!(names, ["random", "margin", "mix"]);
    for row in &rows[..3] {
        let points = row["points"].as_array().unwrap();
        assert_eq!(points.iter().map(|point| point["labels"].as_u64().unwrap()).collect::<Vec<_>>(), [6, 12, 18, 24]);
        assert!(float(&points[3]["accuracy"]) > 0.9, "{row}");
    }
    assert_eq!((&rows[3]["pool"], &rows[3]["test"]), (&64.into(), &16.into()));
}
