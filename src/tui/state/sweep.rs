//! A sweep that is watched: the table, and the task under the cursor.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::ticket::Ticket;
use crate::{
    sweep::{Snapshot, Standing, State, Task},
    tui::{input::action::Move, text},
};

/// States that can be listed alone, in the order of the key.
const FILTERS: [State; 4] = [State::Running, State::Failed, State::Waiting, State::Done];

/// A sweep on the Sessions screen.
#[derive(Clone, Debug)]
pub struct SweepTable {
    /// The ticket of the request: other results are ignored.
    pub ticket: Ticket,
    /// The name of its file, or what is known of it.
    pub title: String,
    /// Where its tasks stand; `None` before it is read.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Why it could not be read.
    pub problem: Option<String>,
    /// Only tasks in this state are listed.
    pub only: Option<State>,
    /// Places in the plan of the tasks that are listed.
    listed: Vec<usize>,
    cursor: usize,
}

impl SweepTable {
    /// A sweep that was asked for; without a file, the one of the folder of sessions.
    pub fn new(ticket: Ticket, file: Option<&Path>) -> Self {
        let title = file.map_or_else(|| "the sweep of this folder".to_owned(), text::file_name);
        Self { ticket, title, snapshot: None, problem: None, only: None, listed: Vec::new(), cursor: 0 }
    }

    /// Takes a new state; the cursor stays on its task.
    pub fn show(&mut self, snapshot: Arc<Snapshot>) {
        self.title = text::file_name(&snapshot.plan.file.path);
        self.snapshot = Some(snapshot);
        self.problem = None;
        self.list();
    }

    /// Lists tasks in the next state only, around the end all of them.
    pub fn next_filter(&mut self) {
        let place = |only: &State| FILTERS.iter().position(|state| state == only);
        let next = self.only.as_ref().and_then(place).map_or(0, |place| place + 1);
        self.only = FILTERS.get(next).cloned();
        self.list();
    }

    fn list(&mut self) {
        let at = self.listed.get(self.cursor).copied();
        let Some(snapshot) = &self.snapshot else { return };
        let fits = |index: &usize| self.only.as_ref().is_none_or(|only| snapshot.standings[*index].state == *only);
        self.listed = (0..snapshot.standings.len()).filter(fits).collect();
        let same = at.and_then(|at| self.listed.binary_search(&at).ok());
        self.cursor = same.unwrap_or(self.cursor).min(self.listed.len().saturating_sub(1));
    }

    /// How many tasks are listed.
    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The task in this row of the list, and where it stands.
    pub fn row(&self, row: usize) -> Option<(&Task, &Standing)> {
        let (index, snapshot) = (*self.listed.get(row)?, self.snapshot.as_ref()?);
        Some((snapshot.plan.tasks.get(index)?, snapshot.standings.get(index)?))
    }

    /// The row under the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The session of the task under the cursor; an error in words while it has none.
    ///
    /// # Errors
    /// When there is no task, or it has not begun.
    pub fn selected(&self) -> Result<PathBuf, String> {
        let (task, standing) = self.row(self.cursor).ok_or("no task is listed")?;
        let snapshot = self.snapshot.as_ref().ok_or("the sweep is being read")?;
        if standing.epochs.1 == 0 {
            let why = standing.note.as_ref().map_or_else(|| "it has not begun".to_owned(), Clone::clone);
            return Err(format!("{} has no session yet: {why}", task.session));
        }
        Ok(snapshot.plan.place.session(standing.name(task)))
    }

    /// Moves the cursor.
    pub fn go(&mut self, to: Move, page: usize) {
        self.cursor = to.row(self.cursor, self.listed.len().saturating_sub(1), page);
    }
}
