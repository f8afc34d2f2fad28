//! The list of sessions.

use std::path::PathBuf;

use crate::{
    model::Method,
    session::{Best, Status},
    tui::input::action::Move,
};

/// A session as the list shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// How the backbone was adapted; absent when the log does not say.
    pub method: Option<Method>,
    /// Short name of the data, with its fold.
    pub data: String,
    /// The metric's name.
    pub metric: &'static str,
    /// The best epoch.
    pub best: Option<Best>,
    /// Epochs done and epochs in all.
    pub epochs: (u32, u32),
    /// Its status.
    pub status: Status,
    /// Whether a process trains it right now.
    pub in_use: bool,
    /// Whether it can be resumed.
    pub can_resume: bool,
    /// When its log last changed, ms since the Unix epoch.
    pub changed_ms: u64,
}

/// The Sessions screen.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// The newest first; `None` before they are read.
    pub list: Option<Vec<Listing>>,
    /// Why they could not be read.
    pub problem: Option<String>,
    /// Whether they are being read: one at a time.
    reading: bool,
    /// Whether they must be read once more after that.
    again: bool,
    cursor: usize,
}

impl Sessions {
    /// Whether to read the list now. If it is being read already, it is read once more afterwards, however often that
    /// was requested.
    pub fn ask(&mut self) -> bool {
        self.again = self.reading;
        !std::mem::replace(&mut self.reading, true)
    }

    /// Ends the reading. Returns whether to read again.
    pub fn was_read(&mut self) -> bool {
        self.reading = std::mem::take(&mut self.again);
        self.reading
    }

    /// Takes a new list; the cursor stays on its session.
    pub fn show(&mut self, list: Vec<Listing>) {
        let at = self.selected().map(|session| session.path.clone());
        let same = at.and_then(|path| list.iter().position(|session| session.path == path));
        self.cursor = same.unwrap_or(self.cursor).min(list.len().saturating_sub(1));
        self.list = Some(list);
        self.problem = None;
    }

    /// The row under the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The session under the cursor.
    pub fn selected(&self) -> Option<&Listing> {
        self.list.as_ref()?.get(self.cursor)
    }

    /// Moves the cursor.
    pub fn go(&mut self, to: Move, page: usize) {
        let last = self.list.as_ref().map_or(0, Vec::len).saturating_sub(1);
        self.cursor = to.row(self.cursor, last, page);
    }
}
