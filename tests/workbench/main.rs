//! The real binary in a real pseudo-terminal: opens, trains a pair, survives resizing and signals, quits cleanly.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod data;
mod live;
mod monkey;
mod pty;
mod review;
mod runs;
mod sounds;
mod still;
mod sweep;
#[path = "../live/virtual_mic.rs"]
#[allow(dead_code, reason = "the tests of live sound use all of it")]
mod virtual_mic;

use nix::sys::signal::Signal;
use pty::{Workbench, session_names};

#[test]
fn opens_with_an_empty_home_and_quits_without_asking() {
    let mut bench = Workbench::open(120, 36, &[]);
    let text = bench.wait_for("the first frame", |text| text.contains("Train") && text.contains("Sessions"));
    assert!(text.contains('?'), "the help key is in view:\n{text}");
    bench.press("q");
    assert_eq!(bench.wait_for_end(), 0);
    bench.assert_restored();
}

#[test]
fn too_small_a_terminal_says_so_and_recovers() {
    let mut bench = Workbench::open(60, 16, &[]);
    bench.wait_for("the request for space", |text| text.contains("80") && text.contains("24"));
    bench.resize(120, 30);
    bench.wait_for("the workbench", |text| text.contains("Train") && text.contains("Sessions"));
    bench.press("q");
    assert_eq!(bench.wait_for_end(), 0);
    bench.assert_restored();
}

#[test]
fn signals_give_the_terminal_back() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGABRT] {
        let mut bench = Workbench::open(120, 30, &[]);
        bench.wait_for("the first frame", |text| text.contains("Sessions"));
        bench.signal(signal);
        bench.wait_for_end();
        bench.assert_restored();
    }
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again() {
    let mut bench = Workbench::shell(120, 30);
    bench.press(&format!("{}\r", env!("CARGO_BIN_EXE_aat-tui")));
    bench.wait_for("the workbench", |text| text.contains("Sessions"));
    for _ in 0..2 {
        bench.press("\x1a");
        bench.wait_for("the shell", |text| text.contains("Stopped") && !text.contains("Sessions"));
        bench.assert_restored();
        bench.press("fg\r");
        bench.wait_for("the workbench again", |text| text.contains("Sessions") && text.contains("Train"));
        bench.press("2");
        bench.wait_for("keys to work", |text| text.to_lowercase().contains("adapter"));
    }
    bench.press("q");
    bench.wait_for("the shell", |text| !text.contains("Sessions"));
    bench.press("exit\r");
    bench.wait_for_end();
    bench.assert_restored();
}

/// A script that leads its session has no shell behind it that would continue a job: Ctrl-Z and SIGTSTP stop nothing.
#[test]
fn without_a_shell_behind_it_ctrl_z_stops_nothing() {
    let line = format!("{}; echo over", env!("CARGO_BIN_EXE_aat-tui"));
    let mut bench = Workbench::program("sh", "xterm-256color", 120, 30, &["-c", &line]);
    bench.wait_for("the workbench", |text| text.contains("Sessions"));
    bench.press("\x1a");
    bench.wait_for("the reason", |text| text.contains("no shell to go back to"));
    bench.press("2");
    bench.wait_for("keys to work", |text| text.to_lowercase().contains("adapter"));
    bench.press("q");
    bench.wait_for("the script to go on", |text| text.contains("over"));
    bench.assert_restored();
}

/// A terminal that shows lines only gets lines: no escape sequence in the message, the help, or a command's output.
#[test]
fn a_dumb_terminal_gets_lines_and_no_escapes() {
    for (line, words, code) in [
        (&[][..], "TERM=dumb", 2),
        (&["--help"][..], "Usage: aat-tui", 0),
        (&["trian"][..], "unrecognized subcommand", 2),
        (&["sessions", "list"][..], "no sessions in", 0),
        (&["train", "--data", "demo", "--method", "head", "--epochs", "1"][..], "epoch 1", 0),
    ] {
        let mut bench = Workbench::dumb(120, 200, line);
        assert_eq!(bench.wait_for_end(), code, "{line:?}");
        assert!(bench.text().contains(words), "{line:?}: {}", bench.text());
        assert!(!bench.wrote("\u{1b}"), "{line:?}");
    }
}

#[test]
fn every_screen_opens_at_the_smallest_size() {
    let mut bench = Workbench::open(80, 24, &[]);
    bench.wait_for("the first frame", |text| text.contains("Train"));
    for (key, word) in [("2", "adapter"), ("3", "head"), ("4", "microphone"), ("5", "session"), ("1", "Train")] {
        bench.press(key);
        bench.wait_for(word, |text| text.to_lowercase().contains(&word.to_lowercase()));
    }
    bench.press("?");
    bench.wait_for("help", |text| text.to_lowercase().contains("quit"));
    bench.press("?"); // Esc right before another key would be taken for Alt
    bench.wait_for("help to close", |text| text.contains("start"));
    bench.press("q");
    assert_eq!(bench.wait_for_end(), 0);
    bench.assert_restored();
}

#[test]
fn a_paired_run_trains_pauses_and_is_kept() {
    let mut bench = Workbench::open(120, 36, &[]);
    bench.wait_for("the first frame", |text| text.contains("Sessions"));
    bench.press("b");
    bench.wait_for("both methods training", |text| text.matches("epoch").count() >= 2 && text.contains("left"));
    bench.press(" ");
    bench.wait_for("both to pause", |text| text.matches("‖ paused").count() == 2);
    bench.press(" ");
    bench.wait_for("going on", |text| !text.contains("paused"));
    bench.press("q");
    bench.wait_for("the question", |text| text.contains("y") && text.to_lowercase().contains("quit"));
    bench.press("y");
    assert_eq!(bench.wait_for_end(), 0);
    bench.assert_restored();
    assert_eq!(session_names(&bench.sessions()).len(), 2, "both runs are kept");

    let mut again = Workbench::open_in(bench.into_home(), 120, 36, &[]);
    again.press("5");
    again.wait_for("both sessions in the list", |text| text.contains("demo") && text.contains("full"));
    again.press("q");
    assert_eq!(again.wait_for_end(), 0);
}
