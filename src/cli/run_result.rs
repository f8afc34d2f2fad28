//! The result of a complete run: a line, or a JSON object.

use serde::Serialize;

use super::{CliError, Output};
use crate::{
    digits::thousands,
    model::Method,
    session::{Averaged, Best, RunState},
};

/// The result of a run, as JSON.
#[derive(Serialize)]
struct SummaryLine<'a> {
    summary: bool,
    session: &'a str,
    method: Method,
    fold: Option<u32>,
    metric: &'static str,
    best: Option<Best>,
    last: Option<Best>,
    #[serde(skip_serializing_if = "Option::is_none")]
    averaged: Option<Averaged>,
    trainable: usize,
    epoch_seconds: f64,
    peak_rss_bytes: u64,
}

/// Prints the result of a complete run.
///
/// # Errors
/// When the output is closed.
pub fn summarise(state: &RunState, output: &mut Output) -> Result<(), CliError> {
    let (Some(config), Some(summary)) = (&state.config, &state.summary) else { return Ok(()) };
    output.object(&SummaryLine {
        summary: true,
        session: &config.session,
        method: config.method,
        fold: config.fold,
        metric: config.recipe.metric.name(),
        best: summary.best,
        last: summary.last,
        averaged: summary.averaged,
        trainable: summary.trainable,
        epoch_seconds: summary.epoch_seconds,
        peak_rss_bytes: summary.peak_rss_bytes,
    })?;
    let at = |best: Option<Best>| best.map_or("none".to_owned(), |b| format!("{:.4} (epoch {})", b.value, b.epoch));
    let averaged = summary.averaged.map_or_else(String::new, |mean| {
        format!(", averaged {:.4} (last {} epochs' weights)", mean.value, mean.epochs)
    });
    output.line(format!(
        "{}: {} best {}, last {}{averaged}; {} parameters train, {:.1} s an epoch",
        config.session,
        config.recipe.metric.name(),
        at(summary.best),
        at(summary.last),
        thousands(summary.trainable),
        summary.epoch_seconds
    ))
}
