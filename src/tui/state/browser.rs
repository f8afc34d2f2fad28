//! The browser, in which data, a model, a recipe or a sound is chosen: recent ones first, then those that have a name, then
//! what is in a folder, each with what it is recognised as.

use std::path::{Path, PathBuf};

use super::{
    look::{Look, Recognised},
    ticket::Ticket,
};
use crate::{
    data::Recipe,
    model::{self, PUBLISHED},
    tui::input::{
        action::{Move, Screen},
        choice::Choice,
    },
};

/// Why an entry is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was used before.
    Recent,
    /// It has a name that needs no path.
    Named,
    /// It is in the folder.
    Found,
}

/// Something that can be chosen or opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// A name or a path, as a command takes it.
    pub spec: String,
    /// Why it is listed.
    pub origin: Origin,
    /// Whether it is a folder that can be opened.
    pub is_folder: bool,
    /// What it is recognised as, once that is known.
    pub look: Option<Look>,
}

impl Entry {
    /// What was found in a folder.
    pub fn found(path: &Path, is_folder: bool) -> Self {
        Self { spec: path.to_string_lossy().into_owned(), origin: Origin::Found, is_folder, look: None }
    }

    /// What is known without looking at a folder. Whether it is one itself is known with its look.
    fn known(spec: String, origin: Origin) -> Self {
        Self { spec, origin, is_folder: false, look: None }
    }

    /// Whether it is recognised as what is being chosen.
    pub fn fits(&self) -> bool {
        self.look.as_ref().is_some_and(|look| look.recognised == Recognised::Fits)
    }
}

/// A folder that was listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The folder, from the root on where it is there; `None` where not even that is known.
    pub folder: Option<PathBuf>,
    /// The folders and files in it, or why it cannot be read.
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
pub struct Browser {
    /// What is chosen in it.
    pub choice: Choice,
    /// The screen that it was opened on, and is shown on.
    pub screen: Screen,
    /// The folder on show, from the root on once it was listed.
    pub folder: Option<PathBuf>,
    /// Whether it was listed, or cannot be.
    pub is_listed: bool,
    /// The request for what is in it: news under other tickets is late.
    pub ticket: Ticket,
    /// What was used before, what has a name, then what is in the folder.
    pub entries: Vec<Entry>,
    /// Why the folder could not be listed.
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

impl Browser {
    /// A browser that shows what is known without a folder, and waits for what is in one.
    pub fn new(
        ticket: Ticket,
        (choice, screen): (Choice, Screen),
        recent: &[String],
        folder: Option<PathBuf>,
        landing: Landing,
    ) -> Self {
        let named = names(choice).filter(|name| !recent.iter().any(|spec| spec == name));
        let recent = recent.iter().map(|spec| Entry::known(spec.clone(), Origin::Recent));
        let entries = recent.chain(named.map(|name| Entry::known(name.to_owned(), Origin::Named))).collect();
        let (is_listed, problem, left_out, row) = (false, None, None, 0);
        Self { choice, screen, folder, is_listed, ticket, entries, problem, left_out, landing, row }
    }

    /// The entries that are known without a folder.
    pub fn known(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().take_while(|entry| entry.origin != Origin::Found)
    }

    /// Takes a folder and what is in it, behind what is known already.
    pub fn list(&mut self, listed: Listed) {
        self.is_listed = true;
        self.folder = listed.folder.or(self.folder.take());
        self.left_out = listed.left_out;
        match listed.entries {
            Ok(entries) => {
                let (known, is_moved) = (self.entries.len(), self.row > 0);
                self.entries.extend(entries);
                let below = |folder: &PathBuf| self.entries[known..].iter().position(|e| Path::new(&e.spec) == folder);
                let place = match &self.landing {
                    Landing::Recent => None,
                    Landing::First => Some(0),
                    Landing::Below(folder) => below(folder).or(Some(0)),
                };
                let row = place.map(|place| known + place).filter(|row| !is_moved && *row < self.entries.len());
                self.row = row.unwrap_or(self.row);
            }
            Err(problem) => self.problem = Some(problem),
        }
    }

    /// Takes what an entry is recognised as.
    pub fn recognise(&mut self, spec: &str, look: &Look) {
        for entry in self.entries.iter_mut().filter(|entry| entry.spec == spec) {
            entry.is_folder = look.is_folder;
            entry.look = Some(look.clone());
        }
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

/// What can be chosen by a name alone.
pub fn names(choice: Choice) -> Box<dyn Iterator<Item = &'static str>> {
    match choice {
        Choice::Data => Box::new(["demo"].into_iter()),
        Choice::Model => Box::new(model::names().chain(PUBLISHED.iter().map(|published| published.name))),
        Choice::Recipe => Box::new(Recipe::names()),
        Choice::Sound | Choice::Recordings | Choice::Lesson | Choice::Sweep => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::tui::state::ticket::Tickets;

    fn browser(choice: Choice, recent: &[&str]) -> Browser {
        let recent: Vec<String> = recent.iter().map(|spec| (*spec).to_owned()).collect();
        Browser::new(Tickets::default().draw(), (choice, Screen::Train), &recent, None, Landing::First)
    }

    #[test]
    fn recent_ones_come_first_and_each_name_once() {
        let mut browser = browser(Choice::Model, &["/models/mine.pth", "ced-tiny"]);
        let specs: Vec<&str> = browser.entries.iter().map(|entry| entry.spec.as_str()).collect();
        assert_eq!(specs[..4], ["/models/mine.pth", "ced-tiny", "box", "box-ssl"]);
        assert_eq!(specs.iter().filter(|spec| **spec == "ced-tiny").count(), 1);
        assert_eq!(specs.len(), names(Choice::Model).count() + 1);
        // Behind them the folder, with the cursor on its first entry.
        browser.list(Listed { entries: Ok(vec![Entry::found("/m/a.pth".as_ref(), false)]), ..Listed::default() });
        assert_eq!(browser.selected().unwrap().spec, "/m/a.pth");
        assert_eq!(browser.known().count(), browser.entries.len() - 1);
    }

    #[test]
    fn a_recent_path_is_a_folder_once_it_is_known_to_be_one() {
        let mut browser = browser(Choice::Data, &["/data/set"]);
        assert!(!browser.entries[0].is_folder);
        let look = Look { is_folder: true, ..Look::other("3 folders") };
        browser.recognise("/data/set", &look);
        assert!(browser.entries[0].is_folder && !browser.entries[0].fits());
    }
}
