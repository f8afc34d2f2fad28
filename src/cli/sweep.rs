//! `aat-tui sweep`: a table of runs as a file, run here, on SLURM, or by any engine that runs command lines.

mod report;
mod task;

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    sync::Arc,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use super::{CliError, Interrupt, Output, output::warn};
use crate::{
    sweep::{self, Counts, Observer, Plan, Program, Share, Snapshot, State, Stop, SweepError},
    train::available_memory,
};

/// How often the file that `sweep cancel` makes is looked for.
const STOP_FILE: Duration = Duration::from_secs(1);

/// Run a whole table: data sets, methods, folds, seeds and any other flag of train, multiplied out from a file. Runs that
/// are finished are not run again.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    /// The sweep's file: TOML with fixed values, axes, exclusions and engines (docs/sweeps.md).
    #[arg(required = true, value_name = "FILE.toml")]
    file: Option<PathBuf>,
    #[command(flatten)]
    how: How,
    #[command(subcommand)]
    action: Option<Action>,
}

/// How a sweep is run.
#[derive(Debug, clap::Args)]
struct How {
    /// Where: on this machine, or as job arrays of a SLURM cluster.
    #[arg(long, value_enum, env = "AAT_TUI_ON", default_value_t = Engine::Local)]
    on: Engine,
    /// Runs at once on this machine [default: one for each GPU, else one].
    #[arg(long, value_name = "N", env = "AAT_TUI_WORKERS", value_parser = clap::value_parser!(u32).range(1..=1024))]
    workers: Option<u32>,
    /// Show what would run, how long it takes and how much disk it needs; run nothing.
    #[arg(long, env = "AAT_TUI_DRY_RUN", conflicts_with = "print")]
    dry_run: bool,
    /// With --dry-run: measure a few training steps of each configuration that has no earlier session.
    #[arg(long, env = "AAT_TUI_PROBE", requires = "dry_run")]
    probe: bool,
    /// Print one command line for each task that is not finished, for another engine; run nothing.
    #[arg(long, env = "AAT_TUI_PRINT")]
    print: bool,
    /// Print one JSON object per line instead of text.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

/// Where a sweep is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// This machine.
    Local,
    /// A SLURM cluster.
    Slurm,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show the state of each task.
    Status {
        /// The sweep's file.
        #[arg(value_name = "FILE.toml")]
        file: PathBuf,
        /// Print one JSON object per line instead of text.
        #[arg(long, env = "AAT_TUI_JSON")]
        json: bool,
    },
    /// Stop every task, on every machine, with a checkpoint; run the sweep again to resume.
    Cancel {
        /// The sweep's file.
        #[arg(value_name = "FILE.toml")]
        file: PathBuf,
        /// Print one JSON object per line instead of text.
        #[arg(long, env = "AAT_TUI_JSON")]
        json: bool,
    },
    /// Write the results: means with intervals and paired differences as a table (.csv, .md, .tex) or a figure (.svg,
    /// .png).
    Export {
        /// The sweep's file.
        #[arg(value_name = "FILE.toml")]
        file: PathBuf,
        /// The files; the extension decides the form. Without one, the table is printed as Markdown.
        #[arg(long, value_name = "FILE", alias = "export")]
        to: Vec<PathBuf>,
        /// The group that the others are compared with, by its name in the table [default: the first].
        #[arg(long, value_name = "GROUP")]
        against: Option<String>,
        /// A row for each task instead of each group (.csv, .jsonl).
        #[arg(long)]
        tasks: bool,
    },
    /// Open the workbench on the sweep.
    Watch {
        /// The sweep's file.
        #[arg(value_name = "FILE.toml")]
        file: PathBuf,
    },
    /// Work on one task: what the lines of --print and SLURM's jobs run.
    Task(task::Args),
}

