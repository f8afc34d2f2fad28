//! Submits a sweep's tasks to SLURM as job arrays, reads its queue, cancels.
//!
//! The array's elements look up their task in a list that is written beside the sessions, so the cluster's limit on an
//! array's indices does not limit a sweep. An element runs `aat-tui sweep task` in place of its shell, which gets SIGUSR1
//! before its time is up, has its child write a checkpoint, and puts itself back into the queue.

mod command;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use self::command::answer;
use super::{Cluster, Place, Plan, SweepError};
use crate::{atomic, clock::now_ms, limits, regular, shell::quoted};

/// The limit on an array's indices where the controller does not report its own: SLURM's default.
const USUAL_ARRAY: usize = 1001;

/// An array that was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The number of the job.
    pub job: u64,
    /// The task of each element, by its digest.
    #[serde(skip)]
    pub tasks: Vec<String>,
    /// When, ms since the Unix epoch.
    at_ms: u64,
}

/// An element of an array in SLURM's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The task.
    pub id: String,
    /// The number of its array's job.
    pub job: u64,
    /// SLURM's state: `PENDING`, `RUNNING`, `COMPLETING`, ...
    pub state: String,
    /// Why it waits, or the node that it runs on.
    pub detail: String,
}

/// What is in SLURM's queue of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Elements that wait or run.
    pub elements: Vec<Queued>,
}

impl Queue {
    /// Reads the queue; empty where nothing was ever submitted, whatever state the cluster is in.
    ///
    /// # Errors
    /// When SLURM does not answer.
    pub fn read(place: &Place, name: &str) -> Result<Self, SweepError> {
        let submitted = submissions(place)?;
        if submitted.is_empty() {
            return Ok(Self::default());
        }
        let name = format!("--name={}", job_name(name));
        // By name, not by number: squeue refuses a number that the controller has forgotten.
        let text = answer("squeue", &["-h", "-r", &name, "-o", "%F|%K|%T|%r|%N|%k"], None)?;
        let mut elements = Vec::new();
        for line in text.lines() {
            let mut fields = line.trim().splitn(6, '|');
            let mut next = || fields.next().unwrap_or("").trim();
            let (job, index, state, reason, node, comment) = (next(), next(), next(), next(), next(), next());
            let (Ok(job), Ok(index)) = (job.parse::<u64>(), index.parse::<usize>()) else { continue };
            // The comment identifies an array whose number is unknown, because sbatch did not answer in time.
            let of =
                |array: &&Submission| array.job == Some(job) || (array.job.is_none() && array.comment() == comment);
            let Some(id) = submitted.iter().find(of).and_then(|array| array.tasks.get(index)) else { continue };
            let detail = if node.is_empty() { reason } else { node }.to_owned();
            elements.push(Queued { id: id.clone(), job, state: state.to_owned(), detail });
        }
        Ok(Self { elements })
    }

    /// The numbers of the arrays, ascending.
    fn jobs(&self) -> Vec<u64> {
        self.elements.iter().map(|element| element.job).collect::<BTreeSet<u64>>().into_iter().collect()
    }

    /// The element of a task.
    pub fn of(&self, id: &str) -> Option<&Queued> {
        self.elements.iter().find(|element| element.id == id)
    }
}

/// Submits these tasks of a plan, which are not in the queue; all of them or none.
///
/// # Errors
/// When a file cannot be written, SLURM's commands are missing, or it refuses: then nothing stays submitted. Where sbatch
/// does not answer, whether its array stays is unknown; the next [`Queue::read`] finds it.
pub fn submit(plan: &Plan, tasks: &[usize], queue: &Queue, program: &Path) -> Result<Vec<Submitted>, SweepError> {
    let cluster = &plan.file.cluster;
    let most = array_limit()?.min(cluster.array_size.map_or(usize::MAX, |size| size as usize)).max(1);
    let mut done: Vec<Submitted> = Vec::new();
    for part in tasks.chunks(most) {
        let ids: Vec<String> = part.iter().map(|index| plan.tasks[*index].id.clone()).collect();
        let submitted = folder(&plan.place).and_then(|folder| {
            let list = folder.join("tasks");
            write(&list, ids.iter().map(|id| format!("{id}\n")).collect::<String>().as_bytes())?;
            // One array after another, so that the limit on tasks at once holds over all of them, also over those that
            // an earlier run of the sweep has submitted.
            let after = match done.last() {
                _ if cluster.at_once.is_none() => Vec::new(),
                Some(before) => vec![before.job],
                None => queue.jobs(),
            };
            let script = script(plan, program, &list, ids.len(), &after);
            write(&folder.join("job.sh"), script.as_bytes())?;
            let job = sbatch(&script)?;
            let submitted = Submitted { job, tasks: ids, at_ms: now_ms() };
            // From here on the job is in the queue: it is recorded, or cancelled.
            let record = serde_json::to_vec(&submitted).unwrap_or_default();
            if let Err(error) = write(&folder.join("submitted.json"), &record) {
                let _ = answer("scancel", &[&job.to_string()], None);
                return Err(error);
            }
            Ok(submitted)
        });
        match submitted {
            Ok(submitted) => done.push(submitted),
            Err(error) => {
                for before in &done {
                    let _ = answer("scancel", &[&before.job.to_string()], None);
                }
                return Err(error);
            }
        }
    }
    Ok(done)
}

