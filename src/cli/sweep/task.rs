//! `aat-tui sweep task`: works on one task, for SLURM and other engines.

use std::path::PathBuf;

use super::{CliError, Interrupt, Output, report, this_program};
use crate::{
    limits, regular,
    sweep::{self, Ended, Plan, Program, Stop, Task},
    train::MEMORY,
};

/// Work on one task: train it, resume it, or end at once where it is finished.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sweep's file.
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// The task, by the digest in its session's name.
    #[arg(value_name = "ID", required_unless_present = "index", conflicts_with = "index")]
    id: Option<String>,
    /// The task by its place in the sweep, counted from 0 (or in --list): the index of an engine's job.
    #[arg(long, value_name = "N", env = "AAT_TUI_TASK_INDEX")]
    index: Option<usize>,
    /// A file with the digest of one task on each line, in which --index counts.
    #[arg(long, value_name = "FILE", requires = "index")]
    list: Option<PathBuf>,
    /// Print one JSON object per line instead of text.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

/// Works on the task. Exit codes: 0 finished, now or before; 1 failed; 75 not finished, because another process works on
/// it; 130 stopped with a checkpoint, or not begun because the sweep is cancelled.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let plan = Plan::read(&args.file)?;
    let task = find(&plan, args)?;
    plan.place.prepare(&plan.file.path)?;
    let mut output = Output::beside_work(args.json);
    if plan.place.is_cancelled() {
        let file = plan.file.path.display();
        report::note(
            &format!(
                "the sweep is cancelled, and {} does not begin; `aat-tui sweep {file}` (also with --on slurm or --print) \
                 withdraws that",
                task.session
            ),
            &mut output,
        )?;
        return Err(CliError::Interrupted);
    }
    let interrupt = Interrupt::watch()?;
    let (stop, asker) = (Stop::default(), Stop::default());
    let program = Program { path: this_program()?, environment: environment() };
    let (ended, _standing) = std::thread::scope(|scope| {
        let over = asker.clone();
        let (asked, watched) = (stop.clone(), interrupt.clone());
        scope.spawn(move || {
            while !over.is_asked() {
                if watched.is_asked() {
                    asked.ask();
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        });
        let mut begun = |resume: bool| {
            let how = if resume { "resuming" } else { "training" };
            drop(output.line(format!("{how} {}: {}", task.session, plan.described(task))));
        };
        let outcome = sweep::run_task(&plan, task, &program, &stop, &mut begun);
        asker.ask();
        outcome
    })?;
    let word = match &ended {
        Ended::WasDone | Ended::Done => "done",
        Ended::Stopped => "waiting",
        Ended::Elsewhere(_) => "running",
        Ended::Failed(_) => "failed",
    };
    output.object(&serde_json::json!({ "event": "task", "id": task.id, "state": word, "session": task.session }))?;
    match ended {
        Ended::WasDone => output.line(format!("{} is finished already", task.session)),
        Ended::Done => output.line(format!("{} is finished", task.session)),
        Ended::Elsewhere(host) => {
            let by = host.map_or_else(String::new, |host| format!(" ({host})"));
            Err(CliError::Unfinished(format!(
                "another process works on {}{by}, or was killed less than two minutes ago; run the command again later",
                task.session
            )))
        }
        Ended::Stopped => {
            output.line(format!("{} stopped with a checkpoint", task.session))?;
            if interrupt.time_is_up() && plan.file.cluster.requeue {
                output.line("its time is nearly up: it goes back into the queue")?;
                sweep::requeue_this_task()?;
            }
            Err(CliError::Interrupted)
        }
        Ended::Failed(reason) => Err(CliError::Failed(format!("{}: {reason}", task.session))),
    }
}

fn find<'a>(plan: &'a Plan, args: &Args) -> Result<&'a Task, CliError> {
    let by_id = |id: &str| {
        plan.by_id(id).ok_or_else(|| {
            CliError::Failed(format!("{} has no task {id} any more: it was changed since", plan.file.path.display()))
        })
    };
    match (&args.id, args.index, &args.list) {
        (Some(id), ..) => by_id(id),
        (None, Some(index), Some(list)) => {
            let text = regular::text_up_to(list, limits::TABLE)
                .map_err(|error| CliError::Failed(format!("{}: cannot read: {error}", list.display())))?;
            let id = text.lines().nth(index);
            by_id(id.ok_or_else(|| CliError::Usage(format!("{} has no line {index}", list.display())))?)
        }
        (None, index, _) => {
            let index = index.unwrap_or(usize::MAX);
            plan.tasks.get(index).ok_or_else(|| {
                CliError::Usage(format!("the sweep has the tasks 0 to {}, not {index}", plan.tasks.len() - 1))
            })
        }
    }
}

/// The share of the machine that SLURM gave this job, where control groups do not enforce it.
fn environment() -> Vec<(String, String)> {
    let get = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let mut environment = Vec::new();
    if let Some(cpus) = get("SLURM_CPUS_PER_TASK").or_else(|| get("SLURM_CPUS_ON_NODE")) {
        environment.push(("RAYON_NUM_THREADS".to_owned(), cpus.max(1).to_string()));
    }
    if let Some(megabytes) = get("SLURM_MEM_PER_NODE").filter(|megabytes| *megabytes > 0) {
        environment.push((MEMORY.to_owned(), (megabytes << 20).to_string()));
    }
    environment
}
