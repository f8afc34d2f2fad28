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

/// A folder that was listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The folder, from the root on where it is there; `None` where not even that is known.
    pub folder: Option<PathBuf>,
    /// The folders and tables in it, or why it cannot be read.
    pub entries: Result<Vec<Entry>, String>,
    /// What is left out, in words.
    pub left_out: Option<String>,
}

impl Default for Listed {
    fn default() -> Self {
        Self { folder: None, entries: Ok(Vec::new()), left_out: None }
    }
}

/// The browser.
#[derive(Clone, Debug)]
pub struct FolderBrowser {
    /// The folder on show, from the root on once it was listed.
    pub folder: Option<PathBuf>,
    /// Whether it was listed, or cannot be.
    pub is_listed: bool,
    /// The request for what is in it: news under other tickets is late.
    pub ticket: Ticket,
    /// Data used before, then what is in the folder.
    pub entries: Vec<Entry>,
    /// Why it could not be.
    pub problem: Option<String>,
    /// What is left out of it, in words.
    pub left_out: Option<String>,
    /// Where the cursor goes once it is listed.
    landing: Landing,
    /// The row under the cursor.
    pub row: usize,
}

/// Where the cursor goes in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Landing {
    /// To what was used before.
    #[default]
    Recent,
    /// To the first entry of the folder.
    First,
    /// To this folder in it, where a person came from.
    Below(PathBuf),
}

impl FolderBrowser {
    /// A browser that shows recent data and waits for what is in a folder, where that is known.
    pub fn new(
        ticket: Ticket,
        recent: impl IntoIterator<Item = String>,
        folder: Option<PathBuf>,
        landing: Landing,
    ) -> Self {
        let entries = recent.into_iter().map(Entry::recent).collect();
        Self { folder, is_listed: false, ticket, entries, problem: None, left_out: None, landing, row: 0 }
    }

    /// Takes a folder and what is in it: behind what was used before.
    pub fn list(&mut self, listed: Listed) {
        self.is_listed = true;
        self.folder = listed.folder.or(self.folder.take());
        self.left_out = listed.left_out;
        match listed.entries {
            Ok(entries) => {
                let (recent, is_moved) = (self.entries.len(), self.row > 0);
                self.entries.extend(entries);
                let below = |folder: &PathBuf| self.entries[recent..].iter().position(|e| Path::new(&e.spec) == folder);
                let place = match &self.landing {
                    Landing::Recent => None,
                    Landing::First => Some(0),
                    Landing::Below(folder) => below(folder).or(Some(0)),
                };
                let row = place.map(|place| recent + place).filter(|row| !is_moved && *row < self.entries.len());
                self.row = row.unwrap_or(self.row);
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
