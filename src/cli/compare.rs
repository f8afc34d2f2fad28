//! `aat-tui compare`: several methods on the same data, paired, over one fold or all of them.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::Serialize;

use super::{
    CliError, Output,
    output::thousands,
    run_args::RunArgs,
    sessions,
    watch::{summarise, watch},
};
use crate::{
    data::{self, Metric},
    model::Method,
    session::{Best, RunState, Store},
    train::{self, Answers, Difference, Launch, Trainer, mean, median},
};

/// Train by several methods on the same batches, step about, with the same seeds and the same start.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[arg(long, help = methods(), value_name = "X,Y,...", env = "AAT_TUI_METHODS", value_delimiter = ',', required = true)]
    methods: Vec<Method>,
    /// The folds held out in turn: `all`, or some with commas between.
    #[arg(long, value_name = "all|K,...", env = "AAT_TUI_FOLDS", conflicts_with = "fold")]
    folds: Option<Folds>,
    /// Write the comparison as a table to this file (.csv).
    #[arg(long, value_name = "FILE.csv", env = "AAT_TUI_TO")]
    to: Option<PathBuf>,
}

/// Help of `--methods`.
fn methods() -> String {
    format!("The methods, with commas between: {}. Differences are to the first of them", Method::names())
}

/// Folds on the command line.
#[derive(Clone, Debug, PartialEq)]
enum Folds {
    All,
    These(Vec<u32>),
}

impl FromStr for Folds {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        if given == "all" {
            return Ok(Self::All);
        }
        let numbers = given.split(',').map(|fold| fold.trim().parse()).collect::<Result<_, _>>();
        numbers.map(Self::These).map_err(|_| "give `all`, or numbers with commas between".to_owned())
    }
}

/// Mean and spread over folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    mean: f64,
    /// Standard deviation over folds (of a sample); none of a single one.
    std: Option<f64>,
}

/// What one method came to, over folds.
#[derive(Debug, Serialize)]
struct Row {
    aggregate: bool,
    method: Method,
    folds: Vec<Option<u32>>,
    metric: &'static str,
    /// The best epoch on the validation split of each fold: the paper's protocol, optimistic.
    best: Spread,
    /// The last epoch of each fold.
    last: Spread,
    trainable: usize,
    epoch_seconds: f64,
    /// The first method's value less this one's, by the paired bootstrap over validation clips; none of the first.
    best_difference: Option<Difference>,
    last_difference: Option<Difference>,
}

/// Trains all of them to the end and compares.
///
/// # Errors
/// When a run cannot start, fails, or is interrupted.
pub fn run(args: &Args) -> Result<(), CliError> {
    if let Some(to) = args.to.as_deref().filter(|to| to.extension().is_none_or(|extension| extension != "csv")) {
        return Err(CliError::Usage(format!("{}: the table's name ends in .csv", to.display())));
    }
    let store = args.run.place.store();
    let mut output = Output::stdout(args.run.json);
    let mut by_fold: Vec<Vec<RunState>> = Vec::new();
    let mut outcome = Ok(());
    for fold in folds(args)? {
        let launches: Vec<_> = args.methods.iter().map(|&method| launch(args, method, fold)).collect();
        let trainer = Trainer::spawn(store.clone(), launches);
        let watched = watch(&trainer, args.methods.len(), &store, &mut output)?;
        by_fold.push(watched.states);
        outcome = watched.outcome;
        if outcome.is_err() {
            break;
        }
    }
    // What is not complete cannot be compared.
    let rows = if outcome.is_ok() { rows(&by_fold, args.methods.len(), &store) } else { Vec::new() };
    rows.iter().try_for_each(|row| output.object(row))?;
    by_fold.iter().flatten().try_for_each(|state| summarise(state, &mut output))?;
    for line in table(&rows) {
        output.line(line)?;
    }
    outcome?;
    args.to.as_deref().map_or(Ok(()), |to| write_csv(to, &rows))
}

/// The folds to go through; `None` leaves the choice to the data set.
fn folds(args: &Args) -> Result<Vec<Option<u32>>, CliError> {
    match &args.folds {
        None => Ok(vec![args.run.fold]),
        Some(Folds::These(folds)) => Ok(folds.iter().copied().map(Some).collect()),
        Some(Folds::All) => match data::open(&args.run.data)?.folds() {
            folds if folds.is_empty() => {
                Err(CliError::Failed(format!("{} has no folds; leave --folds away", args.run.data)))
            }
            folds => Ok(folds.into_iter().map(Some).collect()),
        },
    }
}

fn launch(args: &Args, method: Method, fold: Option<u32>) -> Launch {
    let mut request = args.run.request(method);
    request.fold = fold;
    // One name cannot serve several sessions.
    let fold = fold.filter(|_| args.folds.is_some()).map_or_else(String::new, |fold| format!("-f{fold}"));
    request.name = request.name.map(|name| format!("{name}{fold}-{method}"));
    Launch::New(Box::new(request))
}

fn rows(by_fold: &[Vec<RunState>], methods: usize, store: &Store) -> Vec<Row> {
    let of = |method: usize| -> Vec<&RunState> { by_fold.iter().filter_map(|states| states.get(method)).collect() };
    let first = of(0);
    (0..methods).filter_map(|method| row(&of(method), (method > 0).then_some(&first), store)).collect()
}

