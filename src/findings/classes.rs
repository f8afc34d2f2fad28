//! Each class's recall, precision and average precision, with 95 % intervals.

use rayon::prelude::*;
use serde::Serialize;

use crate::{
    random::KeyedRng,
    train::{Interval, Predictions, top, wilson},
};

/// Standard deviations of a 95 % interval.
const Z: f64 = 1.959_963_985;
/// Resamples of an average precision's interval (Efron and Tibshirani, 1993, advise at least 1000 for percentiles).
const RESAMPLES: usize = 1000;
/// Seed of the resamples: the same predictions always give the same interval.
const SEED: u64 = 2401_10544;

/// A class's figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassFigures {
    /// Its name.
    pub label: String,
    /// Clips that hold it.
    pub clips: usize,
    /// Clips whose first class it is, of those where it is known whether they hold it.
    pub answered: usize,
    /// Share of the clips that hold it whose first class it is, with Wilson's interval.
    pub recall: Option<f64>,
    /// Its interval.
    pub recall_interval: Option<Interval>,
    /// Share of the clips whose first class it is that hold it, with Wilson's interval.
    pub precision: Option<f64>,
    /// Its interval.
    pub precision_interval: Option<Interval>,
    /// Area under the precision-recall steps, with the percentile interval of a bootstrap over clips.
    pub average_precision: Option<f64>,
    /// Its interval.
    pub average_precision_interval: Option<Interval>,
}

/// Every class's figures.
pub fn by_class(predictions: &Predictions, labels: &[String]) -> Vec<ClassFigures> {
    let classes = predictions.classes.max(1);
    let answers: Vec<Option<usize>> = predictions.scores.chunks_exact(classes).map(top).collect();
    let figures = |(class, label): (usize, &String)| {
        let targets = || predictions.targets.iter().skip(class).step_by(classes);
        let pairs = || targets().zip(&answers);
        let clips = targets().filter(|target| **target > 0.5).count();
        let answered = pairs().filter(|(target, answer)| **answer == Some(class) && !target.is_nan()).count();
        let right = pairs().filter(|(target, answer)| **answer == Some(class) && **target > 0.5).count();
        let share = |of: usize| (of > 0).then(|| right as f64 / of as f64);
        let interval = |of: usize| (of > 0).then(|| wilson(right as u64, of as u64, Z));
        ClassFigures {
            label: label.clone(),
            clips,
            answered,
            recall: share(clips),
            recall_interval: interval(clips),
            precision: share(answered),
            precision_interval: interval(answered),
            average_precision: predictions.average_precision(class),
            average_precision_interval: resampled(predictions, class),
        }
    };
    // Each class draws from numbers of its own, so that threads change nothing.
    labels.par_iter().enumerate().map(figures).collect()
}

/// The share of clips that are answered rightly, and its interval. Clips whose class is not known do not count.
pub fn accuracy(predictions: &Predictions) -> Option<(f64, Interval)> {
    let classes = predictions.classes.max(1);
    let judged = predictions.correct().into_iter().zip(predictions.targets.chunks_exact(classes));
    let judged: Vec<bool> = judged
        .filter(|(_, targets)| targets.iter().any(|target| *target > 0.5) || !targets.iter().any(|one| one.is_nan()))
        .map(|(right, _)| right)
        .collect();
    let right = judged.iter().filter(|right| **right).count();
    (!judged.is_empty()).then(|| (right as f64 / judged.len() as f64, wilson(right as u64, judged.len() as u64, Z)))
}

