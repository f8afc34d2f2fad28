//! Where each task of a sweep stands: a pure fold over its session's log, its claim and its journal.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Holder, Plan, Task,
    journal::{Entry, What},
};
use crate::{
    session::{Averaged, Best, RunConfig, RunState, Status},
    train::Request,
};

/// How far a task is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not begun, or half done: the next run of the sweep takes it up.
    #[default]
    Waiting,
    /// A runner works on it.
    Running,
    /// Its session is finished.
    Done,
    /// It ended by an error; the next run of the sweep tries it again.
    Failed,
}

impl State {
    /// All, in the order of tables.
    pub const ALL: [Self; 4] = [Self::Done, Self::Running, Self::Waiting, Self::Failed];

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// Where a task stands. Its size does not depend on the length of the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// How far it is.
    pub state: State,
    /// Its session's name, where that is not the one of the plan: it was made when the file had other axes.
    pub session: Option<String>,
    /// Epochs done, and epochs in all.
    pub epochs: (u32, u32),
    /// The metric's name.
    pub metric: &'static str,
    /// The best epoch.
    pub best: Option<Best>,
    /// The last epoch.
    pub last: Option<Best>,
    /// The averaged weights of the last epochs.
    pub averaged: Option<Averaged>,
    /// Seconds of training and evaluation of all epochs.
    pub seconds: f64,
    /// Seconds of the first epoch and its evaluation, and the median of the others'.
    pub epoch_seconds: (f64, f64),
    /// Peak memory of a finished run, bytes.
    pub peak_rss_bytes: u64,
    /// Parameters that train, and parameters in all.
    pub parameters: (usize, usize),
    /// Clips that train and clips that validate.
    pub clips: (usize, usize),
    /// The digest of its clips.
    pub data: Option<String>,
    /// The machine that works on it, or worked on it last.
    pub host: Option<String>,
    /// When something last happened to it, ms since the Unix epoch, by the clock of that machine.
    pub at_ms: u64,
    /// Why it failed, or what else a person should know.
    pub note: Option<String>,
}

/// What is known of a task.
#[derive(Clone, Debug, Default)]
pub(super) struct Known<'a> {
    /// The name of its session.
    pub(super) name: &'a str,
    /// Its session's log, folded, where there is a session.
    pub(super) session: Option<&'a RunState>,
    /// Whether a process of this machine holds the session's lock.
    pub(super) locked: bool,
    /// A claim that holds; `Some(None)` where its holder is not known yet.
    pub(super) claim: Option<Option<Holder>>,
    /// The last line of its journal.
    pub(super) journal: Option<Entry>,
}

impl Standing {
    /// Where a task stands.
    pub(super) fn of(task: &Task, known: &Known<'_>) -> Self {
        let mut standing = known.session.map_or_else(Self::default, Self::of_session);
        let journal = known.journal.as_ref();
        if let Some(entry) = journal {
            standing.host = Some(match &entry.what {
                What::Began { job: Some(job), .. } => format!("{} (job {job})", entry.host),
                _ => entry.host.clone(),
            });
            standing.at_ms = standing.at_ms.max(entry.at_ms);
        }
        let config = known.session.and_then(|session| session.config.as_deref());
        let other = config.and_then(|config| disagreement(&task.request, known.name, config));
        standing.session = Some(known.name).filter(|name| *name != task.session).map(str::to_owned);
        let finished = known.session.is_some_and(|session| session.status == Status::Finished);
        if let Some(other) = other {
            standing.state = State::Failed;
            standing.note =
                Some(format!("the session {} is of another run ({other}); remove it or rename it", known.name));
        } else if finished {
            standing.state = State::Done;
        } else if let Some(holder) = &known.claim {
            standing.state = State::Running;
            standing.host = holder.as_ref().map(Holder::described).or(standing.host);
        } else if known.locked {
            standing.state = State::Running;
        } else {
            let session = known.session.and_then(|session| match &session.status {
                Status::Failed(reason) => Some(reason.clone()),
                _ => None,
            });
            let reason = session.or_else(|| match journal.map(|entry| &entry.what) {
                Some(What::Failed { reason }) => Some(reason.clone()),
                _ => None,
            });
            if let Some(reason) = reason {
                standing.state = State::Failed;
                standing.note = Some(reason);
            } else if known.session.is_some() {
                standing.note = Some("half done".to_owned());
            }
        }
        standing
    }

    fn of_session(session: &RunState) -> Self {
        let config = session.config.as_deref();
        let each = session.epochs.iter().map(|(_, epoch)| epoch.seconds + epoch.eval_seconds);
        let rest = crate::train::median(each.clone().skip(1).collect()).unwrap_or(0.0);
        Self {
            state: State::Waiting,
            session: None,
            epochs: (session.epochs.len() as u32, config.map_or(0, |config| config.recipe.epochs)),
            metric: config.map_or("", |config| config.recipe.metric.name()),
            best: session.best(),
            last: session.last(),
            averaged: session.averaged,
            seconds: each.clone().sum(),
            epoch_seconds: (each.clone().next().unwrap_or(0.0), rest),
            peak_rss_bytes: session.summary.as_ref().map_or(0, |summary| summary.peak_rss_bytes),
            parameters: (session.inventory.trainable, session.inventory.total),
            clips: session.clips,
            data: config.and_then(|config| config.dataset.as_deref()).map(|data| data.digest.clone()),
            host: None,
            at_ms: session.span_ms.map_or(0, |(_, last)| last),
            note: None,
        }
    }