/// One method over folds; `first` holds the runs that it is compared with.
fn row(states: &[&RunState], first: Option<&Vec<&RunState>>, store: &Store) -> Option<Row> {
    let config = states.first()?.config.as_deref()?;
    let seconds = states.iter().filter_map(|state| Some(state.summary.as_ref()?.epoch_seconds)).collect();
    let values =
        |of: fn(&RunState) -> Option<Best>| states.iter().filter_map(|s| of(s)).map(|best| best.value).collect();
    let difference = |answers| difference(first?, states, store, config.recipe.metric, answers);
    Some(Row {
        aggregate: true,
        method: config.method,
        folds: states.iter().filter_map(|state| Some(state.config.as_ref()?.fold)).collect(),
        metric: config.recipe.metric.name(),
        best: spread(values(RunState::best)),
        last: spread(values(RunState::last)),
        trainable: states.first()?.inventory.trainable,
        epoch_seconds: median(seconds)?,
        best_difference: difference(|folder| train::answers_of_best(folder).ok().flatten()),
        last_difference: difference(|folder| train::answers_of_last(folder).ok().flatten()),
    })
}

/// The paired difference over folds, where both methods' answers to every fold are on disk.
fn difference(
    first: &[&RunState],
    second: &[&RunState],
    store: &Store,
    metric: Metric,
    answers: fn(&Path) -> Option<Answers>,
) -> Option<Difference> {
    let of = |state: &RunState| answers(&store.root().join(&state.config.as_ref()?.session));
    let pairs: Option<Vec<_>> = first.iter().zip(second).map(|(a, b)| Some((of(a)?, of(b)?))).collect();
    train::paired_difference(&pairs?, metric)
}

fn spread(values: Vec<f64>) -> Spread {
    let average = mean(values.iter().copied()).unwrap_or(0.0);
    let squares: f64 = values.iter().map(|value| (value - average).powi(2)).sum();
    let std = (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt());
    Spread { mean: average, std }
}

/// The comparison for people, in the paper's order: score, trainable, seconds for an epoch.
fn table(rows: &[Row]) -> Vec<String> {
    let Some(first) = rows.first() else { return Vec::new() };
    let value = |spread: Spread| match spread.std {
        Some(std) => format!("{:.4} ± {std:.4}", spread.mean),
        None => format!("{:.4}", spread.mean),
    };
    let interval = |difference: Option<Difference>| {
        difference.map_or_else(String::new, |d| format!("{:+.4} [{:+.4}, {:+.4}]", d.difference, d.low, d.high))
    };
    let over = match first.folds.len() {
        1 => String::new(),
        folds => format!(", mean ± std over {folds} folds"),
    };
    let best = format!("best {}", first.metric);
    let last = format!("last {}", first.metric);
    let to = format!("{} less it, last", first.method);
    let line = |cells: [&dyn Display; 6]| {
        let [method, best, last, trainable, seconds, to] = cells;
        format!("{method:<18}{best:>18}{last:>18}{trainable:>13}{seconds:>10}   {to}").trim_end().to_owned()
    };
    let mut lines = vec![
        String::new(),
        format!("best: the best epoch on the validation clips (the paper's protocol); last: the last epoch{over}"),
        line([&"method", &best, &last, &"trainable", &"s/epoch", if rows.len() > 1 { &to } else { &"" }]),
    ];
    lines.extend(rows.iter().map(|row| {
        let seconds = format!("{:.2}", row.epoch_seconds);
        line([
            &row.method.title(),
            &value(row.best),
            &value(row.last),
            &thousands(row.trainable),
            &seconds,
            &interval(row.last_difference),
        ])
    }));
    if rows.len() > 1 {
        lines.push("in brackets: 95 % confidence by the paired bootstrap over validation clips".to_owned());
    }
    lines
}

/// One row of the file.
#[derive(Serialize)]
struct CsvRow {
    method: Method,
    folds: usize,
    metric: &'static str,
    best_mean: f64,
    best_std: Option<f64>,
    last_mean: f64,
    last_std: Option<f64>,
    trainable: usize,
    epoch_seconds: f64,
    last_difference: Option<f64>,
    last_low: Option<f64>,
    last_high: Option<f64>,
}

fn write_csv(to: &Path, rows: &[Row]) -> Result<(), CliError> {
    let row = |row: &Row| CsvRow {
        method: row.method,
        folds: row.folds.len(),
        metric: row.metric,
        best_mean: row.best.mean,
        best_std: row.best.std,
        last_mean: row.last.mean,
        last_std: row.last.std,
        trainable: row.trainable,
        epoch_seconds: row.epoch_seconds,
        last_difference: row.last_difference.map(|d| d.difference),
        last_low: row.last_difference.map(|d| d.low),
        last_high: row.last_difference.map(|d| d.high),
    };
    sessions::write(to, &sessions::csv_of(rows.iter().map(row))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_all_or_a_list() {
        assert_eq!("all".parse(), Ok(Folds::All));
        assert_eq!("1, 3".parse(), Ok(Folds::These(vec![1, 3])));
        assert!("one".parse::<Folds>().is_err());
    }

    #[test]
    fn the_spread_is_that_of_a_sample() {
        assert_eq!(spread(vec![0.5]), Spread { mean: 0.5, std: None });
        let spread = spread(vec![1.0, 2.0, 3.0]);
        assert_eq!((spread.mean, spread.std), (2.0, Some(1.0)));
    }
}
