//! Results of a sweep: groups of tasks that differ in fold and seed alone, and paired differences between groups.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Counts, Interval, Plan, Standing, State, Task, interval};
use crate::train;

/// The axes over which results are averaged.
const REPLICATES: [&str; 2] = ["fold", "seed"];

/// Tasks that differ in fold and seed alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// The axes that make groups, with this group's values.
    pub axes: Vec<(String, String)>,
    /// How many of its tasks stand where.
    pub counts: Counts,
    /// The metric's name.
    pub metric: &'static str,
    /// The last epoch of its finished tasks.
    pub last: Interval,
    /// The best epoch of each: the paper's protocol, optimistic.
    pub best: Interval,
    /// Median seconds of all epochs of a finished task.
    pub seconds: f64,
    /// Highest peak memory of a finished task, bytes.
    pub peak_rss_bytes: u64,
    /// Parameters that train, and parameters in all.
    pub parameters: (usize, usize),
    /// Places of its tasks in the plan.
    #[serde(skip)]
    pub tasks: Vec<usize>,
}

impl Group {
    /// Its values in a few words; the sweep's name where folds and seeds are the only axes.
    pub fn name(&self) -> String {
        if self.axes.is_empty() {
            return "all".to_owned();
        }
        self.axes.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// The groups of a plan, in its order.
pub fn groups(plan: &Plan, standings: &[Standing]) -> Vec<Group> {
    let kept: Vec<usize> = (0..plan.axes.len()).filter(|at| !REPLICATES.contains(&plan.axes[*at].as_str())).collect();
    let key = |task: &Task| -> Vec<String> { kept.iter().map(|at| task.labels[*at].clone()).collect() };
    let mut order: Vec<(Vec<String>, Vec<usize>)> = Vec::new();
    let mut places: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for task in &plan.tasks {
        let key = key(task);
        let place = *places.entry(key.clone()).or_insert_with(|| {
            order.push((key, Vec::new()));
            order.len() - 1
        });
        order[place].1.push(task.index);
    }
    let group = |(key, tasks): (Vec<String>, Vec<usize>)| {
        let of = || tasks.iter().filter_map(|index| standings.get(*index));
        let done = || of().filter(|standing| standing.state == State::Done);
        let values = |value: fn(&Standing) -> Option<f64>| {
            interval(&done().filter_map(value).collect::<Vec<_>>()).unwrap_or_default()
        };
        Group {
            axes: kept.iter().map(|at| plan.axes[*at].clone()).zip(key).collect(),
            counts: Counts::of(of()),
            metric: of().map(|standing| standing.metric).find(|metric| !metric.is_empty()).unwrap_or(""),
            last: values(|standing| Some(standing.last?.value)),
            best: values(|standing| Some(standing.best?.value)),
            seconds: train::median(done().map(|standing| standing.seconds).collect()).unwrap_or(0.0),
            peak_rss_bytes: done().map(|standing| standing.peak_rss_bytes).max().unwrap_or(0),
            parameters: done().next().map_or((0, 0), |standing| standing.parameters),
            tasks,
        }
    };
    order.into_iter().map(group).collect()
}

/// The difference between two groups over the folds and seeds that both have finished.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// The group from which the other's values are taken away.
    pub group: String,
    /// The other.
    pub minus: String,
    /// Difference of the last epochs.
    pub last: Interval,
    /// Difference of the best epochs.
    pub best: Interval,
    /// Pairs whose clips differ and which are therefore left out.
    pub left_out: usize,
}

/// The difference of each group to `base`, over pairs of tasks of the same fold and seed that trained on the same clips.
/// Nothing for groups that share no such pair with it, or that report another metric.
pub fn pairs(plan: &Plan, standings: &[Standing], groups: &[Group], base: usize) -> Vec<Option<Paired>> {
    let replicate = |index: usize| -> Vec<String> {
        let task = &plan.tasks[index];
        let parts = plan.axes.iter().zip(&task.labels).filter(|(axis, _)| REPLICATES.contains(&axis.as_str()));
        parts.map(|(_, label)| label.clone()).collect()
    };
    let Some(first) = groups.get(base) else { return vec![None; groups.len()] };
    let finished = |index: &usize| standings.get(*index).is_some_and(|standing| standing.state == State::Done);
    let known: BTreeMap<Vec<String>, usize> =
        first.tasks.iter().copied().filter(finished).map(|index| (replicate(index), index)).collect();
    let pair = |(at, group): (usize, &Group)| {
        if at == base || group.metric != first.metric {
            return None;
        }
        let (mut last, mut best, mut left_out) = (Vec::new(), Vec::new(), 0);
        for index in group.tasks.iter().copied().filter(finished) {
            let Some(other) = known.get(&replicate(index)) else { continue };
            let (one, two) = (&standings[index], &standings[*other]);
            if one.data != two.data {
                left_out += 1;
                continue;
            }
            let (Some(a), Some(b)) = (one.last, two.last) else { continue };
            last.push(a.value - b.value);
            let (Some(a), Some(b)) = (one.best, two.best) else { continue };
            best.push(a.value - b.value);
        }
        Some(Paired {
            group: group.name(),
            minus: first.name(),
            last: interval(&last).unwrap_or_default(),
            best: interval(&best)?,
            left_out,
        })
    };
    groups.iter().enumerate().map(pair).collect()
}

#[cfg(test)]
pub(super) mod testing {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::session::Best;

