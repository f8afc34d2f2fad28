//! The command line's sweeps: planned, worked off, stopped, killed, run again, exported, and what cannot be.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "../train/bench.rs"]
#[allow(dead_code, reason = "shared with the tests of training")]
mod bench;
#[cfg(unix)]
mod slurm;
#[cfg(unix)]
mod stopped;
mod thousand;

#[path = "../../src/audio/testing.rs"]
mod wav;

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use bench::*;

/// A tiny model on short clips by two methods over both folds.
const TABLE: &str = r#"
[fixed]
data = "folds.csv"
model = "tiny"
frames = 32
batch = 4
lr = 3e-4
norms-every = 2
epochs = 2

[axes]
method = ["head", "aat-m"]
fold = "all"
"#;

/// A bench with data in folds and this sweep as `table.toml`.
fn with_table(table: &str) -> Bench {
    let bench = Bench::new();
    in_folds(&bench);
    fs::write(bench.path("table.toml"), table).unwrap();
    bench
}

/// The tasks of a sweep's output that are in this state, each once.
fn tasks<'a>(lines: &'a [Value], state: &str) -> BTreeMap<&'a str, &'a Value> {
    let of = lines.iter().filter(|line| line["event"] == "task" && line["state"] == state);
    of.map(|line| (line["session"].as_str().unwrap(), line)).collect()
}

fn summary(lines: &[Value]) -> [u64; 4] {
    let last = lines.last().unwrap();
    assert_eq!(last["summary"], true);
    ["tasks", "done", "failed", "ran"].map(|key| last[key].as_u64().unwrap())
}

#[test]
fn a_sweep_runs_what_is_missing_and_nothing_twice() {
    let bench = with_table(TABLE);
    let dry = bench.json("sweep table.toml --dry-run --json");
    assert_eq!((summary(&dry), tasks(&dry, "waiting").len()), ([4, 0, 0, 0], 4));
    assert!(!bench.path("table-sweep").exists(), "a dry run writes nothing");
    assert_eq!(of(&dry, "estimate")[0]["estimate"]["unknown"], 4);

    let first = bench.json("sweep table.toml --json");
    assert_eq!(summary(&first), [4, 4, 0, 4]);
    let done = tasks(&first, "done");
    assert_eq!(done.len(), 4);
    let line = done.iter().find(|(name, _)| name.starts_with("aat-m-f2-")).unwrap().1;
    assert_eq!(line["axes"], serde_json::json!({"method": "aat-m", "fold": "2"}));
    let sessions = bench.path("table-sweep");
    let session = sessions.join(line["session"].as_str().unwrap());

    // The same run by hand, with every thread of the machine: the same bits.
    let small = SMALL.replace("tones", "folds.csv");
    bench.json(&format!("train {small} --epochs 2 --method aat-m --fold 2 --name plain --json"));
    assert_eq!(results(&session), results(&bench.session("plain")));
    assert_eq!(bits(&session), bits(&bench.session("plain")));

    // Nothing is left to do; what is removed is done again, alone, and so is what an axis gains.
    assert_eq!(summary(&bench.json("sweep table.toml --json")), [4, 4, 0, 0]);
    fs::remove_dir_all(&session).unwrap();
    let again = bench.json("sweep table.toml --workers 2 --json");
    assert_eq!(summary(&again), [4, 4, 0, 1]);
    assert_eq!(bits(&session), bits(&bench.session("plain")));
    fs::write(bench.path("table.toml"), format!("{TABLE}seed = [1, 2]\n[[exclude]]\nmethod = \"aat-m\"\nseed = 2\n"))
        .unwrap();
    let grown = bench.json("sweep table.toml --workers 2 --json");
    assert_eq!(summary(&grown)[1..], [6, 0, 2], "{grown:?}");
    assert!(of(&grown, "note").iter().any(|note| note["message"] == "2 of 8 combinations are excluded"));
    let estimate = bench.json("sweep table.toml --dry-run --json");
    assert_eq!(of(&estimate, "estimate")[0]["estimate"]["tasks"], 0);

    // The sessions are ordinary ones, and the tables are made of them.
    let listed = bench.json(&format!("sessions --sessions {} list --json", sessions.display()));
    assert_eq!(listed.iter().filter(|row| row["status"] == "finished").count(), 6);
    let said = text(&bench.run("sweep export table.toml --to r.md --to r.tex --to r.csv --to r.svg --against head"));
    assert!(said.contains("written: r.svg"), "{said}");
    let table = fs::read_to_string(bench.path("r.md")).unwrap();
    assert!(table.contains("| head | 4 |") && table.contains("minus head, points"), "{table}");
    assert!(fs::read_to_string(bench.path("r.tex")).unwrap().contains("\\begin{tabular}"));
    let said = text(&bench.run("sweep export table.toml --tasks --to tasks.csv"));
    assert!(said.contains("written"), "{said}");
    assert_eq!(fs::read_to_string(bench.path("tasks.csv")).unwrap().lines().count(), 7);
    let status = bench.json("sweep status table.toml --json");
    assert_eq!((tasks(&status, "done").len(), summary(&status)), (6, [6, 6, 0, 0]));
}

