//! Submissions to SLURM, with its commands in place of which scripts answer: their arguments, and what is printed
//! when they refuse. `tools/sweep_slurm.py` uses a real one.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Output};

use crate::{TABLE, bench::*, summary, with_table};

/// Puts a script in place of one of SLURM's commands.
fn fake(folder: &Path, name: &str, script: &str) {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn run(bench: &Bench, line: &str) -> Output {
    let mut command = bench.command(line);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", bench.path("slurm").display()));
    command.output().unwrap()
}

fn cluster(bench: &Bench) {
    let slurm = bench.path("slurm");
    fake(&slurm, "scontrol", "echo 'MaxArraySize            = 3'");
    fake(&slurm, "squeue", "cat \"$(dirname \"$0\")/queue\" 2>/dev/null; true");
    fake(&slurm, "scancel", "echo \"$@\" >> \"$(dirname \"$0\")/cancelled\"");
    let number = "n=$(ls \"$d\" | grep -c '^script'); cat > \"$d/script$n\"; echo $((100 + n))";
    fake(&slurm, "sbatch", &format!("d=$(dirname \"$0\"); {number}"));
}

const SLURM: &str = "\n[slurm]\naccount = \"lab\"\ntime = \"1:00:00\"\nat-once = 2\n";

#[test]
fn arrays_are_within_the_clusters_limit_and_nothing_is_submitted_twice() {
    let bench = with_table(&format!("{TABLE}{SLURM}"));
    cluster(&bench);
    let output = run(&bench, "sweep table.toml --on slurm --json");
    assert!(output.status.success(), "{}", text(&output));
    let printed = lines(&output);
    let arrays: Vec<(u64, u64)> = of(&printed, "submitted")
        .iter()
        .map(|line| (line["job"].as_u64().unwrap(), line["tasks"].as_u64().unwrap()))
        .collect();
    assert_eq!(arrays, [(100, 3), (101, 1)]);
    assert_eq!(summary(&printed), [4, 0, 0, 4]);
    let script = |n: usize| fs::read_to_string(bench.path("slurm").join(format!("script{n}"))).unwrap();
    assert!(script(0).contains("#SBATCH --array=0-2%2\n") && script(0).contains("#SBATCH --account=lab\n"));
    assert!(script(1).contains("#SBATCH --array=0-0%2\n") && script(1).contains("--dependency=afterany:100\n"));

    // In the queue: not again. Out of it and not finished: again.
    fs::write(bench.path("slurm/queue"), "100|0|PENDING|Resources|\n100|1|RUNNING|None|node1\n100|2|PENDING|Priority|\n101|0|PENDING|Dependency|\n999|0|RUNNING|None|x\n").unwrap();
    let again = lines(&run(&bench, "sweep table.toml --on slurm --json"));
    assert_eq!((of(&again, "submitted").len(), summary(&again)[3]), (0, 0));
    let status = lines(&run(&bench, "sweep status table.toml --json"));
    assert_eq!(status.iter().filter(|line| line["queue"] == "RUNNING (node1)").count(), 1, "{status:?}");
    fs::write(bench.path("slurm/queue"), "101|0|PENDING|Resources|\n").unwrap();
    let again = lines(&run(&bench, "sweep table.toml --on slurm --json"));
    assert_eq!(of(&again, "submitted").len(), 1);
    // The limit on tasks at once holds over the array of the first submission as well.
    assert!(
        script(2).contains("--array=0-2%2\n") && script(2).contains("--dependency=afterany:101\n"),
        "{}",
        script(2)
    );
    // Cancelled: only arrays that are still in the queue.
    let printed = lines(&run(&bench, "sweep cancel table.toml --json"));
    assert_eq!(printed[0]["queued"], 1);
    assert_eq!(fs::read_to_string(bench.path("slurm/cancelled")).unwrap(), "101\n");
}

#[test]
fn a_refusal_is_one_sentence_and_nothing_stays_submitted() {
    let bench = with_table(&format!("{TABLE}{SLURM}"));
    let said = |output: &Output| {
        assert_eq!(output.status.code(), Some(1), "{}", text(output));
        let error = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    // None of SLURM's commands is there.
    let mut command = bench.command("sweep table.toml --on slurm");
    let error = said(&command.env("PATH", bench.path("nowhere")).output().unwrap());
    assert!(error.contains("there is no scontrol on this machine") && error.contains("--on local"), "{error}");

    cluster(&bench);
    let refused =
        "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified";
    fake(&bench.path("slurm"), "sbatch", &format!("echo '{refused}' >&2; exit 1"));
    let error = said(&run(&bench, "sweep table.toml --on slurm"));
    assert!(error.contains("sbatch refused: Batch job submission failed: Invalid account"), "{error}");
    assert!(!bench.path("slurm/cancelled").exists());

    // The second array is refused: the first one is cancelled.
    let second = "d=$(dirname \"$0\"); if [ -e \"$d/one\" ]; then echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1; fi; : > \"$d/one\"; echo '200;main'";
    fake(&bench.path("slurm"), "sbatch", second);
    let error = said(&run(&bench, "sweep table.toml --on slurm"));
    assert!(error.contains("QOSMaxSubmitJobPerUserLimit"), "{error}");
    assert_eq!(fs::read_to_string(bench.path("slurm/cancelled")).unwrap(), "200\n");
}

/// sbatch is ended when it does not answer, and the controller may have taken the array all the same: it is known by its
/// comment, and its tasks are not submitted again.
#[test]
fn an_array_whose_number_is_unknown_is_found_in_the_queue() {
    let bench = with_table(&format!("{TABLE}{SLURM}"));
    cluster(&bench);
    fake(&bench.path("slurm"), "scontrol", "echo 'MaxArraySize            = 1001'");
    fake(&bench.path("slurm"), "sbatch", "kill -9 $$");
    let output = run(&bench, "sweep table.toml --on slurm");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let folder = bench.path("table-sweep/.sweep/slurm/0001");
    let script = fs::read_to_string(folder.join("job.sh")).unwrap();
    let comment = script.lines().find_map(|line| line.strip_prefix("#SBATCH --comment=")).unwrap().trim_matches('"');
    let line = |index: usize| format!("77|{index}|PENDING|Resources||{comment}\n");
    fs::write(bench.path("slurm/queue"), (0..3).map(line).collect::<String>()).unwrap();
    cluster(&bench);
    let printed = lines(&run(&bench, "sweep table.toml --on slurm --json"));
    let submitted: Vec<u64> = of(&printed, "submitted").iter().map(|line| line["tasks"].as_u64().unwrap()).collect();
    assert_eq!(submitted, [1], "{printed:?}");
    let printed = lines(&run(&bench, "sweep cancel table.toml --json"));
    assert_eq!(printed[0]["queued"], 3);
    assert_eq!(fs::read_to_string(bench.path("slurm/cancelled")).unwrap(), "77\n");
}
