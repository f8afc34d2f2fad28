//! How well a linear classifier on a frozen backbone separates the classes: ridge regression on the head's input
//! vector, beside the same on the log-mel's mean and deviation in each bin. No adaptation, no learning rate, no
//! randomness.

use std::ops::ControlFlow;

use nalgebra::{DMatrix, DVector};
use serde::Serialize;

use super::{Predictions, Request, TrainError, launch, plan::plan, shared_features::SharedFeatures};
use crate::{
    data::{Batch, DataError, Loader, Metric},
    model::{Features, Method},
};

/// Clips of a batch.
const BATCH: usize = 16;
/// Penalties on the weights: the best of these on a fifth of the training clips is used with all of them.
const PENALTIES: [f64; 7] = [1.0, 10.0, 30.0, 100.0, 300.0, 1e3, 1e4];
/// One in so many training clips helps to choose the penalty.
const CHOOSES: usize = 5;

/// The result of a probe on the validation clips.
#[derive(Clone, Debug, Serialize)]
pub struct Probe {
    /// The fold held out.
    pub fold: Option<u32>,
    /// Training clips.
    pub train_clips: usize,
    /// Validation clips.
    pub clips: usize,
    /// The metric of the two values.
    pub metric: Metric,
    /// From the frozen backbone's vector.
    pub backbone: f64,
    /// From the mean and the deviation of each mel bin.
    pub log_mel: f64,
    /// Notes about sounds that are odd but usable.
    pub odd: Option<String>,
}

