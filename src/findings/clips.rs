//! Clips one by one: the model's answer, and how far it is from the label.

use crate::{
    data::Loss,
    infer,
    ops::softmax::log_sum_exp,
    train::{Predictions, mean, top, verdict},
};

/// Whether an answer is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its first class is one that the clip holds.
    Right,
    /// It is one that the clip does not hold.
    Wrong,
    /// Whether the clip holds it is not known.
    Unknown,
}

/// One clip's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipFinding {
    /// Its row among the predictions.
    pub row: usize,
    /// Classes that it holds.
    pub truth: Vec<usize>,
    /// The class with the highest score.
    pub answer: usize,
    /// That class's probability.
    pub confidence: f32,
    /// The probability of the class that it holds; of several, the lowest.
    pub of_truth: Option<f32>,
    /// Loss over what is known of it.
    pub loss: f64,
    /// Difference of the two highest probabilities: small where the model is unsure.
    pub margin: f32,
    /// Whether the answer is right.
    pub outcome: Outcome,
}

/// Which clips come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The highest loss.
    #[default]
    Loss,
    /// The smallest margin.
    Margin,
    /// The greatest difference from another model's answer.
    Disagreement,
}

impl Order {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Margin => "margin",
            Self::Disagreement => "disagreement",
        }
    }
}

/// Probabilities (clips, classes) of logits.
pub(super) fn probabilities(scores: &[f32], classes: usize, loss: Loss) -> Vec<f32> {
    scores.chunks_exact(classes.max(1)).flat_map(|logits| infer::probabilities(loss, logits)).collect()
}

/// Each clip's finding, in the order of the predictions.
pub fn findings(predictions: &Predictions, loss: Loss) -> Vec<ClipFinding> {
    let classes = predictions.classes.max(1);
    let rows = predictions.scores.chunks_exact(classes).zip(predictions.targets.chunks_exact(classes)).enumerate();
    rows.map(|(row, (logits, targets))| finding(row, logits, targets, loss)).collect()
}

fn finding(row: usize, logits: &[f32], targets: &[f32], loss: Loss) -> ClipFinding {
    let probabilities = infer::probabilities(loss, logits);
    let truth: Vec<usize> = (0..targets.len()).filter(|&class| targets[class] > 0.5).collect();
    // By logits, as every metric: of two high ones both probabilities may be 1.
    let answer = top(logits).unwrap_or(0);
    let confidence = probabilities.get(answer).copied().unwrap_or(0.0);
    let second = (0..probabilities.len()).filter(|&class| class != answer).map(|class| probabilities[class]);
    let margin = confidence - second.fold(0.0, f32::max);
    let of_truth = truth.iter().map(|&class| probabilities[class]).reduce(f32::min);
    let cost = match loss {
        Loss::CrossEntropy => {
            let total = log_sum_exp(logits);
            truth.iter().map(|&class| total - f64::from(logits[class])).sum()
        }
        Loss::Binary => {
            let known = targets.iter().zip(logits).filter(|(target, _)| !target.is_nan());
            // ln(1 + exp(-x)) of a class that is there, ln(1 + exp(x)) of one that is not.
            let signed = known.map(|(target, x)| f64::from(if *target > 0.5 { -*x } else { *x }));
            mean(signed.map(|x| x.max(0.0) + (-x.abs()).exp().ln_1p())).unwrap_or(0.0)
        }
    };
    let outcome = match verdict(targets, answer) {
        Some(true) => Outcome::Right,
        Some(false) => Outcome::Wrong,
        None => Outcome::Unknown,
    };
    ClipFinding { row, truth, answer, confidence, of_truth, loss: cost, margin, outcome }
}

/// How far two models' answers to the same clips are apart, for each clip: half the sum of the differences of their
/// probabilities (for several labels the mean difference); 1 more where the first class differs. Empty where the predictions
/// are of other clips.
pub fn disagreement(a: &Predictions, b: &Predictions, loss: Loss) -> Vec<f32> {
    if a.classes != b.classes || a.scores.len() != b.scores.len() {
        return Vec::new();
    }
    let classes = a.classes.max(1);
    let [a, b] = [a, b].map(|one| probabilities(&one.scores, classes, loss));
    let share = match loss {
        Loss::CrossEntropy => 0.5,
        Loss::Binary => 1.0 / classes as f32,
    };
    let pairs = a.chunks_exact(classes).zip(b.chunks_exact(classes));
    pairs
        .map(|(a, b)| {
            let apart: f32 = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum();
            share * apart + f32::from(u8::from(top(a) != top(b)))
        })
        .collect()
}

