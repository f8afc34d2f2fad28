//! Metrics of a model's predictions. Equal to scikit-learn where it defines the same number.
//!
//! A target of `NaN` is not annotated and left out. A class without positives has no average precision,
//! one without positives or without negatives no AUC; means are over the classes that have the number.

use std::cmp::Ordering;

use crate::data::{Metric, Targets};

/// The predictions for a whole split: scores and targets, (clips, classes), row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// Number of classes.
    pub classes: usize,
    /// Logits, or any score that grows with confidence.
    pub scores: Vec<f32>,
    /// 1 where the class is present, 0 where absent, `NaN` where it is not annotated.
    pub targets: Vec<f32>,
}

impl Predictions {
    /// Predictions without any clip.
    pub fn new(classes: usize) -> Self {
        Self { classes, ..Self::default() }
    }

    /// Adds a batch: its scores, (clips, classes), and its targets.
    pub fn extend(&mut self, scores: &[f32], targets: &Targets) {
        self.scores.extend_from_slice(scores);
        match &targets.mask {
            None => self.targets.extend_from_slice(&targets.values),
            Some(mask) => {
                let known = |(&value, &weight): (&f32, &f32)| if weight > 0.0 { value } else { f32::NAN };
                self.targets.extend(targets.values.iter().zip(mask).map(known));
            }
        }
    }

    /// The predictions for some of the clips; a clip may occur more than once.
    pub fn of_clips(&self, clips: &[usize]) -> Self {
        let take = |values: &[f32]| -> Vec<f32> {
            clips.iter().flat_map(|clip| &values[clip * self.classes..(clip + 1) * self.classes]).copied().collect()
        };
        Self { classes: self.classes, scores: take(&self.scores), targets: take(&self.targets) }
    }

    /// Number of clips.
    pub fn clips(&self) -> usize {
        self.scores.len() / self.classes.max(1)
    }

    /// The metric's value over all clips.
    pub fn value(&self, metric: Metric) -> f64 {
        match metric {
            // Pretraining has no class predictions; its score is computed elsewhere.
            Metric::Accuracy | Metric::Score => {
                mean(self.verdicts().into_iter().flatten().map(|hit| f64::from(u8::from(hit)))).unwrap_or(0.0)
            }
            Metric::MeanAveragePrecision => {
                mean((0..self.classes).filter_map(|class| self.average_precision(class))).unwrap_or(0.0)
            }
        }
    }

    /// For each clip, whether its answer, the class with the highest score (the first of equals), is one that it holds;
    /// `None` where that is not known, so that the answer is neither right nor wrong.
    pub fn verdicts(&self) -> Vec<Option<bool>> {
        self.rows().map(|(scores, targets)| verdict(targets, top(scores)?)).collect()
    }

    /// Average precision of one class: the sum of precision times the gain in recall over the distinct
    /// scores, highest first (scikit-learn's `average_precision_score`).
    pub fn average_precision(&self, class: usize) -> Option<f64> {
        let groups = self.by_score(class);
        let positives: usize = groups.iter().map(|group| group.0).sum();
        if positives == 0 {
            return None;
        }
        let (mut found, mut seen, mut area) = (0, 0, 0.0);
        for (here, absent) in groups {
            found += here;
            seen += here + absent;
            area += here as f64 / positives as f64 * (found as f64 / seen as f64);
        }
        Some(area)
    }

    /// Area under the ROC of one class: the share of pairs in order, ties counting half.
    pub fn auc(&self, class: usize) -> Option<f64> {
        let groups = self.by_score(class);
        let positives: usize = groups.iter().map(|group| group.0).sum();
        let negatives: usize = groups.iter().map(|group| group.1).sum();
        if positives == 0 || negatives == 0 {
            return None;
        }
        let (mut above, mut pairs) = (0, 0.0);
        for (here, absent) in groups {
            pairs += absent as f64 * (above as f64 + here as f64 / 2.0);
            above += here;
        }
        Some(pairs / (positives as f64 * negatives as f64))
    }

    /// Mean AUC over the classes that have one.
    pub fn mean_auc(&self) -> Option<f64> {
        mean((0..self.classes).filter_map(|class| self.auc(class)))
    }

    /// d' of the mean AUC, as the AudioSet literature reports it: `sqrt 2` times the normal quantile of the AUC.
    pub fn d_prime(&self) -> Option<f64> {
        self.mean_auc().map(|auc| std::f64::consts::SQRT_2 * normal_quantile(auc))
    }