/// Probes the backbone on one split of the data set. `progress` gets clips decoded, then clips done (done, in all), and
/// may cancel.
///
/// # Errors
/// When data, recipe and model do not fit together, or a clip cannot be read.
pub fn probe(
    request: &Request,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Probe, TrainError> {
    let request = Request { method: Method::head(), ..request.clone() };
    let plan = plan(&request, &SharedFeatures::default(), progress)?;
    let (config, division) = (&plan.config, &plan.division);
    let opened = launch::open(config)?;
    let mut engine = opened.engine();
    let total = division.train.len() + division.val.len();
    let mut done = 0;
    let mut side = |items: &[usize]| -> Result<Side, TrainError> {
        plan.features.prepare(items, progress)?;
        let loader =
            Loader::evaluation(plan.features.clone(), items.to_vec(), &config.recipe, config.normalisation, BATCH);
        let mut side = Side::new(config.labels.len());
        for batch in loader.epoch(1, 0) {
            let batch = batch?;
            let vectors = engine.pooled(&opened.store, &batch.features)?;
            side.add(&batch, &vectors);
            done += batch.items.len();
            if progress(done, total).is_break() {
                return Err(DataError::Cancelled.into());
            }
        }
        Ok(side)
    };
    let (train, val) = (side(&division.train)?, side(&division.val)?);
    let metric = config.recipe.metric;
    let value = |of: fn(&Side) -> &Vec<f64>| ridge(of(&train), &train.targets, of(&val), &val.targets, metric);
    Ok(Probe {
        fold: config.fold,
        train_clips: division.train.len(),
        clips: division.val.len(),
        metric,
        backbone: value(|side| &side.backbone),
        log_mel: value(|side| &side.log_mel),
        odd: plan.features.odd(&[division.train.as_slice(), &division.val].concat()),
    })
}

/// One side of a split: a row for each clip in each table.
struct Side {
    backbone: Vec<f64>,
    log_mel: Vec<f64>,
    /// The targets; the scores are not used.
    targets: Predictions,
}

impl Side {
    fn new(classes: usize) -> Self {
        Self { backbone: Vec::new(), log_mel: Vec::new(), targets: Predictions::new(classes) }
    }

    fn add(&mut self, batch: &Batch, vectors: &[f32]) {
        self.backbone.extend(vectors.iter().copied().map(f64::from));
        (0..batch.features.batch).for_each(|clip| statistics(&batch.features.part(clip..clip + 1), &mut self.log_mel));
        self.targets.extend(&batch.targets.values, &batch.targets);
    }
}

/// Mean and deviation of each mel bin over the frames that are not padding.
fn statistics(clip: &Features, into: &mut Vec<f64>) {
    let frames = clip.valid.first().copied().unwrap_or(clip.frames).clamp(1, clip.frames.max(1));
    let column = |bin: usize| clip.data.iter().skip(bin).step_by(clip.bins).take(frames).copied().map(f64::from);
    let means: Vec<f64> = (0..clip.bins).map(|bin| column(bin).sum::<f64>() / frames as f64).collect();
    let deviation = |(bin, mean): (usize, &f64)| {
        (column(bin).map(|value| (value - mean).powi(2)).sum::<f64>() / frames as f64).sqrt()
    };
    let deviations: Vec<f64> = means.iter().enumerate().map(deviation).collect();
    into.extend(means);
    into.extend(deviations);
}

/// The metric of a ridge regression from the rows of `train` onto its targets, at the rows of `val`.
fn ridge(train: &[f64], targets: &Predictions, val: &[f64], judged: &Predictions, metric: Metric) -> f64 {
    let clips = targets.clips();
    let (choosing, fitting): (Vec<usize>, Vec<usize>) = (0..clips).partition(|clip| clip % CHOOSES == CHOOSES - 1);
    let rows = |table: &[f64], clips: &[usize]| {
        let width = table.len() / targets.clips().max(1);
        clips.iter().flat_map(|clip| &table[clip * width..(clip + 1) * width]).copied().collect::<Vec<f64>>()
    };
    let chosen = PENALTIES.into_iter().map(|penalty| {
        let asked = rows(train, &choosing);
        let scores = answer(&rows(train, &fitting), &targets.of_clips(&fitting), &asked, penalty);
        (Predictions { scores, ..targets.of_clips(&choosing) }.value(metric), penalty)
    });
    let penalty = chosen.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(PENALTIES[0], |(_, penalty)| penalty);
    Predictions { scores: answer(train, targets, val, penalty), ..judged.clone() }.value(metric)
}

/// Scores (clips, classes) of the rows of `asked`. Columns are standardised by the training rows; each class is fitted
/// to the clips on which it is annotated.
fn answer(train: &[f64], targets: &Predictions, asked: &[f64], penalty: f64) -> Vec<f32> {
    let (clips, classes) = (targets.clips(), targets.classes);
    let width = train.len() / clips.max(1);
    let mut x = DMatrix::from_row_slice(clips, width, train);
    let mut new = DMatrix::from_row_slice(asked.len() / width.max(1), width, asked);
    for (mut column, mut new) in x.column_iter_mut().zip(new.column_iter_mut()) {
        let mean = column.mean();
        let deviation = column.variance().sqrt().max(1e-9);
        column.apply(|value| *value = (*value - mean) / deviation);
        new.apply(|value| *value = (*value - mean) / deviation);
    }
    let target = |clip: usize, class: usize| f64::from(targets.targets[clip * classes + class]);
    let factor = |x: &DMatrix<f64>| (x.tr_mul(x) + DMatrix::identity(width, width) * penalty).cholesky();
    let whole = targets.targets.iter().all(|target| target.is_finite()).then(|| factor(&x)).flatten();
    let mut scores = DMatrix::zeros(new.nrows(), classes);
    for class in 0..classes {
        let known: Vec<usize> = (0..clips).filter(|&clip| target(clip, class).is_finite()).collect();
        if known.is_empty() {
            continue;
        }
        let y = DVector::from_iterator(known.len(), known.iter().map(|&clip| target(clip, class)));
        let mean = y.mean();
        let own = x.select_rows(&known);
        let Some(factor) = whole.clone().or_else(|| factor(&own)) else { continue };
        let weights = factor.solve(&own.tr_mul(&y.add_scalar(-mean)));
        scores.set_column(class, &(&new * weights).add_scalar(mean));
    }
    scores.row_iter().flat_map(|row| row.iter().map(|score| *score as f32).collect::<Vec<f32>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clips on a line: the sign of the first of two columns is the class.
    fn line(clips: usize) -> (Vec<f64>, Predictions) {
        let place = |clip: usize| (clip as f64 * 0.7).sin();
        let table = (0..clips).flat_map(|clip| [place(clip), (clip as f64 * 1.3).cos()]).collect();
        let targets = (0..clips).flat_map(|clip| if place(clip) > 0.0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
        (table, Predictions { classes: 2, scores: vec![0.0; 2 * clips], targets })
    }

    #[test]
    fn classes_that_a_line_separates_are_separated() {
        let (train, targets) = line(60);
        let (val, judged) = line(23);
        assert!(ridge(&train, &targets, &val, &judged, Metric::Accuracy) > 0.9);
        let blind: Vec<f64> = val.iter().map(|_| 0.0).collect();
        assert!(ridge(&train, &targets, &blind, &judged, Metric::Accuracy) < 0.9);
    }

    #[test]
    fn unknown_targets_train_nothing() {
        let (train, mut targets) = line(60);
        let (val, judged) = line(23);
        // Every third clip is not annotated, and its row is wrong.
        let mut wrong = train.clone();
        for clip in (0..60).step_by(3) {
            targets.targets[2 * clip..2 * clip + 2].fill(f32::NAN);
            wrong[2 * clip] = -train[2 * clip];
        }
        let known: Vec<usize> = (0..60).filter(|clip| clip % 3 != 0).collect();
        let alone: Vec<f64> = known.iter().flat_map(|clip| [train[2 * clip], train[2 * clip + 1]]).collect();
        assert!(ridge(&wrong, &targets, &val, &judged, Metric::MeanAveragePrecision) > 0.9);
        let scores = answer(&alone, &targets.of_clips(&known), &val, 1.0);
        assert!(Predictions { scores, ..judged }.value(Metric::Accuracy) > 0.9);
    }
}