/// The percentile interval of a class's average precision. The clips are sorted once; a resample is how often each is drawn.
fn resampled(predictions: &Predictions, class: usize) -> Option<Interval> {
    let classes = predictions.classes.max(1);
    let column = |values: &[f32]| -> Vec<f32> { values.iter().skip(class).step_by(classes).copied().collect() };
    let (scores, targets) = (column(&predictions.scores), column(&predictions.targets));
    let mut known: Vec<(f32, bool)> =
        scores.into_iter().zip(targets).filter(|(_, target)| !target.is_nan()).map(|(s, t)| (s, t > 0.5)).collect();
    let positives = known.iter().filter(|(_, here)| *here).count();
    if positives == 0 {
        return None;
    }
    known.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut rng = KeyedRng::new(SEED, "average precision", 0, class as u64);
    let mut drawn = vec![0u32; known.len()];
    let mut values: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            drawn.fill(0);
            (0..known.len()).for_each(|_| drawn[rng.below(known.len())] += 1);
            average_precision(&known, &drawn)
        })
        .collect();
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    Some(Interval { low: at(0.025), high: at(0.975) })
}

/// Average precision of clips that are sorted by score, highest first, each drawn so often; `None` without positives.
fn average_precision(sorted: &[(f32, bool)], drawn: &[u32]) -> Option<f64> {
    let positives: u32 = sorted.iter().zip(drawn).filter(|((_, here), _)| *here).map(|(_, times)| times).sum();
    let (mut found, mut seen, mut area, mut at) = (0u32, 0u32, 0.0, 0);
    for group in sorted.chunk_by(|a, b| a.0 == b.0) {
        let times = &drawn[at..at + group.len()];
        at += group.len();
        let here: u32 = group.iter().zip(times).filter(|((_, here), _)| *here).map(|(_, times)| times).sum();
        found += here;
        seen += times.iter().sum::<u32>();
        if here > 0 {
            area += f64::from(here) / f64::from(positives) * (f64::from(found) / f64::from(seen));
        }
    }
    (positives > 0).then_some(area)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn figures_are_the_matrixs_and_their_intervals_hold_them() {
        // Truth 0 0 0 1 1; answers 0 0 1 1 1.
        let mut predictions = Predictions::new(2);
        for (truth, answer) in [(0, 0), (0, 0), (0, 1), (1, 1), (1, 1)] {
            predictions.scores.extend((0..2).map(|class| if class == answer { 1.0 } else { 0.1 * truth as f32 }));
            predictions.targets.extend((0..2).map(|class| if class == truth { 1.0 } else { 0.0 }));
        }
        let figures = by_class(&predictions, &["a".into(), "b".into()]);
        assert_eq!((figures[0].clips, figures[0].answered, figures[1].answered), (3, 2, 3));
        assert_eq!((figures[0].recall, figures[0].precision), (Some(2.0 / 3.0), Some(1.0)));
        assert_eq!((figures[1].recall, figures[1].precision), (Some(1.0), Some(2.0 / 3.0)));
        for one in &figures {
            for (value, interval) in [
                (one.recall, one.recall_interval),
                (one.precision, one.precision_interval),
                (one.average_precision, one.average_precision_interval),
            ] {
                let (value, Interval { low, high }) = (value.unwrap(), interval.unwrap());
                assert!(low <= value + 1e-9 && value <= high + 1e-9 && low < high, "{one:?}");
            }
        }
        let (value, interval) = accuracy(&predictions).unwrap();
        assert_eq!((value, interval), (0.8, wilson(4, 5, Z)));
    }

    #[test]
    fn drawing_every_clip_once_is_the_average_precision_itself() {
        let mut rng = KeyedRng::of_seed(4);
        let mut predictions = Predictions::new(1);
        for _ in 0..60 {
            predictions.scores.push((rng.unit() * 20.0).round());
            predictions.targets.push(f32::from(u8::from(rng.chance(0.3))));
        }
        let mut sorted: Vec<(f32, bool)> =
            predictions.scores.iter().zip(&predictions.targets).map(|(s, t)| (*s, *t > 0.5)).collect();
        sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
        let ours = average_precision(&sorted, &[1; 60]).unwrap();
        assert!((ours - predictions.average_precision(0).unwrap()).abs() < 1e-12);
        // The spread of a bootstrap over 60 clips with some 18 positives.
        let Interval { low, high } = resampled(&predictions, 0).unwrap();
        assert!(low < ours && ours < high && high - low > 0.05 && high - low < 0.6, "{low} {ours} {high}");
    }
}
