//! Works on one task: claims it, trains or resumes its session in a process of its own, and notes how that ended.

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    Claim, Holder, Patience, Place, Plan, Program, Standing, State, Stop, SweepError, Task,
    child::{spawn, watch, why},
    journal::{self, What},
    observe::{Look, standing_of},
};
use crate::session::SessionError;

/// Time between two looks at a claim that another runner seems to hold.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the work on a task ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// Its session was finished before.
    WasDone,
    /// Its session is finished now.
    Done,
    /// It was stopped with a checkpoint, from which it can be resumed.
    Stopped,
    /// Another runner has it: the machine, where it is known.
    Elsewhere(Option<String>),
    /// It failed: why.
    Failed(String),
}

/// Works on one task until it is over. `begun` is called when a child starts, with whether it resumes a session.
///
/// # Errors
/// When the sweep's folder cannot be read or written.
pub fn run_task(
    plan: &Plan,
    task: &Task,
    program: &Program,
    stop: &Stop,
    begun: &mut dyn FnMut(bool),
) -> Result<(Ended, Standing), SweepError> {
    let place = &plan.place;
    let before = standing_of(task, &place.names(), place, None);
    if before.state == State::Done {
        return Ok((Ended::WasDone, before));
    }
    let stop_asked = Arc::clone(&stop.asked);
    let claim = match Claim::take(place, &task.id, Patience::default(), &stop_asked)? {
        Ok(claim) => claim,
        Err(holder) => return Ok((Ended::Elsewhere(holder.as_ref().map(Holder::described)), before)),
    };
    // Another runner may have finished it just now.
    let names = place.names();
    let (name, now) = (names.of(task), standing_of(task, &names, place, None));
    if now.state == State::Done {
        return Ok((Ended::WasDone, now));
    }
    if now.state == State::Running {
        // Its session's lock is held by a process without a claim, such as `aat-tui resume` or a child that writes
        // its last checkpoint.
        if !wait_for_lock(&place.session(name), stop) {
            return Ok((Ended::Elsewhere(None), now));
        }
    }
    let mut notes = Vec::new();
    let mut note = |what: What| {
        // The session's log is what counts; a full disk here does not stop the work.
        if let Err(error) = journal::append(place, &task.id, what) {
            notes.push(error.to_string());
        }
    };
    if let (true, Some(reason)) = (now.foreign, now.note.clone()) {
        note(What::Failed { reason: reason.clone() });
        return Ok((Ended::Failed(reason), now));
    }
    let resume = match ready(place, &place.session(name), &now) {
        Ok(resume) => resume,
        Err(SessionError::Busy { .. }) => return Ok((Ended::Elsewhere(None), now)),
        // One session's folder that cannot be used does not keep the other tasks from running.
        Err(error) => {
            let reason = error.to_string();
            note(What::Failed { reason: reason.clone() });
            let standing = Standing { state: State::Failed, note: Some(reason.clone()), ..now };
            return Ok((Ended::Failed(reason), standing));
        }
    };
    note(What::Began { resume, job: super::holder::job() });
    let arguments = if resume {
        let folder = place.folder().display().to_string();
        ["resume", name, "--sessions", &folder].map(str::to_owned).to_vec()
    } else {
        task.arguments(place)
    };
    begun(resume);
    let log = place.log(name);
    let outcome = spawn(program, &arguments, &log).and_then(|mut child| watch(&mut child, &claim, stop));
    let (status, asked) = match outcome {
        Ok(outcome) => outcome,
        Err(source) => {
            let reason = format!("{} could not be started: {source}", program.path.display());
            note(What::Failed { reason: reason.clone() });
            let standing = Standing { state: State::Failed, note: Some(reason.clone()), ..now };
            return Ok((Ended::Failed(reason), standing));
        }
    };
    let look = Look::at(task, &names, place);
    let after = look.standing(task, place, None);
    let ended = if claim.is_lost() {
        Ended::Elsewhere(None)
    } else if after.state == State::Done {
        note(What::Finished);
        Ended::Done
    } else if asked || status.code() == Some(STOPPED) {
        note(What::Stopped);
        Ended::Stopped
    } else {
        let reason = match (&after.state, &after.note) {
            (State::Failed, Some(reason)) => reason.clone(),
            _ => why(status, &log),
        };
        note(What::Failed { reason: reason.clone() });
        Ended::Failed(reason)
    };
    // With the journal's new last line.
    let mut after = look.standing(task, place, None);
    if let (Ended::Failed(reason), true) = (&ended, after.state != State::Failed) {
        (after.state, after.note) = (State::Failed, Some(reason.clone()));
    }
    if let Some(problem) = notes.into_iter().next() {
        after.note = Some(after.note.map_or_else(|| problem.clone(), |note| format!("{note}; {problem}")));
    }
    drop(claim);
    Ok((ended, after))
}

/// The exit code of `train` and `resume` when they were stopped with a checkpoint.
const STOPPED: i32 = 130;

/// Waits for a while until no process of this machine holds the session's lock.
fn wait_for_lock(folder: &Path, stop: &Stop) -> bool {
    let end = Instant::now() + 5 * PATIENCE;
    while Instant::now() < end && !stop.is_asked() {
        if !crate::session::Lock::is_taken(folder) {
            return true;
        }
        thread::sleep(PATIENCE / 10);
    }
    false
}

