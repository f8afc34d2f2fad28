//! Reads a watched sweep again and again, on a thread of its own, until another one is watched or none.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use super::inbox::Inbox;
use crate::{
    session::Store,
    sweep::{Observer, Place, Plan, Snapshot},
    tui::{state::ticket::Ticket, update::message::Message},
};

/// Time between two readings.
const EVERY: Duration = Duration::from_secs(1);
/// How often the end is looked for in between.
const LOOK: Duration = Duration::from_millis(100);

/// A sweep that is watched until this is dropped.
#[derive(Debug, Default)]
pub(super) struct SweepWatch {
    over: Arc<AtomicBool>,
}

impl Drop for SweepWatch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl SweepWatch {
    /// The work of the thread that reads it: the sweep in `file`, or the one whose sessions are in the store.
    pub(super) fn work(&self, ticket: Ticket, file: Option<PathBuf>) -> impl FnOnce(&Store, &Inbox) + Send + 'static {
        let over = Arc::clone(&self.over);
        move |store, inbox| {
            let mut last: Option<String> = None;
            while !over.load(Ordering::Relaxed) {
                let mut send = |read: Result<Arc<Snapshot>, String>| {
                    // The same problem is reported once.
                    let problem = read.as_ref().err().cloned();
                    let again = problem.is_some() && problem == last;
                    last = problem;
                    again || inbox.send(Message::Sweep(ticket, read)).is_ok()
                };
                if !follow(file.as_deref(), store, &over, &mut send) {
                    return;
                }
                rest(&over);
            }
        }
    }
}

fn rest(over: &AtomicBool) {
    let mut left = EVERY;
    while !left.is_zero() && !over.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
        left = left.saturating_sub(LOOK);
    }
}

/// Follows a sweep until its file changes or cannot be read. Returns whether anybody still watches.
fn follow(
    file: Option<&Path>,
    store: &Store,
    over: &AtomicBool,
    send: &mut dyn FnMut(Result<Arc<Snapshot>, String>) -> bool,
) -> bool {
    let Some(file) = file.map(Path::to_owned).or_else(|| Place::at(store.root()).file()) else {
        let place = store.root().display();
        return send(Err(format!("no sweep was run in {place}; type :sweep and the sweep's file")));
    };
    let changed = || -> Option<SystemTime> { fs::metadata(&file).ok()?.modified().ok() };
    let before = changed();
    let plan = match Plan::read(&file) {
        Ok(plan) => Arc::new(plan),
        Err(error) => return send(Err(error.to_string())),
    };
    let mut observer = Observer::new(plan);
    let mut first = true;
    while !over.load(Ordering::Relaxed) {
        match observer.look() {
            Ok(changed) if changed || first => {
                if !send(Ok(Arc::new(observer.snapshot()))) {
                    return false;
                }
                first = false;
            }
            Ok(_) => {}
            Err(error) => return send(Err(error.to_string())),
        }
        rest(over);
        if changed() != before {
            return true;
        }
    }
    true
}
