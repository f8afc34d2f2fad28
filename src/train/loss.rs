//! Losses of one batch with their gradients, on plain slices.

use std::ops::Range;

use crate::{
    data::{Loss, Targets},
    ops::softmax::log_sum_exp,
};

/// A batch's loss as a function of its logits.
pub struct Criterion<'a> {
    loss: Loss,
    targets: &'a Targets,
    /// The divisor of the sum over the batch: clips for cross entropy, summed weights for binary.
    terms: f64,
}

impl<'a> Criterion<'a> {
    /// The loss of a batch with these targets, a mean over the whole batch.
    pub fn new(loss: Loss, targets: &'a Targets) -> Self {
        let terms = match (loss, &targets.mask) {
            (Loss::CrossEntropy, _) => (targets.values.len() / targets.classes.max(1)) as f64,
            (Loss::Binary, None) => targets.values.len() as f64,
            (Loss::Binary, Some(mask)) => mask.iter().map(|&weight| f64::from(weight)).sum(),
        };
        Self { loss, targets, terms }
    }

    /// The share of the clips in `range` in the batch's loss, and its gradient with respect to their
    /// `logits`, (clips, classes). Shares of a partition of the batch add up to the batch's loss.
    pub fn share(&self, range: Range<usize>, logits: &[f32]) -> (f32, Vec<f32>) {
        let classes = self.targets.classes;
        let range = range.start * classes..range.end * classes;
        let targets = &self.targets.values[range.clone()];
        let weights = self.targets.mask.as_ref().map(|mask| &mask[range]);
        let mut gradient = vec![0.0; logits.len()];
        let mut sum = 0.0;
        for (row, gradient) in gradient.chunks_exact_mut(classes).enumerate() {
            let row = row * classes..(row + 1) * classes;
            let (logits, targets) = (&logits[row.clone()], &targets[row.clone()]);
            sum += match self.loss {
                Loss::CrossEntropy => match weights.map(|weights| &weights[row]) {
                    Some(known) if is_ruled_out(targets, known) => ruled_out(logits, known, gradient),
                    _ => cross_entropy(logits, targets, gradient),
                },
                Loss::Binary => binary(logits, targets, weights.map(|weights| &weights[row]), gradient),
            };
        }
        // A batch without any known target has no terms and no loss.
        let scale = if self.terms > 0.0 { 1.0 / self.terms } else { 0.0 };
        gradient.iter_mut().for_each(|g| *g *= scale as f32);
        ((sum * scale) as f32, gradient)
    }

    /// The weight of this batch's mean among several batches.
    pub fn terms(&self) -> f64 {
        self.terms
    }
}

/// Soft-label cross entropy of one clip, `-sum t log softmax(x)`; writes `softmax(x) sum t - t`.
fn cross_entropy(logits: &[f32], targets: &[f32], gradient: &mut [f32]) -> f64 {
    let total = log_sum_exp(logits);
    let mass: f64 = targets.iter().map(|&target| f64::from(target)).sum();
    let mut loss = 0.0;
    for ((&x, &target), g) in logits.iter().zip(targets).zip(gradient) {
        let target = f64::from(target);
        let log_probability = f64::from(x) - total;
        if target != 0.0 {
            loss -= target * log_probability;
        }
        *g = (log_probability.exp() * mass - target) as f32;
    }
    loss
}

/// Whether of a clip with exactly one class only is known which it is not.
fn is_ruled_out(targets: &[f32], known: &[f32]) -> bool {
    let is_known = |weight: &f32| *weight > 0.0;
    targets.iter().all(|target| *target == 0.0) && known.iter().any(is_known) && !known.iter().all(is_known)
}