    /// Two methods by two folds by two seeds, finished but for the last.
    pub(crate) fn table() -> (Plan, Vec<Standing>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.toml");
        let text = "[fixed]\ndata = \"demo\"\n[axes]\nmethod = [\"head\", \"aat\"]\nfold = [1, 2]\nseed = [1, 2]\n";
        std::fs::write(&path, text).unwrap();
        let plan = Plan::read(&path).unwrap();
        let values = [0.80, 0.82, 0.70, 0.72, 0.90, 0.94, 0.80, 0.84];
        let mut standings: Vec<Standing> = values
            .iter()
            .map(|value| Standing {
                state: State::Done,
                metric: "accuracy",
                last: Some(Best { epoch: 2, value: *value }),
                best: Some(Best { epoch: 1, value: value + 0.01 }),
                seconds: 10.0,
                data: Some("clips".into()),
                parameters: (4_618, 7_637_002),
                ..Standing::default()
            })
            .collect();
        standings[7] = Standing::default();
        (plan, standings)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{testing::table, *};

    #[test]
    fn groups_average_over_folds_and_seeds() {
        let (plan, standings) = table();
        let groups = groups(&plan, &standings);
        assert_eq!(groups.iter().map(Group::name).collect::<Vec<_>>(), ["head", "aat"]);
        assert_eq!((groups[0].last.count, groups[1].last.count), (4, 3));
        assert!((groups[0].last.mean - 0.76).abs() < 1e-12);
        assert_eq!((groups[1].counts.done, groups[1].counts.waiting), (3, 1));
    }

    #[test]
    fn differences_are_over_pairs_of_one_fold_and_seed() {
        let (plan, mut standings) = table();
        let groups = groups(&plan, &standings);
        let differences = pairs(&plan, &standings, &groups, 0);
        assert_eq!(differences[0], None);
        let aat = differences[1].as_ref().unwrap();
        // 0.90 - 0.80, 0.94 - 0.82, 0.80 - 0.70; the fourth has no partner.
        assert_eq!((aat.last.count, aat.left_out), (3, 0));
        assert!((aat.last.mean - 0.32 / 3.0).abs() < 1e-12);
        assert!(aat.last.low.unwrap() > 0.05, "{aat:?}");
        // Other clips are no pair.
        standings[4].data = Some("others".into());
        let aat = pairs(&plan, &standings, &groups, 0)[1].clone().unwrap();
        assert_eq!((aat.last.count, aat.left_out), (2, 1));
    }
}
