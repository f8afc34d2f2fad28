//! The results of several methods over folds: the table for people, the rows of a file, the figure.

use std::{fmt::Display, path::Path};

use serde::Serialize;

use super::{CliError, file};
use crate::{
    comparison::{Row, Spread},
    digits::{signed, thousands},
    model::Method,
    plot::{self, Point, Scatter},
    train::Difference,
};

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
    fn seconds_have_three_digits() {
        assert_eq!([0.05, 0.25, 1.234, 45.67, 146.2].map(seconds), ["0.050", "0.250", "1.23", "45.7", "146"]);
    }
}