/// Makes a session's folder ready: whether it is resumed. A folder in which nothing was begun is removed.
fn ready(place: &Place, folder: &Path, now: &Standing) -> Result<bool, SessionError> {
    if now.begun {
        return Ok(true);
    }
    place.store().discard_unbegun(folder)?;
    Ok(false)
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    /// A program in place of aat-tui that records its arguments and then runs `script`.
    fn program(folder: &Path, script: &str) -> Program {
        let path = folder.join("program");
        fs::write(&path, format!("#!/bin/sh\necho \"$@\" >> \"{}/calls\"\n{script}\n", folder.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Program { path, environment: Vec::new() }
    }

    fn plan(folder: &Path) -> Plan {
        let path = folder.join("t.toml");
        fs::write(&path, "[fixed]\ndata = \"demo\"\n[axes]\nseed = [1, 2]\n").unwrap();
        let plan = Plan::read(&path).unwrap();
        plan.place.prepare(&path).unwrap();
        plan
    }

    fn run(plan: &Plan, program: &Program, stop: &Stop) -> (Ended, Standing) {
        run_task(plan, &plan.tasks[0], program, stop, &mut |_| ()).unwrap()
    }

    #[test]
    fn the_last_line_that_a_child_printed_is_the_reason_of_its_failure() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path());
        for (script, words) in [
            ("echo 'aat-tui: the disk is full' >&2; exit 1", "the disk is full"),
            ("exit 3", "exit code 3; its output is in"),
            ("kill -9 $$", "signal 9"),
        ] {
            let (ended, standing) = run(&plan, &program(folder.path(), script), &Stop::default());
            assert!(matches!(&ended, Ended::Failed(reason) if reason.contains(words)), "{ended:?}");
            assert_eq!(standing.state, State::Failed);
        }
        let missing = Program { path: folder.path().join("nothing"), environment: Vec::new() };
        assert!(
            matches!(run(&plan, &missing, &Stop::default()).0, Ended::Failed(reason) if reason.contains("could not be started"))
        );
        let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
        assert!(calls.lines().all(|line| line.starts_with("train --data demo --seed 1 --name s1-")), "{calls}");
    }

    /// A child that was stopped on request is not a failure, whether it had begun or not.
    #[test]
    fn a_child_that_is_asked_to_stop_goes_on_later() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path());
        let stop = Stop::default();
        let asker = stop.clone();
        let waiting = program(folder.path(), "trap 'exit 130' USR1; while :; do sleep 0.05; done");
        let (ended, standing) = thread::scope(|scope| {
            let ready = folder.path().join("calls");
            scope.spawn(move || {
                while !ready.exists() {
                    thread::sleep(Duration::from_millis(50));
                }
                thread::sleep(Duration::from_millis(200));
                asker.ask();
            });
            run(&plan, &waiting, &stop)
        });
        assert_eq!((ended, standing.state), (Ended::Stopped, State::Waiting));
        let by_itself = program(folder.path(), "exit 130");
        assert_eq!(run(&plan, &by_itself, &Stop::default()).0, Ended::Stopped);
    }

    /// A session of another run under the task's name is not trained on, and it stays.
    #[test]
    fn a_session_of_another_run_is_not_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let (mut plan, records) = super::super::standing::testing::task_and_log();
        plan.place = Place::at(folder.path());
        plan.place.prepare(Path::new("/x.toml")).unwrap();
        plan.tasks[0].request.seed = 9;
        let (_, lock) = plan.place.store().create(&plan.tasks[0].session).unwrap();
        let mut log = crate::session::LogWriter::open(lock.folder()).unwrap();
        records[..8].iter().for_each(|record| log.append(record).unwrap());
        drop((log, lock));
        let (ended, standing) = run(&plan, &program(folder.path(), "exit 0"), &Stop::default());
        assert!(matches!(&ended, Ended::Failed(reason) if reason.contains("seed 7, not 9")), "{ended:?}");
        assert_eq!(standing.state, State::Failed);
        assert!(!folder.path().join("calls").exists(), "no child was started");
    }

    /// What someone else put into the folder of a task is that task's failure: the others run, and nothing is deleted.
    #[test]
    fn a_folder_that_cannot_be_used_fails_its_task_alone() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path());
        let program = program(folder.path(), "exit 130");
        let session = plan.place.session(&plan.tasks[0].session);
        fs::create_dir(&session).unwrap();
        for (name, text) in [("lock", ""), ("clips.csv", "x"), ("thesis.tex", "x")] {
            fs::write(session.join(name), text).unwrap();
        }
        let (ended, standing) = run(&plan, &program, &Stop::default());
        assert!(matches!(&ended, Ended::Failed(reason) if reason.contains("thesis.tex")), "{ended:?}");
        assert_eq!(standing.state, State::Failed);
        assert_eq!(fs::read_dir(&session).unwrap().count(), 3);
        assert!(!folder.path().join("calls").exists(), "no child was started");
        // The journal has it as well, for `sweep status`.
        assert!(
            standing_of(&plan.tasks[0], &plan.place.names(), &plan.place, None).note.unwrap().contains("thesis.tex")
        );
        // Without it, the rest is removed and the task begins.
        fs::remove_file(session.join("thesis.tex")).unwrap();
        assert_eq!(run(&plan, &program, &Stop::default()).0, Ended::Stopped);
        assert!(!session.exists() && folder.path().join("calls").exists());
    }

    /// A variable for a flag in the environment of the sweep would change what its tasks train.
    #[test]
    fn flags_in_the_environment_do_not_reach_a_task() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path());
        let show = program(folder.path(), "env | grep AAT_TUI | grep -v PARENT > \"$0.env\"; exit 1");
        let mut show = show;
        show.environment = vec![("AAT_TUI_MEMORY".into(), "5".into())];
        run(&plan, &show, &Stop::default());
        let seen = fs::read_to_string(folder.path().join("program.env")).unwrap();
        assert_eq!(seen, "AAT_TUI_MEMORY=5\n");
    }
}
