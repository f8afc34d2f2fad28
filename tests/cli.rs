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

/// The way that needs a card is named where there is none.
#[test]
fn attention_and_uploads_alone_are_timed_on_any_device() {
    let line = "bench attention --model tiny --frames 32 --batch 2 --repeats 1 --warmup 0 --device cpu";
    let run = aat_tui().args(line.split(' ')).assert().success();
    run.stdout(predicate::str::contains("7 products: ").and(predicate::str::contains("bf16 on CUDA")));
    let run = aat_tui().args(line.replace("attention", "upload").split(' ')).assert().success();
    let both = predicate::str::contains("from ordinary memory: ").and(predicate::str::contains("on CUDA alone"));
    run.stdout(both.and(predicate::str::contains("NOT").not()));
}

/// What is counted as slow is below the fastest, and the slowest below the median.
#[test]
fn multiply_adds_alone_are_counted() {
    let run = aat_tui().args(["bench", "peak", "--repeats", "3", "--warmup", "0", "--json"]).assert().success();
    let report: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    let [least, median, most] = ["gflops_min", "gflops", "gflops_max"].map(|name| report[name].as_f64().unwrap());
    assert!(0.0 < least && least <= median && median <= most, "{report}");
    assert_eq!(report["windows"], 3);
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

/// Notes are kept beside the log: lists show tags, leave archived sessions out and say so, and removal takes the notes
/// along.
#[test]
fn sessions_have_notes_and_tags_and_can_be_archived() {
    let place = tempfile::tempdir().unwrap();
    for name in ["demo-aat", "demo-full"] {
        let folder = place.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::copy(std::path::Path::new("sessions").join(name).join("events.jsonl"), folder.join("events.jsonl"))
            .unwrap();
    }
    let run = |line: &[&str]| {
        let output = aat_tui().env("AAT_TUI_SESSIONS", place.path()).arg("sessions").args(line).assert().success();
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    };
    let noted = run(&["note", "demo-aat", "--text", "the one\nin the table", "--tag", "paper", "--tag", "best"]);
    assert_eq!(noted, "note: the one in the table\ntags: best, paper\nnot archived\n");
    assert!(run(&["note", "demo-aat", "--untag", "best"]).contains("tags: paper\n"));
    run(&["note", "demo-full", "--archive"]);
    let listed = run(&["list"]);
    assert!(listed.contains("#paper") && !listed.contains("demo-full"), "{listed}");
    assert!(listed.contains("1 archived, not listed"), "{listed}");
    assert!(run(&["list", "--archived"]).contains("(archived)"));
    assert!(run(&["list", "--tag", "nothing"]).contains("no session has nothing"));
    assert!(run(&["show", "demo-aat"]).contains("note: the one in the table"));
    let json: serde_json::Value = serde_json::from_str(run(&["list", "--json"]).lines().next().unwrap()).unwrap();
    assert_eq!((&json["session"], &json["tags"][0]), (&"demo-aat".into(), &"paper".into()));
    run(&["note", "demo-full", "--restore"]);
    assert!(run(&["list"]).contains("demo-full"));
    aat_tui()
        .env("AAT_TUI_SESSIONS", place.path())
        .args(["sessions", "note", "demo-aat", "--tag", "two words"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("one word"));
    run(&["remove", "demo-aat"]);
    assert!(!place.path().join("demo-aat").exists(), "its notes went with it");
    std::fs::write(place.path().join("demo-full/notes.json"), "{").unwrap();
    assert!(run(&["list"]).contains("notes not listed"), "a damaged file is named, and the session listed");
}

/// Words after the program's name that are no commands: forms of files, and sentences.
const NO_COMMANDS: [&str; 5] = ["adapter", "model", "session", "that", "needs"];

/// Every command line in a message, a comment or a document is one that the program takes: whatever was renamed is found.
#[test]
fn commands_in_messages_and_documents_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = <aat_tui::cli::Cli as clap::CommandFactory>::command();
    command.build();
    let (mut waiting, mut checked, mut wrong) =
        (vec![root.join("src"), root.join("docs"), root.join("README.md")], 0, vec![]);
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        if path.extension().is_none_or(|ending| ending != "rs" && ending != "md") {
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            for (at, name) in line.match_indices("aat-tui ") {
                let rest = line[at + name.len()..].split(['`', '"', '|']).next().unwrap_or_default();
                let mut words =
                    rest.split_whitespace().map(|word| word.trim_matches([',', ';', '.', ':', ')', '\\', ']']));
                let first = words.next().unwrap_or_default();
                if first.is_empty()
                    || !first.bytes().all(|byte| byte.is_ascii_lowercase())
                    || NO_COMMANDS.contains(&first)
                {
                    continue;
                }
                let Some(outer) = command.find_subcommand(first) else {
                    wrong.push(format!("{}: {first}: {line}", path.display()));
                    continue;
                };
                let mut inner = outer;
                for word in words {
                    inner = inner.find_subcommand(word).unwrap_or(inner);
                    let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) else { continue };
                    let flag = flag.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap_or_default();
                    let has = |command: &clap::Command| command.get_arguments().any(|arg| arg.get_long() == Some(flag));
                    if !has(inner) && !has(outer) {
                        wrong.push(format!("{}: --{flag}: {line}", path.display()));
                    }
                }
                checked += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 50, "{checked}");
}
