//! The Results screen: what a session gets wrong.

use std::{path::PathBuf, sync::Arc};

use super::{clip_panel::ClipPanel, ticket::Ticket};
use crate::{
    findings::{Against, Order, Outcome, SessionFindings},
    tui::input::action::Move,
};

/// A part of the screen that keys move in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResultsPart {
    /// The confusion matrix.
    #[default]
    Matrix,
    /// The list of clips.
    Clips,
}

/// What is computed of a session.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The request, while it is awaited, and the sessions it is for.
    pub asked: Option<(Ticket, [Option<PathBuf>; 2])>,
    /// The session of the side in focus, or why there is nothing of it.
    pub overview: Option<Result<Arc<SessionFindings>, String>>,
    /// Its folder.
    pub session: Option<PathBuf>,
    /// The other side's session beside it.
    pub against: Option<Arc<Against>>,
    /// The part in focus.
    pub part: ResultsPart,
    /// Label and answer under the cursor of the matrix.
    pub cell: (usize, usize),
    /// The cell whose clips are listed; none lists all.
    pub opened: Option<(usize, usize)>,
    /// The order of clips that was chosen.
    order: Order,
    /// The row under the cursor of the list.
    pub row: usize,
    /// Rows of the overview that are listed, in order.
    listed: Vec<usize>,
    /// The clip on show.
    pub clip: ClipPanel,
}

impl Results {
    /// What was computed.
    pub fn found(&self) -> Option<&Arc<SessionFindings>> {
        self.overview.as_ref()?.as_ref().ok()
    }

    /// Takes what was computed of a session. The cursor stays where it was if it is the same session.
    pub fn show(&mut self, session: Option<PathBuf>, overview: Result<Arc<SessionFindings>, String>) {
        if self.session != session {
            (self.opened, self.row, self.part) = (None, 0, ResultsPart::Matrix);
            self.cell = (0, 0);
        }
        (self.session, self.overview, self.against) = (session, Some(overview), None);
        let classes = self.found().map_or(0, |found| found.labels().len());
        let last = classes.saturating_sub(1);
        self.cell = (self.cell.0.min(last), self.cell.1.min(last));
        self.opened = self.opened.filter(|(label, answer)| *label < classes && *answer < classes);
        self.list();
    }

    /// Forgets what was computed, unless it is of this session: figures of one session are not shown under another's name.
    pub fn keep_only(&mut self, session: Option<&PathBuf>) {
        if self.session.as_ref() != session || session.is_none() {
            (self.overview, self.against) = (None, None);
            self.list();
        }
    }

    /// Takes the other side's session beside it.
    pub fn compare(&mut self, against: Arc<Against>) {
        self.against = Some(against);
        self.list();
    }

    /// The order of clips: without clips that both sides validated on, nothing can be ordered by disagreement.
    pub fn order(&self) -> Order {
        let has_common = self.against.as_ref().is_some_and(|against| against.common > 0);
        if self.order == Order::Disagreement && !has_common { Order::Margin } else { self.order }
    }

    /// Rows of the overview that are listed.
    pub fn rows(&self) -> &[usize] {
        &self.listed
    }

    /// The row of the overview under the cursor of the list.
    pub fn selected(&self) -> Option<usize> {
        self.listed.get(self.row).copied()
    }

    /// Moves the cursor of the part in focus.
    pub fn go(&mut self, to: Move, page: usize) {
        match self.part {
            ResultsPart::Clips => self.row = to.row(self.row, self.listed.len().saturating_sub(1), page),
            ResultsPart::Matrix => {
                let last = self.found().map_or(0, |found| found.labels().len()).saturating_sub(1);
                let (label, answer) = &mut self.cell;
                match to {
                    Move::Left => *answer = answer.saturating_sub(1),
                    Move::Right => *answer = (*answer + 1).min(last),
                    other => *label = other.row(*label, last, page),
                }
            }
        }
    }

    /// Moves the cursor of the matrix to the next confusion, the most frequent first.
    pub fn next_confusion(&mut self) {
        let Some(found) = self.found().cloned() else { return };
        let classes = found.labels().len();
        let mut cells: Vec<(usize, usize)> = (0..classes * classes)
            .map(|at| (at / classes, at % classes))
            .filter(|(label, answer)| label != answer)
            .collect();
        cells.retain(|(label, answer)| found.confusion[label * classes + answer] > 0);
        cells.sort_by_key(|(label, answer)| std::cmp::Reverse(found.confusion[label * classes + answer]));
        let at = cells.iter().position(|cell| *cell == self.cell);
        if let Some(next) = cells.get(at.map_or(0, |at| (at + 1) % cells.len())) {
            (self.cell, self.part) = (*next, ResultsPart::Matrix);
        }
    }

    /// Lists the clips of the cell under the cursor, or all again.
    pub fn open(&mut self, cell: Option<(usize, usize)>) {
        (self.opened, self.row) = (cell, 0);
        if cell.is_some() {
            self.part = ResultsPart::Clips;
        }
        self.list();
    }

    /// Lists clips in the next order.
    pub fn next_order(&mut self) {
        let has_common = self.against.as_ref().is_some_and(|against| against.common > 0);
        self.order = match (self.order(), has_common) {
            (Order::Loss, _) => Order::Margin,
            (Order::Margin, true) => Order::Disagreement,
            (Order::Margin, false) | (Order::Disagreement, _) => Order::Loss,
        };
        self.row = 0;
        self.list();
    }

    /// Rows that are listed: in this order, of the opened cell or of all clips.
    fn list(&mut self) {
        let Some(found) = self.found().cloned() else {
            self.listed.clear();
            return;
        };
        let order = match (self.order(), &self.against) {
            (Order::Disagreement, Some(against)) => &against.order,
            (Order::Margin | Order::Disagreement, _) => &found.by_margin,
            (Order::Loss, _) => &found.by_loss,
        };
        let is_listed = |row: &usize| match self.opened {
            None => true,
            Some((label, answer)) => {
                found.clips.get(*row).is_some_and(|clip| clip.answer == answer && clip.truth.contains(&label))
            }
        };
        self.listed = order.iter().copied().filter(is_listed).collect();
        self.row = self.row.min(self.listed.len().saturating_sub(1));
    }

    /// Rows that a review goes through: the wrong ones among those that are listed; all of them where none is wrong.
    pub fn to_review(&self) -> Vec<usize> {
        let Some(found) = self.found() else { return Vec::new() };
        let is_wrong = |row: &usize| found.clips.get(*row).is_some_and(|clip| clip.outcome == Outcome::Wrong);
        let wrong: Vec<usize> = self.listed.iter().copied().filter(is_wrong).collect();
        if wrong.is_empty() { self.listed.clone() } else { wrong }
    }
}