/// Cancels what is in the queue of a sweep; tasks that run write a checkpoint. Returns how many elements there were.
///
/// # Errors
/// When SLURM does not answer.
pub fn cancel(place: &Place, name: &str) -> Result<usize, SweepError> {
    let queue = Queue::read(place, name)?;
    if queue.elements.is_empty() {
        return Ok(0);
    }
    let jobs: Vec<String> = queue.jobs().iter().map(u64::to_string).collect();
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    answer("scancel", &jobs, None)?;
    Ok(queue.elements.len())
}

/// Puts the element that this process runs in back into the queue: its time is nearly up, its checkpoint is written.
///
/// # Errors
/// When SLURM refuses.
pub fn requeue_this_task() -> Result<(), SweepError> {
    let Some(job) = super::holder::job() else { return Ok(()) };
    answer("scontrol", &["requeue", &job], None).map(drop)
}

/// An array for which sbatch was called.
struct Submission {
    folder: PathBuf,
    /// The number of the job; `None` where sbatch refused, or did not answer.
    job: Option<u64>,
    /// The task of each element, by its digest.
    tasks: Vec<String>,
}

impl Submission {
    /// The comment of its job.
    fn comment(&self) -> String {
        comment(&self.folder)
    }
}

/// The comment of a job, by which it is found in the queue: its submission's folder.
fn comment(folder: &Path) -> String {
    folder.display().to_string()
}

/// Every array for which sbatch was called, the oldest first.
fn submissions(place: &Place) -> Result<Vec<Submission>, SweepError> {
    let root = place.slurm();
    let entries = match fs::read_dir(&root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(SweepError::io(&root, "read"))?,
    };
    let read = |folder: PathBuf| -> Option<Submission> {
        let tasks =
            regular::text_up_to(&folder.join("tasks"), limits::TABLE).ok()?.lines().map(str::to_owned).collect();
        let record = regular::read_up_to(&folder.join("submitted.json"), limits::SETTINGS).ok();
        let record: Option<Submitted> = record.and_then(|record| serde_json::from_slice(&record).ok());
        Some(Submission { job: record.map(|record| record.job), tasks, folder })
    };
    let mut all: Vec<Submission> = entries.flatten().filter_map(|entry| read(entry.path())).collect();
    all.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok(all)
}

/// Makes the folder of a new submission.
fn folder(place: &Place) -> Result<PathBuf, SweepError> {
    let root = place.slurm();
    let mut number = fs::read_dir(&root).map_or(0, Iterator::count) + 1;
    loop {
        let folder = root.join(format!("{number:04}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(SweepError::io(&folder, "create")(error)),
        }
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), SweepError> {
    atomic::write(path, |file| file.write_all(content)).map_err(SweepError::io(path, "write"))
}

/// The name that a sweep's jobs have in the queue.
fn job_name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    format!("sweep-{}", name.chars().map(allowed).collect::<String>())
}

/// The script of an array of `count` elements.
fn script(plan: &Plan, program: &Path, list: &Path, count: usize, after: &[u64]) -> String {
    let cluster = &plan.file.cluster;
    let mut text = String::from("#!/bin/bash\n");
    let comment = comment(list.parent().unwrap_or(list));
    for option in options(plan, cluster, count, after, &comment) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "#SBATCH {option}");
    }
    for line in &cluster.setup {
        let _ = writeln!(text, "{line}");
    }
    let program = cluster.program.as_deref().unwrap_or(program).display().to_string();
    let [program, file, list] =
        [program, plan.file.path.display().to_string(), list.display().to_string()].map(|word| quoted(&word));
    // In place of the shell: signals that SLURM sends to the script reach the program.
    let _ = writeln!(text, "exec {program} sweep task {file} --list {list} --index \"$SLURM_ARRAY_TASK_ID\"");
    text
}

