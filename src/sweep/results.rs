//! Results of a sweep: groups of tasks that differ in fold and seed alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Counts, Interval, Plan, Standing, State, Task, expansion::settings_of, interval};
use crate::train;

/// The axis whose values are averages over different clips.
const FOLD: &str = "fold";
/// The axes over which results are averaged.
pub(super) const REPLICATES: [&str; 2] = [FOLD, "seed"];
/// The column of the precision, where runs differ in it.
const DTYPE: &str = "dtype";
/// The precision of tasks that have not begun.
const UNKNOWN: &str = "-";

/// Tasks that differ in fold and seed alone. Runs in f32 and runs in bf16 are different groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// The axes that make groups, with this group's values; last the precision, where the runs of the sweep differ in it.
    pub axes: Vec<(String, String)>,
    /// Which of these axes decide the clips or the precision: groups that differ in them are not compared.
    #[serde(skip)]
    context: Vec<bool>,
    /// How many of its tasks are in each state.
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
    /// Its values in a few words; `all` where folds and seeds are the only axes.
    pub fn name(&self) -> String {
        named(self.axes.iter().map(|(_, label)| label.as_str()))
    }

    /// The values of the axes that decide neither the clips nor the precision.
    pub fn name_within(&self) -> String {
        named(
            self.axes.iter().zip(&self.context).filter(|(_, context)| !**context).map(|((_, label), _)| label.as_str()),
        )
    }

    /// The values of the axes that decide the clips or the precision.
    pub(super) fn context(&self) -> Vec<&str> {
        self.axes
            .iter()
            .zip(&self.context)
            .filter(|(_, context)| **context)
            .map(|((_, label), _)| label.as_str())
            .collect()
    }
}

fn named<'a>(labels: impl Iterator<Item = &'a str>) -> String {
    let labels: Vec<&str> = labels.collect();
    if labels.is_empty() { "all".to_owned() } else { labels.join(", ") }
}

/// The metrics that groups report, each once.
pub fn metrics(groups: &[Group]) -> Vec<&'static str> {
    let mut metrics: Vec<&'static str> = Vec::new();
    for group in groups {
        if !group.metric.is_empty() && !metrics.contains(&group.metric) {
            metrics.push(group.metric);
        }
    }
    metrics
}