/// The loss of one clip that holds exactly one class and none of the known ones: `-log(1 - P)`, where P is the sum of their
/// probabilities. Which of the others it holds is not said, and makes no difference (learning from complementary labels,
/// Ishida et al., arXiv 1705.07541, with the likelihood as loss). Writes `p` for a known class, `-p P / (1 - P)` for another.
fn ruled_out(logits: &[f32], known: &[f32], gradient: &mut [f32]) -> f64 {
    let is_out = |weight: &f32| *weight > 0.0;
    let of = |ruled_out: bool| -> f64 {
        let own = logits.iter().zip(known).filter(|(_, weight)| is_out(weight) == ruled_out);
        log_sum_exp(&own.map(|(x, _)| *x).collect::<Vec<f32>>())
    };
    // Each summed by itself: where nearly all probability is ruled out, that of the others is too small for a number.
    let (total, out, rest) = (log_sum_exp(logits), of(true), of(false));
    let mass = (out - total).exp();
    for ((&x, weight), g) in logits.iter().zip(known).zip(gradient) {
        let x = f64::from(x);
        *g = (if is_out(weight) { (x - total).exp() } else { -(x - rest).exp() * mass }) as f32;
    }
    total - rest
}

/// Sigmoid binary cross entropy summed over one clip's classes, each times its weight; writes `w (sigmoid(x) - t)`.
fn binary(logits: &[f32], targets: &[f32], weights: Option<&[f32]>, gradient: &mut [f32]) -> f64 {
    let mut loss = 0.0;
    for (i, ((&x, &target), g)) in logits.iter().zip(targets).zip(gradient).enumerate() {
        let weight = weights.map_or(1.0, |weights| f64::from(weights[i]));
        let (x, target) = (f64::from(x), f64::from(target));
        loss += weight * (x.max(0.0) - x * target + (-x.abs()).exp().ln_1p());
        *g = (weight * (1.0 / (1.0 + (-x).exp()) - target)) as f32;
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 6] = [1.5, -0.3, 0.2, -2.0, 4.0, 0.7];
    const KNOWN: [f32; 6] = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0];

    fn targets(values: [f32; 6], mask: Option<[f32; 6]>) -> Targets {
        Targets { classes: 3, values: values.to_vec(), mask: mask.map(|mask| mask.to_vec()) }
    }

    fn whole(loss: Loss, targets: &Targets, logits: &[f32]) -> f64 {
        f64::from(Criterion::new(loss, targets).share(0..2, logits).0)
    }

    fn check_gradient(loss: Loss, targets: &Targets) {
        let (_, gradient) = Criterion::new(loss, targets).share(0..2, &LOGITS);
        for i in 0..LOGITS.len() {
            let moved = |by: f32| {
                let mut logits = LOGITS;
                logits[i] += by;
                whole(loss, targets, &logits)
            };
            let difference = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((difference - f64::from(gradient[i])).abs() < 3e-5, "{loss:?} {i}: {difference} {}", gradient[i]);
        }
    }

    #[test]
    fn gradients_are_what_finite_differences_say() {
        for loss in [Loss::CrossEntropy, Loss::Binary] {
            check_gradient(loss, &targets([1.0, 0.0, 0.0, 0.0, 0.0, 1.0], None));
            check_gradient(loss, &targets([0.3, 0.7, 0.0, 0.0, 0.45, 0.55], None));
        }
        check_gradient(Loss::Binary, &targets([1.0, 0.0, 0.0, 0.0, 0.0, 1.0], Some(KNOWN)));
        let half = Some([1.0, 0.25, 0.5, 0.0, 1.0, 0.75]);
        check_gradient(Loss::Binary, &targets([0.3, 0.7, 0.0, 0.0, 0.45, 0.55], half));
    }

    #[test]
    fn what_a_clip_is_not_lowers_that_class_alone() {
        // Of the first clip is known that it is not class 0, of the second nothing is unknown.
        let targets = targets([0.0, 0.0, 0.0, 0.0, 0.0, 1.0], Some([1.0, 0.0, 0.0, 1.0, 1.0, 1.0]));
        check_gradient(Loss::CrossEntropy, &targets);
        let (_, gradient) = Criterion::new(Loss::CrossEntropy, &targets).share(0..2, &LOGITS);
        assert!(gradient[0] > 0.0 && gradient[1] < 0.0 && gradient[2] < 0.0, "{gradient:?}");
        // -log(1 - p) with p = e^1.5 / (e^1.5 + e^-0.3 + e^0.2), and -log softmax of the second clip, halved.
        let exps = LOGITS.map(|x| f64::from(x).exp());
        let first = -(1.0 - exps[0] / (exps[0] + exps[1] + exps[2])).ln();
        let second = -(exps[5] / (exps[3] + exps[4] + exps[5])).ln();
        assert!((whole(Loss::CrossEntropy, &targets, &LOGITS) - (first + second) / 2.0).abs() < 1e-6);
        let (loss, gradient) = Criterion::new(Loss::CrossEntropy, &targets).share(0..1, &[1e4, 0.0, 0.0]);
        assert!(loss.is_finite() && gradient.iter().all(|g| g.is_finite()));
    }

    #[test]
    fn a_clip_that_is_surely_of_the_class_it_is_not_still_moves_the_others() {
        // exp(-1000) is no number above 0: the share of the others has to come from their own sum.
        let (known, mut gradient) = ([1.0, 0.0, 0.0], [0.0; 3]);
        for logits in [[1000.0f32, 0.0, 0.5], [60.0, 0.0, 0.5], [1.0, 0.0, 0.5]] {
            ruled_out(&logits, &known, &mut gradient);
            for i in 0..3 {
                let mut nothing = [0.0; 3];
                let [before, after] = [-1.0f32, 1.0].map(|sign| {
                    let mut moved = logits;
                    moved[i] += sign / 64.0;
                    ruled_out(&moved, &known, &mut nothing)
                });
                let slope = (after - before) * 32.0;
                assert!((slope - f64::from(gradient[i])).abs() < 1e-4, "{logits:?} {i}: {slope} {gradient:?}");
            }
            assert!(gradient[1] < -0.05 && gradient[2] < gradient[1], "{logits:?}: {gradient:?}");
        }
    }

    #[test]
    fn values_are_those_of_torch() {
        // torch 2.11, float64: F.cross_entropy(x, t), F.binary_cross_entropy_with_logits(x, t), and over x[known].
        let soft = targets([0.3, 0.7, 0.0, 0.0, 0.45, 0.55], None);
        assert!((whole(Loss::CrossEntropy, &soft, &LOGITS) - 1.738371246).abs() < 1e-6);
        assert!((whole(Loss::Binary, &soft, &LOGITS) - 0.979528563).abs() < 1e-6);
        let masked = targets([1.0, 0.0, 0.0, 0.0, 0.0, 1.0], Some(KNOWN));
        assert!((whole(Loss::Binary, &masked, &LOGITS) - 0.467579399).abs() < 1e-6);
    }

    #[test]
    fn shares_add_up_to_the_batch() {
        let targets = targets([1.0, 0.0, 0.0, 0.0, 1.0, 1.0], Some([1.0, 0.0, 1.0, 1.0, 1.0, 1.0]));
        for loss in [Loss::CrossEntropy, Loss::Binary] {
            let criterion = Criterion::new(loss, &targets);
            let (loss, gradient) = criterion.share(0..2, &LOGITS);
            let (first, second) = (criterion.share(0..1, &LOGITS[..3]), criterion.share(1..2, &LOGITS[3..]));
            assert!((first.0 + second.0 - loss).abs() < 1e-6);
            assert_eq!([first.1, second.1].concat(), gradient);
        }
    }

    #[test]
    fn a_batch_of_which_nothing_is_known_costs_nothing() {
        let targets = targets([0.0; 6], Some([0.0; 6]));
        let (loss, gradient) = Criterion::new(Loss::Binary, &targets).share(0..2, &LOGITS);
        assert_eq!((loss, gradient), (0.0, vec![0.0; 6]));
    }

    #[test]
    fn large_logits_stay_finite() {
        let targets = targets([0.0, 1.0, 0.0, 1.0, 0.0, 0.0], None);
        for loss in [Loss::CrossEntropy, Loss::Binary] {
            let (loss, gradient) = Criterion::new(loss, &targets).share(0..2, &[1e4, -1e4, 0.0, 1e4, -1e4, 0.0]);
            assert!(loss.is_finite() && gradient.iter().all(|g| g.is_finite()));
        }
    }
}
