//! Paired differences between groups of one data set and one precision.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Group, Interval, Plan, Standing, State,
    results::{REPLICATES, over},
};

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
    /// What is left out.
    pub left_out: LeftOut,
}

/// Tasks of a group that have no part in its difference to another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Pairs of one fold and seed that trained or validated on different clips.
    pub other_clips: usize,
    /// Pairs of which one run is not finished, or both are not.
    pub unfinished: usize,
    /// Tasks whose fold and seed the other group does not have.
    pub without_partner: usize,
}

impl LeftOut {
    /// All of them.
    pub fn all(&self) -> usize {
        self.other_clips + self.unfinished + self.without_partner
    }
}

/// For each group the place of the one that it is compared with: of the same data set and precision, with the values of
/// `against` on the other axes; by default those of the first group. `None` where its data set has no such group.
///
/// # Errors
/// When there is no group of this name: the names that there are.
pub fn bases(groups: &[Group], against: Option<&str>) -> Result<Vec<Option<usize>>, Vec<String>> {
    let within: Vec<String> = groups.iter().map(Group::name_within).collect();
    let wanted = match against {
        None => within.first().cloned().unwrap_or_default(),
        Some(name) => match groups.iter().position(|group| group.name() == name) {
            Some(at) => within[at].clone(),
            None if within.iter().any(|known| known == name) => name.to_owned(),
            None => {
                let mut names: Vec<String> = Vec::new();
                for name in within.iter().cloned().chain(groups.iter().map(Group::name)) {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                return Err(names);
            }
        },
    };
    let base =
        |group: &Group| (0..groups.len()).find(|at| within[*at] == wanted && groups[*at].context() == group.context());
    Ok(groups.iter().map(base).collect())
}

/// The difference of each group to its base, over pairs of tasks of the same fold and seed that trained on the same clips.
/// Nothing for a base itself, for groups without a base, and for those that report another metric.
pub fn pairs(plan: &Plan, standings: &[Standing], groups: &[Group], bases: &[Option<usize>]) -> Vec<Option<Paired>> {
    let replicate = |index: usize| -> Vec<&str> {
        let task = &plan.tasks[index];
        let parts = plan.axes.iter().zip(&task.labels).filter(|(axis, _)| REPLICATES.contains(&axis.as_str()));
        parts.map(|(_, label)| label.as_str()).collect()
    };
    let finished = |index: usize| standings.get(index).filter(|standing| standing.state == State::Done);
    let pair = |(at, group): (usize, &Group)| {
        let base = bases.get(at).copied().flatten().filter(|base| *base != at)?;
        let first = groups.get(base)?;
        if !group.metric.is_empty() && !first.metric.is_empty() && group.metric != first.metric {
            return None;
        }
        let partners: BTreeMap<Vec<&str>, usize> =
            first.tasks.iter().map(|index| (replicate(*index), *index)).collect();
        let (mut last, mut best, mut left_out) = (Vec::new(), Vec::new(), LeftOut::default());
        for index in group.tasks.iter().copied() {
            let Some(other) = partners.get(&replicate(index)) else {
                left_out.without_partner += 1;
                continue;
            };
            let (Some(one), Some(two)) = (finished(index), finished(*other)) else {
                left_out.unfinished += 1;
                continue;
            };
            if one.data != two.data {
                left_out.other_clips += 1;
                continue;
            }
            let (Some(a), Some(b)) = (one.last, two.last) else { continue };
            last.push((index, a.value - b.value));
            let (Some(a), Some(b)) = (one.best, two.best) else { continue };
            best.push((index, a.value - b.value));
        }
        Some(Paired {
            group: group.name(),
            minus: first.name(),
            last: over(plan, &group.tasks, &last),
            best: over(plan, &group.tasks, &best),
            left_out,
        })
    };
    groups.iter().enumerate().map(pair).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        model::Precision,
        sweep::{
            groups, metrics,
            results::testing::{MIXED, finished, mixed, plan as of_text, table},
        },
    };

    #[test]
    fn differences_are_over_pairs_of_one_fold_and_seed() {
        let (plan, mut standings) = table();
        let groups = groups(&plan, &standings);
        let bases = bases(&groups, None).unwrap();
        let differences = pairs(&plan, &standings, &groups, &bases);
        assert_eq!(differences[0], None);
        let aat = differences[1].as_ref().unwrap();
        // 0.90 - 0.80 and 0.94 - 0.82 in the first fold, 0.80 - 0.70 in the second one; the fourth run is not finished.
        assert_eq!((aat.last.runs, aat.last.count), (3, 2));
        assert_eq!(aat.left_out, LeftOut { unfinished: 1, ..LeftOut::default() });
        assert!((aat.last.mean - f64::midpoint(0.11, 0.10)).abs() < 1e-12);
        assert!((aat.last.high.unwrap() - aat.last.mean - 12.706 * 0.005).abs() < 1e-3, "{aat:?}");
        // Other clips are no pair.
        standings[4].data = Some("others".into());
        let aat = pairs(&plan, &standings, &groups, &bases)[1].clone().unwrap();
        assert_eq!((aat.last.runs, aat.left_out.other_clips, aat.left_out.all()), (2, 1, 2));
        standings.iter_mut().enumerate().for_each(|(at, standing)| standing.data = Some(at.to_string()));
        let none = pairs(&plan, &standings, &groups, &bases)[1].clone().unwrap();
        assert_eq!(
            (none.last.runs, none.left_out.other_clips),
            (0, 3),
            "what is left out is reported though nothing is left"
        );
    }

    /// Of several data sets each has its own base and its own metric.
    #[test]
    fn groups_are_compared_within_one_data_set() {
        let plan = of_text(
            "[axes]\nset = [{ label = \"esc\", data = \"esc\" }, { label = \"mic\", data = \"mic\" }]\n\
             method = [\"head\", \"aat\"]\nseed = [1, 2]\n[[exclude]]\nset = \"mic\"\nmethod = \"aat\"\nseed = 2\n",
        );
        let standings: Vec<Standing> = [0.5, 0.6, 0.7, 0.8]
            .map(|value| finished("accuracy", Precision::F32, value))
            .into_iter()
            .chain([0.1, 0.2, 0.4].map(|value| finished("mAP", Precision::F32, value)))
            .collect();
        let groups = groups(&plan, &standings);
        assert_eq!(
            groups.iter().map(Group::name).collect::<Vec<_>>(),
            ["esc, head", "esc, aat", "mic, head", "mic, aat"]
        );
        assert_eq!(metrics(&groups), ["accuracy", "mAP"]);
        for against in [None, Some("head"), Some("mic, head")] {
            let bases = bases(&groups, against).unwrap();
            assert_eq!(bases, [Some(0), Some(0), Some(2), Some(2)]);
            let pairs = pairs(&plan, &standings, &groups, &bases);
            assert!(pairs[0].is_none() && pairs[2].is_none());
            let (esc, mic) = (pairs[1].as_ref().unwrap(), pairs[3].as_ref().unwrap());
            assert_eq!((esc.minus.as_str(), mic.minus.as_str()), ("esc, head", "mic, head"));
            assert!((esc.last.mean - 0.2).abs() < 1e-12 && (mic.last.mean - 0.3).abs() < 1e-12);
        }
        let bases = bases(&groups, Some("aat")).unwrap();
        let back = pairs(&plan, &standings, &groups, &bases)[2].clone().unwrap();
        assert_eq!((back.minus.as_str(), back.left_out.without_partner), ("mic, aat", 1));
        assert_eq!(super::bases(&groups, Some("aaat")).unwrap_err()[..2], ["head", "aat"]);
    }

    #[test]
    fn runs_in_f32_and_in_bf16_are_no_pair() {
        let (plan, standings) = mixed();
        let of = groups(&plan, &standings);
        let bases = bases(&of, Some("head")).unwrap();
        assert_eq!(bases, [Some(0), Some(1), Some(0), Some(1), None]);
        let pairs = pairs(&plan, &standings, &of, &bases);
        // AAT's run in bf16 has seed 2, the head's has seed 3.
        assert_eq!(pairs[2].as_ref().unwrap().last.runs, 1);
        assert_eq!(pairs[3].as_ref().unwrap().left_out.without_partner, 1);
        // Where the file varies the precision, its values are compared.
        let asked = of_text(&MIXED.replace("method = [\"head\", \"aat\"]", "dtype = [\"f32\", \"bf16\"]"));
        let (single, half) = (Precision::F32, Precision::Bf16);
        let standings = [single, single, single, half, half, half].map(|dtype| finished("accuracy", dtype, 0.5));
        assert_eq!(super::bases(&groups(&asked, &standings), None).unwrap(), [Some(0), Some(0)]);
    }
}