/// The groups of a plan, in its order.
pub fn groups(plan: &Plan, standings: &[Standing]) -> Vec<Group> {
    let kept: Vec<usize> = (0..plan.axes.len()).filter(|at| !REPLICATES.contains(&plan.axes[*at].as_str())).collect();
    let sets = |at: usize, setting: &str| settings_of(&plan.file.axes[at]).any(|name| name == setting);
    let asked = (0..plan.axes.len()).any(|at| sets(at, DTYPE));
    let precisions = precisions(plan, standings, &kept);
    let known: BTreeSet<&String> = precisions.iter().filter(|dtype| *dtype != UNKNOWN).collect();
    // Where the file varies the precision itself, its axis separates the runs, and they may be compared.
    let split = !asked && known.len() > 1;
    let mut order: Vec<(Vec<String>, Vec<usize>)> = Vec::new();
    let mut places: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for task in &plan.tasks {
        let mut key = labels(task, &kept);
        if split {
            key.push(precisions[task.index].clone());
        }
        let place = *places.entry(key.clone()).or_insert_with(|| {
            order.push((key, Vec::new()));
            order.len() - 1
        });
        order[place].1.push(task.index);
    }
    let mut axes: Vec<String> = kept.iter().map(|at| plan.axes[*at].clone()).collect();
    let mut context: Vec<bool> = kept.iter().map(|at| sets(*at, "data")).collect();
    if split {
        axes.push(DTYPE.to_owned());
        context.push(true);
    }
    let group = |(key, tasks): (Vec<String>, Vec<usize>)| {
        let of = || tasks.iter().filter_map(|index| standings.get(*index));
        let done = || of().filter(|standing| standing.state == State::Done);
        let values = |value: fn(&Standing) -> Option<f64>| {
            let of_task = |index: &usize| {
                let standing = standings.get(*index).filter(|standing| standing.state == State::Done)?;
                Some((*index, value(standing)?))
            };
            over(plan, &tasks, &tasks.iter().filter_map(of_task).collect::<Vec<_>>())
        };
        Group {
            axes: axes.iter().cloned().zip(key).collect(),
            context: context.clone(),
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

fn labels(task: &Task, axes: &[usize]) -> Vec<String> {
    axes.iter().map(|at| task.labels[*at].clone()).collect()
}

/// The precision of each task. One that has not begun has that of the others of its group, where they all have one.
fn precisions(plan: &Plan, standings: &[Standing], kept: &[usize]) -> Vec<String> {
    let of = |index: usize| {
        let dtype = standings.get(index).and_then(|standing| standing.dtype);
        dtype.map_or_else(|| UNKNOWN.to_owned(), |dtype| dtype.to_string())
    };
    let mut of_group: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
    for task in plan.tasks.iter().filter(|task| of(task.index) != UNKNOWN) {
        of_group.entry(labels(task, kept)).or_default().insert(of(task.index));
    }
    let one = |task: &Task| {
        let known = of_group.get(&labels(task, kept)).filter(|known| known.len() == 1).and_then(BTreeSet::first);
        known.cloned().unwrap_or_else(|| of(task.index))
    };
    plan.tasks.iter().map(one).collect()
}

/// The mean of values of tasks with its interval. The runs of one fold validate on the same clips, so they are no
/// independent values: where `all` these tasks are of several folds, each fold is one value, the mean over its seeds.
pub(super) fn over(plan: &Plan, all: &[usize], values: &[(usize, f64)]) -> Interval {
    let axis = plan.axes.iter().position(|axis| axis == FOLD);
    let fold = |index: usize| axis.map_or("", |at| plan.tasks[index].labels[at].as_str());
    let folds: BTreeSet<&str> = all.iter().map(|index| fold(*index)).collect();
    let each: Vec<f64> = if folds.len() > 1 {
        let of = |wanted: &str| -> Option<f64> {
            let of: Vec<f64> =
                values.iter().filter(|(index, _)| fold(*index) == wanted).map(|(_, value)| *value).collect();
            (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64)
        };
        folds.into_iter().filter_map(of).collect()
    } else {
        values.iter().map(|(_, value)| *value).collect()
    };
    Interval { runs: values.len(), ..interval(&each).unwrap_or_default() }
}

#[cfg(test)]
pub(super) mod testing {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{model::Precision, session::Best, sweep::File};

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

    pub(crate) fn plan(text: &str) -> Plan {
        Plan::of(File::of(std::path::Path::new("/sweeps/t.toml"), text).unwrap()).unwrap()
    }

    pub(crate) fn finished(metric: &'static str, dtype: Precision, value: f64) -> Standing {
        let best = Some(Best { epoch: 1, value });
        let data = Some(metric.to_owned());
        Standing { state: State::Done, metric, dtype: Some(dtype), last: best, best, data, ..Standing::default() }
    }

    /// Two methods at three seeds, head's third and AAT's second in bf16.
    pub(crate) const MIXED: &str = "[fixed]\ndata = \"demo\"\n[axes]\nmethod = [\"head\", \"aat\"]\nseed = [1, 2, 3]\n";

    /// That table with every task finished but the last.
    pub(crate) fn mixed() -> (Plan, Vec<Standing>) {
        let (single, half) = (Precision::F32, Precision::Bf16);
        let of = [single, single, half, single, half, single];
        let mut standings: Vec<Standing> = of.map(|dtype| finished("accuracy", dtype, 0.5)).to_vec();
        standings[5] = Standing::default();
        (plan(MIXED), standings)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        testing::{MIXED, finished, mixed, plan as of_text, table},
        *,
    };
    use crate::model::Precision;

    #[test]
    fn groups_average_over_folds_and_seeds() {
        let (plan, standings) = table();
        let groups = groups(&plan, &standings);
        assert_eq!(groups.iter().map(Group::name).collect::<Vec<_>>(), ["head", "aat"]);
        assert_eq!((groups[0].last.runs, groups[1].last.runs), (4, 3));
        assert!((groups[0].last.mean - 0.76).abs() < 1e-12);
        assert_eq!((groups[1].counts.done, groups[1].counts.waiting), (3, 1));
    }

    /// Two seeds of two folds are two values, not four: 0.81 and 0.71, by Student's t with one degree of freedom.
    #[test]
    fn runs_of_one_fold_are_one_value_of_an_interval() {
        let (plan, standings) = table();
        let groups = groups(&plan, &standings);
        let head = groups[0].last;
        assert_eq!((head.count, head.runs), (2, 4));
        assert!((head.high.unwrap() - head.mean - 12.706 * 0.05).abs() < 1e-3, "{head:?}");
        // A fold with one seed counts as much as one with two.
        assert!((groups[1].last.mean - f64::midpoint(0.92, 0.80)).abs() < 1e-12);
    }

    #[test]
    fn runs_in_f32_and_in_bf16_are_different_groups() {
        let (plan, mut standings) = mixed();
        let of = groups(&plan, &standings);
        assert_eq!(
            of.iter().map(|group| (group.name(), group.last.runs)).collect::<Vec<_>>(),
            [("head, f32", 2), ("head, bf16", 1), ("aat, f32", 1), ("aat, bf16", 1), ("aat, -", 0)]
                .map(|(name, runs)| (name.to_owned(), runs))
        );
        // One precision is no column, and one that the file varies is its axis.
        standings.iter_mut().for_each(|standing| standing.dtype = standing.dtype.map(|_| Precision::Bf16));
        assert_eq!(groups(&plan, &standings).len(), 2);
        let asked = of_text(&MIXED.replace("method = [\"head\", \"aat\"]", "dtype = [\"f32\", \"bf16\"]"));
        let (single, half) = (Precision::F32, Precision::Bf16);
        let standings = [single, single, single, half, half, half].map(|dtype| finished("accuracy", dtype, 0.5));
        let of = groups(&asked, &standings);
        assert_eq!(of.iter().map(Group::name).collect::<Vec<_>>(), ["f32", "bf16"]);
    }
}
