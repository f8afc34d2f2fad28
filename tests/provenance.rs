//! What a run is of: the data that it was trained on is distinguished from any other, and what was found and used is reported.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../src/audio/testing.rs"]
mod wav;

use std::{
    f32::consts::TAU,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use aat_tui::session::{Event, LogReader, RunConfig, RunState};
use serde_json::Value;

struct Bench {
    folder: tempfile::TempDir,
}

/// What every training here has in common: a tiny model, one epoch of short clips.
const SMALL: &str = "--model tiny --frames 32 --batch 8 --epochs 1 --lr 3e-4";

impl Bench {
    /// Tones of three classes, five clips each.
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        for (class, hz) in [("low", 220.0), ("mid", 880.0), ("high", 3000.0)] {
            (0..5).for_each(|clip| tone(&bench.path(&format!("tones/{class}/{clip}.wav")), hz + 10.0 * clip as f32));
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aat-tui"));
        command
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env("AAT_TUI_SESSIONS", self.path("sessions"))
            .env("AAT_TUI_CACHE", "off");
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// What a command that succeeds prints.
    fn good(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", text(&output));
        text(&output)
    }

    fn json(&self, line: &str) -> Vec<Value> {
        self.good(line).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What a command that fails says.
    fn bad(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(1), "{line}: {}", text(&output));
        text(&output)
    }

    fn state(&self, session: &str) -> RunState {
        RunState::from_records(&LogReader::new(&self.path("sessions").join(session)).poll().unwrap())
    }

    fn config(&self, session: &str) -> RunConfig {
        *self.state(session).config.unwrap()
    }

    fn swap(&self, a: &str, b: &str) {
        let (a, b, aside) = (self.path(a), self.path(b), self.path("aside"));
        fs::rename(&a, &aside).unwrap();
        fs::rename(&b, &a).unwrap();
        fs::rename(&aside, &b).unwrap();
    }

    /// As if the last run had been cut off before its end: without its last line, and with a checkpoint.
    fn cut(&self, session: &str) {
        let log = self.path("sessions").join(session).join("events.jsonl");
        let text = fs::read_to_string(&log).unwrap();
        let kept: Vec<&str> = text.lines().filter(|line| !line.contains("\"finished\"")).collect();
        fs::write(log, kept.join("\n") + "\n").unwrap();
    }
}

fn tone(path: &Path, hz: f32) {
    wav::wav(path, 5_000, |n| ((TAU * hz * n as f32 / 16_000.0).sin() * 9_000.0) as i16);
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_was_found_and_used_is_in_the_text_the_json_and_the_log() {
    let bench = Bench::new();
    (0..14).for_each(|n| fs::write(bench.path(&format!("tones/low/{n}.xyz")), "x").unwrap());
    tone(&bench.path("tones/loose.wav"), 500.0);
    let line = "30 files, 15 used: 14 of kinds that are not read, 1 beside the class folders";
    let text = bench.good(&format!("train --data tones {SMALL} --name one"));
    assert!(text.contains(line), "{text}");
    assert!(!text.contains("licence"), "{text}");
    let started = bench.json(&format!("train --data tones {SMALL} --name two --json"));
    let started = started.iter().find(|line| line["event"] == "started").unwrap();
    assert_eq!(started["dataset"]["found"]["files"], 30);
    assert_eq!(started["dataset"]["found"]["left_out"]["kind"], 14);
    assert!(started["message"].as_str().unwrap().contains(line));
    let record = bench.config("one").dataset.unwrap();
    assert_eq!(record.found.to_string(), line);
    assert_eq!(record.path.unwrap(), bench.path("tones").canonicalize().unwrap());
    assert_eq!((record.digest.len(), &record.digest), (64, &bench.config("two").dataset.unwrap().digest));
    let checked = text_of_check(&bench);
    assert!(checked.contains(line) && checked.contains("3.xyz") && checked.contains("loose.wav"), "{checked}");
}

fn text_of_check(bench: &Bench) -> String {
    text(&bench.run("data check tones"))
}

#[test]
fn swapped_classes_and_another_folder_of_the_name_are_refused() {
    let bench = Bench::new();
    bench.good(&format!("train --data tones {SMALL} --name mine"));
    bench.good("eval mine");
    bench.cut("mine");
    // From another folder, by the absolute path.
    let elsewhere = bench.path("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    let output = bench.command("eval mine").current_dir(&elsewhere).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));

    bench.swap("tones/low", "tones/high");
    for command in ["resume mine", "eval mine"] {
        let error = bench.bad(command);
        assert!(error.contains("is not the data that mine was trained on"), "{command}: {error}");
        assert!(error.contains("of 15 clips 10 hold another sound (high/0.wav"), "{command}: {error}");
    }
    bench.swap("tones/low", "tones/high");

    // One clip under another label, by another name, gone.
    fs::rename(bench.path("tones/low/0.wav"), bench.path("tones/mid/zero.wav")).unwrap();
    assert!(bench.bad("eval mine").contains("1 are gone (low/0.wav), 1 are new (mid/zero.wav)"));
    fs::rename(bench.path("tones/mid/zero.wav"), bench.path("tones/low/0.wav")).unwrap();

    // Another set of the same name and size in its place.
    fs::rename(bench.path("tones"), bench.path("old")).unwrap();
    for (class, hz) in [("low", 225.0), ("mid", 885.0), ("high", 3005.0)] {
        (0..5).for_each(|clip| tone(&bench.path(&format!("tones/{class}/{clip}.wav")), hz + 10.0 * clip as f32));
    }
    assert!(bench.bad("resume mine").contains("of 15 clips 15 hold another sound"));
    assert!(bench.bad("eval mine").contains("15 hold another sound"));
    fs::remove_dir_all(bench.path("tones")).unwrap();
    fs::rename(bench.path("old"), bench.path("tones")).unwrap();
    bench.good("resume mine");
    assert!(bench.state("mine").summary.is_some());
}

#[test]
fn a_comparison_says_when_earlier_runs_were_of_other_clips() {
    let bench = Bench::new();
    let compare = format!("compare --data tones {SMALL} --methods head,aat");
    bench.good(&compare);
    let again = bench.good(&compare);
    assert!(again.contains("complete already, used as it is"), "{again}");
    bench.swap("tones/low", "tones/high");
    let other = bench.good(&compare);
    assert!(other.contains("tones-head is not used") && other.contains("hold another sound"), "{other}");
    assert!(!other.contains("used as it is"), "{other}");
    // The same folder by another path is the same.
    bench.swap("tones/low", "tones/high");
    let absolute = format!("compare --data {} {SMALL} --methods head,aat", bench.path("tones").display());
    assert!(bench.good(&absolute).contains("complete already, used as it is"));
}

#[test]
fn evaluation_reports_clips_that_were_trained_on_apart() {
    let bench = Bench::new();
    bench.good(&format!("train --data tones {SMALL} --name mine"));
    let one = |line: &str| bench.json(line).remove(0);
    // The data it was trained on, however it is given: what validated.
    for line in ["eval mine --json", "eval mine --data tones --json", "eval mine --data ./tones --json"] {
        let report = one(line);
        assert_eq!((report["split"].as_str(), report["clips"].as_u64()), (Some("val"), Some(3)), "{line}");
        assert_eq!(report["trained_clips"], 0);
    }
    // A copy with more sounds: trained clips are known by their content, whatever they are called now.
    for class in ["low", "mid", "high"] {
        for clip in 0..5 {
            let to = bench.path(&format!("more/{class}/renamed-{clip}.wav"));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(bench.path(&format!("tones/{class}/{clip}.wav")), to).unwrap();
        }
    }
    tone(&bench.path("more/low/new.wav"), 300.0);
    let report = one("eval mine --data more --json");
    assert_eq!((report["split"].as_str(), report["clips"].as_u64()), (Some("all"), Some(4)));
    assert_eq!((report["trained_clips"].as_u64(), report["trained_on"]["clips"].as_u64()), (Some(12), Some(12)));
    assert!(bench.good("eval mine --data more").contains("12 of 16 clips were trained on and are reported apart"));
    assert!(bench.good("eval mine --split train").contains("all 12 clips were trained on"));
}

#[test]
fn a_class_without_a_training_clip_is_named_before_training() {
    let bench = Bench::new();
    for (from, to) in [("low", "train/low"), ("mid", "train/mid"), ("high", "test/high")] {
        fs::create_dir_all(bench.path(&format!("parts/{to}")).parent().unwrap()).unwrap();
        fs::rename(bench.path(&format!("tones/{from}")), bench.path(&format!("parts/{to}"))).unwrap();
    }
    tone(&bench.path("parts/test/low/9.wav"), 250.0);
    let lines = bench.json(&format!("train --data parts {SMALL} --name parts --json"));
    let warning = lines.iter().position(|line| line["event"] == "warning").unwrap();
    let first = lines.iter().position(|line| line["event"] == "epoch").unwrap();
    assert!(warning < first, "{lines:#?}");
    assert!(lines[warning]["message"].as_str().unwrap().contains("the class `high` has no clip to train on"));
    assert!(bench.state("parts").warnings[0].contains("`high`"));
}

#[test]
fn a_log_of_an_earlier_version_is_read_resumed_and_evaluated() {
    let bench = Bench::new();
    bench.good(&format!("train --data tones {SMALL} --name mine"));
    let folder = bench.path("sessions/mine");
    // What earlier versions did not have.
    let log = folder.join("events.jsonl");
    let lines: Vec<String> = fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(|line| {
            let mut value: Value = serde_json::from_str(line).unwrap();
            if value["event"] == "started" {
                value["config"].as_object_mut().unwrap().remove("dataset").unwrap();
            }
            value.to_string()
        })
        .collect();
    fs::write(&log, lines.join("\n") + "\n").unwrap();
    fs::remove_file(folder.join("clips.csv")).unwrap();
    assert_eq!(bench.config("mine").dataset, None);
    bench.good("eval mine");
    assert!(bench.good("eval mine --data tones --split train").contains("all 12 clips were trained on"));
    fs::create_dir_all(bench.path("copy")).unwrap();
    for class in ["low", "mid", "high"] {
        fs::create_dir_all(bench.path(&format!("copy/{class}"))).unwrap();
        fs::copy(bench.path(&format!("tones/{class}/0.wav")), bench.path(&format!("copy/{class}/0.wav"))).unwrap();
    }
    assert!(bench.good("eval mine --data copy").contains("has no list of the clips"));
    bench.cut("mine");
    bench.good("resume mine");
    let records = LogReader::new(&folder).poll().unwrap();
    assert!(matches!(records.last().unwrap().event, Event::Finished { .. }));
}

#[test]
fn a_name_that_is_taken_says_what_it_became() {
    let bench = Bench::new();
    let train = format!("train --data tones {SMALL} --method head --name mine");
    assert!(!bench.good(&train).contains("is taken"));
    assert!(bench.good(&train).contains("the name `mine` is taken: this session is called mine-2"));
    assert!(bench.state("mine-2").warnings[0].contains("is taken"));
}

#[test]
fn flags_of_the_environment_take_one_and_nought_and_empty_is_unset() {
    let bench = Bench::new();
    let with = |value: &str| {
        let output = bench.command("data list").env("AAT_TUI_JSON", value).env("AAT_TUI_EPOCHS", "").output().unwrap();
        assert!(output.status.success(), "{value:?}: {}", text(&output));
        text(&output).starts_with('{')
    };
    for (value, json) in
        [("1", true), ("true", true), ("yes", true), ("0", false), ("false", false), ("no", false), ("", false)]
    {
        assert_eq!(with(value), json, "{value:?}");
    }
    let output = bench.command("data list").env("AAT_TUI_JSON", "perhaps").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    // An empty number is unset, too.
    let train = format!("train --data tones {SMALL} --method head --name mine");
    let output = bench.command(&train).env("AAT_TUI_FOLD", "").env("AAT_TUI_MICRO_BATCH", "").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_batch_that_does_not_fit_is_refused_by_the_flag() {
    let bench = Bench::new();
    // A clip of 50 minutes: no machine has room for what a step of it keeps.
    let line = "train --data tones --model base --method full --frames 300000 --stride 10 --micro-batch 8 --batch 8 --epochs 1";
    let error = bench.bad(line);
    assert!(error.contains("of memory") && error.contains("--micro-batch"), "{error}");
    assert!(!bench.path("sessions").exists(), "refused before anything was made");
}

#[cfg(unix)]
#[test]
fn files_have_the_mode_that_the_umask_gives() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let cache = bench.path("cache");
    let line = format!("train --data tones {SMALL} --method head --name mine");
    assert!(bench.command(&line).env("AAT_TUI_CACHE", &cache).status().unwrap().success());
    bench.good("features tones/low/0.wav --out arrays");
    bench.good("sessions export mine --to curve.svg");
    bench.good("sessions export mine --to table.csv");
    let plain = bench.path("plain");
    fs::write(&plain, "x").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut looked_at = 0;
    let mut folders = vec![bench.path("sessions"), bench.path("arrays"), cache];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                assert_eq!(mode(&entry.path()), mode(&plain), "{}", entry.path().display());
                looked_at += 1;
            }
        }
    }
    for file in ["curve.svg", "table.csv"] {
        assert_eq!(mode(&bench.path(file)), mode(&plain), "{file}");
    }
    assert!(looked_at > 15, "{looked_at}");
}

#[test]
fn a_run_on_a_table_is_resumed_from_that_table() {
    let bench = Bench::new();
    let rows = |from: usize| -> String {
        ["low", "mid", "high"]
            .iter()
            .flat_map(|class| (from..5).map(move |clip| format!("tones/{class}/{clip}.wav,{class}\n")))
            .collect()
    };
    // Two tables in one folder: neither stands for the other.
    fs::write(bench.path("all.csv"), format!("path,label\n{}", rows(0))).unwrap();
    fs::write(bench.path("some.csv"), format!("path,label\n{}", rows(2))).unwrap();
    bench.good(&format!("train --data some.csv {SMALL} --method head --name mine"));
    assert_eq!(bench.config("mine").dataset.unwrap().path.unwrap(), bench.path("some.csv").canonicalize().unwrap());
    bench.cut("mine");
    bench.good("resume mine");
    bench.good("eval mine");
    assert!(bench.good("eval mine --data all.csv").contains("were trained on and are reported apart"));
}
