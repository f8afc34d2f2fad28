//! The Live screen: the state of the pipeline, and the cursor over the waterfall.

use std::{path::PathBuf, sync::Arc};

use super::{bookmarks::Bookmarks, desk::Desk, teaching::Teaching, ticket::Ticket};
use crate::{
    live::{FileOverview, LiveEvent, LiveState, LiveStatus},
    plot::Side,
    tui::input::{
        action::{LivePanel, Move},
        pointer::Place,
    },
};

/// How many frames the moving waterfall may be behind the newest: about two deliveries.
const LATEST: f64 = 8.0;

/// The state of the Live screen.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    /// The current state of the pipeline.
    pub state: LiveState,
    /// Its state when the waterfall was held.
    pub held: Option<Box<LiveState>>,
    /// The cursor over a held waterfall.
    pub place: Place,
    /// The side of each listener; before they are open, the sides that were requested.
    pub sides: Vec<Side>,
    /// The current or last listen task: late events of others are ignored.
    pub ticket: Option<Ticket>,
    /// Whether the pipeline was requested and has not responded yet.
    pub starting: bool,
    /// Whether it was asked to stop.
    pub stopping: bool,
    /// The file that is played instead of the microphone.
    pub file: Option<PathBuf>,
    /// All of that file, once it was read.
    pub overview: Option<Arc<FileOverview>>,
    /// The playhead: seconds from its beginning.
    pub position_s: f64,
    /// The panel beneath the sound.
    pub panel: LivePanel,
    /// The mixing desk.
    pub desk: Desk,
    /// Bookmarks.
    pub bookmarks: Bookmarks,
    /// The lesson.
    pub teaching: Teaching,
    /// The frame that the moving waterfall has reached, once it moves.
    reached: Option<f64>,
}

impl Listening {
    /// The state to draw.
    pub fn shown(&self) -> &LiveState {
        self.held.as_deref().unwrap_or(&self.state)
    }

    /// Begins another listen task. The sound on show stays until the new one arrives, unless listening is over.
    pub fn begin(&mut self, ticket: Ticket, sides: Vec<Side>) {
        (self.ticket, self.starting, self.stopping) = (Some(ticket), true, false);
        (self.sides, self.held) = (sides, None);
        (self.overview, self.position_s) = (None, 0.0);
        if self.state.status != LiveStatus::Listening {
            self.state = LiveState::default();
        }
    }

    /// Whether there was any sound since it was opened.
    pub fn has_sound(&self) -> bool {
        self.shown().frame_count > 0
    }

    /// Folds one event. While the sound is held, predictions are for the held window.
    pub fn apply(&mut self, event: LiveEvent) {
        match (&mut self.held, &event) {
            (Some(held), LiveEvent::Prediction { .. }) => held.apply(event.clone()),
            (held @ Some(_), LiveEvent::Opened { .. }) => *held = None,
            _ => {}
        }
        self.state.apply(event);
        // It was stopped on request: no sound is no problem.
        if self.stopping && matches!(self.state.status, LiveStatus::Failed(_)) {
            self.state.status = if self.state.frame_count > 0 { LiveStatus::Ended } else { LiveStatus::Idle };
        }
    }

    /// Advances the waterfall by this time. Sound comes in deliveries; the waterfall moves evenly, as little behind
    /// them as that allows.
    pub fn glide(&mut self, elapsed_ms: f64) {
        let newest = self.state.frame_count as f64;
        let reached = self.reached.unwrap_or(newest) + elapsed_ms / 10.0;
        self.reached = Some(reached.clamp((newest - LATEST).max(0.0), newest));
    }

    /// How many of the newest frames are not shown yet; none while it is held.
    pub fn late(&self) -> usize {
        match (self.reached, &self.held, &self.state.status) {
            (Some(reached), None, LiveStatus::Listening) => {
                (self.state.frame_count as f64 - reached).ceil().clamp(0.0, LATEST) as usize
            }
            _ => 0,
        }
    }

    /// The listener of a side.
    pub fn listener_of(&self, side: Side) -> Option<usize> {
        self.sides.iter().position(|of| *of == side).filter(|listener| *listener < self.state.listeners.len())
    }

    /// Whether the pipeline is running.
    pub fn is_on(&self) -> bool {
        self.starting || matches!(self.state.status, LiveStatus::Listening | LiveStatus::Trouble(_))
    }

    /// Holds the waterfall, or continues it.
    pub fn freeze(&mut self) {
        self.held = match self.held {
            Some(_) => None,
            None if self.state.frames.is_empty() => None,
            None => Some(Box::new(self.state.clone())),
        };
        self.place = Place { frame: 0, bin: 64 };
    }

    /// Puts the cursor at a place; that holds the waterfall first.
    pub fn point(&mut self, place: Place) {
        if self.held.is_none() {
            self.freeze();
        }
        let Some(held) = &self.held else { return };
        let bins = held.frames.back().map_or(0, |frame| frame.len());
        let frame = place.frame.min(held.frames.len().saturating_sub(1));
        self.place = Place { frame, bin: place.bin.min(bins.saturating_sub(1)) };
    }

    /// Moves the cursor; that holds the waterfall first.
    pub fn go(&mut self, to: Move) {
        if self.held.is_none() {
            self.freeze();
        }
        let Some(held) = &self.held else { return };
        let bins = held.frames.back().map_or(0, |frame| frame.len());
        let Place { frame, bin } = &mut self.place;
        match to {
            Move::Left => *frame = (*frame + 5).min(held.frames.len().saturating_sub(1)),
            Move::Right => *frame = frame.saturating_sub(5),
            Move::Up => *bin = (*bin + 2).min(bins.saturating_sub(1)),
            Move::Down => *bin = bin.saturating_sub(2),
            _ => {}
        }
    }
}
