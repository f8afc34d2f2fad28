//! The command line as a whole: help, completions, the manual page, exit codes.
#![allow(clippy::unwrap_used)]

use assert_cmd::Command;
use predicates::prelude::*;

fn aat_tui() -> Command {
    Command::cargo_bin("aat-tui").unwrap()
}

#[test]
fn help_names_every_subcommand_and_ends_well() {
    let help = aat_tui().arg("--help").assert().success();
    let text = String::from_utf8(help.get_output().stdout.clone()).unwrap();
    for name in ["train", "compare", "resume", "eval", "classify", "listen", "params", "features", "data", "sessions"] {
        assert!(text.contains(name), "{name} is missing:\n{text}");
    }
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    aat_tui().args(["completions", "bash"]).assert().success().stdout(predicate::str::contains("complete -F"));
    aat_tui().args(["completions", "zsh"]).assert().success().stdout(predicate::str::contains("#compdef aat-tui"));
    aat_tui().arg("man").assert().success().stdout(predicate::str::contains(".TH aat-tui"));
}

#[test]
fn a_wrong_call_is_usage_and_says_so_on_standard_error() {
    aat_tui().arg("trian").assert().code(2).stdout("").stderr(predicate::str::contains("train"));
    aat_tui().args(["params", "--method", "adapt"]).assert().code(2).stdout("");
}

#[test]
fn without_a_terminal_the_workbench_says_what_to_do() {
    aat_tui().write_stdin("").assert().code(2).stderr(predicate::str::contains("terminal"));
}

/// A folder in the working directory with a session's name is never deleted in its place.
#[test]
fn remove_means_the_store_and_no_folder_here() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path().join("precious");
    std::fs::create_dir(&here).unwrap();
    std::fs::write(here.join("events.jsonl"), "{\"event\":\"click\"}\n").unwrap();
    std::fs::write(here.join("thesis.tex"), "x").unwrap();
    for name in ["precious", "./precious"] {
        let mut command = Command::cargo_bin("aat-tui").unwrap();
        let run = command.current_dir(place.path()).args(["sessions", "--sessions", "store", "remove", name]).assert();
        let said = String::from_utf8_lossy(&run.code(1).get_output().stderr).into_owned();
        assert!(said.contains("./precious") || said.contains("nothing was removed"), "{said}");
        assert_eq!(std::fs::read_dir(&here).unwrap().count(), 2);
    }
}
