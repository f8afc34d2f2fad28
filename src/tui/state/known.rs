//! What is known of sessions beside those on show. Events, results and deletions come from several threads; this
//! distinguishes outdated ones from new ones.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::Path,
};

use crate::session::RunState;

/// The newest event of each run of this process, and deleted sessions. Sessions are identified by name; one that began
/// after another of its name was deleted is a different one.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Time of the newest event, ms since the Unix epoch.
    newest_event: BTreeMap<OsString, u64>,
    /// When a session of this name was deleted.
    removed: Vec<(OsString, u64)>,
}

fn name(session: &Path) -> &OsStr {
    session.file_name().unwrap_or(session.as_os_str())
}

impl Known {
    /// Records the newest event of a run.
    pub fn record(&mut self, session: &Path, state: &RunState) {
        let Some((_, last)) = state.span_ms else { return };
        match self.newest_event.get_mut(name(session)) {
            Some(newest_event) => *newest_event = last.max(*newest_event),
            None => {
                self.newest_event.insert(name(session).to_owned(), last);
            }
        }
    }

    /// Records that a session was deleted.
    pub fn remove(&mut self, session: &Path, at_ms: u64) {
        self.removed.push((name(session).to_owned(), at_ms));
    }

    /// Whether this state belongs to a session that was deleted since it began.
    pub fn is_gone(&self, session: &Path, state: &RunState) -> bool {
        let began = state.span_ms.map_or(0, |(first, _)| first);
        self.removed.iter().any(|(of, at_ms)| of == name(session) && began < *at_ms)
    }

    /// Whether newer events of the session are known than this state holds.
    pub fn is_stale(&self, session: &Path, state: &RunState) -> bool {
        let last = state.span_ms.map_or(0, |(_, last)| last);
        self.newest_event.get(name(session)).is_some_and(|newest_event| *newest_event > last)
    }
}
