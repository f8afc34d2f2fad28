//! What `aat-tui sweep` prints: tasks as they end, tables, the summary.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use serde::Serialize;

use super::{CliError, Engine, How, Output, probing};
use crate::{
    cli::output::column,
    digits::{counted, duration, size, thousands},
    session::{Best, Store},
    sweep::{self, Counts, Ended, Group, Plan, Queue, Report, Share, Snapshot, Standing, State, Task},
    train::Prospect,
};

/// Most tasks that a table for people lists one by one.
const LISTED: usize = 200;

/// A task, as JSON.
#[derive(Serialize)]
struct TaskLine<'a> {
    event: &'static str,
    id: &'a str,
    state: &'static str,
    session: &'a str,
    axes: BTreeMap<&'a str, &'a str>,
    epochs: u32,
    of_epochs: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<Best>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Best>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
}

/// How many tasks are in each state, as JSON: the last line.
#[derive(Serialize)]
struct SummaryLine<'a> {
    summary: bool,
    sweep: &'a str,
    folder: String,
    tasks: usize,
    done: usize,
    running: usize,
    waiting: usize,
    failed: usize,
    /// Tasks that this command ran or submitted.
    ran: usize,
}

fn line<'a>(plan: &'a Plan, task: &'a Task, standing: &'a Standing, state: &'static str) -> TaskLine<'a> {
    TaskLine {
        event: "task",
        id: &task.id,
        state,
        session: standing.name(task),
        axes: plan.axes.iter().map(String::as_str).zip(task.labels.iter().map(String::as_str)).collect(),
        epochs: standing.epochs.0,
        of_epochs: standing.epochs.1,
        best: standing.best,
        last: standing.last,
        host: standing.host.as_deref(),
        note: standing.note.as_deref(),
        warning: standing.warning.as_deref(),
        queue: None,
    }
}

/// A remark.
pub(super) fn note(text: &str, output: &mut Output) -> Result<(), CliError> {
    output.object(&serde_json::json!({ "event": "note", "message": text }))?;
    output.line(text)
}

/// How many tasks are done, running and to run, before anything runs.
pub(super) fn before(before: &Snapshot, open: usize, output: &mut Output) -> Result<(), CliError> {
    let Counts { done, running, .. } = before.counts;
    let mut parts = vec![format!("{} done", thousands(done))];
    if running > 0 {
        parts.push(format!("{} running elsewhere", thousands(running)));
    }
    parts.push(format!("{} to run", thousands(open)));
    let sessions = before.plan.place.folder().display();
    output.line(format!("{}: {}; sessions in {sessions}", counted(before.plan.tasks.len(), "task"), parts.join(", ")))
}

/// What each worker gets.
pub(super) fn share(share: &Share, output: &mut Output) -> Result<(), CliError> {
    let memory = share.memory.map_or_else(String::new, |bytes| format!(", {:.1} GB of memory", bytes as f64 / 1e9));
    let gpus = match share.gpus.len() {
        0 => String::new(),
        n if n >= share.workers => ", a GPU".to_owned(),
        n => format!(", one of {n} GPUs, which workers share"),
    };
    note(
        &format!("{}, each with {}{memory}{gpus}", counted(share.workers, "worker"), counted(share.threads, "thread")),
        output,
    )
}

/// Prints tasks as they begin and end.
pub(super) struct Progress<'a> {
    plan: &'a Plan,
    output: &'a mut Output,
    done: usize,
    failed: usize,
    ran: usize,
}

impl<'a> Progress<'a> {
    pub(super) fn new(plan: &'a Plan, before: &Snapshot, output: &'a mut Output) -> Self {
        Self { plan, output, done: before.counts.done, failed: 0, ran: 0 }
    }

    /// Tasks that were begun.
    pub(super) fn ran(&self) -> usize {
        self.ran
    }

