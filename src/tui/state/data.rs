//! The Data screen: the set before training, and what a check of it has found so far.

use std::{cmp::Ordering, collections::HashSet, sync::Arc};

use super::{clip_panel::ClipPanel, data_view::DataView, ticket::Ticket};
use crate::{
    data::{Facts, Problem, Severity},
    train::Request,
    tui::input::action::Move,
};

/// A part of the screen that keys move in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataPart {
    /// Classes.
    #[default]
    Classes,
    /// Clips of the class under the cursor.
    Clips,
    /// Problems.
    Problems,
}

impl DataPart {
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

    /// Adds what was found, with the classes of each clip from `view`. Returns the clips that were not known before.
    pub fn add(&mut self, view: &DataView, found: Found) -> Vec<u32> {
        let mut new = Vec::with_capacity(found.facts.len());
        self.progress = found.progress;
        self.problems.extend(found.problems);
        for (place, facts) in found.facts {
            let Some(known) = self.facts.get_mut(place as usize) else { continue };
            if known.replace(facts).is_none() {
                new.push(place);
                for row in [0].into_iter().chain(view.rows_of(place)) {
                    if let Some(seconds) = self.seconds.get_mut(row) {
                        *seconds += f64::from(facts.seconds);
                    }
                }
            }
        }
        new
    }
}

/// The Data screen.
#[derive(Clone, Debug, Default)]
pub struct DataScreen {
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
    pub part: DataPart,
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
            (self.part, self.class, self.row, self.problem) = (DataPart::Classes, 0, 0, 0);
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
        if self.sort != Sort::Data {
            order.sort_by(|a, b| self.compared(*a, *b));
        }
        self.order = order;
        self.select(selected);
    }

    /// Moves clips whose facts are known now to their places in the order; the others keep theirs.
    pub fn move_up(&mut self, known: &[u32]) {
        let known: HashSet<u32> = known.iter().copied().collect();
        let (mut new, old): (Vec<u32>, Vec<u32>) = self.order.iter().partition(|place| known.contains(place));
        if self.sort == Sort::Data || new.is_empty() {
            return;
        }
        let selected = self.selected();
        new.sort_by(|a, b| self.compared(*a, *b));
        let mut order = Vec::with_capacity(self.order.len());
        let mut new = new.into_iter().peekable();
        for place in old {
            order.extend(std::iter::from_fn(|| new.next_if(|next| self.compared(*next, place).is_lt())));
            order.push(place);
        }
        order.extend(new);
        self.order = order;
        self.select(selected);
    }

    /// How two clips of a class are ordered: what is not known yet comes last, and what is equal is in the data's order.
    fn compared(&self, a: u32, b: u32) -> Ordering {
        let value = |place: u32| {
            let facts = self.check.facts.get(place as usize).copied().flatten();
            facts.map_or(f32::INFINITY, |facts| if self.sort == Sort::Length { facts.seconds } else { facts.rms_dbfs })
        };
        value(a).total_cmp(&value(b)).then(a.cmp(&b))
    }

    /// Puts the cursor on this clip, on the first one where it is not listed.
    fn select(&mut self, clip: Option<u32>) {
        let place = clip.and_then(|clip| self.order.iter().position(|place| *place == clip));
        self.row = place.unwrap_or(0);
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
            (DataPart::Classes, Move::Right) => self.part = DataPart::Clips,
            (DataPart::Clips | DataPart::Problems, Move::Left) => self.part = DataPart::Classes,
            (_, Move::Left | Move::Right) => {}
            (DataPart::Classes, _) => {
                let last = self.read().map_or(0, |view| view.rows.len()).saturating_sub(1);
                let class = to.row(self.class, last, page);
                if class != self.class {
                    (self.class, self.row) = (class, 0);
                    self.order.clear();
                    self.arrange();
                }
            }
            (DataPart::Clips, _) => self.row = to.row(self.row, self.order.len().saturating_sub(1), page),
            (DataPart::Problems, _) => {
                self.problem = to.row(self.problem, self.check.problems.len().saturating_sub(1), page);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The screen while a check goes on: of `clips` clips it knows the length and level of none.
    fn screen(clips: u32, sort: Sort) -> DataScreen {
        let check = Check { facts: vec![None; clips as usize], ..Check::default() };
        DataScreen { sort, check, order: (0..clips).collect(), ..DataScreen::default() }
    }

    fn find(screen: &mut DataScreen, clips: &[u32]) {
        for place in clips {
            // Several are equal.
            let value = (place * 37 % 11) as f32;
            let facts = Facts { seconds: value, rms_dbfs: -value, ..Facts::default() };
            screen.check.facts[*place as usize] = Some(facts);
        }
        screen.move_up(clips);
    }

    #[test]
    fn clips_are_moved_to_their_places_as_sorting_all_of_them_would() {
        for sort in [Sort::Length, Sort::Level] {
            let mut screen = screen(60, sort);
            screen.row = 30;
            let mut left: Vec<u32> = (0..60).map(|n| n * 7 % 60).collect();
            while !left.is_empty() {
                let found = left.split_off(left.len().saturating_sub(9));
                find(&mut screen, &found);
                let mut sorted: Vec<u32> = (0..60).collect();
                sorted.sort_by(|a, b| screen.compared(*a, *b));
                assert_eq!(screen.order, sorted, "{sort:?}");
                assert_eq!(screen.selected(), Some(30), "the cursor stays on its clip");
            }
        }
    }

    #[test]
    fn the_order_of_the_data_stays_while_a_check_goes_on() {
        let mut screen = screen(20, Sort::Data);
        find(&mut screen, &[3, 4, 19]);
        assert_eq!(screen.order, (0..20).collect::<Vec<_>>());
    }
}
