//! The Data screen: the set before training, and what a check of it has found so far.

use std::sync::Arc;

use super::{clip_panel::ClipPanel, data_view::DataView, folder_browser::FolderBrowser, ticket::Ticket};
use crate::{
    data::{Facts, Problem, Severity},
    train::Request,
    tui::input::action::Move,
};

/// A part of the screen that keys move in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Classes.
    #[default]
    Classes,
    /// Clips of the class under the cursor.
    Clips,
    /// Problems.
    Problems,
}

impl Part {
    const ALL: [Self; 3] = [Self::Classes, Self::Clips, Self::Problems];

    /// The next part.
    #[must_use]
    pub fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }
}

/// The order of a class's clips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// As the data set has them.
    #[default]
    Data,
    /// The shortest first.
    Length,
    /// The quietest first.
    Level,
}

impl Sort {
    const ALL: [Self; 3] = [Self::Data, Self::Length, Self::Level];

    /// The next order.
    #[must_use]
    pub fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "in the order of the data",
            Self::Length => "the shortest first",
            Self::Level => "the quietest first",
        }
    }
}

/// How far a check is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Stage {
    /// It was not begun.
    #[default]
    Waiting,
    /// It goes on under this ticket.
    Running(Ticket),
    /// It was stopped before its end.
    Stopped,
    /// It is complete.
    Done,
    /// It could not go on.
    Failed(String),
}

/// What is found while a check goes on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Sounds decoded, and sounds in all.
    pub progress: (usize, usize),
    /// Clips by their place, with their length and level.
    pub facts: Vec<(u32, Facts)>,
    /// Problems.
    pub problems: Vec<Problem>,
}

/// A check of the data on show.
#[derive(Clone, Debug, Default)]
pub struct Check {
    /// How far it is.
    pub stage: Stage,
    /// Sounds decoded, and sounds in all.
    pub progress: (usize, usize),
    /// Length and level of each clip that was decoded, by place.
    pub facts: Vec<Option<Facts>>,
    /// Seconds of the decoded clips of each row of [`DataView::rows`].
    pub seconds: Vec<f64>,
    /// What is wrong: errors first once the check is complete.
    pub problems: Vec<Problem>,
}

impl Check {
    /// Problems of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }

    /// Adds what was found, with the classes of each clip from `view`.
    pub fn add(&mut self, view: &DataView, found: Found) {
        self.progress = found.progress;
        self.problems.extend(found.problems);
        for (place, facts) in found.facts {
            let Some(known) = self.facts.get_mut(place as usize) else { continue };
            if known.replace(facts).is_none() {
                for row in [0].into_iter().chain(view.rows_of(place)) {
                    if let Some(seconds) = self.seconds.get_mut(row) {
                        *seconds += f64::from(facts.seconds);
                    }
                }
            }
        }
    }
}

/// The Data screen.
#[derive(Clone, Debug, Default)]
pub struct DataScreen {
    /// The browser of folders, while data is being chosen.
    pub browser: Option<FolderBrowser>,
    /// Whether a person chose the data, here or by an option.
    pub is_chosen: bool,
    /// The request for the data, while it is awaited.
    pub asked: Option<Ticket>,
    /// The setup that it was read with.
    pub of: Option<Box<Request>>,
    /// The data, or why it could not be read.
    pub view: Option<Result<Arc<DataView>, String>>,
    /// What a check has found.
    pub check: Check,
    /// The part in focus.
    pub part: Part,
    /// The row under the cursor among [`DataView::rows`].
    pub class: usize,
    /// The row under the cursor among the clips of that class.
    pub row: usize,
    /// The problem under the cursor.
    pub problem: usize,
    /// The order of clips.
    pub sort: Sort,
    /// Places of the clips of the class under the cursor, in that order.
    order: Vec<u32>,
    /// The clip under the cursor.
    pub clip: ClipPanel,
}

impl DataScreen {
    /// The data, if it was read.
    pub fn read(&self) -> Option<&Arc<DataView>> {
        self.view.as_ref()?.as_ref().ok()
    }

    /// Takes data that was read.
    pub fn show(&mut self, view: Arc<DataView>) {
        let same = self.read().is_some_and(|before| before.spec == view.spec);
        if !same {
            (self.part, self.class, self.row, self.problem) = (Part::Classes, 0, 0, 0);
        }
        self.check = Check {
            facts: vec![None; view.dataset().items.len()],
            seconds: vec![0.0; view.rows.len()],
            problems: view.reading.problems.clone(),
            ..Check::default()
        };
        self.class = self.class.min(view.rows.len().saturating_sub(1));
        self.view = Some(Ok(view));
        self.arrange();
    }

    /// Clips of the class under the cursor, as they are listed.
    pub fn clips(&self) -> &[u32] {
        &self.order
    }

    /// The clip under the cursor.
    pub fn selected(&self) -> Option<u32> {
        self.order.get(self.row).copied()
    }

    /// The problem under the cursor.
    pub fn selected_problem(&self) -> Option<&Problem> {
        self.check.problems.get(self.problem)
    }

    /// Orders the clips of the class under the cursor anew; the cursor stays on its clip.
    pub fn arrange(&mut self) {
        let selected = self.selected();
        let rows = self.read().map(|view| view.rows.get(self.class).map_or(&[][..], |row| &row.clips));
        let mut order = rows.unwrap_or_default().to_vec();
        let facts = &self.check.facts;
        let known = |place: &u32| facts.get(*place as usize).copied().flatten();
        // What is not known yet comes last.
        match self.sort {
            Sort::Data => {}
            Sort::Length => order.sort_by(|a, b| {
                let seconds = |place| known(place).map_or(f32::INFINITY, |facts| facts.seconds);
                seconds(a).total_cmp(&seconds(b))
            }),
            Sort::Level => order.sort_by(|a, b| {
                let level = |place| known(place).map_or(f32::INFINITY, |facts| facts.rms_dbfs);
                level(a).total_cmp(&level(b))
            }),
        }
        let place = selected.and_then(|selected| order.iter().position(|place| *place == selected));
        self.row = place.unwrap_or(0);
        self.order = order;
    }

    /// Puts the cursor on a clip, in the list of all where its class is not on show.
    pub fn go_to(&mut self, place: u32) {
        if !self.order.contains(&place) {
            self.class = 0;
            self.arrange();
        }
        self.row = self.order.iter().position(|other| *other == place).unwrap_or(0);
    }

    /// Moves the cursor of the part in focus.
    pub fn go(&mut self, to: Move, page: usize) {
        match (self.part, to) {
            (Part::Classes, Move::Right) => self.part = Part::Clips,
            (Part::Clips | Part::Problems, Move::Left) => self.part = Part::Classes,
            (_, Move::Left | Move::Right) => {}
            (Part::Classes, _) => {
                let last = self.read().map_or(0, |view| view.rows.len()).saturating_sub(1);
                let class = to.row(self.class, last, page);
                if class != self.class {
                    (self.class, self.row) = (class, 0);
                    self.order.clear();
                    self.arrange();
                }
            }
            (Part::Clips, _) => self.row = to.row(self.row, self.order.len().saturating_sub(1), page),
            (Part::Problems, _) => {
                self.problem = to.row(self.problem, self.check.problems.len().saturating_sub(1), page);
            }
        }
    }
}
