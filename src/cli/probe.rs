//! `aat-tui probe`: how well a linear classifier separates the classes on a frozen backbone, in seconds.

use std::ops::ControlFlow;

use serde::Serialize;

use super::{
    CliError, Interrupt, Output,
    run_args::{Folds, RunArgs},
};
use crate::{
    model::Method,
    train::{self, Probe, Request, mean},
};

/// Measure a frozen backbone on a data set by ridge regression, beside the log-mel's own statistics: how well the
/// classes are separated before anything is adapted.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: RunArgs,
    /// The folds held out in turn: `all`, or several separated by commas.
    #[arg(long, value_name = "all|K,...", env = "AAT_TUI_FOLDS", conflicts_with = "fold")]
    folds: Option<Folds>,
}

/// The mean over folds.
#[derive(Serialize)]
struct Mean {
    aggregate: bool,
    folds: usize,
    metric: &'static str,
    backbone: f64,
    log_mel: f64,
}

/// Probes and prints the result.
///
/// # Errors
/// When data, recipe and model do not fit together, or a clip cannot be read.
pub fn run(args: &Args) -> Result<(), CliError> {
    let interrupt = Interrupt::watch()?;
    let mut output = Output::stdout(args.run.json);
    let mut probes: Vec<Probe> = Vec::new();
    output.line(format!("{:<8}{:>8}{:>8}{:>12}{:>12}", "fold", "train", "clips", "backbone", "log-mel"))?;
    for fold in Folds::each(args.folds.as_ref(), args.run.fold, &args.run.data, &args.run.marks.options())? {
        let request = Request { fold, ..args.run.request(Method::head()) };
        let mut go_on = |_, _| if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let found = train::probe(&request, &mut go_on)?;
        output.object(&found)?;
        let name = found.fold.map_or_else(|| "-".to_owned(), |fold| fold.to_string());
        let Probe { train_clips, clips, backbone, log_mel, .. } = found;
        output.line(format!("{name:<8}{train_clips:>8}{clips:>8}{backbone:>12.4}{log_mel:>12.4}"))?;
        if let Some(odd) = &found.odd {
            output.line(odd)?;
        }
        probes.push(found);
    }
    let of = |value: fn(&Probe) -> f64| mean(probes.iter().map(value)).unwrap_or(0.0);
    let metric = probes.first().map_or("", |probe| probe.metric.name());
    let (backbone, log_mel) = (of(|probe| probe.backbone), of(|probe| probe.log_mel));
    output.object(&Mean { aggregate: true, folds: probes.len(), metric, backbone, log_mel })?;
    output.line(format!("{:<24}{backbone:>12.4}{log_mel:>12.4}   {metric}, ridge regression", "mean"))
}
