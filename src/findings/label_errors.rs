//! Labels that are likely wrong: how a small model that was trained without a clip answers it.
//!
//! A penalised logistic regression on the vectors of a frozen backbone answers each clip in turn out of sample; clips are
//! ranked by the probability of their own label (self-confidence), and those outside of the confident joint's diagonal are
//! marked as likely wrong (Northcutt, Jiang and Chuang, arXiv 1911.00068). Of several labels each class is judged by itself
//! against the rest, and a clip by its worst class.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::{
    clips::probabilities,
    logistic::{Logistic, Penalty},
};
use crate::{
    data::{Dataset, Label, Loss},
    random::KeyedRng,
    train::{Embeddings, top},
};

/// Parts of the clips that are answered in turn, each by a model of the others.
pub const FOLDS: usize = 5;
/// With at least so many groups, the clips of one (a source recording) are never on both sides. Fewer are speakers or
/// places, and leaving one out would measure a new speaker or place instead.
const GROUPS: usize = 50;

/// A clip and how well its label fits the model's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// Its row in the vectors.
    pub row: usize,
    /// The class that is judged: the label; of several labels the one with the least probability.
    pub class: usize,
    /// Whether the label says that the clip holds it.
    pub held: bool,
    /// The class that the model prefers: another one. Of several labels the judged class, whose presence would change.
    pub proposed: usize,
    /// The probability of what the label says.
    pub self_confidence: f32,
    /// The probability of what is proposed.
    pub of_proposed: f32,
    /// Whether the confident joint counts it as wrong.
    pub likely: bool,
}

/// A data set's labels, most likely wrong first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelErrors {
    /// Every clip with a label.
    pub suspects: Vec<Suspect>,
    /// Probabilities (clips, classes) by models that were trained without the clip.
    pub probabilities: Vec<f32>,
    /// The share of clips that these answer as labelled; of several labels, of clips and classes.
    pub agreement: f64,
    /// Whether clips of one source recording stayed on one side.
    pub by_group: bool,
}

