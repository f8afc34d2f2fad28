//! A session's validation at one glance, and two sessions' beside each other.

use std::path::Path;

use super::{
    ClassFigures, ClipFinding, KeptAnswers, Order, Outcome, Reliability, accuracy, by_class, clips::probabilities,
    disagreement, findings, ordered, reliability, same_clips,
};
use crate::{
    data::{Loss, Metric},
    infer::{Calibration, Which},
    model::Method,
    train::{Difference, Interval, Predictions, Request, paired_difference},
};

/// Everything that is computed of a session's kept predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionFindings {
    /// The session's name.
    pub name: String,
    /// The predictions, with their clips and the labels that these have now.
    pub kept: KeptAnswers,
    /// The recipe's metric.
    pub metric: Metric,
    /// Its value.
    pub value: f64,
    /// The share that is answered rightly, with Wilson's interval.
    pub accuracy: Option<(f64, Interval)>,
    /// Clips by class held (rows) and class answered (columns).
    pub confusion: Vec<usize>,
    /// Each class's figures.
    pub classes: Vec<ClassFigures>,
    /// Each clip's answer, in the order of the predictions.
    pub clips: Vec<ClipFinding>,
    /// Probabilities (clips, classes), calibrated if a person asked for that.
    pub probabilities: Vec<f32>,
    /// How often they are right.
    pub reliability: Reliability,
    /// The calibration that they are with.
    pub calibration: Option<Calibration>,
    /// Rows by loss, and by margin.
    pub by_loss: Vec<usize>,
    /// Rows by margin, the smallest first.
    pub by_margin: Vec<usize>,
}

impl SessionFindings {
    /// Reads and computes everything. Nothing is decoded and no model is opened. Of the same data set as that of `beside`
    /// no file is read again.
    ///
    /// # Errors
    /// For people: when the session keeps no predictions.
    pub fn of_session(folder: &Path, beside: Option<&Self>) -> Result<Self, String> {
        let which = Which::usual(folder).map_err(|error| error.to_string())?;
        Ok(Self::of(KeptAnswers::of_session(folder, which, beside.map(|other| &other.kept))?))
    }

    /// Computes everything.
    pub fn of(kept: KeptAnswers) -> Self {
        let loss = kept.config.recipe.loss;
        let predictions = kept.calibrated();
        let clips = findings(&predictions, loss);
        let metric = kept.config.recipe.metric;
        Self {
            name: kept.config.session.clone(),
            metric,
            value: predictions.value(metric),
            accuracy: accuracy(&predictions),
            confusion: predictions.confusion(),
            classes: by_class(&predictions, &kept.config.labels),
            probabilities: probabilities(&predictions.scores, predictions.classes, loss),
            reliability: reliability(&predictions, loss),
            calibration: kept.calibration.clone(),
            by_loss: ordered(&clips, Order::Loss, &[]),
            by_margin: ordered(&clips, Order::Margin, &[]),
            clips,
            kept,
        }
    }

    /// Class names.
    pub fn labels(&self) -> &[String] {
        &self.kept.config.labels
    }

    /// How logits become probabilities.
    pub fn loss(&self) -> Loss {
        self.kept.config.recipe.loss
    }

    /// A row's probabilities.
    pub fn probabilities_of(&self, row: usize) -> &[f32] {
        let classes = self.labels().len().max(1);
        self.probabilities.get(row * classes..(row + 1) * classes).unwrap_or_default()
    }

    /// Samples at 16 kHz that the session's model gets of a clip.
    pub fn samples(&self) -> Option<u64> {
        let shape = &self.kept.config.shape;
        shape.front_end().ok().map(|front_end| front_end.samples_of(shape.frames()) as u64)
    }

    /// The request that would train this session again on the same data, held-out clips included, with the corrections that
    /// there are now; and a note where its recipe is not found any more.
    pub fn again(&self, method: Method) -> (Request, Option<String>) {
        Request::again(&self.kept.config, method)
    }
}

/// Another session beside one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Against {
    /// The other session's name.
    pub name: String,
    /// Whether its answer to each clip of the first is right; none for a clip that it did not validate on.
    pub answers: Vec<Option<Outcome>>,
    /// How far apart both answers are, by the first's rows.
    pub disagreement: Vec<f32>,
    /// Rows by disagreement, the greatest first.
    pub order: Vec<usize>,
    /// The metric of the first minus the other's on their common clips, with its interval.
    pub difference: Option<Difference>,
    /// Clips that both validated on.
    pub common: usize,
}

impl Against {
    /// Compares two sessions on the clips that both validated on.
    pub fn of(a: &SessionFindings, b: &SessionFindings) -> Self {
        let pairs = same_clips(&a.kept, &b.kept);
        let [of_a, of_b] = [(a, 0), (b, 1)].map(|(one, side)| {
            let rows: Vec<usize> = pairs.iter().map(|pair| if side == 0 { pair.0 } else { pair.1 }).collect();
            one.kept.calibrated().of_clips(&rows)
        });
        let apart = disagreement(&of_a, &of_b, a.loss());
        let mut answers = vec![None; a.clips.len()];
        let mut disagreement = vec![0.0; a.clips.len()];
        for (place, &(row, other)) in pairs.iter().enumerate() {
            answers[row] = Some(b.clips[other].outcome);
            disagreement[row] = apart.get(place).copied().unwrap_or(0.0);
        }
        // The labels of both are those of now, so that only the answers differ.
        let same = Predictions { targets: of_a.targets.clone(), ..of_b };
        let difference = paired_difference(&[(of_a, same)], a.metric);
        let order = ordered(&a.clips, Order::Disagreement, &disagreement);
        Self { name: b.name.clone(), answers, disagreement, order, difference, common: pairs.len() }
    }
}