/// Rows in this order; of equals the first stays first. Without another model's answers, disagreement is by margin.
pub fn ordered(findings: &[ClipFinding], order: Order, disagreement: &[f32]) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..findings.len()).collect();
    match order {
        Order::Loss => rows.sort_by(|&a, &b| findings[b].loss.total_cmp(&findings[a].loss)),
        Order::Disagreement if disagreement.len() == findings.len() => {
            rows.sort_by(|&a, &b| disagreement[b].total_cmp(&disagreement[a]));
        }
        Order::Margin | Order::Disagreement => {
            rows.sort_by(|&a, &b| findings[a].margin.total_cmp(&findings[b].margin));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_found_by_its_loss_its_margin_and_by_disagreement() {
        // ln of the probabilities themselves: 0.7 0.2 0.1, 0.45 0.5 0.05, 0.1 0.1 0.8.
        let logits = |rows: [[f32; 3]; 3]| rows.concat().iter().map(|p| p.ln()).collect::<Vec<f32>>();
        let scores = logits([[0.7, 0.2, 0.1], [0.45, 0.5, 0.05], [0.1, 0.1, 0.8]]);
        let targets = vec![0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let a = Predictions { classes: 3, scores, targets: targets.clone() };
        let found = findings(&a, Loss::CrossEntropy);
        assert!((found[0].loss + 0.1f64.ln()).abs() < 1e-6 && (found[0].margin - 0.5).abs() < 1e-6);
        assert_eq!((found[1].truth.as_slice(), found[1].answer, found[1].outcome), (&[0][..], 1, Outcome::Wrong));
        assert_eq!(found[2].outcome, Outcome::Right);
        assert_eq!(ordered(&found, Order::Loss, &[]), [0, 1, 2]);
        assert_eq!(ordered(&found, Order::Margin, &[]), [1, 0, 2]);
        let scores = logits([[0.7, 0.2, 0.1], [0.5, 0.45, 0.05], [0.3, 0.1, 0.6]]);
        let apart = disagreement(&a, &Predictions { classes: 3, scores, targets }, Loss::CrossEntropy);
        assert!((apart[1] - 1.05).abs() < 1e-6 && (apart[2] - 0.2).abs() < 1e-6, "{apart:?}");
        assert_eq!(ordered(&found, Order::Disagreement, &apart), [1, 2, 0]);
        assert!(disagreement(&a, &Predictions::new(3), Loss::CrossEntropy).is_empty());
    }

    #[test]
    fn a_sure_answer_is_the_same_as_in_the_matrix_and_its_loss_is_that_of_training() {
        // In single precision both probabilities are 1.
        let predictions = Predictions { classes: 2, scores: vec![40.0, 60.0], targets: vec![1.0, 0.0] };
        let found = &findings(&predictions, Loss::Binary)[0];
        assert_eq!((found.answer, found.outcome, predictions.confusion()[1]), (1, Outcome::Wrong, 1));
        assert!((found.loss - 30.0).abs() < 1e-9, "{}", found.loss);
        let found = &findings(&predictions, Loss::CrossEntropy)[0];
        assert!((found.loss - 20.0).abs() < 1e-6, "{}", found.loss);
    }

    #[test]
    fn an_answer_of_which_nothing_is_known_is_neither_right_nor_wrong_anywhere() {
        let predictions = Predictions {
            classes: 2,
            scores: vec![1.0, 0.0, 0.0, 1.0, 0.0, 1.0],
            targets: vec![1.0, 0.0, 1.0, f32::NAN, f32::NAN, 0.0],
        };
        let found = findings(&predictions, Loss::Binary);
        assert_eq!([0, 1, 2].map(|row| found[row].outcome), [Outcome::Right, Outcome::Unknown, Outcome::Wrong]);
        assert_eq!(predictions.value(crate::data::Metric::Accuracy), 0.5);
        assert_eq!(crate::findings::accuracy(&predictions).map(|found| found.0), Some(0.5));
        let figures = crate::findings::by_class(&predictions, &["a".into(), "b".into()]);
        assert_eq!((figures[1].answered, figures[1].precision), (1, Some(0.0)));
    }

    #[test]
    fn of_several_labels_only_what_is_known_counts() {
        let predictions = Predictions { classes: 3, scores: vec![0.0, 20.0, -1.0], targets: vec![1.0, f32::NAN, 0.0] };
        let found = &findings(&predictions, Loss::Binary)[0];
        assert_eq!((found.outcome, found.answer), (Outcome::Unknown, 1));
        let expected = (0.5f64.ln() + (1.0 - 1.0 / (1.0 + 1f64.exp())).ln()) / -2.0;
        assert!((found.loss - expected).abs() < 1e-6, "{} {expected}", found.loss);
        assert!((found.of_truth.unwrap_or(0.0) - 0.5).abs() < 1e-6);
    }
}