impl From<SweepError> for CliError {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::File { .. } => Self::Usage(error.to_string()),
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When the file is not one of a sweep, a task fails or is not finished, the engine refuses, or someone interrupts.
pub fn run(args: Args) -> Result<(), CliError> {
    match args.action {
        None => {
            let file = args.file.ok_or_else(|| CliError::Usage("give the sweep's file".to_owned()))?;
            work(&file, &args.how)
        }
        Some(Action::Status { file, json }) => status(&file, json),
        Some(Action::Cancel { file, json }) => cancel(&file, json),
        Some(Action::Export { file, to, against, tasks }) => export(&file, &to, &sweep::Export { against, tasks }),
        Some(Action::Watch { file }) => super::workbench::watch_sweep(&file),
        Some(Action::Task(args)) => task::run(&args),
    }
}

/// This program, for children.
fn this_program() -> Result<PathBuf, CliError> {
    std::env::current_exe().map_err(|error| CliError::Failed(format!("the program cannot find its own file: {error}")))
}

fn look(plan: &Arc<Plan>) -> Result<Snapshot, CliError> {
    let mut observer = Observer::new(Arc::clone(plan));
    observer.look()?;
    Ok(observer.snapshot())
}

/// Runs a sweep, or prints what would run.
fn work(file: &Path, how: &How) -> Result<(), CliError> {
    let plan = Arc::new(Plan::read(file)?);
    let mut output = Output::beside_work(how.json);
    let before = look(&plan)?;
    if how.print {
        return print(&plan, &before, &mut output);
    }
    let prospects = plan.check(&before.standings)?;
    plan.notes.iter().try_for_each(|note| report::note(note, &mut output))?;
    if how.dry_run {
        let mut output = Output::stdout(how.json);
        return report::dry_run(&plan, &before, &prospects, how, &mut output);
    }
    let open: Vec<usize> = (0..plan.tasks.len())
        .filter(|index| !matches!(before.standings[*index].state, State::Done | State::Running))
        .collect();
    plan.place.prepare(&plan.file.path)?;
    plan.place.withdraw_stop()?;
    report::before(&before, open.len(), &mut output)?;
    match how.on {
        Engine::Local => local(&plan, &before, &open, how, &mut output),
        Engine::Slurm => slurm(&plan, &open, &mut output),
    }
}

fn print(plan: &Plan, before: &Snapshot, output: &mut Output) -> Result<(), CliError> {
    plan.place.prepare(&plan.file.path)?;
    if plan.place.is_cancelled() {
        // To standard error: the lines of standard output are commands.
        warn("the sweep was cancelled; from now on its tasks may run again");
        plan.place.withdraw_stop()?;
    }
    let program = this_program()?.display().to_string();
    for line in sweep::lines(plan, &before.standings, &program) {
        output.object(&serde_json::json!({ "command": line }))?;
        output.line(line)?;
    }
    output.complete()
}

/// The share of this machine that each worker gets for so many tasks.
fn share(plan: &Plan, how: &How, tasks: usize) -> Share {
    let workers = how.workers.map(|workers| workers as usize).or(plan.file.workers);
    let cores = available_parallelism().map_or(1, usize::from);
    Share::new(workers, tasks, cores, available_memory(), gpus())
}

fn local(plan: &Arc<Plan>, before: &Snapshot, open: &[usize], how: &How, output: &mut Output) -> Result<(), CliError> {
    let share = share(plan, how, open.len());
    let interrupt = Interrupt::watch()?;
    let stop = Stop::default();
    let cancellations = plan.place.cancellations();
    let looked = Cell::new(Instant::now());
    let tick = || {
        let due = looked.get().elapsed() >= STOP_FILE;
        if due {
            looked.set(Instant::now());
        }
        if interrupt.is_asked() || (due && plan.place.stop_is_asked(cancellations.as_deref())) {
            stop.ask();
        }
    };
    if !open.is_empty() {
        report::share(&share, output)?;
    }
    let program = this_program()?;
    let mut progress = report::Progress::new(plan, before, output);
    let outcome = sweep::work_off(plan, open, &share, &program, &stop, &tick, &mut |what| progress.report(what));
    let ran = progress.ran();
    outcome?;
    let after = look(plan)?;
    report::summary(plan, &after, ran, output)?;
    if stop.is_asked() && after.counts.done < plan.tasks.len() {
        output.line("stopped; the same command resumes it")?;
        return Err(CliError::Interrupted);
    }
    complete(&after.counts)
}

/// An error when tasks failed, or are not finished.
fn complete(counts: &Counts) -> Result<(), CliError> {
    let Counts { running, waiting, failed, .. } = *counts;
    match failed {
        0 if running + waiting == 0 => Ok(()),
        0 => Err(CliError::Unfinished(format!(
            "{} not finished ({running} running elsewhere, {waiting} waiting); the sweep run again runs those that no other \
             process works on",
            match running + waiting {
                1 => "one task is".to_owned(),
                n => format!("{n} tasks are"),
            }
        ))),
        1 => Err(CliError::Failed("one task failed; the sweep run again tries it again".to_owned())),
        n => Err(CliError::Failed(format!("{n} tasks failed; the sweep run again tries them again"))),
    }
}

/// The GPUs that CUDA may use here, where the program was built for it.
fn gpus() -> Vec<String> {
    if cfg!(not(feature = "cuda")) {
        return Vec::new();
    }
    if let Ok(visible) = std::env::var("CUDA_VISIBLE_DEVICES") {
        return visible.split(',').map(|gpu| gpu.trim().to_owned()).filter(|gpu| !gpu.is_empty()).collect();
    }
    let count = std::fs::read_dir("/proc/driver/nvidia/gpus").map_or(0, Iterator::count);
    (0..count).map(|gpu| gpu.to_string()).collect()
}

fn slurm(plan: &Arc<Plan>, open: &[usize], output: &mut Output) -> Result<(), CliError> {
    let queue = sweep::Queue::read(&plan.place, &plan.file.name)?;
    let queued = |index: &&usize| queue.of(&plan.tasks[**index].id).is_some();
    let waiting = open.iter().filter(queued).count();
    let missing: Vec<usize> = open.iter().filter(|index| !queued(index)).copied().collect();
    if waiting > 0 {
        report::note(&format!("{waiting} tasks are in SLURM's queue already"), output)?;
    }
    let arrays = match missing.as_slice() {
        [] => Vec::new(),
        missing => sweep::submit(plan, missing, &queue, &this_program()?)?,
    };
    for array in &arrays {
        let (job, count) = (array.job, array.tasks.len());
        output.object(&serde_json::json!({ "event": "submitted", "job": job, "tasks": count }))?;
        output.line(format!("submitted: job array {job} of {count} tasks"))?;
    }
    let after = look(plan)?;
    report::summary(plan, &after, missing.len(), output)?;
    if !arrays.is_empty() {
        let file = plan.file.path.display();
        output.line(format!(
            "aat-tui sweep status {file} prints the state of each task, aat-tui sweep watch {file} follows them in the workbench"
        ))?;
    }
    Ok(())
}

fn status(file: &Path, json: bool) -> Result<(), CliError> {
    let plan = Arc::new(Plan::read(file)?);
    let mut output = Output::stdout(json);
    let snapshot = look(&plan)?;
    // Where SLURM does not answer, the sessions still have the states.
    let queue = match sweep::Queue::read(&plan.place, &plan.file.name) {
        Ok(queue) => queue,
        Err(error) => {
            report::note(
                &format!("{error}; the states below are those of the sessions alone, without the queue"),
                &mut output,
            )?;
            sweep::Queue::default()
        }
    };
    report::status(&plan, &snapshot, &queue, &mut output)?;
    report::summary(&plan, &snapshot, 0, &mut output)
}

fn cancel(file: &Path, json: bool) -> Result<(), CliError> {
    let plan = Arc::new(Plan::read(file)?);
    let mut output = Output::stdout(json);
    let folder = plan.place.folder();
    if !folder.exists() {
        return Err(CliError::Failed(format!("no task of it has run yet: there is no folder {}", folder.display())));
    }
    plan.place.prepare(&plan.file.path)?;
    let running = look(&plan)?.counts.running;
    plan.place.ask_to_stop()?;
    let queued = sweep::cancel(&plan.place, &plan.file.name)?;
    output.object(&serde_json::json!({ "cancelled": true, "running": running, "queued": queued }))?;
    output.line(format!(
        "asked {running} running tasks to write a checkpoint and stop within some seconds, and cancelled {queued} in SLURM's \
         queue; run the sweep again to resume"
    ))
}

fn export(file: &Path, to: &[PathBuf], what: &sweep::Export) -> Result<(), CliError> {
    let plan = Arc::new(Plan::read(file)?);
    let mut output = Output::stdout(false);
    let snapshot = look(&plan)?;
    if to.is_empty() {
        return sweep::markdown(&snapshot, what)?.lines().try_for_each(|line| output.line(line));
    }
    for path in to {
        sweep::export(&snapshot, what, path)?;
        output.line(format!("written: {}", path.display()))?;
    }
    let open = snapshot.counts.all() - snapshot.counts.done;
    if open > 0 {
        report::note(
            &format!("{open} of {} tasks are not finished and not in it", snapshot.counts.all()),
            &mut output,
        )?;
    }
    Ok(())
}

/// The program that measures, with the share of a machine that a task will have.
fn probing(plan: &Plan, how: &How, tasks: usize) -> Result<Program, CliError> {
    let environment = match how.on {
        Engine::Local => share(plan, how, tasks).environment(0),
        Engine::Slurm => {
            plan.file.cluster.cpus.map(|cpus| ("RAYON_NUM_THREADS".to_owned(), cpus.to_string())).into_iter().collect()
        }
    };
    Ok(Program { path: this_program()?, environment })
}
