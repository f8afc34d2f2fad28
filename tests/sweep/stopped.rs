//! Sweeps that are stopped, killed, cancelled, and worked off by two at once.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{TABLE, bench::*, summary, tasks, with_table};

/// One task of several epochs.
fn long() -> Bench {
    let table = TABLE.replace("epochs = 2", "epochs = 6").replace("[\"head\", \"aat-m\"]", "[\"aat-m\"]");
    with_table(&table.replace("\"all\"", "[1]"))
}

/// The folder of the sweep's only session.
fn session(bench: &Bench) -> PathBuf {
    let mut entries = fs::read_dir(bench.path("table-sweep")).unwrap().flatten().map(|entry| entry.path());
    entries.find(|path| path.join("events.jsonl").is_file()).unwrap()
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !is() {
        assert!(Instant::now() < deadline, "it did not happen in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a checkpoint is behind the sweep's only session.
fn until_under_way(bench: &Bench, child: &mut Child) {
    until("a checkpoint", || {
        assert!(child.try_wait().unwrap().is_none(), "it ended before that");
        let there = fs::read_dir(bench.path("table-sweep"))
            .is_ok_and(|mut entries| entries.any(|entry| entry.unwrap().path().join("events.jsonl").is_file()));
        there && state(&session(bench)).checkpoint.is_some()
    });
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

/// What the same run ends with when nothing interrupts it.
fn whole(bench: &Bench) -> PathBuf {
    let small = SMALL.replace("tones", "folds.csv");
    bench.json(&format!("train {small} --epochs 6 --method aat-m --fold 1 --name whole --json"));
    bench.session("whole")
}

fn in_use(bench: &Bench) -> bool {
    let listed = bench.json(&format!("sessions --sessions {} list --json", bench.path("table-sweep").display()));
    listed.iter().any(|row| row["status"] == "running")
}

/// Ctrl-C stops with a checkpoint; `kill -9` of the sweep leaves a child that notices and stops as well. Either way the
/// sweep run again ends with the bits of a run that nothing interrupted, every epoch once.
#[test]
fn a_sweep_that_was_stopped_or_killed_goes_on_to_the_same_bits() {
    let bench = long();
    let mut sweep = bench.start("sweep table.toml --json");
    until_under_way(&bench, &mut sweep);
    send(&sweep, Signal::SIGINT);
    let output = sweep.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    let printed = lines(&output);
    assert_eq!(tasks(&printed, "waiting").len(), 1, "{}", text(&output));
    assert_eq!(summary(&printed), [1, 0, 0, 1]);
    let epochs = state(&session(&bench)).epochs.len();
    assert!(epochs < 6, "it was stopped in time");

    let mut sweep = bench.start("sweep table.toml --json");
    until("another epoch", || {
        assert!(sweep.try_wait().unwrap().is_none(), "it ended before that");
        state(&session(&bench)).epochs.len() > epochs
    });
    sweep.kill().unwrap();
    sweep.wait().unwrap();
    until("the child stops by itself", || !in_use(&bench));

    let printed = bench.json("sweep table.toml --json");
    assert_eq!(summary(&printed), [1, 1, 0, 1]);
    let whole = whole(&bench);
    assert_eq!(results(&session(&bench)), results(&whole));
    assert_eq!(bits(&session(&bench)), bits(&whole));
}

/// A child that is killed is a reported failure; nothing of it is lost.
#[test]
fn a_task_that_was_killed_is_told_and_goes_on() {
    let bench = long();
    let mut sweep = bench.start("sweep table.toml --json");
    until_under_way(&bench, &mut sweep);
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", sweep.id()));
    let Ok(children) = children else { return drop(sweep.kill()) };
    // The child belongs to a worker's thread.
    let mut all: Vec<i32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    for thread in fs::read_dir(format!("/proc/{}/task", sweep.id())).unwrap().flatten() {
        let of = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        all.extend(of.split_whitespace().map(|pid| pid.parse::<i32>().unwrap()));
    }
    kill(Pid::from_raw(all[0]), Signal::SIGKILL).unwrap();
    let output = sweep.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let printed = lines(&output);
    assert!(tasks(&printed, "failed").values().next().unwrap()["note"].as_str().unwrap().contains("signal 9"));
    assert_eq!(summary(&bench.json("sweep table.toml --json")), [1, 1, 0, 1]);
    assert_eq!(bits(&session(&bench)), bits(&whole(&bench)));
}

/// SIGUSR1, which SLURM sends before the time is up, is a request to stop with a checkpoint, however often it comes.
#[test]
fn training_stops_with_a_checkpoint_when_its_time_is_up() {
    let bench = Bench::new();
    let folder = bench.session("timed");
    let mut child = bench.start(&format!("train {SMALL} --epochs 400 --name timed --json"));
    wait_until(&folder, &mut child, |state| state.step() >= 1);
    for _ in 0..3 {
        send(&child, Signal::SIGUSR1);
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert_eq!(of(&lines(&output), "stopped").len(), 1);
    assert!(state(&folder).checkpoint.is_some());
}

/// Two machines on one folder: each task is run by one of them.
#[test]
fn of_two_that_work_off_one_sweep_each_task_is_run_by_one() {
    let bench = with_table(&TABLE.replace("epochs = 2", "epochs = 3"));
    let start =
        || bench.command("sweep table.toml --json").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let both = [start(), start()].map(|child| child.wait_with_output().unwrap());
    let ran: u64 = both.iter().map(|output| summary(&lines(output))[3]).sum();
    assert_eq!(ran, 4, "{} {}", text(&both[0]), text(&both[1]));
    let again = bench.json("sweep table.toml --json");
    assert_eq!(summary(&again)[1..3], [4, 0]);
    let names: Vec<String> =
        tasks(&bench.json("sweep status table.toml --json"), "done").keys().map(|name| (*name).to_owned()).collect();
    for name in names {
        let epochs: Vec<u32> = results(&bench.path("table-sweep").join(name)).iter().map(|epoch| epoch.0).collect();
        assert_eq!(epochs, [1, 2, 3]);
    }
}

/// `cancel` reaches every machine through the folder.
#[test]
fn a_sweep_is_cancelled_from_elsewhere() {
    let bench = with_table(&TABLE.replace("epochs = 2", "epochs = 9000").replace("\"all\"", "[1]"));
    let mut sweep = bench.start("sweep table.toml --json");
    until_under_way(&bench, &mut sweep);
    let status = bench.json("sweep status table.toml --json");
    let running = tasks(&status, "running");
    assert!(running.values().next().unwrap()["host"].is_string(), "{status:?}");
    let printed = bench.json("sweep cancel table.toml --json");
    assert_eq!(printed[0]["running"], 1);
    let output = sweep.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(!bench.path("table-sweep/.sweep/claims").read_dir().unwrap().any(|_| true), "its claim is given back");
    assert_eq!(state(&session(&bench)).status, aat_tui::session::Status::Stopped);
    // Run again, it goes on.
    let mut sweep = bench.start("sweep table.toml --json");
    let step = state(&session(&bench)).step();
    until("more steps", || {
        assert!(sweep.try_wait().unwrap().is_none(), "it ended before that");
        state(&session(&bench)).step() > step
    });
    send(&sweep, Signal::SIGTERM);
    assert_eq!(sweep.wait_with_output().unwrap().status.code(), Some(130));
}

/// Claims a task of a sweep as a process of another machine does, just now.
fn claim_elsewhere(bench: &Bench, id: &str) -> PathBuf {
    let path = bench.path("table-sweep/.sweep/claims").join(format!("{id}.1"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, r#"{"host":"node7","boot":"another","pid":1,"began":1}"#).unwrap();
    path
}

/// The digest of a session's task.
fn id(name: &str) -> &str {
    name.rsplit_once('-').unwrap().1
}

/// What another process works on is not finished: neither a task nor a sweep reports success before it is.
#[test]
fn what_another_process_works_on_is_reported_as_not_finished() {
    let bench = with_table(&TABLE.replace("epochs = 2", "epochs = 1").replace("[\"head\", \"aat-m\"]", "[\"head\"]"));
    let dry = bench.json("sweep table.toml --dry-run --json");
    let names: Vec<&str> = tasks(&dry, "waiting").into_keys().collect();
    let claim = claim_elsewhere(&bench, id(names[0]));
    let task = format!("sweep task table.toml {}", id(names[0]));
    let output = bench.run(&task);
    assert_eq!(output.status.code(), Some(75), "{}", text(&output));
    assert!(text(&output).contains("another process works on") && text(&output).contains("node7"), "{}", text(&output));
    let output = bench.run("sweep table.toml --json");
    assert_eq!(output.status.code(), Some(75), "{}", text(&output));
    assert_eq!(summary(&lines(&output)), [2, 1, 0, 1]);
    assert!(text(&output).contains("one task is not finished (1 running elsewhere, 0 waiting)"), "{}", text(&output));
    fs::remove_file(claim).unwrap();
    let output = bench.run(&task);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(summary(&bench.json("sweep table.toml --json")), [2, 2, 0, 0]);
}

/// SLURM ends a job's processes before it restarts the job, so the restarted job need not wait until its old claim is stale.
/// Another process of the same run of the job does wait.
#[test]
fn a_job_that_slurm_restarted_takes_its_task_back_at_once() {
    let bench = with_table(&TABLE.replace("epochs = 2", "epochs = 1").replace("[\"head\", \"aat-m\"]", "[\"head\"]"));
    let dry = bench.json("sweep table.toml --dry-run --json");
    let id = id(tasks(&dry, "waiting").into_keys().next().unwrap()).to_owned();
    let claim = claim_elsewhere(&bench, &id);
    for (of_claim, restarts, code) in [(1, "1", 75), (0, "1", 0)] {
        let text_of_claim =
            format!(r#"{{"host":"node7","boot":"another","pid":1,"began":1,"job":"12_3","restarts":{of_claim}}}"#);
        fs::write(&claim, text_of_claim).unwrap();
        let mut command = bench.command(&format!("sweep task table.toml {id}"));
        let job = [("SLURM_ARRAY_JOB_ID", "12"), ("SLURM_ARRAY_TASK_ID", "3"), ("SLURM_JOB_ID", "15")];
        let output = command.envs(job).env("SLURM_RESTART_COUNT", restarts).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    }
}

/// Tasks of another engine's queue do not begin after a cancellation; printing their lines again withdraws it.
#[test]
fn a_cancelled_sweep_goes_on_with_printed_lines() {
    let bench = with_table(&TABLE.replace("epochs = 2", "epochs = 1").replace("[\"head\", \"aat-m\"]", "[\"head\"]"));
    let ids: Vec<String> = {
        let printed = text(&bench.run("sweep table.toml --print"));
        let word = |line: &str| line.split("  # ").next().unwrap().rsplit_once(' ').unwrap().1.to_owned();
        printed.lines().map(word).collect()
    };
    bench.json("sweep cancel table.toml --json");
    let task = format!("sweep task table.toml {}", ids[0]);
    let output = bench.run(&task);
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(text(&output).contains("the sweep is cancelled") && text(&output).contains("--print"), "{}", text(&output));
    let output = bench.run("sweep table.toml --print");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2, "{}", text(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("was cancelled"), "{}", text(&output));
    let output = bench.run(&task);
    assert!(output.status.success(), "{}", text(&output));
}