fn options(plan: &Plan, cluster: &Cluster, count: usize, after: &[u64], comment: &str) -> Vec<String> {
    let at_once = cluster.at_once.map_or_else(String::new, |limit| format!("%{limit}"));
    // SLURM takes a doubled per cent sign for one.
    let logs = plan.place.logs().display().to_string().replace('%', "%%");
    let mut options = vec![
        format!("--job-name={}", job_name(&plan.file.name)),
        format!("--comment={}", quoted_for_sbatch(comment)),
        format!("--array=0-{}{at_once}", count.saturating_sub(1)),
        format!("--output={}", quoted_for_sbatch(&format!("{logs}/slurm-%A_%a.log"))),
        "--open-mode=append".to_owned(),
        format!("--signal=B:USR1@{}", cluster.grace),
        if cluster.requeue { "--requeue" } else { "--no-requeue" }.to_owned(),
    ];
    let mut add = |name: &str, value: Option<String>| options.extend(value.map(|value| format!("--{name}={value}")));
    add("partition", cluster.partition.clone());
    add("account", cluster.account.clone());
    add("qos", cluster.qos.clone());
    add("time", cluster.time.clone());
    add("mem", cluster.memory.clone());
    add("cpus-per-task", cluster.cpus.map(|cpus| cpus.to_string()));
    add("gpus", cluster.gpus.clone());
    let after: Vec<String> = after.iter().map(u64::to_string).collect();
    add("dependency", Some(format!("afterany:{}", after.join(":"))).filter(|_| !after.is_empty()));
    options.extend(cluster.options.iter().cloned());
    options
}

/// A value in a line of `#SBATCH`.
fn quoted_for_sbatch(word: &str) -> String {
    if word.contains([' ', '\t', '#', '"', '\'']) {
        format!("\"{}\"", word.replace('"', "\\\""))
    } else {
        word.to_owned()
    }
}

/// Submits a script; returns the job's number.
fn sbatch(script: &str) -> Result<u64, SweepError> {
    let text = answer("sbatch", &["--parsable"], Some(script))?;
    // `123`, or `123;cluster`, after whatever a site's plugins print.
    let number = text.lines().rev().find_map(|line| line.trim().split(';').next()?.parse().ok());
    number.ok_or_else(|| SweepError::Slurm(format!("sbatch did not give a job's number, but: {}", text.trim())))
}

/// Elements that an array may have: indices are below this.
fn array_limit() -> Result<usize, SweepError> {
    let text = answer("scontrol", &["show", "config"], None)?;
    let line =
        text.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize")?.split('=').nth(1)?.trim().parse().ok());
    Ok(line.unwrap_or(USUAL_ARRAY))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_script_asks_for_what_the_file_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my table.toml");
        let text = "[fixed]\ndata = \"demo\"\n[axes]\nseed = [1, 2, 3]\n[slurm]\npartition = \"gpu\"\naccount = \"lab\"\n\
                    time = \"4:00:00\"\nmemory = \"8G\"\ncpus = 4\ngpus = 1\nat-once = 2\ngrace = 60\n\
                    options = [\"--exclude=node3\"]\nsetup = [\"module load cuda\"]\n";
        fs::write(&path, text).unwrap();
        let plan = Plan::read(&path).unwrap();
        let script = script(&plan, Path::new("/opt/aat tui/aat-tui"), Path::new("/x/0001/tasks"), 3, &[41, 43]);
        let options: Vec<&str> = script.lines().filter_map(|line| line.strip_prefix("#SBATCH --")).collect();
        let logs = plan.place.logs().display().to_string();
        let output = format!("output=\"{logs}/slurm-%A_%a.log\"");
        for option in [
            "job-name=sweep-my-table",
            "array=0-2%2",
            output.as_str(),
            "open-mode=append",
            "signal=B:USR1@60",
            "requeue",
            "partition=gpu",
            "account=lab",
            "time=4:00:00",
            "mem=8G",
            "cpus-per-task=4",
            "gpus=1",
            "dependency=afterany:41:43",
            "comment=/x/0001",
            "exclude=node3",
        ] {
            assert!(options.contains(&option), "{option} in {options:?}");
        }
        let file = plan.file.path.display();
        let last = format!(
            "module load cuda\nexec '/opt/aat tui/aat-tui' sweep task '{file}' --list /x/0001/tasks --index \"$SLURM_ARRAY_TASK_ID\"\n"
        );
        assert!(script.ends_with(&last), "{script}");
    }
}