    /// Clips by class held (rows) and class scored highest (columns), (classes, classes). A clip that holds
    /// several classes counts once in each of their rows.
    pub fn confusion(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes * self.classes];
        for (scores, targets) in self.rows() {
            let Some(answer) = top(scores) else { continue };
            for class in (0..self.classes).filter(|&class| targets[class] > 0.5) {
                counts[class * self.classes + answer] += 1;
            }
        }
        counts
    }

    fn rows(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        let classes = self.classes.max(1);
        self.scores.chunks_exact(classes).zip(self.targets.chunks_exact(classes))
    }

    /// Numbers of known positives and negatives at each distinct score of a class, highest first.
    pub fn by_score(&self, class: usize) -> Vec<(usize, usize)> {
        let known = |(scores, targets): (&[f32], &[f32])| {
            (!targets[class].is_nan()).then(|| (scores[class], targets[class] > 0.5))
        };
        let mut column: Vec<(f32, bool)> = self.rows().filter_map(known).collect();
        column.sort_by(|a, b| b.0.total_cmp(&a.0));
        column
            .chunk_by(|a, b| a.0 == b.0)
            .map(|group| {
                let positives = group.iter().filter(|(_, here)| *here).count();
                (positives, group.len() - positives)
            })
            .collect()
    }
}

/// Whether an answer is a class that the clip holds; `None` where that is not known.
pub fn verdict(targets: &[f32], answer: usize) -> Option<bool> {
    targets.get(answer).filter(|target| !target.is_nan()).map(|target| *target > 0.5)
}

/// The first of the highest scores.
pub fn top(scores: &[f32]) -> Option<usize> {
    let higher = |&(i, a): &(usize, &f32), &(j, b): &(usize, &f32)| a.total_cmp(b).then_with(|| j.cmp(&i));
    scores.iter().enumerate().max_by(higher).map(|(class, _)| class)
}

/// The mean; `None` of nothing.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.into_iter().fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// The median; `None` of nothing.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => values.get(middle).copied(),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// Inverse of the standard normal distribution, to about 1e-16 relative (Wichura 1988, algorithm AS 241, PPND16).
#[allow(clippy::excessive_precision)] // the published figures
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ];
    const B: [f64; 8] = [
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ];
    const C: [f64; 8] = [
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ];
    const E: [f64; 8] = [
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ];
    let ratio = |above: &[f64; 8], below: &[f64; 8], x: f64| {
        let polynomial = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, &c| sum * x + c);
        polynomial(above) / polynomial(below)
    };
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&A, &B, 0.180625 - q * q);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return q.signum() * f64::INFINITY;
    }
    let r = (-tail.ln()).sqrt();
    q.signum() * if r <= 5.0 { ratio(&C, &D, r - 1.6) } else { ratio(&E, &F, r - 5.0) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// One golden case; made by `tests/golden/metrics.py` with scikit-learn.
    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        classes: usize,
        scores: Vec<f32>,
        targets: Vec<Option<f32>>,
        accuracy: Option<f64>,
        average_precision: Vec<Option<f64>>,
        auc: Vec<Option<f64>>,
        map: f64,
        mean_auc: Option<f64>,
        d_prime: Option<f64>,
        confusion: Option<Vec<usize>>,
        recall: Option<Vec<Option<f64>>>,
    }

    fn close(ours: Option<f64>, theirs: Option<f64>) -> bool {
        match (ours, theirs) {
            (Some(a), Some(b)) => a == b || (a - b).abs() < 1e-6,
            (a, b) => a.is_none() && b.is_none(),
        }
    }

    #[test]
    fn every_number_is_scikit_learns() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/golden/metrics.json")).unwrap();
        assert!(cases.len() >= 6);
        for case in cases {
            let targets = case.targets.iter().map(|target| target.unwrap_or(f32::NAN)).collect();
            let predictions = Predictions { classes: case.classes, scores: case.scores, targets };
            let confusion = predictions.confusion();
            for class in 0..case.classes {
                let name = format!("{} class {class}", case.name);
                assert!(close(predictions.average_precision(class), case.average_precision[class]), "{name}");
                assert!(close(predictions.auc(class), case.auc[class]), "{name}");
                if let Some(recall) = &case.recall {
                    let row = &confusion[class * case.classes..(class + 1) * case.classes];
                    let clips: usize = row.iter().sum();
                    let found = (clips > 0).then(|| row[class] as f64 / clips as f64);
                    assert!(close(found, recall[class]), "{name}");
                }
            }
            assert!(close(Some(predictions.value(Metric::MeanAveragePrecision)), Some(case.map)), "{}", case.name);
            assert!(close(predictions.mean_auc(), case.mean_auc), "{}", case.name);
            assert!(close(predictions.d_prime(), case.d_prime), "{}: {:?}", case.name, predictions.d_prime());
            if case.accuracy.is_some() {
                assert!(close(Some(predictions.value(Metric::Accuracy)), case.accuracy), "{}", case.name);
                assert_eq!(Some(predictions.confusion()), case.confusion, "{}", case.name);
            }
        }
    }

    #[test]
    fn no_predictions_have_no_metrics() {
        let predictions = Predictions::new(3);
        assert_eq!((predictions.value(Metric::Accuracy), predictions.value(Metric::MeanAveragePrecision)), (0.0, 0.0));
        assert_eq!(predictions.mean_auc(), None);
    }

    #[test]
    fn the_quantile_is_exact_in_every_branch() {
        // scipy.stats.norm.ppf
        for (p, z) in [(0.5, 0.0), (0.975, 1.959963984540054), (0.999, 3.090232306167813), (1e-12, -7.034483825301131)]
        {
            assert!((normal_quantile(p) - z).abs() < 1e-12, "{p}");
        }
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