    /// The name of a task's session.
    pub fn name<'a>(&'a self, task: &'a Task) -> &'a str {
        self.session.as_deref().unwrap_or(&task.session)
    }

    /// Whether it was begun and is not over.
    pub fn is_half_done(&self) -> bool {
        self.state == State::Waiting && self.note.is_some()
    }
}

/// What of a session's configuration is not the task's, in words. The digest in the session's name says that they are the
/// same; a folder that someone renamed or edited is found here.
fn disagreement(request: &Request, session: &str, config: &RunConfig) -> Option<String> {
    let asked = |name: &str, asked: Option<String>, is: String| {
        asked.filter(|asked| *asked != is).map(|asked| format!("{name} {is}, not {asked}"))
    };
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let size = |value: Option<usize>| value.map(|value| value.to_string());
    [
        asked("name", Some(session.to_owned()), config.session.clone()),
        asked("method", Some(request.method.to_string()), config.method.to_string()),
        asked("seed", Some(request.seed.to_string()), config.seed.to_string()),
        asked("fold", number(request.fold), number(config.fold).unwrap_or_else(|| "none".to_owned())),
        asked("epochs", number(request.epochs), config.recipe.epochs.to_string()),
        asked("batch", size(request.batch), config.recipe.batch.to_string()),
        asked("frames", size(request.frames), config.recipe.frames.to_string()),
        asked("lr", request.lr.map(|lr| lr.to_string()), config.lr.to_string()),
    ]
    .into_iter()
    .flatten()
    .next()
}

/// How many tasks stand where.
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

/// How many tasks stand where, for each value of each axis, in the order of the plan.
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
pub(super) mod testing {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::session::{Event, Record, testing};

    /// A task of two epochs by AAT, and the log of its finished session.
    pub(crate) fn task_and_log() -> (Plan, Vec<Record>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.toml");
        std::fs::write(&path, "[fixed]\ndata = \"demo\"\nepochs = 2\n[axes]\nseed = [7, 8]\n").unwrap();
        let plan = Plan::read(&path).unwrap();
        let mut records = testing::records();
        if let Event::Started { config, .. } = &mut records[0].event {
            config.session = plan.tasks[0].session.clone();
        }
        (plan, records)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::session::{Event, Record};

    fn journal(what: What) -> Option<Entry> {
        Some(Entry { at_ms: 5, host: "node3".into(), what })
    }

    #[test]
    fn a_task_stands_where_its_log_its_claim_and_its_journal_say() {
        let (plan, records) = testing::task_and_log();
        let task = &plan.tasks[0];
        let of = |session: Option<&RunState>, claim, journal| {
            Standing::of(task, &Known { name: &task.session, session, locked: false, claim, journal })
        };
        assert_eq!(of(None, None, None), Standing::default());
        let whole = RunState::from_records(&records);
        let done = of(Some(&whole), None, journal(What::Finished));
        assert_eq!((&done.state, done.epochs, done.last.map(|best| best.value)), (&State::Done, (2, 2), Some(0.5)));
        assert_eq!(done.host.as_deref(), Some("node3"));
        // A claim that was left behind does not make a finished task run.
        assert_eq!(of(Some(&whole), Some(None), None).state, State::Done);

        let half = RunState::from_records(&records[..8]);
        let waiting = of(Some(&half), None, journal(What::Began { resume: false, job: None }));
        assert_eq!((waiting.state.clone(), waiting.is_half_done(), waiting.epochs), (State::Waiting, true, (1, 2)));
        let running = of(Some(&half), Some(None), None);
        assert_eq!(running.state, State::Running);
        assert_eq!(
            Standing::of(task, &Known { name: &task.session, session: Some(&half), locked: true, ..Known::default() })
                .state,
            State::Running
        );
        let failed = of(None, None, journal(What::Failed { reason: "no such data set".into() }));
        assert_eq!((failed.state, failed.note.as_deref()), (State::Failed, Some("no such data set")));
        // Taken up again, it is not failed any more.
        assert_eq!(of(Some(&half), Some(None), journal(What::Failed { reason: "x".into() })).state, State::Running);

        let mut broken = records[..8].to_vec();
        broken.push(Record { at_ms: 9, event: Event::Failed { message: "the loss is no number".into() } });
        let broken = RunState::from_records(&broken);
        assert_eq!(of(Some(&broken), None, None).note.as_deref(), Some("the loss is no number"));
    }

    #[test]
    fn a_session_of_another_run_under_the_tasks_name_is_not_taken_for_it() {
        let (plan, records) = testing::task_and_log();
        let whole = RunState::from_records(&records);
        let mut task = plan.tasks[0].clone();
        task.request.seed = 9;
        let name = &task.session;
        let standing = Standing::of(&task, &Known { name, session: Some(&whole), ..Known::default() });
        assert_eq!(standing.state, State::Failed);
        assert!(standing.note.unwrap().contains("seed 7, not 9"));
    }

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
