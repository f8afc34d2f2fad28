//! Bookmarks on the Live screen: a session's list, and the replay of one of them.

use std::path::PathBuf;

use crate::{
    infer::Replay,
    live::{Bookmark, BookmarkList},
    tui::input::action::Move,
};

/// Every checkpoint's scores, or why there are none.
pub type Replays = Result<Vec<Replay>, String>;

/// The list and its replay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bookmarks {
    /// The session's folder, or its name.
    pub session: PathBuf,
    /// Its bookmarks, newest first, once read.
    pub list: Option<Vec<Bookmark>>,
    /// How many more there are that cannot be read.
    pub unread: usize,
    /// The row under the cursor.
    pub row: usize,
    /// The replay of a bookmark, by the bookmark's time; the inner `None` while it is in progress.
    pub replayed: Option<(u64, Option<Replays>)>,
}

impl Bookmarks {
    /// Shows a session's bookmarks. The cursor stays on its bookmark.
    pub fn show(&mut self, session: PathBuf, list: BookmarkList) {
        let BookmarkList { bookmarks: mut list, unread } = list;
        let selected = self.selected().map(|bookmark| bookmark.at_ms).filter(|_| session == self.session);
        list.reverse();
        let place = selected.and_then(|at_ms| list.iter().position(|bookmark| bookmark.at_ms == at_ms));
        self.row = place.unwrap_or_else(|| self.row.min(list.len().saturating_sub(1)));
        if session != self.session {
            (self.row, self.replayed) = (0, None);
        }
        (self.session, self.list, self.unread) = (session, Some(list), unread);
    }

    /// The one under the cursor.
    pub fn selected(&self) -> Option<&Bookmark> {
        self.list.as_ref()?.get(self.row)
    }

    /// The replay of the bookmark under the cursor, if requested: the inner `None` while it is in progress.
    pub fn replays(&self) -> Option<Option<&Replays>> {
        let (at_ms, replays) = self.replayed.as_ref()?;
        (self.selected()?.at_ms == *at_ms).then_some(replays.as_ref())
    }

    /// Moves the cursor.
    pub fn go(&mut self, to: Move, page: usize) {
        let last = self.list.as_ref().map_or(0, Vec::len).saturating_sub(1);
        self.row = to.row(self.row, last, page);
    }
}
