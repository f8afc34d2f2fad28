//! Confidence intervals for the difference between runs: the paired bootstrap over validation clips.

use serde::Serialize;

use super::{Predictions, mean};
use crate::{data::Metric, random::KeyedRng};

/// Resamples drawn for an interval (Efron and Tibshirani, 1993, advise at least 1000 for percentiles).
const RESAMPLES: usize = 2000;
/// Seed of the resamples: the same runs always give the same interval.
const SEED: u64 = 2401_10544;

/// A difference of two runs' metric with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// First run's value minus the second's.
    pub difference: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The difference between two runs, or two methods over the same folds, with its percentile interval. Each element of
/// `pairs` holds both runs' predictions for the same clips in the same order; metrics are means over pairs, and clips
/// are drawn with replacement within each. `None` when there are no clips, or the pairs do not match.
pub fn paired_difference(pairs: &[(Predictions, Predictions)], metric: Metric) -> Option<Difference> {
    let matches = |(a, b): &(Predictions, Predictions)| {
        a.classes == b.classes && a.clips() == b.clips() && a.clips() > 0 && same_targets(a, b)
    };
    if pairs.is_empty() || !pairs.iter().all(matches) {
        return None;
    }
    let judged: Vec<_> = pairs.iter().map(|(a, b)| [Judged::of(a, metric), Judged::of(b, metric)]).collect();
    let difference = mean(pairs.iter().map(|(a, b)| a.value(metric) - b.value(metric)))?;
    let mut rng = KeyedRng::of_seed(SEED);
    let mut differences: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            mean(pairs.iter().zip(&judged).map(|((a, _), [of_a, of_b])| {
                let drawn: Vec<usize> = (0..a.clips()).map(|_| rng.below(a.clips())).collect();
                of_a.value(&drawn) - of_b.value(&drawn)
            }))
        })
        .collect();
    differences.sort_by(f64::total_cmp);
    let at = |share: f64| differences[((RESAMPLES - 1) as f64 * share).round() as usize];
    Some(Difference { difference, low: at(0.025), high: at(0.975) })
}

/// What a metric's value of some clips is computed from.
enum Judged<'a> {
    /// Accuracy: whether each clip is answered rightly does not depend on which others are drawn.
    Clips(Vec<Option<bool>>),
    /// A metric of all clips together.
    Whole(&'a Predictions, Metric),
}

impl<'a> Judged<'a> {
    fn of(predictions: &'a Predictions, metric: Metric) -> Self {
        match metric {
            Metric::Accuracy => Self::Clips(predictions.verdicts()),
            other => Self::Whole(predictions, other),
        }
    }

    fn value(&self, drawn: &[usize]) -> f64 {
        match self {
            Self::Clips(verdicts) => {
                mean(drawn.iter().filter_map(|&clip| verdicts[clip]).map(|hit| f64::from(u8::from(hit)))).unwrap_or(0.0)
            }
            Self::Whole(predictions, metric) => predictions.of_clips(drawn).value(*metric),
        }
    }
}

fn same_targets(a: &Predictions, b: &Predictions) -> bool {
    let same = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
    a.targets.iter().zip(&b.targets).all(same)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Two-class predictions that are right where `right` says so.
    fn predictions(right: impl Iterator<Item = bool>) -> Predictions {
        let mut predictions = Predictions::new(2);
        for right in right {
            predictions.scores.extend(if right { [1.0, 0.0] } else { [0.0, 1.0] });
            predictions.targets.extend([1.0, 0.0]);
        }
        predictions
    }

    #[test]
    fn a_run_does_not_differ_from_itself() {
        let a = predictions((0..100).map(|i| i % 3 > 0));
        let same = paired_difference(&[(a.clone(), a)], Metric::Accuracy).unwrap();
        assert_eq!(same, Difference { difference: 0.0, low: 0.0, high: 0.0 });
    }

    #[test]
    fn the_interval_is_that_of_the_normal_approximation_for_many_clips() {
        // 1000 clips; A alone right on 200, B alone on 100: the difference of a clip is 1, -1 or 0.
        let a = predictions((0..1000).map(|i| i < 700));
        let b = predictions((0..1000).map(|i| !(100..300).contains(&i) && i < 700 || (700..800).contains(&i)));
        let found = paired_difference(&[(a, b)], Metric::Accuracy).unwrap();
        assert!((found.difference - 0.1).abs() < 1e-12);
        let deviation = ((0.3 - 0.01) / 1000f64).sqrt();
        assert!((found.low - (0.1 - 1.96 * deviation)).abs() < 0.003, "{found:?}");
        assert!((found.high - (0.1 + 1.96 * deviation)).abs() < 0.003, "{found:?}");
    }

    #[test]
    fn folds_are_averaged_and_strangers_refused() {
        let (all, none) = (predictions((0..10).map(|_| true)), predictions((0..10).map(|_| false)));
        let pairs = [(all.clone(), none.clone()), (all.clone(), all.clone())];
        let found = paired_difference(&pairs, Metric::Accuracy).unwrap();
        assert_eq!((found.difference, found.low, found.high), (0.5, 0.5, 0.5));
        assert_eq!(paired_difference(&[(all, predictions((0..9).map(|_| true)))], Metric::Accuracy), None);
        assert_eq!(paired_difference(&[], Metric::Accuracy), None);
    }
}
