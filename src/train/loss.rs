//! What is minimised: losses of one batch with their gradients, on plain slices.
//!
//! A target of `NaN` is not annotated: it takes part in no loss and no metric. That survives mixup,
//! where an entry is known only if both clips know it.

use std::ops::Range;

use crate::data::Loss;

/// A batch's loss as a function of its logits.
pub struct Criterion<'a> {
    loss: Loss,
    /// (batch, classes), row-major; soft labels, or `NaN` where nothing is known.
    targets: &'a [f32],
    classes: usize,
    /// What the sum over the batch is divided by: clips for cross entropy, known entries for binary.
    terms: f64,
}

impl<'a> Criterion<'a> {
    /// The loss of a batch with these targets, (batch, classes), a mean over the whole batch.
    pub fn new(loss: Loss, targets: &'a [f32], classes: usize) -> Self {
        let terms = match loss {
            Loss::CrossEntropy => targets.len() / classes.max(1),
            Loss::Binary => targets.iter().filter(|target| !target.is_nan()).count(),
        };
        Self { loss, targets, classes, terms: terms.max(1) as f64 }
    }

    /// The share of the clips in `range` in the batch's loss, and its gradient with respect to their
    /// `logits`, (clips, classes). Shares of a partition of the batch add up to the batch's loss.
    pub fn share(&self, range: Range<usize>, logits: &[f32]) -> (f32, Vec<f32>) {
        let targets = &self.targets[range.start * self.classes..range.end * self.classes];
        let mut gradient = vec![0.0; logits.len()];
        let rows = logits.chunks_exact(self.classes).zip(targets.chunks_exact(self.classes));
        let sum: f64 = rows
            .zip(gradient.chunks_exact_mut(self.classes))
            .map(|((logits, targets), gradient)| match self.loss {
                Loss::CrossEntropy => cross_entropy(logits, targets, gradient),
                Loss::Binary => binary(logits, targets, gradient),
            })
            .sum();
        let scale = (1.0 / self.terms) as f32;
        gradient.iter_mut().for_each(|g| *g *= scale);
        ((sum / self.terms) as f32, gradient)
    }

    /// What the batch's loss is a mean over, to weigh means of several batches.
    pub fn terms(&self) -> f64 {
        self.terms
    }
}

/// Soft-label cross entropy of one clip, `-sum t log softmax(x)`; writes `softmax(x) sum t - t`.
fn cross_entropy(logits: &[f32], targets: &[f32], gradient: &mut [f32]) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|&x| f64::from(x - top).exp()).sum();
    let log_total = total.ln();
    let mass: f64 = targets.iter().filter(|t| !t.is_nan()).map(|&t| f64::from(t)).sum();
    let mut loss = 0.0;
    for ((&x, &target), g) in logits.iter().zip(targets).zip(gradient) {
        let target = if target.is_nan() { 0.0 } else { f64::from(target) };
        let log_probability = f64::from(x - top) - log_total;
        if target != 0.0 {
            loss -= target * log_probability;
        }
        *g = (log_probability.exp() * mass - target) as f32;
    }
    loss
}

/// Sigmoid binary cross entropy summed over one clip's known classes; writes `sigmoid(x) - t`.
fn binary(logits: &[f32], targets: &[f32], gradient: &mut [f32]) -> f64 {
    let mut loss = 0.0;
    for ((&x, &target), g) in logits.iter().zip(targets).zip(gradient) {
        if target.is_nan() {
            *g = 0.0;
            continue;
        }
        let (x, target) = (f64::from(x), f64::from(target));
        loss += x.max(0.0) - x * target + (-x.abs()).exp().ln_1p();
        *g = (1.0 / (1.0 + (-x).exp()) - target) as f32;
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 6] = [1.5, -0.3, 0.2, -2.0, 4.0, 0.7];
    const NAN: f32 = f32::NAN;

    fn whole(loss: Loss, targets: &[f32], logits: &[f32]) -> f64 {
        f64::from(Criterion::new(loss, targets, 3).share(0..logits.len() / 3, logits).0)
    }

    fn check_gradient(loss: Loss, targets: &[f32]) {
        let (_, gradient) = Criterion::new(loss, targets, 3).share(0..2, &LOGITS);
        for i in 0..LOGITS.len() {
            let moved = |by: f32| {
                let mut logits = LOGITS;
                logits[i] += by;
                whole(loss, targets, &logits)
            };
            let difference = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((difference - f64::from(gradient[i])).abs() < 2e-5, "{loss:?} {i}: {difference} {}", gradient[i]);
        }
    }

    #[test]
    fn gradients_are_what_finite_differences_say() {
        for loss in [Loss::CrossEntropy, Loss::Binary] {
            check_gradient(loss, &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
            check_gradient(loss, &[0.3, 0.7, 0.0, 0.0, 0.45, 0.55]);
        }
        check_gradient(Loss::Binary, &[1.0, NAN, 0.0, NAN, NAN, 1.0]);
    }

    #[test]
    fn values_are_those_of_torch() {
        // torch 2.11: F.cross_entropy(x, soft labels), F.binary_cross_entropy_with_logits(x, t), the latter also
        // over x[known].
        let soft = [0.3, 0.7, 0.0, 0.0, 0.45, 0.55];
        assert!((whole(Loss::CrossEntropy, &soft, &LOGITS) - 1.738371246).abs() < 1e-6);
        assert!((whole(Loss::Binary, &soft, &LOGITS) - 0.979528563).abs() < 1e-6);
        let masked = [1.0, NAN, 0.0, NAN, NAN, 1.0];
        assert!((whole(Loss::Binary, &masked, &LOGITS) - 0.467579399).abs() < 1e-6);
    }

    #[test]
    fn shares_add_up_to_the_batch() {
        let targets = [1.0, NAN, 0.0, 0.0, 1.0, 1.0];
        for loss in [Loss::CrossEntropy, Loss::Binary] {
            let criterion = Criterion::new(loss, &targets, 3);
            let (loss, gradient) = criterion.share(0..2, &LOGITS);
            let (first, second) = (criterion.share(0..1, &LOGITS[..3]), criterion.share(1..2, &LOGITS[3..]));
            assert!((first.0 + second.0 - loss).abs() < 1e-6);
            assert_eq!([first.1, second.1].concat(), gradient);
        }
    }

    #[test]
    fn a_batch_of_which_nothing_is_known_costs_nothing() {
        let (loss, gradient) = Criterion::new(Loss::Binary, &[NAN; 3], 3).share(0..1, &LOGITS[..3]);
        assert_eq!((loss, gradient), (0.0, vec![0.0; 3]));
    }

    #[test]
    fn large_logits_stay_finite() {
        for loss in [Loss::CrossEntropy, Loss::Binary] {
            let (loss, gradient) = Criterion::new(loss, &[0.0, 1.0, 0.0], 3).share(0..1, &[1e4, -1e4, 0.0]);
            assert!(loss.is_finite() && gradient.iter().all(|g| g.is_finite()));
        }
    }
}
