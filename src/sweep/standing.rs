//! The state of each task of a sweep: a pure fold over its session's log, its claim and its journal.

use serde::Serialize;

use super::{
    Holder, Task,
    journal::{Entry, What},
};
use crate::{
    model::Precision,
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

/// The state of a task. Its size does not depend on the length of the run.
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
    /// The precision of the backbone's products; `None` before it has begun.
    pub dtype: Option<Precision>,
    /// The machine that works on it, or worked on it last.
    pub host: Option<String>,
    /// When something last happened to it, ms since the Unix epoch, by the clock of that machine.
    pub at_ms: u64,
    /// Whether its session's log has the configuration, its first event.
    pub begun: bool,
    /// Whether that session is of another run than the task's.
    pub foreign: bool,
    /// Why it failed, or where it will be resumed.
    pub note: Option<String>,
    /// What is wrong beside that: several sessions of this task.
    pub warning: Option<String>,
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
    /// The state of a task.
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
            (standing.state, standing.foreign) = (State::Failed, true);
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
            if let Some(reason) = failure(known.session, journal) {
                standing.state = State::Failed;
                standing.note = Some(reason);
            } else if let Some(session) = known.session {
                standing.note = Some(match &session.checkpoint {
                    Some((step, _)) => format!("half done: resumes after step {step}"),
                    None => "half done: no checkpoint yet, starts again from its first step".to_owned(),
                });
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
            dtype: config.map(|config| config.dtype),
            host: None,
            at_ms: session.span_ms.map_or(0, |(_, last)| last),
            begun: config.is_some(),
            foreign: false,
            note: None,
            warning: None,
        }
    }

    /// The name of a task's session.
    pub fn name<'a>(&'a self, task: &'a Task) -> &'a str {
        self.session.as_deref().unwrap_or(&task.session)
    }

    /// Whether it was begun and is not over.
    pub fn is_half_done(&self) -> bool {
        self.state == State::Waiting && self.begun
    }
}

/// Why the last attempt at a task failed, if it did. A runner writes the journal after its child has ended, so the
/// journal's last line is what counts, unless the session's log went on after it, in a training that no sweep began.
fn failure(session: Option<&RunState>, journal: Option<&Entry>) -> Option<String> {
    let of_session = session.and_then(|session| match &session.status {
        Status::Failed(reason) => Some(reason.clone()),
        _ => None,
    });
    let Some(entry) = journal else { return of_session };
    let went_on = session.and_then(|session| session.span_ms).is_some_and(|(_, last)| last > entry.at_ms);
    match &entry.what {
        _ if went_on => of_session,
        What::Failed { reason } => Some(reason.clone()),
        What::Began { .. } | What::Stopped | What::Finished => None,
    }
}

/// The first setting of a session that differs from the task's, in words. By the digest in the session's name they are the
/// same; this finds a folder that was renamed or edited.
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

#[cfg(test)]
pub(super) mod testing {
    #![allow(clippy::unwrap_used)]
    use crate::{
        session::{Event, Record, testing},
        sweep::Plan,
    };

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
    fn a_half_done_task_says_where_it_goes_on_and_an_old_failure_is_over() {
        let (plan, records) = testing::task_and_log();
        let task = &plan.tasks[0];
        let last = records[7].at_ms;
        let of = |records: &[Record], at_ms, what| {
            let session = RunState::from_records(records);
            let journal = Some(Entry { at_ms, host: "node3".into(), what });
            Standing::of(task, &Known { name: &task.session, session: Some(&session), journal, ..Known::default() })
        };
        let half = of(&records[..8], last, What::Stopped);
        let step = RunState::from_records(&records[..8]).checkpoint.map(|(step, _)| step);
        let words = step.map_or("no checkpoint yet".to_owned(), |step| format!("resumes after step {step}"));
        assert!(half.is_half_done() && half.note.as_ref().unwrap().contains(&words), "{half:?}");
        let first = of(&records[..1], last, What::Stopped);
        assert!(first.is_half_done() && first.note.unwrap().contains("no checkpoint yet"));
        // The log's failure is of an attempt before the last one, which was stopped, or killed before it wrote anything.
        let mut broken = records[..8].to_vec();
        broken.push(Record { at_ms: last + 1, event: Event::Failed { message: "the disk is full".into() } });
        for what in [What::Stopped, What::Began { resume: true, job: None }] {
            let standing = of(&broken, last + 2, what);
            assert!(standing.is_half_done(), "{standing:?}");
        }
        // The last attempt failed before it wrote anything, for another reason.
        let failed = of(&broken, last + 2, What::Failed { reason: "no such data set".into() });
        assert_eq!(failed.note.as_deref(), Some("no such data set"));
        // Someone resumed it without the sweep after the runner's failure, and stopped it.
        let mut resumed = broken.clone();
        resumed.push(Record { at_ms: last + 9, event: Event::Resumed { step: 1, epochs: 0 } });
        resumed.push(Record { at_ms: last + 10, event: Event::Stopped });
        assert!(of(&resumed, last + 2, What::Failed { reason: "the disk is full".into() }).is_half_done());
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
}