    pub(super) fn report(&mut self, what: Report) -> Result<(), CliError> {
        let (plan, all) = (self.plan, self.plan.tasks.len());
        match what {
            Report::Began { task, resume } => {
                self.ran += 1;
                let task = &plan.tasks[task];
                self.output.object(&line(plan, task, &Standing::default(), "running"))?;
                let how = if resume { "resuming" } else { "training" };
                self.output.line(format!("{how} {}: {}", task.session, plan.described(task)))
            }
            Report::Ended { task, ended, standing } => {
                let task = &plan.tasks[task];
                let (state, words) = match &ended {
                    Ended::Done | Ended::WasDone => {
                        self.done += 1;
                        ("done", done(&standing))
                    }
                    Ended::Stopped => ("waiting", "stopped with a checkpoint".to_owned()),
                    Ended::Elsewhere(host) => {
                        let host = host.as_ref().map_or_else(String::new, |host| format!(" on {host}"));
                        ("running", format!("runs elsewhere{host}"))
                    }
                    Ended::Failed(reason) => {
                        self.failed += 1;
                        ("failed", format!("failed: {reason}"))
                    }
                };
                self.output.object(&line(plan, task, &standing, state))?;
                let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
                self.output.line(format!("[{} of {all} done{failed}] {}: {words}", self.done, standing.name(task)))
            }
        }
    }
}

fn done(standing: &Standing) -> String {
    let at =
        |best: Option<Best>| best.map_or("none".to_owned(), |best| format!("{:.4} (epoch {})", best.value, best.epoch));
    format!("{} best {}, last {}, {:.1} s", standing.metric, at(standing.best), at(standing.last), standing.seconds)
}

/// The table of a sweep: by axis, by group, and each task that is not done.
pub(super) fn status(plan: &Plan, snapshot: &Snapshot, queue: &Queue, output: &mut Output) -> Result<(), CliError> {
    for (task, standing) in plan.tasks.iter().zip(&snapshot.standings) {
        let queued = queue.of(&task.id).map(|element| format!("{} ({})", element.state, element.detail));
        output.object(&TaskLine { queue: queued, ..line(plan, task, standing, standing.state.name()) })?;
    }
    if output.is_json() {
        return Ok(());
    }
    for (axis, values) in &snapshot.by_axis {
        output.line(format!("{}{:>9}{:>9}{:>9}{:>9}", column(axis, 26), "done", "running", "waiting", "failed"))?;
        for (label, Counts { done, running, waiting, failed }) in values {
            output.line(format!("  {}{done:>9}{running:>9}{waiting:>9}{failed:>9}", column(label, 24)))?;
        }
    }
    groups(&snapshot.groups, output)?;
    for standing in &snapshot.standings {
        standing.warning.iter().try_for_each(|warning| output.line(warning))?;
    }
    let open: Vec<usize> =
        (0..plan.tasks.len()).filter(|index| snapshot.standings[*index].state != State::Done).collect();
    for index in open.iter().take(LISTED) {
        let (task, standing) = (&plan.tasks[*index], &snapshot.standings[*index]);
        let epochs = format!("{}/{}", standing.epochs.0, standing.epochs.1);
        let mut words: Vec<String> = Vec::new();
        words.extend(queue.of(&task.id).map(|element| format!("SLURM: {} {}", element.state, element.detail)));
        words
            .extend(standing.host.iter().filter(|_| standing.state == State::Running).map(|host| format!("on {host}")));
        words.extend(standing.note.clone());
        let name = column(standing.name(task), 46);
        output.line(format!("{name} {:<9}{epochs:>7}  {}", standing.state.name(), words.join("; ")).trim_end())?;
    }
    if open.len() > LISTED {
        output.line(format!("and {} more that are not done (--json lists all)", thousands(open.len() - LISTED)))?;
    }
    Ok(())
}

fn groups(groups: &[Group], output: &mut Output) -> Result<(), CliError> {
    let metrics = sweep::metrics(groups);
    let metric = match metrics.as_slice() {
        [] => return Ok(()),
        [metric] => (*metric).to_owned(),
        _ => "epoch".to_owned(),
    };
    output.line(format!("{}{:>9}  last {metric}, mean with its 95 % interval", column("group", 26), "done"))?;
    for group in groups {
        let value = match (group.last.count, group.last.low, group.last.high) {
            (0, ..) => "-".to_owned(),
            (_, Some(low), Some(high)) => format!("{:.4} ({low:.4} to {high:.4})", group.last.mean),
            _ => format!("{:.4}", group.last.mean),
        };
        let done = format!("{}/{}", group.counts.done, group.counts.all());
        let metric = if metrics.len() > 1 { format!(" {}", group.metric) } else { String::new() };
        output.line(format!("  {}{done:>9}  {value}{metric}", column(&group.name(), 24)))?;
    }
    Ok(())
}

