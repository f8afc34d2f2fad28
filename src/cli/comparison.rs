//! The results of several methods over folds: the table for people, the rows of a file, the figure.

use std::{
    ffi::OsStr,
    fmt::Display,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{CliError, file};
use crate::{
    data::Metric,
    digits::{signed, thousands},
    model::Method,
    plot::{self, Point, Scatter},
    session::{Best, RunState},
    train::{self, Difference, Predictions, mean, median},
};

/// A complete run and its folder.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) folder: PathBuf,
    pub(super) state: RunState,
}

impl Member {
    /// The fold held out.
    pub(super) fn fold(&self) -> Option<u32> {
        self.state.config.as_ref().and_then(|config| config.fold)
    }

    /// The data set's name and the metric, which must be the same in a comparison.
    pub(super) fn measured(&self) -> Option<(&str, Metric)> {
        self.state.config.as_ref().map(|config| (config.data_name.as_str(), config.recipe.metric))
    }

    /// The same as text.
    pub(super) fn measured_in_words(&self) -> String {
        self.measured().map_or_else(String::new, |(data, metric)| format!("{} on {data}", metric.name()))
    }
}

/// Runs of one configuration, one for each fold, in the order of folds.
#[derive(Debug)]
pub(super) struct Entry {
    /// What distinguishes it from other configurations of its method; empty where there are none.
    pub(super) differs: String,
    pub(super) runs: Vec<Member>,
}

/// Mean and spread over folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    mean: f64,
    /// Standard deviation over folds (of a sample); `None` for a single one.
    std: Option<f64>,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let average = mean(values.iter().copied()).unwrap_or(0.0);
        let squares: f64 = values.iter().map(|value| (value - average).powi(2)).sum();
        let std = (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt());
        Self { mean: average, std }
    }
}

/// The result of one method over folds.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    aggregate: bool,
    method: Method,
    /// What distinguishes it from other rows of its method.
    #[serde(skip_serializing_if = "String::is_empty")]
    differs: String,
    folds: Vec<Option<u32>>,
    metric: &'static str,
    /// The best epoch on the validation split of each fold: the paper's protocol, optimistic.
    best: Spread,
    /// The last epoch of each fold.
    last: Spread,
    /// The mean of the last epochs' weights, where the recipe asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    averaged: Option<Spread>,
    trainable: usize,
    total: usize,
    /// `trainable / total`.
    share: f64,
    epoch_seconds: f64,
    /// The first method's value minus this one's, by the paired bootstrap over validation clips; `None` for the first.
    best_difference: Option<Difference>,
    last_difference: Option<Difference>,
}

/// A row for each entry; differences are to the first.
pub(super) fn rows(entries: &[Entry]) -> Vec<Row> {
    let of = |i: usize| row(&entries[i], (i > 0).then(|| entries[0].runs.as_slice()));
    (0..entries.len()).filter_map(of).collect()
}

/// Model and data set, for a title: the data set alone where models differ.
pub(super) fn about(entries: &[Entry]) -> String {
    // The location of a checkpoint does not belong in a figure.
    let name =
        |model: &str| Path::new(model).file_name().map_or_else(|| model.into(), OsStr::to_string_lossy).into_owned();
    let mut configs = entries.iter().flat_map(|entry| &entry.runs).filter_map(|run| run.state.config.as_deref());
    let Some(first) = configs.next() else { return String::new() };
    match configs.all(|config| config.model == first.model) {
        true => format!("{} on {}", name(&first.model), first.data_name),
        false => first.data_name.clone(),
    }
}

