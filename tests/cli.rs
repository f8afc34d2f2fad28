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
