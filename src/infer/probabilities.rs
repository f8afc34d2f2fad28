//! From logits to probabilities.

use super::{Classifier, Score};
use crate::{data::Loss, ops::softmax::log_sum_exp};

/// Softmax or sigmoid of one clip's logits.
pub fn probabilities(loss: Loss, logits: &[f32]) -> Vec<f32> {
    match loss {
        Loss::CrossEntropy => {
            let total = log_sum_exp(logits);
            logits.iter().map(|&x| (f64::from(x) - total).exp() as f32).collect()
        }
        Loss::Binary => logits.iter().map(|&x| 1.0 / (1.0 + (-x).exp())).collect(),
    }
}

impl Classifier {
    /// Probabilities (windows, classes) of logits.
    pub fn sure(&self, logits: &[f32]) -> Vec<f32> {
        let classes = self.labels.len().max(1);
        logits.chunks(classes).flat_map(|logits| probabilities(self.loss, logits)).collect()
    }

    /// The classes with their probabilities, most likely first.
    pub(super) fn ranked(&self, logits: &[f32]) -> Vec<Score> {
        self.ranked_by(&probabilities(self.loss, logits))
    }

    /// The classes with these probabilities, given in label order, most likely first.
    pub(super) fn ranked_by(&self, probabilities: &[f32]) -> Vec<Score> {
        let pairs = self.labels.iter().zip(probabilities);
        let mut scores: Vec<Score> = pairs.map(|(label, &score)| Score { label: label.clone(), score }).collect();
        scores.sort_by(|a, b| b.score.total_cmp(&a.score));
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_shares_out_one_and_sigmoids_stand_alone() {
        let soft = probabilities(Loss::CrossEntropy, &[1000.0, 999.0, 0.0]);
        assert!((soft.iter().sum::<f32>() - 1.0).abs() < 1e-6 && (soft[0] - 0.731_058_6).abs() < 1e-6);
        assert_eq!(probabilities(Loss::Binary, &[0.0, 0.0]), [0.5, 0.5]);
    }
}
