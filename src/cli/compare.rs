//! `aat-tui compare`: several methods on the same data, paired, over one fold or all of them.

use std::path::PathBuf;

use super::{
    CliError, Output, comparison_report as report,
    run_args::{Folds, RunArgs},
    run_result::summarise,
    watch::{print_reused, print_warning, watch},
};
use crate::{
    comparison::{self, Entry, Member},
    model::Method,
    session::{self, RunState, Store},
    train::{ExistingRun, Launch, Request, Trainer},
};

/// Train by several methods on the same batches, step by step in turn, with the same seeds and the same start. Runs
/// that an earlier run of the same command completed are used, and incomplete ones continue.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[arg(
        long,
        help = methods(),
        value_name = "X,Y,...",
        env = "AAT_TUI_METHODS",
        value_delimiter = ',',
        required = true
    )]
    methods: Vec<Method>,
    /// The folds held out in turn: `all`, or several separated by commas.
    #[arg(long, value_name = "all|K,...", env = "AAT_TUI_FOLDS", conflicts_with = "fold")]
    folds: Option<Folds>,
    /// Write the comparison as a table (.csv) or as a figure (.svg, .png); may be given several times.
    #[arg(long, value_name = "FILE", env = "AAT_TUI_EXPORT", alias = "to")]
    export: Vec<PathBuf>,
    /// Train every run again, even where finished runs exist.
    #[arg(long, env = "AAT_TUI_ANEW")]
    anew: bool,
}

/// Help of `--methods`.
fn methods() -> String {
    format!("The methods, separated by commas: {}. Differences are to the first of them", Method::names())
}

/// Trains all of them to the end and compares.
///
/// # Errors
/// When a run cannot start, fails, or is interrupted.
pub fn run(args: &Args) -> Result<(), CliError> {
    args.export.iter().try_for_each(|to| report::check_name(to))?;
    if let Some(twice) = (1..args.methods.len()).find(|i| args.methods[..*i].contains(&args.methods[*i])) {
        return Err(CliError::Usage(format!("--methods names {} twice", args.methods[twice])));
    }
    let store = args.run.place.store();
    let mut output = Output::beside_work(args.run.json);
    let mut by_method: Vec<Vec<RunState>> = vec![Vec::new(); args.methods.len()];
    let mut outcome = Ok(());
    for fold in Folds::each(args.folds.as_ref(), args.run.fold, &args.run.data, &args.run.marks.options())? {
        let done;
        (done, outcome) = one_fold(args, fold, &store, &mut output)?;
        by_method.iter_mut().zip(done).for_each(|(of_method, state)| of_method.push(state));
        if outcome.is_err() {
            break;
        }
    }
    // An incomplete run cannot be compared.
    let runs = by_method.first().map_or(0, Vec::len);
    let entries: Vec<Entry> = by_method.into_iter().map(|of| entry(of, &store)).collect();
    let rows = if outcome.is_ok() { comparison::rows(&entries) } else { Vec::new() };
    rows.iter().try_for_each(|row| output.object(row))?;
    (0..runs)
        .flat_map(|run| entries.iter().map(move |of| &of.runs[run].state))
        .try_for_each(|state| summarise(state, &mut output))?;
    report::table(&rows).into_iter().try_for_each(|line| output.line(line))?;
    if let Err(CliError::Interrupted) = outcome {
        output.line("or all of them: the same command continues where this one stopped")?;
    }
    outcome?;
    let about = comparison::about(&entries);
    args.export.iter().try_for_each(|to| report::write(to, &rows, &about))?;
    args.export.iter().try_for_each(|to| output.line(format!("written: {}", to.display())))?;
    output.complete()
}

/// A method's runs with their folders.
fn entry(states: Vec<RunState>, store: &Store) -> Entry {
    let folder = |state: &RunState| store.root().join(state.config.as_ref().map_or("", |config| &config.session));
    let runs = states.into_iter().map(|state| Member { folder: folder(&state), state }).collect();
    Entry { differs: String::new(), runs }
}

/// Trains every method on one fold, or takes its complete run, and returns their states without steps: no run that is
/// over stays in memory.
fn one_fold(
    args: &Args,
    fold: Option<u32>,
    store: &Store,
    output: &mut Output,
) -> Result<(Vec<RunState>, Result<(), CliError>), CliError> {
    let mut requests: Vec<Request> = args.methods.iter().map(|&method| request(args, method, fold)).collect();
    let mut existing_runs = Vec::with_capacity(requests.len());
    for request in &requests {
        let (existing, others) =
            if args.anew { (ExistingRun::None, Vec::new()) } else { ExistingRun::of(request, store)? };
        others.iter().try_for_each(|other| print_warning(other, output))?;
        existing_runs.push(existing);
    }
    let lead = existing_runs.first().and_then(ExistingRun::folder).and_then(|folder| folder.file_name());
    let lead = lead.map(|name| name.to_string_lossy().into_owned());
    requests.iter_mut().skip(1).for_each(|request| request.paired_with = lead.clone());
    let mut launches = Vec::new();
    for (request, existing) in requests.into_iter().zip(&existing_runs) {
        match existing {
            ExistingRun::Complete(folder) => print_reused(&session::outline(folder)?, output)?,
            ExistingRun::Resumable(folder) => launches.push(Launch::Resume { session: folder.clone(), began_ms: None }),
            ExistingRun::None => launches.push(Launch::New(Box::new(request))),
        }
    }
    let (mut trained, mut outcome) = (Vec::new(), Ok(()));
    if !launches.is_empty() {
        let runs = launches.len();
        let trainer = Trainer::spawn(store.clone(), launches);
        let watched = watch(&trainer, runs, store, output)?;
        (trained, outcome) = (watched.states, watched.outcome);
    }
    let mut trained = trained.into_iter();
    let state = |existing: &ExistingRun| match existing {
        ExistingRun::Complete(folder) => Ok(session::outline(folder)?),
        ExistingRun::Resumable(_) | ExistingRun::None => Ok(trained.next().unwrap_or_default().outline()),
    };
    Ok((existing_runs.iter().map(state).collect::<Result<_, CliError>>()?, outcome))
}

fn request(args: &Args, method: Method, fold: Option<u32>) -> Request {
    let mut request = args.run.request(method);
    request.fold = fold;
    // One name cannot be used for several sessions.
    let fold = fold.filter(|_| args.folds.is_some()).map_or_else(String::new, |fold| format!("-f{fold}"));
    request.name = request.name.map(|name| format!("{name}{fold}-{method}"));
    request
}
