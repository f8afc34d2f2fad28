//! Several sessions at once: their curves in one chart, or their results as `compare` gives them.

use std::{path::PathBuf, sync::Arc};

use super::ticket::Ticket;
use crate::{comparison::Row, session::RunState, tui::input::action::TogetherView};

/// Most sessions that are read at once.
pub const MOST: usize = 200;
/// Most curves in a chart.
pub const CURVES: usize = 9;

/// A session of the chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlaid {
    /// Its folder.
    pub path: PathBuf,
    /// Its folded log, in outline.
    pub state: RunState,
}

/// What was read of several sessions.
#[derive(Debug)]
pub struct ReadTogether {
    /// At most [`CURVES`] of them, with the first one's metric.
    pub runs: Vec<Overlaid>,
    /// What is left out of the chart, and why.
    pub left_out: Vec<String>,
    /// The results, or why there are none.
    pub results: Result<Vec<Row>, String>,
}

/// Several sessions, beneath the list.
#[derive(Clone, Debug)]
pub struct Together {
    /// The ticket of the request.
    pub ticket: Ticket,
    /// What is shown.
    pub view: TogetherView,
    /// What was read; `None` until then.
    pub read: Option<Arc<ReadTogether>>,
    /// Marked sessions that were not read.
    pub beyond: usize,
}

impl Together {
    /// A session's number in the chart, from 1.
    pub fn number(&self, path: &PathBuf) -> Option<usize> {
        let runs = &self.read.as_ref()?.runs;
        Some(runs.iter().position(|run| run.path == *path)? + 1)
    }
}