/// One entry over folds; `first` holds the runs that it is compared with.
fn row(entry: &Entry, first: Option<&[Member]>) -> Option<Row> {
    let states = || entry.runs.iter().map(|run| &run.state);
    let config = states().next()?.config.as_deref()?;
    let seconds = states().filter_map(|state| Some(state.summary.as_ref()?.epoch_seconds)).collect();
    let values = |of: fn(&RunState) -> Option<Best>| -> Vec<f64> { states().filter_map(of).map(|b| b.value).collect() };
    let averaged: Vec<f64> = states().filter_map(|state| Some(state.averaged?.value)).collect();
    let difference = |answers| difference(first?, &entry.runs, config.recipe.metric, answers);
    let inventory = &states().next()?.inventory;
    Some(Row {
        aggregate: true,
        method: config.method,
        differs: entry.differs.clone(),
        folds: entry.runs.iter().map(Member::fold).collect(),
        metric: config.recipe.metric.name(),
        best: Spread::of(&values(RunState::best)),
        last: Spread::of(&values(RunState::last)),
        averaged: (averaged.len() == entry.runs.len()).then(|| Spread::of(&averaged)),
        trainable: inventory.trainable,
        total: inventory.total,
        share: inventory.trainable as f64 / inventory.total.max(1) as f64,
        epoch_seconds: median(seconds)?,
        best_difference: difference(|folder| train::predictions_of_best(folder).ok().flatten()),
        last_difference: difference(|folder| train::predictions_of_last(folder).ok().flatten()),
    })
}

impl Row {
    /// The method, with what distinguishes it from others of that method.
    fn name(&self) -> String {
        if self.differs.is_empty() { self.method.to_string() } else { format!("{}, {}", self.method, self.differs) }
    }
}

/// The paired difference over folds, if both have the same folds and their predictions for each are on disk.
fn difference(
    first: &[Member],
    second: &[Member],
    metric: Metric,
    answers: fn(&Path) -> Option<Predictions>,
) -> Option<Difference> {
    if !first.iter().map(Member::fold).eq(second.iter().map(Member::fold)) {
        return None;
    }
    let pair = |(a, b): (&Member, &Member)| Some((answers(&a.folder)?, answers(&b.folder)?));
    train::paired_difference(&first.iter().zip(second).map(pair).collect::<Option<Vec<_>>>()?, metric)
}