#[test]
fn what_cannot_be_is_one_sentence_and_nothing_is_begun() {
    let bench = with_table(TABLE);
    let said = |table: &str, flags: &str| {
        fs::write(bench.path("bad.toml"), table).unwrap();
        let output = bench.run(&format!("sweep bad.toml {flags}"));
        assert!(!output.status.success(), "{table}");
        let error = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!bench.path("bad-sweep").exists(), "{error}");
        (output.status.code(), error)
    };
    let (code, error) = said(&TABLE.replace("method =", "methods ="), "");
    assert!(code == Some(2) && error.contains("no flag --methods (did you mean `method`?)"), "{error}");
    let (code, error) = said(&TABLE.replace("\"all\"", "[1, 7]"), "");
    assert!(code == Some(2) && error.contains("no fold 7 (did you mean 2?)") && error.contains("fold 7"), "{error}");
    assert!(said(&TABLE.replace("[\"head\", \"aat-m\"]", "[]"), "").1.contains("expands to nothing"));
    let seeds: Vec<String> = (0..1000).map(|seed| seed.to_string()).collect();
    let million = format!("{TABLE}seed = [{0}]\nstride = [{0}]\n", seeds.join(", "));
    assert!(said(&million, "").1.contains("it expands to 2,000,000 tasks"));
    assert!(said(&TABLE.replace("folds.csv", "nowhere"), "").1.contains("nowhere"));
    assert!(said(&TABLE.replace("\"tiny\"", "\"tinny\""), "").1.contains("tinny"));
    let output = bench.run("sweep missing.toml");
    assert!(text(&output).contains("missing.toml: cannot read"), "{}", text(&output));
    let output = bench.run("sweep status");
    assert_eq!(output.status.code(), Some(2));
}

/// Every line of `--print` is a command that works off its task, and does nothing when it is given again.
#[cfg(unix)]
#[test]
fn printed_lines_are_commands_for_any_engine() {
    let bench = with_table(&TABLE.replace("epochs = 2", "epochs = 1").replace("[\"head\", \"aat-m\"]", "[\"head\"]"));
    let printed = text(&bench.run("sweep table.toml --print"));
    assert_eq!(printed.lines().count(), 2, "{printed}");
    let shell = |line: &str| {
        let mut command = std::process::Command::new("sh");
        let output = command.args(["-c", line]).current_dir("/").env("AAT_TUI_CACHE", "off").env("AAT_TUI_EPOCHS", "9");
        output.output().unwrap()
    };
    let first = printed.lines().next().unwrap();
    let output = shell(first);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("is finished"), "{}", text(&output));
    assert!(text(&shell(first)).contains("is finished already"));
    assert_eq!(text(&bench.run("sweep table.toml --print")).lines().count(), 1);
    // By its index, as an indexed job does it.
    let index = format!(
        "{} sweep task {} --index $JOB_COMPLETION_INDEX",
        env!("CARGO_BIN_EXE_aat-tui"),
        bench.path("table.toml").display()
    );
    let output = shell(&format!("JOB_COMPLETION_INDEX=1; {index}"));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(summary(&bench.json("sweep table.toml --json")), [2, 2, 0, 0]);
    let output = shell(&format!("JOB_COMPLETION_INDEX=2; {index}"));
    assert!(output.status.code() == Some(2) && text(&output).contains("tasks 0 to 1, not 2"), "{}", text(&output));
}

/// A task that fails does not keep the others from running, and is tried again.
#[test]
fn a_task_that_fails_is_told_and_tried_again() {
    let bench = with_table(
        &TABLE.replace("epochs = 2", "epochs = 1").replace("method = [\"head\", \"aat-m\"]", "method = [\"head\"]"),
    );
    let clip = bench.path("tones/low/1.wav");
    let sound = fs::read(&clip).unwrap();
    fs::write(&clip, b"no sound").unwrap();
    let output = bench.run("sweep table.toml --json");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let printed = lines(&output);
    assert_eq!(summary(&printed), [2, 0, 2, 2]);
    let reason = tasks(&printed, "failed").values().next().unwrap()["note"].as_str().unwrap().to_owned();
    assert!(reason.contains("1.wav"), "{reason}");
    let status = bench.json("sweep status table.toml --json");
    assert!(tasks(&status, "failed").values().next().unwrap()["note"].as_str().unwrap().contains("1.wav"));
    fs::write(&clip, sound).unwrap();
    assert_eq!(summary(&bench.json("sweep table.toml --json")), [2, 2, 0, 2]);
}
