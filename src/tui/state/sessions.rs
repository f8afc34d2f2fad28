//! The list of sessions: its order, its filter, and what is marked in it.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use super::together::Together;
use crate::{
    comparison::Facts,
    model::Method,
    session::{Best, Notes, Status},
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
    /// What decides its result.
    pub facts: Facts,
    /// A person's notes about it.
    pub notes: Notes,
    /// Why the notes cannot be read.
    pub notes_problem: Option<String>,
}

impl Listing {
    /// Its status in a word.
    pub fn status_word(&self) -> &'static str {
        match (&self.status, self.in_use) {
            (Status::Finished, _) => "done",
            (Status::Failed(_), _) => "failed",
            (Status::Stopped, _) => "stopped",
            (Status::Paused, true) => "paused",
            (_, true) => "training",
            (_, false) => "interrupted",
        }
    }

    /// Everything that a filter's words are found in, in lower case.
    fn words(&self) -> String {
        let tags: String = self.notes.tags.iter().map(|tag| format!(" #{tag}")).collect();
        let method = self.method.map_or("", |method| method.id());
        let Self { name, data, notes: Notes { note, .. }, .. } = self;
        format!("{name} {method} {data} {} {}{tags} {note}", self.facts.short("model"), self.status_word())
            .to_lowercase()
    }
}

/// The order of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The most recently changed first.
    #[default]
    Newest,
    /// By name.
    Name,
    /// By method, then the best first.
    Method,
    /// By data, then the best first.
    Data,
    /// The best value first.
    Best,
}

impl Order {
    /// The next one, around the end.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Newest => Self::Name,
            Self::Name => Self::Method,
            Self::Method => Self::Data,
            Self::Data => Self::Best,
            Self::Best => Self::Newest,
        }
    }

    /// Its name, as in "sessions, newest first".
    pub fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Name => "by name",
            Self::Method => "by method",
            Self::Data => "by data",
            Self::Best => "best first",
        }
    }

    fn sort(self, list: &[Listing], rows: &mut [usize]) {
        let best = |row: &usize| list[*row].best.map_or(f64::NEG_INFINITY, |best| best.value);
        let better = |a: &usize, b: &usize| best(b).total_cmp(&best(a));
        match self {
            Self::Newest => {}
            Self::Name => rows.sort_by(|a, b| list[*a].name.cmp(&list[*b].name)),
            Self::Method => {
                let method = |row: &usize| list[*row].method.map(|method| method.id());
                rows.sort_by(|a, b| method(a).cmp(&method(b)).then_with(|| better(a, b)));
            }
            Self::Data => rows.sort_by(|a, b| list[*a].data.cmp(&list[*b].data).then_with(|| better(a, b))),
            Self::Best => rows.sort_by(better),
        }
    }
}

/// The Sessions screen.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// All of them, the newest first; `None` before they are read.
    list: Option<Vec<Listing>>,
    /// Why they could not be read.
    pub problem: Option<String>,
    /// Curves or results of several sessions, beneath the list.
    pub together: Option<Together>,
    /// Whether they are being read: one at a time.
    reading: bool,
    /// Whether they must be read once more after that.
    again: bool,
    /// The rows on show, as indices of the list, in order.
    rows: Vec<usize>,
    cursor: usize,
    order: Order,
    filter: String,
    with_archived: bool,
    marked: HashSet<PathBuf>,
    /// What differs between any of the listed sessions: a fact's name, and for each session the number of its value.
    facts: Vec<(String, Vec<usize>)>,
    differing: Vec<String>,
}

