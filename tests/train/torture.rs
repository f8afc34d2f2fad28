//! Faults on purpose, by strace: the program is killed at a system call that changes the disk, or the call fails. Then the
//! session is resumed and compared with one that was never interrupted, to the bit.
//!
//! A few calls of each kind are tried; with `TORTURE=all`, as by `make torture`, every one.

use std::{fs, os::unix::process::ExitStatusExt, process::Command};

use aat_tui::session::Checkpoints;

use crate::bench::*;

/// Three epochs of three steps: each writes a checkpoint, and the third removes the first one's.
pub const RUN: &str = "--method head --epochs 3";

/// System calls by which the program changes what is on disk.
const CHANGES: [&str; 8] = ["write", "fsync", "fdatasync", "rename", "renameat", "unlink", "ftruncate", "openat"];

/// Whether every call is to be tried.
pub fn is_thorough() -> bool {
    std::env::var("TORTURE").is_ok_and(|wanted| wanted == "all")
}

/// Whether strace can be used here; says what is skipped where not.
pub fn has_strace() -> bool {
    let works =
        Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|ended| ended.success());
    if !works {
        eprintln!("skipped: strace is not installed, or may not trace here");
    }
    works
}

/// Which calls of a kind are tried: the first, second and so on of each thread.
fn numbers(few: &[u32]) -> Vec<u32> {
    if is_thorough() { (1..=400).collect() } else { few.to_vec() }
}

/// What became of runs with a fault.
#[derive(Debug, Default)]
pub struct Count {
    /// Faults injected.
    pub injected: u32,
    /// Runs that ended before anything of their session could be read; nothing was trained.
    pub before: u32,
    /// Runs that ended whole in spite of the fault.
    pub unharmed: u32,
    /// Runs that were resumed and ended with the bits of the whole one.
    pub resumed: u32,
}

/// Resumes a session where it is not complete, and compares it with the whole one.
pub fn recover(bench: &Bench, name: &str, count: &mut Count) {
    let folder = bench.session(name);
    let begun = aat_tui::session::load(&folder).is_ok_and(|state| state.config.is_some());
    if !begun {
        assert!(!Checkpoints::of(&folder).any(), "{name}: its log is gone, and there are checkpoints");
        count.before += 1;
        return;
    }
    if state(&folder).summary.is_some() {
        count.unharmed += 1;
    } else {
        let resumed = bench.run(&format!("resume {name}"));
        assert!(resumed.status.success(), "{name}: {}", text(&resumed));
        count.resumed += 1;
    }
    assert_eq!(results(&folder), results(&bench.session("whole")), "{name}");
    assert_eq!(bits(&folder), bits(&bench.session("whole")), "{name}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn killed_at_any_change_of_the_disk_nothing_is_lost() {
    if !has_strace() {
        return;
    }
    let bench = Bench::new();
    bench.json(&format!("train {SMALL} {RUN} --name whole --json"));
    let mut count = Count::default();
    for call in CHANGES {
        let few: &[u32] = if call == "openat" { &[260, 300] } else { &[1, 3, 7] };
        for number in numbers(few) {
            let name = format!("{call}-{number}");
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject];
            let ended = bench.under(&strace, &format!("train {SMALL} {RUN} --name {name}")).output().unwrap();
            if ended.status.success() {
                // There are fewer calls than that.
                break;
            }
            assert_eq!(ended.status.signal(), Some(9), "{name}: {}", text(&ended));
            count.injected += 1;
            recover(&bench, &name, &mut count);
        }
    }
    println!("killed at a call: {count:?}");
    assert!(count.resumed > 0);
}

#[test]
fn a_call_that_fails_loses_nothing() {
    if !has_strace() {
        return;
    }
    let bench = Bench::new();
    bench.json(&format!("train {SMALL} {RUN} --name whole --json"));
    let mut count = Count::default();
    let log = bench.path("strace.log");
    for call in CHANGES {
        for number in numbers(&[1, 2]) {
            let mut injected = false;
            for error in ["ENOSPC", "EIO"] {
                let name = format!("{call}-{number}-{error}");
                let inject = format!("inject={call}:error={error}:when={number}");
                let mut strace: Vec<String> = ["strace", "-f", "-qq", "-o"].map(str::to_owned).to_vec();
                strace.extend([log.display().to_string(), "-e".into(), format!("trace={call}"), "-e".into(), inject]);
                // Only what lies in the session: other calls open libraries and wake threads.
                let files = ["events.jsonl", "best.partial"].map(str::to_owned).into_iter();
                for file in files.chain((1..=3).map(|epoch| format!("checkpoint-{:08}.partial", 3 * epoch))) {
                    strace.extend(["-P".to_owned(), bench.session(&name).join(file).display().to_string()]);
                }
                strace.extend(["-P".to_owned(), bench.session(&name).display().to_string()]);
                let strace: Vec<&str> = strace.iter().map(String::as_str).collect();
                let ended = bench.under(&strace, &format!("train {SMALL} {RUN} --name {name}")).output().unwrap();
                if !fs::read_to_string(&log).unwrap_or_default().contains("(INJECTED)") {
                    continue;
                }
                injected = true;
                count.injected += 1;
                let said = text(&ended);
                assert!(!said.contains("panicked"), "{name}: {said}");
                assert!(ended.status.success() || said.contains("aat-tui: "), "{name} ended without a reason: {said}");
                recover(&bench, &name, &mut count);
            }
            if !injected {
                break;
            }
        }
    }
    println!("a call failed: {count:?}");
    assert!(count.unharmed + count.resumed > 0);
}
