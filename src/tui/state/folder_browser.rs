//! A browser of folders and tables: what each is recognised as, recent ones first.

use std::path::{Path, PathBuf};

use super::ticket::Ticket;
use crate::{data::Glance, tui::input::action::Move};

/// Something that can be chosen or opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The data as it is given to a run: `demo`, or a path.
    pub spec: String,
    /// Whether it was used before, and not only found in the folder.
    pub is_recent: bool,
    /// Whether it is a folder that can be opened.
    pub is_folder: bool,
    /// What it looks like, once that is known.
    pub glance: Option<Glance>,
}

impl Entry {
    /// Data that was used before.
    pub fn recent(spec: impl Into<String>) -> Self {
        let spec = spec.into();
        let glance = (spec == "demo").then_some(Glance { layout: Some("demo"), ..Glance::default() });
        Self { is_folder: spec != "demo", is_recent: true, glance, spec }
    }

    /// What was found in a folder.
    pub fn found(path: &Path, is_folder: bool) -> Self {
        Self { spec: path.to_string_lossy().into_owned(), is_recent: false, is_folder, glance: None }
    }

    /// Whether it is recognised as data.
    pub fn is_data(&self) -> bool {
        self.glance.is_some_and(|glance| glance.layout.is_some())
    }
}

/// The browser.
#[derive(Clone, Debug)]
pub struct FolderBrowser {
    /// The folder on show, from the root on, once it was listed.
    pub folder: Option<PathBuf>,
    /// The request for what is in it: news under other tickets is late.
    pub ticket: Ticket,
    /// Data used before, then what is in the folder.
    pub entries: Vec<Entry>,
    /// Why it could not be.
    pub problem: Option<String>,
    /// The row under the cursor.
    pub row: usize,
}

impl FolderBrowser {
    /// A browser that shows recent data and waits for what is in a folder.
    pub fn new(ticket: Ticket, recent: impl IntoIterator<Item = String>) -> Self {
        let entries = recent.into_iter().map(Entry::recent).collect();
        Self { folder: None, ticket, entries, problem: None, row: 0 }
    }

    /// Takes a folder and what is in it: behind what was used before.
    pub fn list(&mut self, listed: Result<(PathBuf, Vec<Entry>), String>) {
        match listed {
            Ok((folder, entries)) => {
                self.folder = Some(folder);
                self.entries.extend(entries);
            }
            Err(problem) => self.problem = Some(problem),
        }
    }

    /// Takes what an entry looks like.
    pub fn recognise(&mut self, spec: &str, glance: Glance) {
        self.entries.iter_mut().filter(|entry| entry.spec == spec).for_each(|entry| entry.glance = Some(glance));
    }

    /// The entry under the cursor.
    pub fn selected(&self) -> Option<&Entry> {
        self.entries.get(self.row)
    }

    /// Moves the cursor up and down.
    pub fn go(&mut self, to: Move, page: usize) {
        self.row = to.row(self.row, self.entries.len().saturating_sub(1), page);
    }
}
