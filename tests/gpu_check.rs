//! The script that checks a card, `benches/peers/gpu_check.py`, where there is none: what it would run, and its table.
//! Prints a message and passes where there is no Python.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    fs,
    process::{Command, Output},
};

fn script(arguments: &[&str]) -> Option<Output> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if Command::new(&python).arg("--version").output().is_err() {
        eprintln!("skipped: no Python ({python})");
        return None;
    }
    Some(Command::new(python).arg("benches/peers/gpu_check.py").args(arguments).output().unwrap())
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn parts_together_are_the_whole_and_the_first_compares() {
    let plan = |part: &str| script(&["--plan", "--part", part, "--rounds", "4"]).as_ref().map(lines);
    let (Some(whole), Some(first), Some(second)) = (plan("1/1"), plan("1/2"), plan("2/2")) else { return };
    let rows =
        |plan: &[String]| plan.iter().filter(|line| line.ends_with(": 4 rounds of")).cloned().collect::<Vec<_>>();
    let mut both = [rows(&first), rows(&second)].concat();
    let mut all = rows(&whole);
    assert_eq!((rows(&first).len(), rows(&second).len(), all.len()), (5, 5, 10));
    both.sort();
    all.sort();
    assert_eq!(both, all);
    let times = |plan: &[String], what: &str| plan.iter().filter(|line| line.contains(what)).count();
    assert_eq!([&whole, &first, &second].map(|plan| times(plan, " bench agree ")), [1, 1, 0]);
    assert_eq!([&whole, &first, &second].map(|plan| times(plan, " --compile")), [10, 5, 5]);
    for what in [" bench attention ", " bench upload "] {
        assert_eq!([&whole, &first, &second].map(|plan| times(plan, what)), [2, 1, 1]);
    }
}

#[test]
fn the_table_of_two_files_has_medians_and_spreads() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, rows: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!(r#"{{"rows": [{rows}]}}"#)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let row = |work: &str, side: &str, times: &str, share: &str| {
        format!(
            r#"{{"work": "{work}", "side": "{side}", "times_ms": {times}, "memory_bytes": 2097152, "share": {share}}}"#
        )
    };
    let tiny = [
        row("tiny, aat, batch 48", "compiled", "[9.0]", "null"),
        row("tiny, aat, batch 48", "ours", "[3, 1, 2]", "0.5"),
    ];
    let files = [file("b", &tiny.join(", ")), file("a", &row("base, aat, batch 12", "torch", "[20, 30]", "0.25"))];
    let Some(output) = script(&["--table", &files[0], &files[1]]) else { return };
    let words: Vec<Vec<String>> =
        lines(&output).iter().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect();
    assert_eq!(words[0].join(" "), "ms min max rounds of ours MiB of matmul");
    assert_eq!(words[1].join(" "), "base, aat, batch 12 torch 25.00 20.00 30.00 2 - 2 25.0%");
    assert_eq!(words[2].join(" "), "tiny, aat, batch 48 ours 2.00 1.00 3.00 3 1.00 2 50.0%");
    assert_eq!(words[3].join(" "), "tiny, aat, batch 48 compiled 9.00 9.00 9.00 1 4.50 2 -");
}

#[test]
fn a_part_that_is_none_is_refused() {
    for part in ["3/2", "0/2", "half"] {
        let Some(output) = script(&["--plan", "--part", part]) else { return };
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("the first of two parts"));
    }
    let Some(output) = script(&["--plan", "--rounds", "0"]) else { return };
    assert_eq!(output.status.code(), Some(2));
}
