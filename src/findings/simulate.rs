//! Reviewing without a person: labels of a data set are hidden, and asked for a few at a time.

use super::{
    clips::probabilities,
    label_errors::targets_of,
    logistic::{Logistic, Penalty},
    picks::{Candidate, Strategy, pick},
};
use crate::{
    data::{Label, Loss},
    random::KeyedRng,
    train::{Embeddings, top},
};

/// Clips whose labels are asked for, and clips that judge.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Rows whose labels are hidden at first.
    pub pool: Vec<usize>,
    /// Rows that judge; no label of them is ever used.
    pub test: Vec<usize>,
    /// Labels that are asked for in a round.
    pub round: usize,
    /// Labels at which it ends.
    pub most: usize,
}

/// The accuracy after so many labels.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Point {
    /// Labels that were asked for.
    pub labels: usize,
    /// Accuracy on the clips that judge, mean over seeds.
    pub accuracy: f64,
    /// Its standard deviation over seeds.
    pub deviation: f64,
}

/// A strategy's accuracy by labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The strategy.
    pub strategy: Strategy,
    /// After each round.
    pub points: Vec<Point>,
}

/// Runs a strategy over several seeds. The first round is random for every strategy, and the same for a seed. Clips need
/// exactly one class.
pub fn simulate(embeddings: &Embeddings, pool: &Pool, strategy: Strategy, seeds: u64, penalty: Penalty) -> Curve {
    let runs: Vec<Vec<(usize, f64)>> = (1..=seeds).map(|seed| run(embeddings, pool, strategy, seed, penalty)).collect();
    let rounds = runs.iter().map(Vec::len).min().unwrap_or(0);
    let points = (0..rounds)
        .map(|round| {
            let values: Vec<f64> = runs.iter().map(|run| run[round].1).collect();
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            let deviation = (squares / (values.len().max(2) - 1) as f64).sqrt();
            // Every seed asks for as many.
            Point { labels: runs.first().map_or(0, |run| run[round].0), accuracy: mean, deviation }
        })
        .collect();
    Curve { strategy, points }
}

/// Labels asked for and accuracy on the clips that judge, after each round.
fn run(embeddings: &Embeddings, pool: &Pool, strategy: Strategy, seed: u64, penalty: Penalty) -> Vec<(usize, f64)> {
    /// Clips of one recording that a round asks about at most.
    const PER_GROUP: usize = 3;
    let dataset = &embeddings.dataset;
    let classes = dataset.classes.len().max(1);
    let label = |row: usize| &dataset.items[embeddings.items[row]].label;
    let class = |row: usize| if let Label::One(class) = label(row) { Some(*class) } else { None };
    let take = |rows: &[usize]| -> Vec<f32> { rows.iter().flat_map(|&row| embeddings.row(row)).copied().collect() };
    let mut groups: Vec<&str> =
        pool.pool.iter().filter_map(|&row| dataset.items[embeddings.items[row]].group.as_deref()).collect();
    groups.sort_unstable();
    groups.dedup();
    // A few speakers are not recordings.
    let per_group = PER_GROUP.max(2 * pool.round / groups.len().max(1));
    let mut rng = KeyedRng::new(seed, "a simulated review", 0, 0);
    let mut open = pool.pool.clone();
    rng.shuffle(&mut open);
    let mut known: Vec<usize> = open.split_off(open.len().saturating_sub(pool.round.min(pool.most)));
    open.sort_unstable();
    // A clip whose class is not known cannot judge.
    let test: Vec<(usize, usize)> = pool.test.iter().filter_map(|&row| Some((row, class(row)?))).collect();
    let asked = take(&test.iter().map(|one| one.0).collect::<Vec<_>>());
    let mut accuracies = Vec::new();
    loop {
        let targets: Vec<f32> = known.iter().flat_map(|&row| targets_of(label(row), classes)).collect();
        let head = Logistic::fit(&take(&known), embeddings.width, &targets, classes, Loss::CrossEntropy, penalty);
        let logits = head.logits(&asked);
        let right =
            logits.chunks(classes).zip(&test).filter(|(logits, (_, class))| top(logits) == Some(*class)).count();
        accuracies.push((known.len(), right as f64 / test.len().max(1) as f64));
        if known.len() >= pool.most || open.is_empty() {
            return accuracies;
        }
        let answers = probabilities(&head.logits(&take(&open)), classes, Loss::CrossEntropy);
        let candidates: Vec<Candidate<'_>> = open
            .iter()
            .zip(answers.chunks(classes))
            .map(|(&row, probabilities)| Candidate {
                probabilities,
                group: dataset.items[embeddings.items[row]].group.as_deref(),
            })
            .collect();
        let mut labelled = vec![0; classes];
        known.iter().filter_map(|&row| class(row)).for_each(|class| labelled[class] += 1);
        let count = pool.round.min(pool.most - known.len());
        let round = accuracies.len() as u64;
        let mut chosen = pick(strategy, &candidates, &labelled, count, per_group, (seed, round));
        chosen.sort_unstable_by(|a, b| b.cmp(a));
        known.extend(chosen.into_iter().map(|place| open.remove(place)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        data::{Dataset, Item, Source},
        session,
    };

    /// Vectors of two classes that lie apart.
    fn embeddings(labels: Vec<Label>) -> Embeddings {
        let item = |(index, label): (usize, Label)| Item {
            id: index.to_string(),
            source: Source::Demo { class: 0, index: index as u64 },
            label,
            fold: None,
            split: None,
            group: None,
        };
        let items: Vec<usize> = (0..labels.len()).collect();
        let vectors = items.iter().map(|row| if row % 2 == 0 { -1.0 } else { 1.0 }).collect();
        let classes = ["a", "b"].map(str::to_owned).to_vec();
        let items_of = labels.into_iter().enumerate().map(item).collect();
        let dataset = Arc::new(Dataset { classes, items: items_of, ..Dataset::default() });
        Embeddings { dataset, config: session::testing::config(), items, width: 1, vectors, unreadable: Vec::new() }
    }

    #[test]
    fn labels_are_those_that_were_asked_for_and_unknown_clips_do_not_judge() {
        let mut labels: Vec<Label> = (0..30).map(|row| Label::One(row % 2)).collect();
        labels[29] = Label::Not(vec![0]);
        let embeddings = embeddings(labels);
        let pool = |round, most| Pool { pool: (0..20).collect(), test: (20..30).collect(), round, most };
        let labels = |pool: &Pool| -> Vec<usize> {
            let curve = simulate(&embeddings, pool, Strategy::Random, 2, Penalty(1.0));
            assert!(curve.points.iter().all(|point| point.accuracy == 1.0), "{curve:?}");
            curve.points.iter().map(|point| point.labels).collect()
        };
        assert_eq!(labels(&pool(8, 100)), [8, 16, 20], "the pool has 20");
        assert_eq!(labels(&pool(8, 18)), [8, 16, 18]);
        assert_eq!(labels(&pool(30, 10)), [10], "no more than were asked for");
    }
}
