//! The groups of a sweep as CSV.

use serde::Serialize;

use super::Row;
use crate::sweep::{Interval, SweepError};

/// A row of the file of groups.
#[derive(Serialize)]
struct CsvRow<'a> {
    group: String,
    metric: &'a str,
    tasks: usize,
    done: usize,
    running: usize,
    waiting: usize,
    failed: usize,
    /// Finished runs, and the independent values that their means and intervals are over: folds, or runs.
    runs: usize,
    values: usize,
    last_mean: Option<f64>,
    last_std: Option<f64>,
    last_low: Option<f64>,
    last_high: Option<f64>,
    best_mean: Option<f64>,
    best_std: Option<f64>,
    best_low: Option<f64>,
    best_high: Option<f64>,
    trainable: usize,
    total: usize,
    seconds: f64,
    peak_rss_bytes: u64,
    compared_with: Option<&'a str>,
    pairs: Option<usize>,
    pairs_of_other_clips: Option<usize>,
    pairs_unfinished: Option<usize>,
    runs_without_partner: Option<usize>,
    last_difference: Option<f64>,
    last_difference_low: Option<f64>,
    last_difference_high: Option<f64>,
    best_difference: Option<f64>,
    best_difference_low: Option<f64>,
    best_difference_high: Option<f64>,
}

/// The table with a row for each group.
pub(super) fn csv(rows: &[Row<'_>]) -> Result<Vec<u8>, SweepError> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for Row { group, paired, .. } in rows {
        let some = |interval: &Interval| Some(interval.mean).filter(|_| interval.count > 0);
        let paired = paired.as_ref();
        let row = CsvRow {
            group: group.name(),
            metric: group.metric,
            tasks: group.counts.all(),
            done: group.counts.done,
            running: group.counts.running,
            waiting: group.counts.waiting,
            failed: group.counts.failed,
            runs: group.last.runs,
            values: group.last.count,
            last_mean: some(&group.last),
            last_std: group.last.std,
            last_low: group.last.low,
            last_high: group.last.high,
            best_mean: some(&group.best),
            best_std: group.best.std,
            best_low: group.best.low,
            best_high: group.best.high,
            trainable: group.parameters.0,
            total: group.parameters.1,
            seconds: group.seconds,
            peak_rss_bytes: group.peak_rss_bytes,
            compared_with: paired.map(|paired| paired.minus.as_str()),
            pairs: paired.map(|paired| paired.last.runs),
            pairs_of_other_clips: paired.map(|paired| paired.left_out.other_clips),
            pairs_unfinished: paired.map(|paired| paired.left_out.unfinished),
            runs_without_partner: paired.map(|paired| paired.left_out.without_partner),
            last_difference: paired.and_then(|paired| some(&paired.last)),
            last_difference_low: paired.and_then(|paired| paired.last.low),
            last_difference_high: paired.and_then(|paired| paired.last.high),
            best_difference: paired.and_then(|paired| some(&paired.best)),
            best_difference_low: paired.and_then(|paired| paired.best.low),
            best_difference_high: paired.and_then(|paired| paired.best.high),
        };
        table.serialize(row).map_err(|error| SweepError::Request(format!("cannot make the table: {error}")))?;
    }
    table.into_inner().map_err(|error| SweepError::Request(format!("cannot make the table: {error}")))
}
