//! `aat-tui compare`: several methods on the same data, paired.

use super::{CliError, Output, output::thousands, run_args::RunArgs, watch::watch};
use crate::{
    model::Method,
    session::RunState,
    train::{Launch, Trainer},
};

/// Train by several methods on the same batches, step about, with the same seeds and the same start.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: RunArgs,
    /// The methods, with commas between: aat,full,aat-m,partial,prompt,head.
    #[arg(long, value_name = "X,Y,...", env = "AAT_TUI_METHODS", value_delimiter = ',', required = true)]
    methods: Vec<Method>,
}

/// Trains all of them to the end and compares.
///
/// # Errors
/// When a run cannot start, fails, or is interrupted.
pub fn run(args: &Args) -> Result<(), CliError> {
    let store = args.run.place.store();
    let launches = args.methods.iter().map(|&method| {
        let mut request = args.run.request(method);
        // One name cannot serve several sessions.
        request.name = request.name.map(|name| format!("{name}-{method}"));
        Launch::New(Box::new(request))
    });
    let launches: Vec<_> = launches.collect();
    let runs = launches.len();
    let mut output = Output::stdout(args.run.json);
    let trainer = Trainer::spawn(store.clone(), launches);
    let states = watch(&trainer, runs, &store, &mut output)?;
    for line in table(&states) {
        output.line(line)?;
    }
    Ok(())
}

/// The comparison for people, in the paper's order of columns: score, trainable, seconds for an epoch.
fn table(states: &[RunState]) -> Vec<String> {
    let metric = states.iter().find_map(|state| state.config.as_ref()).map_or("", |config| config.recipe.metric.name());
    let best = format!("best {metric}");
    let last = format!("last {metric}");
    let head = format!("{:<20}{best:>16}{last:>16}{:>14}{:>12}", "method", "trainable", "s/epoch");
    let rows = states.iter().filter_map(|state| {
        let (config, summary) = (state.config.as_ref()?, state.summary.as_ref()?);
        let value =
            |best: Option<crate::session::Best>| best.map_or("-".to_owned(), |best| format!("{:.4}", best.value));
        Some(format!(
            "{:<20}{:>16}{:>16}{:>14}{:>12.2}",
            config.method.title(),
            value(summary.best),
            value(summary.last),
            thousands(summary.trainable),
            summary.epoch_seconds
        ))
    });
    [String::new(), head].into_iter().chain(rows).collect()
}
