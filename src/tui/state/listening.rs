//! The Live screen: what is heard, and the cursor over it.

use std::path::PathBuf;

use super::{bookmarks::Bookmarks, desk::Desk, teaching::Teaching, ticket::Ticket};
use crate::{
    live::{LiveEvent, LiveState, LiveStatus},
    plot::Side,
    tui::input::action::{LivePanel, Move},
};

/// Most frames that the moving waterfall may be behind what was heard: two deliveries and some.
const LATEST: f64 = 8.0;

/// A place in the waterfall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Frames of 10 ms before the newest.
    pub frame: usize,
    /// Mel bin.
    pub bin: usize,
}

/// What the Live screen shows.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    /// What is heard right now.
    pub state: LiveState,
    /// What was heard when the waterfall was held.
    pub held: Option<Box<LiveState>>,
    /// The cursor over a held waterfall.
    pub place: Place,
    /// Whose run each ear is; before they are open, who was asked to listen.
    pub sides: Vec<Side>,
    /// The task that listens now, or did last: late events of others are ignored.
    pub ticket: Option<Ticket>,
    /// Whether the pipeline was asked for and has not answered yet.
    pub starting: bool,
    /// Whether it was asked to stop.
    pub stopping: bool,
    /// The file that is played instead of the microphone.
    pub file: Option<PathBuf>,
    /// What is shown beneath the sound.
    pub panel: LivePanel,
    /// The mixing desk.
    pub desk: Desk,
    /// What was kept.
    pub bookmarks: Bookmarks,
    /// What is taught.
    pub teaching: Teaching,
    /// Frames that the moving waterfall has come to, once it moves.
    reached: Option<f64>,
}

impl Listening {
    /// What is to be drawn.
    pub fn shown(&self) -> &LiveState {
        self.held.as_deref().unwrap_or(&self.state)
    }

    /// Others are asked to listen. What is on show stays until they hear something, unless it is over.
    pub fn begin(&mut self, ticket: Ticket, sides: Vec<Side>) {
        (self.ticket, self.starting, self.stopping) = (Some(ticket), true, false);
        (self.sides, self.held) = (sides, None);
        if self.state.status != LiveStatus::Listening {
            self.state = LiveState::default();
        }
    }

    /// Whether anything was heard since it was opened.
    pub fn has_sound(&self) -> bool {
        self.shown().frame_count > 0
    }

    /// Folds one event. While the sound is held, answers are about the held window.
    pub fn apply(&mut self, event: LiveEvent) {
        match (&mut self.held, &event) {
            (Some(held), LiveEvent::Prediction { .. }) => held.apply(event.clone()),
            (held @ Some(_), LiveEvent::Opened { .. }) => *held = None,
            _ => {}
        }
        self.state.apply(event);
        // Who stopped it knows why there is no sound.
        if self.stopping && matches!(self.state.status, LiveStatus::Failed(_)) {
            self.state.status = if self.state.frame_count > 0 { LiveStatus::Ended } else { LiveStatus::Idle };
        }
    }

    /// Moves the waterfall on by this time. Sound comes in deliveries; the waterfall moves evenly, as little behind them
    /// as that allows.
    pub fn glide(&mut self, elapsed_ms: f64) {
        let newest = self.state.frame_count as f64;
        let reached = self.reached.unwrap_or(newest) + elapsed_ms / 10.0;
        self.reached = Some(reached.clamp((newest - LATEST).max(0.0), newest));
    }

    /// How many of the newest frames are not on show yet; none while it stands still.
    pub fn late(&self) -> usize {
        match (self.reached, &self.held, &self.state.status) {
            (Some(reached), None, LiveStatus::Listening) => {
                (self.state.frame_count as f64 - reached).ceil().clamp(0.0, LATEST) as usize
            }
            _ => 0,
        }
    }

    /// The ear that is a side's.
    pub fn listener_of(&self, side: Side) -> Option<usize> {
        self.sides.iter().position(|of| *of == side).filter(|listener| *listener < self.state.listeners.len())
    }

    /// Whether the pipeline is at work.
    pub fn is_on(&self) -> bool {
        self.starting || matches!(self.state.status, LiveStatus::Listening | LiveStatus::Trouble(_))
    }

    /// Holds the waterfall, or lets it go on.
    pub fn freeze(&mut self) {
        self.held = match self.held {
            Some(_) => None,
            None if self.state.frames.is_empty() => None,
            None => Some(Box::new(self.state.clone())),
        };
        self.place = Place { frame: 0, bin: 64 };
    }

    /// Moves the cursor; it appears by holding the waterfall.
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
