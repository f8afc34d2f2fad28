//! Each class's recall, precision and average precision, with 95 % intervals.

use rayon::prelude::*;
use serde::Serialize;

use crate::{
    random::KeyedRng,
    train::{Interval, Predictions, normal_quantile, top, wilson},
};

/// Standard deviations of a 95 % interval.
fn z() -> f64 {
    normal_quantile(0.975)
}

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
    /// Area under the receiver operating characteristic.
    pub auc: Option<f64>,
}

/// Every class's figures.
pub fn by_class(predictions: &Predictions, labels: &[String]) -> Vec<ClassFigures> {
    let classes = predictions.classes.max(1);
    let z = z();
    let answers: Vec<(Option<usize>, Option<bool>)> =
        predictions.scores.chunks_exact(classes).map(top).zip(predictions.verdicts()).collect();
    let figures = |(class, label): (usize, &String)| {
        let clips = predictions.targets.iter().skip(class).step_by(classes).filter(|target| **target > 0.5).count();
        let own = || answers.iter().filter(|(answer, _)| *answer == Some(class)).filter_map(|(_, right)| *right);
        let (answered, right) = (own().count(), own().filter(|right| *right).count());
        let share = |of: usize| (of > 0).then(|| right as f64 / of as f64);
        let interval = |of: usize| (of > 0).then(|| wilson(right as u64, of as u64, z));
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
            auc: predictions.auc(class),
        }
    };
    // Each class draws from numbers of its own, so that threads change nothing.
    labels.par_iter().enumerate().map(figures).collect()
}

/// The share of clips that are answered rightly, and its interval. Answers of which that is not known do not count.
pub fn accuracy(predictions: &Predictions) -> Option<(f64, Interval)> {
    let judged: Vec<bool> = predictions.verdicts().into_iter().flatten().collect();
    let right = judged.iter().filter(|right| **right).count();
    (!judged.is_empty()).then(|| (right as f64 / judged.len() as f64, wilson(right as u64, judged.len() as u64, z())))
}

/// Clips of one score, of which some hold the class.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    /// Clips with a higher score, down to the step before; none of them holds the class.
    above: usize,
    /// Clips of this score that hold the class.
    here: usize,
    /// Clips of this score that do not.
    absent: usize,
}

/// The steps of a class from the highest score down. Clips below the last one that holds it change nothing.
fn steps(predictions: &Predictions, class: usize) -> Vec<Step> {
    let (mut steps, mut above) = (Vec::new(), 0);
    for (here, absent) in predictions.by_score(class) {
        match here {
            0 => above += absent,
            _ => steps.push(Step { above: std::mem::take(&mut above), here, absent }),
        }
    }
    steps
}

/// The percentile interval of a class's average precision, by a bootstrap that draws each clip a Poisson number of times
/// (Chamandy et al., 2012): clips that stand together in the order are then drawn as one, so that a resample costs as much
/// as there are clips that hold the class, and all classes together as much as there are labels.
fn resampled(predictions: &Predictions, class: usize) -> Option<Interval> {
    let steps = steps(predictions, class);
    let mut rng = KeyedRng::new(SEED, "average precision", 0, class as u64);
    let mut values: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| average_precision(&steps, &mut |count| if count == 0 { 0 } else { rng.poisson(count as f64) }))
        .collect();
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    Some(Interval { low: at(0.025), high: at(0.975) })
}

/// Average precision where so many of some clips are drawn as `draw` says; `None` where no clip that holds the class is.
fn average_precision(steps: &[Step], draw: &mut dyn FnMut(usize) -> u32) -> Option<f64> {
    let (mut found, mut seen, mut area) = (0u32, 0u32, 0.0);
    for step in steps {
        let here = draw(step.here);
        found += here;
        seen += here + draw(step.above) + draw(step.absent);
        if here > 0 {
            area += f64::from(here) * f64::from(found) / f64::from(seen);
        }
    }
    (found > 0).then(|| area / f64::from(found))
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
        assert_eq!((value, interval), (0.8, wilson(4, 5, z())));
    }

    #[test]
    fn drawing_every_clip_once_is_the_average_precision_itself() {
        let mut rng = KeyedRng::of_seed(4);
        let mut predictions = Predictions::new(1);
        for _ in 0..60 {
            predictions.scores.push((rng.unit() * 20.0).round());
            predictions.targets.push(f32::from(u8::from(rng.chance(0.3))));
        }
        let steps = steps(&predictions, 0);
        let ours = average_precision(&steps, &mut |count| count as u32).unwrap();
        assert!((ours - predictions.average_precision(0).unwrap()).abs() < 1e-12);
        // The spread of a bootstrap over 60 clips with some 18 positives.
        let Interval { low, high } = resampled(&predictions, 0).unwrap();
        assert!(low < ours && ours < high && high - low > 0.05 && high - low < 0.6, "{low} {ours} {high}");
        // The same as from drawing 60 of the clips again and again.
        let mut drawn: Vec<f64> = (0..2000)
            .filter_map(|_| {
                let clips: Vec<usize> = (0..60).map(|_| rng.below(60)).collect();
                predictions.of_clips(&clips).average_precision(0)
            })
            .collect();
        drawn.sort_by(f64::total_cmp);
        assert!((low - drawn[50]).abs() < 0.04 && (high - drawn[1949]).abs() < 0.04, "{low} {high} {drawn:?}");
    }

    #[test]
    fn a_resample_costs_no_more_than_the_class_has_clips() {
        let mut rng = KeyedRng::of_seed(5);
        let mut predictions = Predictions::new(1);
        for clip in 0..3000 {
            predictions.scores.push(rng.normal());
            predictions.targets.push(f32::from(u8::from(clip % 100 == 0)));
        }
        let steps = steps(&predictions, 0);
        assert!(steps.len() <= 30, "{}", steps.len());
        assert_eq!(steps.iter().map(|step| step.here).sum::<usize>(), 30);
    }
}
