//! How often answers of each probability are right, and the scaling that brings both together.

use std::collections::BTreeMap;

use serde::Serialize;

use super::clips::{findings, probabilities};
use crate::{
    data::Loss,
    infer::{Calibration, Scaling},
    train::{Predictions, mean},
};

/// Bins of a reliability diagram.
pub const BINS: usize = 15;
/// Classes with fewer clips that hold them, or that do not, keep their scores: a scaling would follow single clips.
const LEAST: usize = 5;

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    /// Answers whose probability is in the bin.
    pub count: usize,
    /// Their mean probability.
    pub confidence: f64,
    /// The share of them that is right.
    pub right: f64,
}

/// A reliability diagram.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reliability {
    /// [`BINS`] bins of equal width from 0 to 1.
    pub bins: Vec<Bin>,
    /// Expected calibration error: the mean distance of probability and share, weighted by the bins' counts.
    pub ece: f64,
    /// Answers in all.
    pub count: usize,
}

/// The reliability of predictions: of each clip's first class; of several labels, of every class that is known.
pub fn reliability(predictions: &Predictions, loss: Loss) -> Reliability {
    let answers: Vec<(f64, bool)> = match loss {
        Loss::CrossEntropy => findings(predictions, loss)
            .into_iter()
            .filter(|clip| !clip.truth.is_empty())
            .map(|clip| (f64::from(clip.confidence), clip.truth.contains(&clip.answer)))
            .collect(),
        Loss::Binary => probabilities(&predictions.scores, predictions.classes, loss)
            .into_iter()
            .zip(&predictions.targets)
            .filter(|(_, target)| !target.is_nan())
            .map(|(p, target)| (f64::from(p), *target > 0.5))
            .collect(),
    };
    let mut bins = vec![Bin::default(); BINS];
    for (p, right) in &answers {
        let bin = &mut bins[((p * BINS as f64) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.confidence += p;
        bin.right += f64::from(u8::from(*right));
    }
    let mut ece = 0.0;
    for bin in bins.iter_mut().filter(|bin| bin.count > 0) {
        ece += (bin.confidence - bin.right).abs() / answers.len() as f64;
        bin.confidence /= bin.count as f64;
        bin.right /= bin.count as f64;
    }
    Reliability { bins, ece, count: answers.len() }
}

/// Mean loss of what is known.
fn loss_of(predictions: &Predictions, loss: Loss) -> f64 {
    mean(
        findings(predictions, loss)
            .into_iter()
            .filter(|clip| loss == Loss::Binary || !clip.truth.is_empty())
            .map(|clip| clip.loss),
    )
    .unwrap_or(0.0)
}

/// Fits a scaling to uncalibrated logits: one temperature, or of several labels a factor and a summand for each class with
/// enough clips.
///
/// # Errors
/// For people: why nothing can be fitted.
pub fn fit(predictions: &Predictions, labels: &[String], loss: Loss) -> Result<Scaling, String> {
    match loss {
        Loss::CrossEntropy => temperature(predictions).map(|temperature| Scaling::Temperature { temperature }),
        Loss::Binary => {
            let classes: BTreeMap<String, [f64; 2]> = labels
                .iter()
                .enumerate()
                .filter_map(|(class, label)| Some((label.clone(), platt(predictions, class)?)))
                .collect();
            match classes.is_empty() {
                true => Err(format!("no class has {LEAST} clips that hold it and {LEAST} that do not")),
                false => Ok(Scaling::Platt { classes }),
            }
        }
    }
}

/// A fitted calibration with what it changes on the clips that it was fitted on; for the weights of this step.
///
/// # Errors
/// As [`fit`].
pub fn calibration_of(
    predictions: &Predictions,
    labels: &[String],
    loss: Loss,
    step: u64,
    averaged: bool,
) -> Result<Calibration, String> {
    let scaling = fit(predictions, labels, loss)?;
    let after = Predictions { scores: scaling.scaled(&predictions.scores, labels), ..predictions.clone() };
    Ok(Calibration {
        step,
        averaged,
        clips: predictions.clips(),
        ece: [reliability(predictions, loss).ece, reliability(&after, loss).ece],
        loss: [loss_of(predictions, loss), loss_of(&after, loss)],
        scaling,
    })
}

/// The temperature with the least loss, by golden section on its logarithm: the loss has one minimum over `1 / T`.
fn temperature(predictions: &Predictions) -> Result<f64, String> {
    /// Where a temperature is looked for.
    const RANGE: [f64; 2] = [0.05, 20.0];
    let classes = predictions.classes.max(1);
    let rows: Vec<(&[f32], usize)> = predictions
        .scores
        .chunks_exact(classes)
        .zip(predictions.targets.chunks_exact(classes))
        .filter_map(|(scores, targets)| Some((scores, targets.iter().position(|target| *target > 0.5)?)))
        .collect();
    if rows.len() < LEAST {
        return Err(format!("{} validation clips are too few to fit a temperature", rows.len()));
    }
    let cost = |log: f64| -> f64 {
        let scale = (-log).exp();
        rows.iter()
            .map(|(scores, truth)| {
                let highest = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
                let total: f64 = scores.iter().map(|x| ((f64::from(*x) - highest) * scale).exp()).sum();
                total.ln() - (f64::from(scores[*truth]) - highest) * scale
            })
            .sum()
    };
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let [mut low, mut high] = RANGE.map(f64::ln);
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_left, mut at_right) = (cost(left), cost(right));
    while high - low > 1e-5 {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - ratio * (high - low);
            at_left = cost(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + ratio * (high - low);
            at_right = cost(right);
        }
    }
    let found = f64::midpoint(low, high).exp();
    // Where every clip is answered rightly, the surer the better: there is no temperature to find.
    if !(RANGE[0] * 1.01..=RANGE[1] * 0.99).contains(&found) {
        return Err(format!(
            "no temperature fits {} validation clips: {}; validate on more clips",
            rows.len(),
            if found < 1.0 { "all are answered rightly" } else { "the answers are no better than chance" }
        ));
    }
    Ok(found)
}

/// `[a, b]` of a class by Newton's steps on the logistic loss, with Platt's targets `(n + 1) / (n + 2)` and `1 / (m + 2)`
/// (Platt, 1999; Lin, Lin and Weng, 2007). `None` where clips are few, or a higher score does not mean the class.
fn platt(predictions: &Predictions, class: usize) -> Option<[f64; 2]> {
    let classes = predictions.classes.max(1);
    let column = |values: &[f32]| -> Vec<f32> { values.iter().skip(class).step_by(classes).copied().collect() };
    let known: Vec<(f64, bool)> = column(&predictions.scores)
        .into_iter()
        .zip(column(&predictions.targets))
        .filter(|(_, target)| !target.is_nan())
        .map(|(score, target)| (f64::from(score), target > 0.5))
        .collect();
    let positives = known.iter().filter(|(_, here)| *here).count();
    let negatives = known.len() - positives;
    if positives < LEAST || negatives < LEAST {
        return None;
    }
    let targets = [1.0 / (negatives as f64 + 2.0), (positives as f64 + 1.0) / (positives as f64 + 2.0)];
    let cost = |[a, b]: [f64; 2]| -> f64 {
        known
            .iter()
            .map(|(z, here)| {
                let x = a * z + b;
                x.max(0.0) - x * targets[usize::from(*here)] + (-x.abs()).exp().ln_1p()
            })
            .sum()
    };
    let mut at = [1.0, 0.0];
    let mut now = cost(at);
    for _ in 0..100 {
        let (mut gradient, mut hessian) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
        for (z, here) in &known {
            let p = 1.0 / (1.0 + (-(at[0] * z + at[1])).exp());
            let (error, weight) = (p - targets[usize::from(*here)], p * (1.0 - p));
            gradient = [gradient[0] + error * z, gradient[1] + error];
            hessian = [hessian[0] + weight * z * z, hessian[1] + weight * z, hessian[2] + weight];
        }
        let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
        if gradient.iter().all(|one| one.abs() < 1e-9) || determinant <= 0.0 {
            break;
        }
        let step = [
            (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant,
            (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant,
        ];
        // Halved until it helps.
        let better = (0..40).map(|n| 0.5f64.powi(n)).find_map(|share| {
            let next = [at[0] - share * step[0], at[1] - share * step[1]];
            Some((next, cost(next))).filter(|(_, cost)| *cost < now)
        });
        let Some((next, cost)) = better else { break };
        (at, now) = (next, cost);
    }
    (at[0].is_finite() && at[0] > 1e-3 && at[1].is_finite()).then_some(at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::random::KeyedRng;

    /// Logits whose softmax says how often each class is right, then multiplied by `factor`.
    fn made(clips: usize, factor: f32) -> Predictions {
        let mut rng = KeyedRng::of_seed(7);
        let mut predictions = Predictions::new(3);
        for _ in 0..clips {
            let logits: Vec<f32> = (0..3).map(|_| 2.0 * rng.normal()).collect();
            let total: f32 = logits.iter().map(|x| x.exp()).sum();
            let (mut left, mut truth) = (rng.unit() * total, 0);
            for (class, logit) in logits.iter().enumerate() {
                left -= logit.exp();
                if left <= 0.0 {
                    truth = class;
                    break;
                }
            }
            predictions.scores.extend(logits.iter().map(|x| x * factor));
            predictions.targets.extend((0..3).map(|class| f32::from(u8::from(class == truth))));
        }
        predictions
    }

    #[test]
    fn the_temperature_that_was_put_in_is_found() {
        let labels = ["a", "b", "c"].map(str::to_owned);
        for factor in [0.4f32, 1.0, 3.0] {
            let predictions = made(4000, factor);
            let Scaling::Temperature { temperature } = fit(&predictions, &labels, Loss::CrossEntropy).unwrap() else {
                unreachable!()
            };
            assert!((temperature / f64::from(factor) - 1.0).abs() < 0.08, "{factor}: {temperature}");
        }
        let sure = made(4000, 3.0);
        let calibration = calibration_of(&sure, &labels, Loss::CrossEntropy, 5, false).unwrap();
        assert!(calibration.ece[0] > 0.1 && calibration.ece[1] < 0.03, "{:?}", calibration.ece);
        assert!(calibration.loss[1] < calibration.loss[0]);
        let scaled = calibration.scaling.scaled(&sure.scores, &labels);
        let after = Predictions { scores: scaled, ..sure.clone() };
        assert_eq!(after.verdicts(), sure.verdicts(), "no first class changes");
    }

    #[test]
    fn what_cannot_be_fitted_is_refused_with_its_reason() {
        let labels = ["a", "b", "c"].map(str::to_owned);
        assert!(fit(&made(3, 1.0), &labels, Loss::CrossEntropy).unwrap_err().contains("too few"));
        let mut right = made(50, 1.0);
        right.scores = right.targets.iter().map(|target| 3.0 * target).collect();
        assert!(fit(&right, &labels, Loss::CrossEntropy).unwrap_err().contains("answered rightly"));
        assert!(fit(&made(4, 1.0), &labels, Loss::Binary).unwrap_err().contains("no class"));
    }

    #[test]
    fn bins_count_and_the_error_is_that_of_the_definition() {
        let logit = |p: f32| (p / (1.0 - p)).ln();
        let predictions = Predictions {
            classes: 1,
            scores: [0.95, 0.95, 0.95, 0.95, 0.1, 0.1].map(logit).to_vec(),
            targets: vec![1.0, 1.0, 1.0, 0.0, 0.0, f32::NAN],
        };
        let found = reliability(&predictions, Loss::Binary);
        assert_eq!((found.count, found.bins.len(), found.bins[14].count, found.bins[1].count), (5, 15, 4, 1));
        assert!((found.bins[14].right - 0.75).abs() < 1e-12 && (found.bins[14].confidence - 0.95).abs() < 1e-6);
        assert!((found.ece - (4.0 * 0.2 + 0.1) / 5.0).abs() < 1e-6, "{}", found.ece);
    }

    #[test]
    fn platts_scaling_finds_the_slope_and_the_shift() {
        let mut rng = KeyedRng::of_seed(3);
        let mut predictions = Predictions::new(1);
        for _ in 0..40_000 {
            let z = 3.0 * rng.normal();
            predictions.scores.push(z);
            // Right with probability sigmoid(0.5 z - 1).
            predictions.targets.push(f32::from(u8::from(rng.chance(1.0 / (1.0 + (-(0.5 * z - 1.0)).exp())))));
        }
        let [a, b] = platt(&predictions, 0).unwrap();
        assert!((a - 0.5).abs() < 0.02 && (b + 1.0).abs() < 0.05, "{a} {b}");
        predictions.scores.iter_mut().for_each(|z| *z = -*z);
        assert_eq!(platt(&predictions, 0), None, "a higher score must mean the class");
    }
}
