//! Reads the states of a sweep's tasks again and again, on any machine. Finished sessions are read once.

use std::{collections::HashMap, fs, path::Path, sync::Arc, time::SystemTime};

use super::{
    Counts, Group, Holder, Patience, Place, Plan, Standing, State, SweepError, Task, by_axis, claim, groups, journal,
    place::Names, standing::Known,
};
use crate::session::{LOG_FILE, Lock, RunState, SessionError, outline};

/// The states of all tasks of a sweep at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The sweep.
    pub plan: Arc<Plan>,
    /// One for each task of the plan.
    pub standings: Vec<Standing>,
    /// How many tasks are in each state.
    pub counts: Counts,
    /// The same for each value of each axis.
    pub by_axis: Vec<(String, Vec<(String, Counts)>)>,
    /// Results of the groups of tasks that differ in fold and seed alone.
    pub groups: Vec<Group>,
}

impl Snapshot {
    /// Counts and averages these states.
    pub fn of(plan: &Arc<Plan>, standings: Vec<Standing>) -> Self {
        Self {
            counts: Counts::of(&standings),
            by_axis: by_axis(plan, &standings),
            groups: groups(plan, &standings),
            plan: Arc::clone(plan),
            standings,
        }
    }
}

/// What distinguishes two states of a file.
type Mark = Option<(u64, SystemTime)>;

fn mark(path: &Path) -> Mark {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// What was read of a task.
#[derive(Clone, Debug, Default)]
struct Read {
    log: Mark,
    journal: Mark,
    standing: Standing,
}

/// Reads a sweep's folder.
pub struct Observer {
    plan: Arc<Plan>,
    patience: Patience,
    tasks: Vec<Read>,
}

impl Observer {
    /// An observer of this sweep.
    pub fn new(plan: Arc<Plan>) -> Self {
        let tasks = vec![Read::default(); plan.tasks.len()];
        Self { plan, patience: Patience::default(), tasks }
    }

    /// Reads what has changed. Returns whether anything has.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn look(&mut self) -> Result<bool, SweepError> {
        let place = &self.plan.place;
        let claims = held(place, self.patience)?;
        let names = place.names();
        let mut changed = false;
        for (task, read) in self.plan.tasks.iter().zip(&mut self.tasks) {
            let name = names.of(task);
            let folder = place.session(name);
            let marks = (mark(&folder.join(LOG_FILE)), mark(&place.journals().join(format!("{}.jsonl", task.id))));
            let claimed = claims.contains_key(&task.id);
            let same = marks == (read.log, read.journal) && names.warning(task) == read.standing.warning.as_deref();
            if same && !claimed && read.standing.state != State::Running {
                continue;
            }
            let standing = standing_of(task, &names, place, claims.get(&task.id).cloned());
            changed |= standing != read.standing;
            *read = Read { log: marks.0, journal: marks.1, standing };
        }
        Ok(changed)
    }

    /// The states of the tasks, as of the last look.
    pub fn standings(&self) -> Vec<Standing> {
        self.tasks.iter().map(|read| read.standing.clone()).collect()
    }

    /// Everything that a table shows, as of the last look.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.plan, self.standings())
    }
}

/// Claims that hold, by task.
fn held(place: &Place, patience: Patience) -> Result<HashMap<String, Option<Holder>>, SweepError> {
    let claims = claim::all(place)?;
    if claims.is_empty() {
        return Ok(HashMap::new());
    }
    // Where nothing can be written, the age of a claim is unknown, and it counts as one that holds.
    let (me, now) = (Holder::this(), place.now().ok());
    Ok(claims
        .into_iter()
        .filter(|(_, seen)| !seen.is_free(&me, patience, now))
        .map(|(id, seen)| (id, seen.holder))
        .collect())
}

/// The state of one task, read anew; `claim` is the claim that holds.
pub(super) fn standing_of(task: &Task, names: &Names, place: &Place, claim: Option<Option<Holder>>) -> Standing {
    Look::at(task, names, place).standing(task, place, claim)
}

/// A task's session, read once.
pub(super) struct Look<'a> {
    name: &'a str,
    warning: Option<&'a str>,
    session: Result<Option<RunState>, SessionError>,
}