/// The last line.
pub(super) fn summary(plan: &Plan, snapshot: &Snapshot, ran: usize, output: &mut Output) -> Result<(), CliError> {
    let Counts { done, running, waiting, failed } = snapshot.counts;
    output.object(&SummaryLine {
        summary: true,
        sweep: &plan.file.name,
        folder: plan.place.folder().display().to_string(),
        tasks: plan.tasks.len(),
        done,
        running,
        waiting,
        failed,
        ran,
    })?;
    let mut parts = vec![format!("{} of {} done", thousands(done), counted(plan.tasks.len(), "task"))];
    let more = [(running, "running"), (waiting, "waiting"), (failed, "failed")];
    parts.extend(
        more.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{} {word}", thousands(count))),
    );
    output.line(parts.join(", "))
}

/// What would run.
pub(super) fn dry_run(
    plan: &Plan,
    before: &Snapshot,
    prospects: &[Option<Prospect>],
    how: &How,
    output: &mut Output,
) -> Result<(), CliError> {
    let other =
        std::env::var_os("AAT_TUI_SESSIONS").map_or_else(Store::of_user, |folder| Store::at(PathBuf::from(folder)));
    let paces = sweep::Paces::of(&[plan.place.store(), other])?;
    let mut probed = HashMap::new();
    if how.probe {
        let problems;
        let tasks = prospects.iter().flatten().count();
        (probed, problems) = sweep::probe(plan, prospects, &paces, &probing(plan, how, tasks)?);
        problems.iter().try_for_each(|problem| note(problem, output))?;
    }
    let estimate = sweep::estimate(plan, &before.standings, prospects, &paces, &probed);
    for (task, standing) in plan.tasks.iter().zip(&before.standings) {
        output.object(&line(plan, task, standing, standing.state.name()))?;
    }
    for (task, standing) in plan.tasks.iter().zip(&before.standings).take(LISTED) {
        output.line(format!(
            "{} {:<9}{}",
            column(standing.name(task), 46),
            standing.state.name(),
            plan.described(task)
        ))?;
    }
    if plan.tasks.len() > LISTED {
        output.line(format!("and {} more (--json lists all)", thousands(plan.tasks.len() - LISTED)))?;
    }
    if !output.is_json() {
        for (axis, values) in &before.by_axis {
            let shown: Vec<&str> = values.iter().map(|(label, _)| label.as_str()).take(12).collect();
            let more = if values.len() > shown.len() { ", ..." } else { "" };
            output.line(format!("{axis}: {}{more} ({})", shown.join(", "), values.len()))?;
        }
    }
    output.object(&serde_json::json!({ "event": "estimate", "estimate": estimate }))?;
    let workers = match how.on {
        Engine::Local => how.workers.map(|workers| workers as usize).or(plan.file.workers),
        Engine::Slurm => plan.file.cluster.at_once.map(|limit| limit as usize),
    };
    output.line(format!(
        "{} to run; {}; sessions take about {} in {}",
        counted(estimate.tasks, "task"),
        hours(&estimate, workers),
        size(estimate.disk_bytes),
        plan.place.folder().display()
    ))?;
    summary(plan, before, 0, output)
}

/// The estimated time, with where it comes from.
fn hours(estimate: &sweep::Estimate, workers: Option<usize>) -> String {
    let known = estimate.by_sessions + estimate.by_probe;
    if estimate.tasks == 0 {
        return "nothing is left to do".to_owned();
    }
    if known == 0 {
        return "the time is unknown: no earlier session has their configuration (--probe measures a few steps)"
            .to_owned();
    }
    let time = |hours: f64| duration(3600.0 * hours);
    let sources: Vec<String> = [(estimate.by_sessions, "earlier sessions"), (estimate.by_probe, "a probe")]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} by {what}", thousands(count)))
        .collect();
    let at_once = match workers {
        Some(workers) if workers > 1 => format!(", {} with {workers} at once", time(estimate.hours / workers as f64)),
        _ => String::new(),
    };
    let unknown = match estimate.unknown {
        0 => String::new(),
        n => format!("; the time of {} is unknown (--probe measures a few steps)", counted(n, "task")),
    };
    format!("about {} one after another{at_once} ({}){unknown}", time(estimate.hours), sources.join(", "))
}
