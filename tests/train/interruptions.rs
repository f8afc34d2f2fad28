//! Runs that are stopped, killed, cut off from disk or from their reader.

use std::{
    fs,
    process::{Command, Stdio},
};

use aat_tui::session::Checkpoints;

use crate::bench::*;

#[test]
fn stopped_and_killed_runs_end_with_the_bits_of_one_never_interrupted() {
    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };
    let bench = Bench::new();
    let train = |name: &str| format!("train {SMALL} --epochs 4 --name {name} --json");
    bench.json(&train("whole"));

    // Asked to end in the middle of an epoch.
    let folder = bench.session("broken");
    let mut child = bench.start(&train("broken"));
    wait_until(&folder, &mut child, |state| state.step() >= 1);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert_eq!(of(&lines(&output), "stopped").len(), 1);
    assert!(state(&folder).step() < 12);

    // Killed with SIGKILL, steps after a checkpoint; the log torn as by a power cut.
    let mut child = bench.start("resume broken --json");
    wait_until(&folder, &mut child, |state| {
        state.checkpoint.as_ref().is_some_and(|(at, _)| state.epochs.len() >= 2 && state.step() > *at)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let mut log = fs::read(folder.join("events.jsonl")).unwrap();
    log.extend_from_slice(b"{\"at_ms\":17000000000");
    fs::write(folder.join("events.jsonl"), log).unwrap();
    let listed = bench.json("sessions list --json");
    let broken = listed.iter().find(|row| row["session"] == "broken").unwrap();
    assert_eq!(broken["status"], "interrupted");

    let printed = bench.json("resume last --json");
    assert_eq!(of(&printed, "resumed").len(), 1);
    assert!(of(&printed, "epoch").len() < 4, "what the log held already is not reported again");
    assert_eq!(results(&folder), results(&bench.session("whole")));
    assert_eq!(bits(&folder), bits(&bench.session("whole")));
    assert_eq!(fs::read_dir(&folder).unwrap().filter(is_checkpoint).count(), 2);
}

#[cfg(unix)]
fn is_checkpoint(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("checkpoint-"))
}

#[cfg(unix)]
#[test]
fn a_disk_without_room_and_a_checkpoint_cut_short_lose_nothing_that_was_good() {
    let bench = Bench::new();
    let folder = bench.session("full");
    let mut child = bench.start(&format!("train {SMALL} --epochs 3 --name full --json"));
    wait_until(&folder, &mut child, |state| state.checkpoint.is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    let good = bits(&folder);
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(&folder).unwrap().filter(is_checkpoint).map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();

    // No file may grow beyond 1 MiB; a checkpoint has five. The log still can.
    let line = "ulimit -f 1024; exec \"$0\" resume full --json";
    let limited = Command::new("bash")
        .args(["-c", line, env!("CARGO_BIN_EXE_aat-tui")])
        .env("AAT_TUI_SESSIONS", bench.path("sessions"))
        .env("AAT_TUI_CACHE", "off")
        .current_dir(bench.folder.path())
        .output()
        .unwrap();
    let said = text(&limited);
    assert_eq!(limited.status.code(), Some(1), "{said}");
    assert!(said.contains("checkpoint-") && said.contains("make room"), "{said}");
    assert!(!of(&lines(&limited), "warning").is_empty(), "each failed checkpoint is reported: {said}");
    assert!(!of(&lines(&limited), "epoch").is_empty(), "training went on: {said}");
    assert_eq!(names(), before);
    assert_eq!(bits(&folder), good);

    // The newest one is damaged: the one before is used, and a warning names it.
    let newest = folder.join(before.last().unwrap());
    let older = folder.join("checkpoint-00000000.safetensors");
    fs::copy(&newest, &older).unwrap();
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
    let printed = bench.json("resume full --json");
    let warning = of(&printed, "warning")[0]["message"].as_str().unwrap();
    assert!(warning.contains("cut short") && warning.contains(&*before.last().unwrap().to_string_lossy()), "{warning}");
    assert_eq!(printed.last().unwrap()["summary"], true);
}

/// What is printed decides nothing: a reader that leaves, or a full disk behind it, is named once and training ends as it
/// would have.
#[test]
fn training_continues_without_its_standard_output() {
    let bench = Bench::new();
    let mut child = bench.start(&format!("train {SMALL} --method head --epochs 2 --name unread"));
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("the work continues without it").count(), 1, "{said}");
    assert!(state(&bench.session("unread")).summary.is_some());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_the_output_is_named() {
    let bench = Bench::new();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let line = format!("train {SMALL} --method head --epochs 1 --name full");
    let trained = bench.command(&line).stdout(full()).output().unwrap();
    assert!(trained.status.success() && text(&trained).contains("standard output: "), "{}", text(&trained));
    let listed = bench.command("sessions list").stdout(full()).output().unwrap();
    assert!(!listed.status.success() && text(&listed).contains("standard output: "), "{}", text(&listed));
}

/// A terminal that closes sends SIGHUP: the run is stopped with a checkpoint, as by Ctrl-C. Under `nohup` it continues.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_hangs_up_stops_the_run_with_a_checkpoint() {
    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };
    let bench = Bench::new();
    let mut child = bench.start(&format!("train {SMALL} --method head --epochs 2000 --name hung-up"));
    let folder = bench.session("hung-up");
    wait_until(&folder, &mut child, |state| state.step() >= 3);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGHUP).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(Checkpoints::of(&folder).any());

    let line = format!("train {SMALL} --method head --epochs 3 --name ignores-it");
    let mut nohup = bench.under(&["nohup"], &line);
    let mut child = nohup.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let folder = bench.session("ignores-it");
    wait_until(&folder, &mut child, |state| state.config.is_some());
    kill(Pid::from_raw(child.id() as i32), Signal::SIGHUP).unwrap();
    assert!(child.wait().unwrap().success());
}