/// The comparison for people, in the paper's order: score, trainable, seconds for an epoch.
pub(super) fn table(rows: &[Row]) -> Vec<String> {
    let Some(first) = rows.first() else { return Vec::new() };
    let value = |spread: Spread| match spread.std {
        Some(std) => format!("{:.4} ± {std:.4}", spread.mean),
        None => format!("{:.4}", spread.mean),
    };
    let interval = |difference: Option<Difference>| {
        difference.map_or_else(String::new, |d| {
            format!("{} [{}, {}]", signed(d.difference, 4), signed(d.low, 4), signed(d.high, 4))
        })
    };
    let over = match first.folds.len() {
        0 | 1 => String::new(),
        folds => format!(", mean ± std over {folds} folds"),
    };
    let metric = first.metric;
    let (best, last, mean) = (format!("best {metric}"), format!("last {metric}"), format!("averaged {metric}"));
    let any_averaged = rows.iter().any(|row| row.averaged.is_some());
    let to = format!("{} less it, last", first.name());
    let width = rows.iter().map(|row| row.name().chars().count() + 2).max().unwrap_or_default().max(14);
    let line = |cells: [&dyn Display; 8]| {
        let [method, best, last, averaged, trainable, share, seconds, to] = cells;
        let averaged = if any_averaged { format!("{averaged:>20}") } else { String::new() };
        format!("{method:<width$}{best:>18}{last:>18}{averaged}{trainable:>13}{share:>10}{seconds:>10}   {to}")
            .trim_end()
            .to_owned()
    };
    let mut lines = vec![
        String::new(),
        format!("best: the best epoch on the validation clips (the paper's protocol); last: the last epoch{over}"),
        line([
            &"method",
            &best,
            &last,
            &mean,
            &"trainable",
            &"of all",
            &"s/epoch",
            if rows.len() > 1 { &to } else { &"" },
        ]),
    ];
    lines.extend(rows.iter().map(|row| {
        line([
            &row.name(),
            &value(row.best),
            &value(row.last),
            &row.averaged.map_or_else(|| "-".to_owned(), value),
            &thousands(row.trainable),
            &format!("{:.3} %", 100.0 * row.share),
            &format!("{:.2}", row.epoch_seconds),
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
struct CsvRow<'a> {
    method: Method,
    folds: usize,
    metric: &'static str,
    best_mean: f64,
    best_std: Option<f64>,
    last_mean: f64,
    last_std: Option<f64>,
    averaged_mean: Option<f64>,
    averaged_std: Option<f64>,
    trainable: usize,
    total: usize,
    share: f64,
    epoch_seconds: f64,
    best_difference: Option<f64>,
    best_low: Option<f64>,
    best_high: Option<f64>,
    last_difference: Option<f64>,
    last_low: Option<f64>,
    last_high: Option<f64>,
    differs: &'a str,
}

impl<'a> From<&'a Row> for CsvRow<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            method: row.method,
            folds: row.folds.len(),
            metric: row.metric,
            best_mean: row.best.mean,
            best_std: row.best.std,
            last_mean: row.last.mean,
            last_std: row.last.std,
            averaged_mean: row.averaged.map(|spread| spread.mean),
            averaged_std: row.averaged.and_then(|spread| spread.std),
            trainable: row.trainable,
            total: row.total,
            share: row.share,
            epoch_seconds: row.epoch_seconds,
            best_difference: row.best_difference.map(|d| d.difference),
            best_low: row.best_difference.map(|d| d.low),
            best_high: row.best_difference.map(|d| d.high),
            last_difference: row.last_difference.map(|d| d.difference),
            last_low: row.last_difference.map(|d| d.low),
            last_high: row.last_difference.map(|d| d.high),
            differs: &row.differs,
        }
    }
}

/// Whether a comparison can be written to a file of this name.
///
/// # Errors
/// A usage error when it cannot.
pub(super) fn check_name(to: &Path) -> Result<(), CliError> {
    match extension(to).as_str() {
        "csv" | "svg" | "png" => Ok(()),
        _ => Err(CliError::Usage(format!("{}: a comparison's file ends in .csv, .svg or .png", to.display()))),
    }
}

/// Writes the rows as a table (.csv), or as the figure (.svg, .png); `about` names the data and the model.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write(to: &Path, rows: &[Row], about: &str) -> Result<(), CliError> {
    if extension(to) == "csv" {
        return file::write(to, &file::csv_of(rows.iter().map(CsvRow::from))?);
    }
    plot::export_scatter(to, &figure(rows, about)).map_err(|error| CliError::Failed(error.to_string()))
}

fn extension(path: &Path) -> String {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// Score against trainable parameters, with the seconds of an epoch: the paper's figure.
fn figure(rows: &[Row], about: &str) -> Scatter {
    let metric = rows.first().map_or("metric", |row| row.metric);
    let folds = rows.first().map_or(0, |row| row.folds.len());
    let over = if folds > 1 { format!(", mean ± std over {folds} folds") } else { String::new() };
    let mut looks = Vec::new();
    let points = rows.iter().map(|row| {
        // A method has the same marker in every figure; another variant of it takes the next free one.
        let own = Method::all().position(|method| method.id() == row.method.id()).unwrap_or_default();
        let look = (own..).find(|look| !looks.contains(look)).unwrap_or(own);
        looks.push(look);
        let spread = row.last.std.map_or_else(String::new, |std| format!(" ± {std:.3}"));
        Point {
            name: row.name(),
            remark: format!("{:.3}{spread}, {} s/epoch", row.last.mean, seconds(row.epoch_seconds)),
            x: row.trainable as f64,
            y: row.last.mean,
            spread: row.last.std,
            look,
        }
    });
    let points = points.collect();
    let about = format!("{about}: {metric} after the last epoch{over}");
    Scatter::new(about, ("trainable parameters", metric), points)
}

/// With three digits: 0.123, 1.23, 12.3, 123.
fn seconds(value: f64) -> String {
    let decimals = (2 - value.max(0.1).log10().floor() as i32).clamp(0, 3) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_a_sample() {
        assert_eq!(Spread::of(&[0.5]), Spread { mean: 0.5, std: None });
        let spread = Spread::of(&[1.0, 2.0, 3.0]);
        assert_eq!((spread.mean, spread.std), (2.0, Some(1.0)));
    }

    #[test]
    fn seconds_have_three_digits() {
        assert_eq!([0.05, 0.25, 1.234, 45.67, 146.2].map(seconds), ["0.050", "0.250", "1.23", "45.7", "146"]);
    }
}