impl<'a> Look<'a> {
    /// Reads a task's session.
    pub(super) fn at(task: &'a Task, names: &'a Names, place: &Place) -> Self {
        let name = names.of(task);
        let folder = place.session(name);
        let session = if folder.join(LOG_FILE).is_file() { outline(&folder).map(Some) } else { Ok(None) };
        // A log whose beginning is not written yet is no session yet.
        let session = session.map(|session| session.filter(|session| session.config.is_some()));
        Self { name, warning: names.warning(task), session }
    }

    /// The state of the task with this session; its lock and its journal are read anew.
    pub(super) fn standing(&self, task: &Task, place: &Place, claim: Option<Option<Holder>>) -> Standing {
        let warning = self.warning.map(str::to_owned);
        let session = match &self.session {
            Ok(session) => session.as_ref(),
            // One log that cannot be read does not hide the others.
            Err(error) => {
                return Standing {
                    state: State::Failed,
                    note: Some(error.to_string()),
                    warning,
                    ..Standing::default()
                };
            }
        };
        // A child that has just begun holds the lock before its log has a first line.
        let over = session.is_some_and(|session| session.summary.is_some());
        let locked = !over && claim.is_none() && Lock::is_taken(&place.session(self.name));
        let journal = journal::last(place, &task.id);
        Standing { warning, ..Standing::of(task, &Known { name: self.name, session, locked, claim, journal }) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::{
        session::LogWriter,
        sweep::{Claim, standing::testing::task_and_log},
    };

    /// A child locks its folder, reads the model, and only then writes its log's first line.
    #[test]
    fn a_session_that_is_locked_and_has_no_log_yet_is_running() {
        let (mut plan, _) = task_and_log();
        let folder = tempfile::tempdir().unwrap();
        plan.place = Place::at(folder.path());
        let task = &plan.tasks[0];
        let (_, lock) = plan.place.store().create(&task.session).unwrap();
        assert_eq!(standing_of(task, &plan.place.names(), &plan.place, None).state, State::Running);
        drop(lock);
        assert_eq!(standing_of(task, &plan.place.names(), &plan.place, None).state, State::Waiting);
    }

    #[test]
    fn a_sweep_is_followed_as_its_logs_grow() {
        let (mut plan, records) = task_and_log();
        let folder = tempfile::tempdir().unwrap();
        plan.place = Place::at(folder.path());
        let place = plan.place.clone();
        place.prepare(Path::new("/x.toml")).unwrap();
        let task = plan.tasks[0].clone();
        let mut observer = Observer::new(Arc::new(plan));
        assert!(!observer.look().unwrap());
        assert_eq!(observer.snapshot().counts.waiting, 2);

        let stop: Arc<AtomicBool> = Arc::default();
        let claim = Claim::take(&place, &task.id, Patience::default(), &stop).unwrap().unwrap();
        assert!(observer.look().unwrap());
        assert_eq!(observer.snapshot().counts.running, 1);
        let (_, lock) = place.store().create(&task.session).unwrap();
        let mut log = LogWriter::open(lock.folder()).unwrap();
        records[..8].iter().for_each(|record| log.append(record).unwrap());
        assert!(observer.look().unwrap());
        assert_eq!((observer.standings()[0].epochs, observer.standings()[0].state.clone()), ((1, 2), State::Running));
        drop(claim);
        // Its session's lock alone says that someone trains it.
        observer.look().unwrap();
        assert_eq!(observer.standings()[0].state, State::Running);
        drop(lock);
        // And so does its log's, should the lock have been removed.
        observer.look().unwrap();
        assert_eq!(observer.standings()[0].state, State::Running);
        drop(log);
        observer.look().unwrap();
        assert!(observer.standings()[0].is_half_done());
        let mut log = LogWriter::open(&place.session(&task.session)).unwrap();
        records[8..].iter().for_each(|record| log.append(record).unwrap());
        drop(log);
        assert!(observer.look().unwrap());
        let snapshot = observer.snapshot();
        assert_eq!((snapshot.counts.done, snapshot.counts.waiting), (1, 1));
        assert_eq!(snapshot.groups[0].last.mean, 0.5);
        assert!(!observer.look().unwrap());

        // A session that someone removes is missing again.
        place.store().remove(&place.session(&task.session)).unwrap();
        assert!(observer.look().unwrap());
        assert_eq!(observer.snapshot().counts.waiting, 2);
    }
}