/// Facts that the list has a column of its own for, or that follow from others: a shape from its backbone, the recipe's
/// learning rates from the one that is used.
fn is_shown_elsewhere(fact: &str) -> bool {
    ["method", "data", "recipe.epochs"].contains(&fact) || fact.starts_with("shape.") || fact.starts_with("recipe.lr")
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
        let there: HashSet<&PathBuf> = list.iter().map(|session| &session.path).collect();
        self.marked.retain(|path| there.contains(path));
        self.facts = numbered(&list);
        let at = self.selected().map(|session| session.path.clone());
        self.list = Some(list);
        self.problem = None;
        self.arrange(at);
    }

    /// Whether the list was read.
    pub fn is_read(&self) -> bool {
        self.list.is_some()
    }

    /// The rows on show.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &Listing> {
        let list = self.list.as_deref().unwrap_or_default();
        self.rows.iter().map(|row| &list[*row])
    }

    /// Sessions in all.
    pub fn count(&self) -> usize {
        self.list.as_ref().map_or(0, Vec::len)
    }

    /// Archived sessions that are not on show.
    pub fn hidden(&self) -> usize {
        let list = self.list.as_deref().unwrap_or_default();
        if self.with_archived { 0 } else { list.iter().filter(|session| session.notes.archived).count() }
    }

    /// The order.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The next order.
    pub fn sort(&mut self) {
        self.order = self.order.next();
        self.rearrange();
    }

    /// The filter; empty without one.
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// Shows only sessions with all of these words in their name, method, data, backbone, status, note or tags (`#tag`).
    pub fn set_filter(&mut self, filter: &str) {
        if self.filter != filter {
            filter.clone_into(&mut self.filter);
            self.rearrange();
        }
    }

    /// Shows archived sessions too, or not. Returns whether.
    pub fn show_archived(&mut self) -> bool {
        self.with_archived = !self.with_archived;
        self.rearrange();
        self.with_archived
    }

    /// Whether this session is marked.
    pub fn is_marked(&self, session: &Listing) -> bool {
        self.marked.contains(&session.path)
    }

    /// Marks the session under the cursor, or not, and moves on to the next.
    pub fn mark(&mut self) {
        let Some(path) = self.selected().map(|session| session.path.clone()) else { return };
        if !self.marked.remove(&path) {
            self.marked.insert(path);
        }
        self.cursor = (self.cursor + 1).min(self.rows.len().saturating_sub(1));
        self.differing = self.find_differing();
    }

    /// Marks every row on show; none of them if all are marked.
    pub fn mark_all(&mut self) {
        let shown: HashSet<PathBuf> = self.rows().map(|session| session.path.clone()).collect();
        if shown.is_subset(&self.marked) {
            self.marked.retain(|path| !shown.contains(path));
        } else {
            self.marked.extend(shown);
        }
        self.differing = self.find_differing();
    }

    /// Marks none. Returns whether any was marked.
    pub fn unmark(&mut self) -> bool {
        let any = !std::mem::take(&mut self.marked).is_empty();
        self.differing = self.find_differing();
        any
    }

    /// The marked sessions, in the order of the list, whether on show or not; without any, the one under the cursor.
    pub fn chosen(&self) -> Vec<&Listing> {
        let mut rows: Vec<usize> = (0..self.count()).collect();
        let list = self.list.as_deref().unwrap_or_default();
        self.order.sort(list, &mut rows);
        let marked: Vec<&Listing> = rows.iter().map(|row| &list[*row]).filter(|row| self.is_marked(row)).collect();
        if marked.is_empty() { self.selected().into_iter().collect() } else { marked }
    }

    /// How many are marked.
    pub fn marks(&self) -> usize {
        self.marked.len()
    }

    /// Names of the facts that differ between the marked sessions, or between all on show, besides those that have a
    /// column of their own.
    pub fn differing(&self) -> &[String] {
        &self.differing
    }

    /// The row under the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The session under the cursor.
    pub fn selected(&self) -> Option<&Listing> {
        self.list.as_ref()?.get(*self.rows.get(self.cursor)?)
    }

    /// Moves the cursor.
    pub fn go(&mut self, to: Move, page: usize) {
        self.cursor = to.row(self.cursor, self.rows.len().saturating_sub(1), page);
    }

    fn rearrange(&mut self) {
        let at = self.selected().map(|session| session.path.clone());
        self.arrange(at);
    }

    /// Chooses the rows, with the cursor on the session in this folder if it is among them.
    fn arrange(&mut self, at: Option<PathBuf>) {
        let list = self.list.as_deref().unwrap_or_default();
        let filter = self.filter.to_lowercase();
        let fits = |session: &Listing| {
            let words = if filter.is_empty() { String::new() } else { session.words() };
            (self.with_archived || !session.notes.archived)
                && filter.split_whitespace().all(|word| words.contains(word))
        };
        let mut rows: Vec<usize> = (0..list.len()).filter(|row| fits(&list[*row])).collect();
        self.order.sort(list, &mut rows);
        let same = at.and_then(|path| rows.iter().position(|row| list[*row].path == path));
        self.cursor = same.unwrap_or(self.cursor).min(rows.len().saturating_sub(1));
        self.rows = rows;
        self.differing = self.find_differing();
    }

    fn find_differing(&self) -> Vec<String> {
        let list = self.list.as_deref().unwrap_or_default();
        let of: Vec<usize> = match self.marks() {
            0 | 1 => self.rows.clone(),
            _ => (0..list.len()).filter(|row| self.is_marked(&list[*row])).collect(),
        };
        let Some(first) = of.first() else { return Vec::new() };
        let apart = self.facts.iter().filter(|(_, values)| of.iter().any(|row| values[*row] != values[*first]));
        apart.map(|(name, _)| name.clone()).collect()
    }
}

/// Facts that differ between any of these sessions and have no column of their own, with the number of each session's
/// value: a subset of them is then compared quickly, at every key of a filter.
fn numbered(list: &[Listing]) -> Vec<(String, Vec<usize>)> {
    let all: Vec<&Facts> = list.iter().map(|session| &session.facts).collect();
    let names = Facts::differing(&all).into_iter().filter(|name| !is_shown_elsewhere(name));
    let numbers = |name: &str| {
        let mut known: HashMap<String, usize> = HashMap::new();
        let number = |facts: &&Facts| {
            let next = known.len();
            *known.entry(facts.get(name).map_or_else(String::new, ToString::to_string)).or_insert(next)
        };
        all.iter().map(number).collect()
    };
    names.map(|name| (name.clone(), numbers(&name))).collect()
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