/// Judges every label of a data set. `progress` gets parts done and parts in all, and may break off: then nothing is
/// returned.
pub fn label_errors(
    embeddings: &Embeddings,
    penalty: Penalty,
    seed: u64,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Option<LabelErrors> {
    let dataset = &embeddings.dataset;
    let classes = dataset.classes.len();
    let loss = dataset.loss();
    let targets: Vec<f32> =
        embeddings.items.iter().flat_map(|&item| targets_of(&dataset.items[item].label, classes)).collect();
    let (folds, by_group) = folds(dataset, &embeddings.items, seed);
    let probabilities = out_of_sample(embeddings, &targets, &folds, loss, penalty, progress)?;
    let mut found = match loss {
        Loss::CrossEntropy => one_label(&probabilities, &targets, classes),
        Loss::Binary => several_labels(&probabilities, &targets, classes),
    };
    // Of equals the first stays first.
    found.sort_by(|a, b| a.self_confidence.total_cmp(&b.self_confidence));
    let agreement = agreement(&probabilities, &targets, classes, loss);
    Some(LabelErrors { suspects: found, probabilities, agreement, by_group })
}

/// A label as a target for each class: 1, 0, or `NaN` where that is not known.
pub(super) fn targets_of(label: &Label, classes: usize) -> Vec<f32> {
    match label {
        Label::One(class) => (0..classes).map(|other| f32::from(u8::from(other == *class))).collect(),
        Label::Not(_) => vec![f32::NAN; classes],
        Label::Many(known) => {
            let mut targets = vec![f32::NAN; classes];
            for &(class, here) in known.iter().filter(|(class, _)| *class < classes) {
                targets[class] = f32::from(u8::from(here));
            }
            targets
        }
    }
}

/// The part that each clip is answered in, classes spread evenly, and whether groups stay together.
fn folds(dataset: &Dataset, items: &[usize], seed: u64) -> (Vec<usize>, bool) {
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    items.iter().filter_map(|&item| dataset.items[item].group.as_deref()).for_each(|group| {
        *groups.entry(group).or_default() += 1;
    });
    let by_group = groups.len() >= GROUPS;
    let mut units: BTreeMap<(Option<&str>, usize), Vec<usize>> = BTreeMap::new();
    for (row, &item) in items.iter().enumerate() {
        let group = dataset.items[item].group.as_deref().filter(|_| by_group);
        units.entry(group.map_or((None, row), |group| (Some(group), 0))).or_default().push(row);
    }
    let mut units: Vec<Vec<usize>> = units.into_values().collect();
    KeyedRng::new(seed, "folds of label errors", 0, 0).shuffle(&mut units);
    let mut counts = vec![[0usize; FOLDS]; dataset.classes.len() + 1];
    let mut of_row = vec![0; items.len()];
    for unit in units {
        // By the unit's first class; clips without any are a class of their own.
        let first = unit.first().and_then(|&row| dataset.items[items[row]].label.present().first().copied());
        let class = first.unwrap_or(dataset.classes.len());
        let fold = (0..FOLDS).min_by_key(|&fold| counts[class][fold]).unwrap_or(0);
        counts[class][fold] += unit.len();
        unit.into_iter().for_each(|row| of_row[row] = fold);
    }
    (of_row, by_group)
}

/// Probabilities (clips, classes), each by a model of the other parts.
fn out_of_sample(
    embeddings: &Embeddings,
    targets: &[f32],
    folds: &[usize],
    loss: Loss,
    penalty: Penalty,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Option<Vec<f32>> {
    let (width, classes) = (embeddings.width, targets.len() / embeddings.items.len().max(1));
    let mut all = vec![0.0; targets.len()];
    for fold in 0..FOLDS {
        let rows = |held_out: bool| -> Vec<usize> {
            (0..folds.len()).filter(|&row| (folds[row] == fold) == held_out).collect()
        };
        let (train, asked) = (rows(false), rows(true));
        let take = |rows: &[usize]| -> Vec<f32> { rows.iter().flat_map(|&row| embeddings.row(row)).copied().collect() };
        let own: Vec<f32> =
            train.iter().flat_map(|&row| &targets[row * classes..(row + 1) * classes]).copied().collect();
        let head = Logistic::fit(&take(&train), width, &own, classes, loss, penalty);
        let answers = probabilities(&head.logits(&take(&asked)), classes, loss);
        for (&row, answer) in asked.iter().zip(answers.chunks(classes.max(1))) {
            all[row * classes..(row + 1) * classes].copy_from_slice(answer);
        }
        if progress(fold + 1, FOLDS).is_break() {
            return None;
        }
    }
    Some(all)
}

/// Of clips with exactly one class.
fn one_label(probabilities: &[f32], targets: &[f32], classes: usize) -> Vec<Suspect> {
    let rows = || probabilities.chunks(classes.max(1)).zip(targets.chunks(classes.max(1))).enumerate();
    let labelled = || rows().filter_map(|(row, (p, t))| Some((row, p, t.iter().position(|target| *target > 0.5)?)));
    // A class's threshold: the mean probability of the clips that bear its label.
    let (mut sums, mut counts) = (vec![0.0f64; classes], vec![0usize; classes]);
    for (_, p, label) in labelled() {
        sums[label] += f64::from(p[label]);
        counts[label] += 1;
    }
    let threshold = |class: usize| if counts[class] == 0 { f64::INFINITY } else { sums[class] / counts[class] as f64 };
    labelled()
        .map(|(row, p, label)| {
            let others = (0..classes).filter(|&class| class != label);
            let proposed = others.max_by(|&a, &b| p[a].total_cmp(&p[b]).then(b.cmp(&a))).unwrap_or(label);
            let confident = (0..classes).filter(|&class| f64::from(p[class]) >= threshold(class));
            let counted = confident.max_by(|&a, &b| p[a].total_cmp(&p[b]).then(b.cmp(&a)));
            Suspect {
                row,
                class: label,
                held: true,
                proposed,
                self_confidence: p[label],
                of_proposed: p[proposed],
                likely: counted.is_some_and(|class| class != label),
            }
        })
        .collect()
}

/// Of clips with several labels: each class against the rest, a clip by its worst.
fn several_labels(probabilities: &[f32], targets: &[f32], classes: usize) -> Vec<Suspect> {
    let classes = classes.max(1);
    // Thresholds of present and absent for each class, as above with two classes.
    let thresholds: Vec<[f64; 2]> = (0..classes)
        .map(|class| {
            let (mut sums, mut counts) = ([0.0; 2], [0usize; 2]);
            for (p, t) in probabilities.chunks(classes).zip(targets.chunks(classes)) {
                if !t[class].is_nan() {
                    let here = usize::from(t[class] > 0.5);
                    sums[here] += f64::from(if here == 1 { p[class] } else { 1.0 - p[class] });
                    counts[here] += 1;
                }
            }
            [0, 1].map(|here| if counts[here] == 0 { f64::INFINITY } else { sums[here] / counts[here] as f64 })
        })
        .collect();
    let rows = probabilities.chunks(classes).zip(targets.chunks(classes)).enumerate();
    rows.filter_map(|(row, (p, t))| {
        let known = (0..classes).filter(|&class| !t[class].is_nan());
        let own = |class: usize| if t[class] > 0.5 { p[class] } else { 1.0 - p[class] };
        let class = known.min_by(|&a, &b| own(a).total_cmp(&own(b)).then(a.cmp(&b)))?;
        let held = t[class] > 0.5;
        let other = 1.0 - own(class);
        let passes = |here: bool, p: f32| f64::from(p) >= thresholds[class][usize::from(here)];
        let likely = passes(!held, other) && (other > own(class) || !passes(held, own(class)));
        Some(Suspect { row, class, held, proposed: class, self_confidence: own(class), of_proposed: other, likely })
    })
    .collect()
}

/// The share of labels that are answered as they are.
fn agreement(probabilities: &[f32], targets: &[f32], classes: usize, loss: Loss) -> f64 {
    match loss {
        Loss::CrossEntropy => {
            let labelled: Vec<bool> = probabilities
                .chunks(classes.max(1))
                .zip(targets.chunks(classes.max(1)))
                .filter_map(|(p, t)| Some(top(p) == Some(t.iter().position(|target| *target > 0.5)?)))
                .collect();
            labelled.iter().filter(|right| **right).count() as f64 / labelled.len().max(1) as f64
        }
        Loss::Binary => {
            let known: Vec<bool> = probabilities
                .iter()
                .zip(targets)
                .filter(|(_, target)| !target.is_nan())
                .map(|(p, target)| (*p > 0.5) == (*target > 0.5))
                .collect();
            known.iter().filter(|right| **right).count() as f64 / known.len().max(1) as f64
        }
    }
}

impl LabelErrors {
    /// Those that no decision was made about yet, most likely wrong first.
    pub fn open(&self, embeddings: &Embeddings) -> Vec<&Suspect> {
        let decided = embeddings.dataset.corrections.as_ref().map(|corrections| &corrections.decided);
        let is_open = |suspect: &&Suspect| decided.is_none_or(|all| !all.contains_key(&embeddings.items[suspect.row]));
        self.suspects.iter().filter(is_open).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_confident_joint_counts_what_passes_the_threshold_of_another_class() {
        // Means of their own class: a 0.6, b 0.55.
        let probabilities = [0.9, 0.1, 0.3, 0.7, 0.55, 0.45, 0.2, 0.8, 0.7, 0.3];
        let targets = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0];
        let found = one_label(&probabilities, &targets, 2);
        let likely: Vec<bool> = found.iter().map(|suspect| suspect.likely).collect();
        // The second is confidently b, the fifth confidently a; the third passes no threshold.
        assert_eq!(likely, [false, true, false, false, true]);
        assert_eq!((found[1].class, found[1].proposed, found[1].self_confidence), (0, 1, 0.3));
    }

    #[test]
    fn of_several_labels_the_worst_class_decides() {
        let probabilities = [0.9, 0.1, 0.2, 0.1, 0.9, 0.2, 0.05, 0.9];
        let targets = [1.0, 0.0, 1.0, f32::NAN, 1.0, 0.0, 0.0, 0.0];
        let found = several_labels(&probabilities, &targets, 2);
        assert_eq!((found[1].class, found[1].held, found[1].self_confidence), (0, true, 0.2));
        assert_eq!((found[3].class, found[3].held), (1, false));
        assert!((found[3].self_confidence - 0.1).abs() < 1e-6);
    }
}
