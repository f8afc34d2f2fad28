//! The result of each configuration over its folds, and the paired difference to the first one.

use std::{ffi::OsStr, path::Path};

use serde::Serialize;

use super::{Entry, Member};
use crate::{
    data::Metric,
    model::Method,
    session::{Best, RunState},
    train::{self, Difference, Predictions, mean, median},
};

/// Mean and spread over folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// Standard deviation over folds (of a sample); `None` for a single one.
    pub std: Option<f64>,
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
pub struct Row {
    /// Always true: distinguishes such a row from a run's summary among lines of JSON.
    pub aggregate: bool,
    /// How the backbone was adapted.
    pub method: Method,
    /// What distinguishes it from other rows of its method.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub differs: String,
    /// The folds held out.
    pub folds: Vec<Option<u32>>,
    /// The metric's name.
    pub metric: &'static str,
    /// The best epoch on the validation split of each fold: the paper's protocol, optimistic.
    pub best: Spread,
    /// The last epoch of each fold.
    pub last: Spread,
    /// The mean of the last epochs' weights, where the recipe asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub averaged: Option<Spread>,
    /// Parameters that train.
    pub trainable: usize,
    /// All parameters.
    pub total: usize,
    /// `trainable / total`.
    pub share: f64,
    /// Seconds of an epoch: the median over folds.
    pub epoch_seconds: f64,
    /// The first method's value minus this one's, by the paired bootstrap over validation clips; `None` for the first.
    pub best_difference: Option<Difference>,
    /// The same for the last epochs.
    pub last_difference: Option<Difference>,
}

/// A row for each entry; differences are to the first.
pub fn rows(entries: &[Entry]) -> Vec<Row> {
    let of = |i: usize| row(&entries[i], (i > 0).then(|| entries[0].runs.as_slice()));
    (0..entries.len()).filter_map(of).collect()
}

/// Model and data set, for a title: the data set alone where models differ.
pub fn about(entries: &[Entry]) -> String {
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
    pub fn name(&self) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_a_sample() {
        assert_eq!(Spread::of(&[0.5]), Spread { mean: 0.5, std: None });
        let spread = Spread::of(&[1.0, 2.0, 3.0]);
        assert_eq!((spread.mean, spread.std), (2.0, Some(1.0)));
    }
}
