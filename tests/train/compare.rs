//! Methods on the same data and folds.

use std::fs;

use aat_tui::session::RunState;
use serde_json::Value;

use crate::bench::*;

#[test]
fn compared_runs_start_alike_and_see_the_same_batches() {
    let bench = Bench::new();
    let printed =
        bench.json(&format!("compare {SMALL} --epochs 1 --methods aat,full,head --name pair --to c.csv --json"));
    assert_eq!(printed.last().unwrap()["summary"], true);
    let summaries: Vec<_> = printed.iter().filter(|line| line["summary"] == true).collect();
    let methods: Vec<_> = summaries.iter().map(|line| line["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["aat", "full", "head"]);
    let trainable: Vec<_> = summaries.iter().map(|line| line["trainable"].as_u64().unwrap()).collect();
    assert!(trainable[1] > trainable[0] && trainable[0] > trainable[2]);

    let states = ["pair-aat", "pair-full", "pair-head"].map(|name| state(&bench.session(name)));
    let first = |state: &RunState| state.trace.buckets()[0].max;
    // Adapters begin as nothing, heads alike, batches are the same: so is the first loss.
    assert!((first(&states[0]) - first(&states[1])).abs() < 1e-5);
    assert!((first(&states[0]) - first(&states[2])).abs() < 1e-5);
    assert_eq!(states[1].config.as_ref().unwrap().paired_with.as_deref(), Some("pair-aat"));

    let rows: Vec<_> = printed.iter().filter(|line| line["aggregate"] == true).collect();
    assert_eq!(rows.len(), 3);
    assert!(rows[0]["last_difference"].is_null());
    let difference = &rows[1]["last_difference"];
    let number = |key: &str| difference[key].as_f64().unwrap();
    let values = [0, 1].map(|i| rows[i]["last"]["mean"].as_f64().unwrap());
    assert!((number("difference") - (values[0] - values[1])).abs() < 1e-12);
    assert!(number("low") <= number("difference") && number("difference") <= number("high"));
    let table = fs::read_to_string(bench.path("c.csv")).unwrap();
    assert!(table.starts_with("method,folds,metric,best_mean") && table.lines().count() == 4, "{table}");
}

#[test]
fn every_fold_in_one_command() {
    let bench = Bench::new();
    let small = in_folds(&bench);
    let line = format!(
        "compare {small} --epochs 1 --methods aat-m,head,lora,bitfit --folds all --export c.csv --export c.png"
    );
    let printed = bench.json(&format!("{line} --json"));
    let summaries: Vec<_> = printed.iter().filter(|line| line["summary"] == true).map(|line| &line["fold"]).collect();
    assert_eq!(summaries, [1, 1, 1, 1, 2, 2, 2, 2]);
    let row = printed.iter().find(|line| line["aggregate"] == true).unwrap();
    assert_eq!(row["folds"], serde_json::json!([1, 2]));
    assert!(row["last"]["std"].is_number() && row["best"]["mean"].is_number() && row["share"].is_number());
    assert!(fs::read(bench.path("c.png")).unwrap().starts_with(b"\x89PNG"));

    // The same command again trains nothing, and prints the same; people read it as a table.
    let again = bench.json(&format!("{line} --json"));
    assert_eq!((of(&again, "reused").len(), of(&again, "started").len()), (8, 0));
    let rows = |printed: &[Value]| printed.iter().filter(|line| line["aggregate"] == true).cloned().collect::<Vec<_>>();
    assert_eq!(rows(&again), rows(&printed));
    let table = text(&bench.run(&line));
    let row = table.lines().find(|line| line.starts_with("lora ")).unwrap();
    assert!(row.contains('±') && row.contains('%') && row.contains('['), "{table}");
    assert!(table.contains("mean ± std over 2 folds") && table.contains("written: c.png"), "{table}");

    // Several sessions are a comparison too.
    let output = bench.run("sessions export folds-f1-aat-m folds-f1-head folds-f2-head folds-f2-aat-m --to d.csv");
    assert!(output.status.success(), "{}", text(&output));
    let file = |name: &str| {
        fs::read_to_string(bench.path(name)).unwrap().lines().take(3).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(file("d.csv"), file("c.csv"));
    let output = bench.run("sessions export folds-f1-head folds-f1-head --to e.csv");
    assert!(text(&output).contains("folds-f1-head is named twice"), "{}", text(&output));
    assert!(!bench.path("e.csv").exists());

    let said = |line: &str| text(&bench.run(line));
    assert!(said(&format!("compare {SMALL} --methods aat,head --folds all")).contains("has no folds"));
    assert!(said(&format!("compare {small} --methods aat,head --folds 1,4")).contains("no fold 4"));
    assert!(said(&format!("compare {small} --methods aat,head,aat")).contains("names aat twice"));
    assert!(said(&format!("compare {small} --methods aat --export c.pdf")).contains(".csv, .svg or .png"));
}

/// Killed in the middle of the second fold, a comparison continues there when the same command is given again.
#[test]
fn a_comparison_goes_on_where_it_was_killed() {
    let bench = Bench::new();
    let small = in_folds(&bench);
    let line = |name: &str| {
        format!("compare {small} --epochs 3 --methods aat-m,lora-r2,head --folds all --name {name} --json")
    };
    let whole = bench.json(&line("whole"));
    let folder = bench.session("broken-f2-lora-r2");
    let mut child = bench.start(&line("broken"));
    wait_until(&folder, &mut child, |state| state.checkpoint.is_some());
    child.kill().unwrap();
    child.wait().unwrap();

    let printed = bench.json(&line("broken"));
    assert_eq!(of(&printed, "reused").len(), 3, "the first fold is complete");
    assert!(!of(&printed, "resumed").is_empty());
    let rows = |printed: &[Value]| -> Vec<Value> {
        let rows = printed.iter().filter(|line| line["aggregate"] == true);
        rows.map(|row| serde_json::json!([row["method"], row["best"], row["last"], row["last_difference"]])).collect()
    };
    assert_eq!(rows(&printed), rows(&whole));
    // Two comparisons of six runs; one more, if the kill came before its first checkpoint.
    let listed = bench.json("sessions list --json");
    assert_eq!(listed.iter().filter(|row| row["status"] == "finished").count(), 12, "nothing was trained twice");
    // Another rate is another run.
    let other = line("broken").replace("3e-4", "2e-4");
    assert_eq!(of(&bench.json(&other), "started").len(), 6);
}
