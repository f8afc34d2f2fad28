//! What `eval` computes of clips: the figures of its report, by class and for each clip.

use std::{ops::ControlFlow, sync::Arc};

use serde::Serialize;

use super::{
    clips::Chosen,
    errors,
    marks::MarksReport,
    thresholds::{self, Choice, Goal},
};
use crate::{
    cli::{CliError, Interrupt},
    data::{DataError, FeatureSet, Loader, Metric},
    findings::{self, ClassFigures, ClipRow, Reliability},
    infer::{Calibration, Classifier},
    scan::measure::Scored,
    session::RunConfig,
    train::{Criterion, Predictions},
};

/// Clips of a batch.
const BATCH: usize = 16;

#[derive(Serialize)]
pub(super) struct Report {
    pub(super) session: String,
    pub(super) split: String,
    pub(super) clips: usize,
    pub(super) metric: &'static str,
    pub(super) value: f64,
    pub(super) loss: f64,
    pub(super) mean_auc: Option<f64>,
    pub(super) d_prime: Option<f64>,
    /// Clips among all that were asked for that the session was trained on.
    pub(super) trained_clips: usize,
    /// The same of these clips alone, where there are others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trained_on: Option<Apart>,
    /// What should be known of these figures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
    pub(super) per_class: Vec<ClassFigures>,
    /// The calibration that these figures are with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) calibration: Option<Calibration>,
    /// How often probabilities are right.
    pub(super) reliability: Reliability,
    /// The clips with the highest loss.
    pub(super) worst: Vec<ClipRow>,
    /// Clips by class held (rows) and class answered (columns).
    pub(super) confusion: Vec<Vec<usize>>,
    /// Of recordings with marks: detections against them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) marks: Option<MarksReport>,
    /// Thresholds by these clips, where a precision was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) chosen: Vec<Choice>,
}

/// What clips come to that are reported apart.
#[derive(Serialize)]
pub(super) struct Apart {
    pub(super) clips: usize,
    pub(super) value: f64,
    pub(super) loss: f64,
}

/// Answers the chosen clips. Returns their figures, and a row for each, worst first.
///
/// # Errors
/// When a clip cannot be read, or the command is interrupted.
pub(super) fn evaluate(
    classifier: &mut Classifier,
    config: &RunConfig,
    set: &Arc<FeatureSet>,
    chosen: Chosen,
    goal: Goal,
    interrupt: &Interrupt,
) -> Result<(Report, Vec<ClipRow>), CliError> {
    let go_on = |_, _| if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let Chosen { name, fresh, trained, mut notes } = chosen;
    let mut of = |items: &[usize]| -> Result<(Predictions, f64), CliError> {
        set.prepare(items, &mut { go_on }).map_err(|error| match error {
            DataError::Cancelled => CliError::Interrupted,
            other => other.into(),
        })?;
        let normalisation = classifier.normalisation();
        let loader = Loader::evaluation(Arc::clone(set), items.to_vec(), &config.recipe, normalisation, BATCH);
        let mut answers = Predictions::new(config.labels.len());
        let (mut loss_sum, mut loss_weight) = (0.0, 0.0);
        for batch in loader.epoch(1, 0) {
            interrupt.check()?;
            let batch = batch?;
            let logits = classifier.logits(&batch.features)?;
            let criterion = Criterion::new(config.recipe.loss, &batch.targets);
            let (loss, _) = criterion.share(0..batch.features.batch, &logits);
            answers.extend(&logits, &batch.targets);
            loss_sum += f64::from(loss) * criterion.terms();
            loss_weight += criterion.terms();
        }
        Ok((answers, if loss_weight > 0.0 { loss_sum / loss_weight } else { 0.0 }))
    };
    // A window may hold several classes, or none.
    let metric = if set.dataset().marks.is_some() { Metric::MeanAveragePrecision } else { config.recipe.metric };
    let items = if fresh.is_empty() { &trained } else { &fresh };
    let (answers, loss) = of(items)?;
    let rows = errors::rows(set.dataset(), items, &answers, config.recipe.loss);
    let trained_on = if fresh.is_empty() || trained.is_empty() {
        None
    } else {
        let (answers, loss) = of(&trained)?;
        Some(Apart { clips: answers.clips(), value: answers.value(metric), loss })
    };
    notes.extend(set.odd(&[fresh.as_slice(), &trained].concat()));
    let thresholds = goal.precision.is_some() && set.dataset().marks.is_none();
    let chosen = if thresholds { by_clips(classifier, &answers, goal) } else { Vec::new() };
    let report = Report {
        session: config.session.clone(),
        split: name,
        clips: answers.clips(),
        metric: metric.name(),
        value: answers.value(metric),
        loss,
        mean_auc: answers.mean_auc(),
        d_prime: answers.d_prime(),
        trained_clips: trained.len(),
        trained_on,
        notes,
        per_class: findings::by_class(&answers, &config.labels),
        calibration: classifier.calibration().cloned(),
        reliability: findings::reliability(&answers, config.recipe.loss),
        worst: rows.iter().take(errors::WORST).cloned().collect(),
        confusion: answers.confusion().chunks(config.labels.len().max(1)).map(<[usize]>::to_vec).collect(),
        marks: None,
        chosen,
    };
    Ok((report, rows))
}

/// Thresholds by clips: each clip is a detection of every class, with that class's probability.
fn by_clips(classifier: &Classifier, answers: &Predictions, goal: Goal) -> Vec<Choice> {
    let labels = classifier.labels();
    let probabilities = classifier.sure(&answers.scores);
    let of_class = |class: usize| {
        let rows = probabilities.chunks(answers.classes).zip(answers.targets.chunks(answers.classes));
        let known = rows.map(|(scores, targets)| (scores[class], targets[class])).filter(|(_, there)| !there.is_nan());
        let scored: Vec<Scored> = known.map(|(score, there)| Scored { score, right: there > 0.5 }).collect();
        let there = scored.iter().filter(|one| one.right).count() as u64;
        (scored, Some(there))
    };
    let by_class: Vec<_> = (0..labels.len()).map(of_class).collect();
    thresholds::choose_all(labels, &by_class, goal)
}
