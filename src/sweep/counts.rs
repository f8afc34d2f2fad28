//! How many tasks of a sweep are in each state.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Plan, Standing, State};

/// How many tasks are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Finished.
    pub done: usize,
    /// Being worked on.
    pub running: usize,
    /// Not begun, or half done.
    pub waiting: usize,
    /// Ended by an error.
    pub failed: usize,
}

impl Counts {
    /// Counts.
    pub fn of<'a>(standings: impl IntoIterator<Item = &'a Standing>) -> Self {
        let mut counts = Self::default();
        standings.into_iter().for_each(|standing| counts.add(&standing.state));
        counts
    }

    fn add(&mut self, state: &State) {
        match state {
            State::Done => self.done += 1,
            State::Running => self.running += 1,
            State::Waiting => self.waiting += 1,
            State::Failed => self.failed += 1,
        }
    }

    /// Tasks in one state.
    pub fn of_state(&self, state: &State) -> usize {
        match state {
            State::Done => self.done,
            State::Running => self.running,
            State::Waiting => self.waiting,
            State::Failed => self.failed,
        }
    }

    /// Tasks in all.
    pub fn all(&self) -> usize {
        State::ALL.iter().map(|state| self.of_state(state)).sum()
    }
}

/// How many tasks are in each state, for each value of each axis, in the order of the plan.
pub fn by_axis(plan: &Plan, standings: &[Standing]) -> Vec<(String, Vec<(String, Counts)>)> {
    let mut out = Vec::with_capacity(plan.axes.len());
    for (at, axis) in plan.axes.iter().enumerate() {
        let mut order: Vec<(String, Counts)> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (task, standing) in plan.tasks.iter().zip(standings) {
            let label = task.labels[at].as_str();
            let place = *places.entry(label).or_insert_with(|| {
                order.push((label.to_owned(), Counts::default()));
                order.len() - 1
            });
            order[place].1.add(&standing.state);
        }
        out.push((axis.clone(), order));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        session::RunState,
        sweep::standing::{Known, testing},
    };

    #[test]
    fn counts_are_by_axis() {
        let (plan, records) = testing::task_and_log();
        let whole = RunState::from_records(&records);
        let name = &plan.tasks[0].session;
        let done = Standing::of(&plan.tasks[0], &Known { name, session: Some(&whole), ..Known::default() });
        let standings = [done, Standing::default()];
        let counts = by_axis(&plan, &standings);
        assert_eq!(counts.len(), 1);
        assert_eq!(counts[0].1[0], ("7".to_owned(), Counts { done: 1, ..Counts::default() }));
        assert_eq!(counts[0].1[1], ("8".to_owned(), Counts { waiting: 1, ..Counts::default() }));
        assert_eq!(Counts::of(&standings).all(), 2);
    }
}
