//! One of the two sides of the screen, and its run.

use std::path::{Path, PathBuf};

use super::ticket::Ticket;
use crate::{
    model::Method,
    plot::{Run, Side},
    session::{EpochRecord, Event, RunState, Status},
    train::{self, News},
};

/// A session read from disk.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its folder.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// The folded log.
    pub state: RunState,
}

/// The purpose of opening a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To look at it.
    Look,
    /// To choose it beside the other side's: more may be chosen.
    Choose,
    /// To resume it.
    Resume,
}

/// A run that a trainer of this process is working on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Running {
    /// Its ticket, which its events carry.
    pub ticket: Ticket,
    /// Whether its session has begun or was resumed: from then on its events are those of the session's log.
    pub begun: bool,
    /// Clips decoded before that, and clips in all.
    pub preparing: Option<(usize, usize)>,
    /// Whether its session was deleted: its later events are not shown.
    pub gone: bool,
}

impl Running {
    fn asked(ticket: Ticket) -> Self {
        Self { ticket, begun: false, preparing: None, gone: false }
    }
}

/// A session that is being read.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// The ticket of the request: other results are ignored.
    pub ticket: Ticket,
    /// The session's folder.
    pub path: PathBuf,
    /// The purpose.
    pub purpose: Purpose,
    /// How often it was read before, each time too early.
    pub early: u8,
}

/// The effect of an update on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It continues.
    On,
    /// Its session began or was resumed.
    Began,
    /// Its trainer is done with it.
    Over,
}

/// A side, its method, and its run.
#[derive(Clone, Debug)]
pub struct RunSlot {
    /// Which side.
    pub side: Side,
    /// How the next run of this side adapts the backbone.
    pub method: Method,
    /// The backbone of this side's next run; `None`: the one of the setup.
    pub backbone: Option<String>,
    /// The session on show: its folder, or its name among the sessions if this process began it.
    pub session: Option<PathBuf>,
    /// The run that a trainer is working on.
    pub run: Option<Running>,
    /// The session that will replace it once it is read.
    pub opening: Option<Opening>,
    /// The folded log.
    pub state: RunState,
    /// Why it could not be started, resumed or read.
    pub problem: Option<String>,
}

impl RunSlot {
    /// An empty side.
    pub fn new(side: Side, method: Method) -> Self {
        let state = RunState::default();
        Self { side, method, backbone: None, session: None, run: None, opening: None, state, problem: None }
    }

    /// Clears the side for a new run that was requested.
    pub fn start(&mut self, ticket: Ticket) {
        let backbone = self.backbone.take();
        let run = Some(Running::asked(ticket));
        *self = Self { backbone, run, ..Self::new(self.side, self.method) };
    }

    /// Prepares to resume the run on show.
    pub fn resume(&mut self, ticket: Ticket) {
        self.run = Some(Running::asked(ticket));
        (self.opening, self.problem) = (None, None);
    }

    /// Shows a session read from disk.
    pub fn open(&mut self, opened: Opened) {
        let Opened { path, state, .. } = opened;
        let method = state.config.as_ref().map_or(self.method, |config| config.method);
        *self = Self { session: Some(path), state, ..Self::new(self.side, method) };
    }

    /// Clears the side. Later events of its trainer are not shown either.
    pub fn clear(&mut self) {
        let (backbone, opening) = (self.backbone.take(), self.opening.take());
        let run = self.run.map(|run| Running { gone: true, ..run });
        *self = Self { backbone, opening, run, ..Self::new(self.side, self.method) };
    }

    /// Takes an update of its trainer. Updates before the session began or was resumed are in no log and do not change
    /// the state.
    pub fn take_in(&mut self, news: News) -> Turn {
        let Some(run) = &mut self.run else { return Turn::On };
        let is_over = |event: &Event| matches!(event, Event::Finished { .. } | Event::Failed { .. } | Event::Stopped);
        if run.gone {
            let over = matches!(&news, News::Now(record) if is_over(&record.event));
            self.run = self.run.filter(|_| !over);
            return if over { Turn::Over } else { Turn::On };
        }
        let record = match news {
            News::Past(past) => {
                run.begun = true;
                self.state = *past;
                return Turn::Began;
            }
            News::Now(record) => record,
        };
        let began = if let Event::Started { config, .. } = &record.event {
            run.begun = true;
            self.session = Some(PathBuf::from(&config.session));
            true
        } else {
            false
        };
        match &record.event {
            Event::Preparing { done, total } if !run.begun => run.preparing = Some((*done, *total)),
            Event::Failed { message } if !run.begun => self.problem = Some(message.clone()),
            _ if !run.begun => {}
            _ => self.state.apply(&record),
        }
        if is_over(&record.event) {
            self.run = None;
            return Turn::Over;
        }
        if began { Turn::Began } else { Turn::On }
    }

    /// Whether its session has this name.
    pub fn is_called(&self, name: &str) -> bool {
        self.state.config.as_ref().is_some_and(|config| config.session == name)
    }

    /// Whether this session is on show, given by its folder or by its name.
    pub fn holds(&self, session: &Path) -> bool {
        let is_name = |path: &Path| path.components().count() == 1;
        let is = |own: &Path| {
            own == session || ((is_name(own) || is_name(session)) && own.file_name() == session.file_name())
        };
        self.session.as_deref().is_some_and(is)
    }

    /// Whether there is anything to show.
    pub fn is_empty(&self) -> bool {
        self.state.config.is_none()
    }

    /// Whether a trainer of this process is working on it: it trains, decodes, evaluates or is paused.
    pub fn is_busy(&self) -> bool {
        self.run.is_some()
    }

    /// Whether someone paused it.
    pub fn is_paused(&self) -> bool {
        self.is_busy() && self.status() == Status::Paused
    }

    /// Its status, with what is in no log: that it was requested, and the progress of decoding.
    pub fn status(&self) -> Status {
        match &self.run {
            Some(Running { begun: false, preparing, .. }) => {
                preparing.map_or(Status::New, |(done, total)| Status::Preparing(done, total))
            }
            _ => self.state.status.clone(),
        }
    }

    /// Whether it is incomplete: it resumes from its last checkpoint, or from its first step where it has none.
    pub fn can_resume(&self) -> bool {
        let unfinished = self.state.config.is_some() && self.state.status != Status::Finished;
        !self.is_busy() && self.session.is_some() && unfinished
    }

    /// The run for charts.
    pub fn run(&self) -> Option<Run<'_>> {
        (!self.is_empty()).then_some(Run { side: self.side, state: &self.state })
    }

    /// The method of the run on show, or of the next one.
    pub fn shown_method(&self) -> Method {
        self.state.config.as_ref().map_or(self.method, |config| config.method)
    }

    /// Share of the run's steps that are done.
    pub fn progress(&self) -> f64 {
        match self.state.total_steps() {
            0 => 0.0,
            total => self.state.step() as f64 / total as f64,
        }
    }

    /// Recent steps per second, by the clock: two runs that alternate have half each. The median step decides, so that
    /// pauses and validations between steps do not count.
    pub fn pace(&self) -> Option<f64> {
        let recent: Vec<u64> = self.state.recent.iter().rev().take(32).map(|(at_ms, _)| *at_ms).collect();
        let mut gaps: Vec<_> = recent.windows(2).map(|pair| pair[0].saturating_sub(pair[1])).collect();
        gaps.sort_unstable();
        gaps.get(gaps.len() / 2).filter(|ms| **ms > 0).map(|ms| 1e3 / *ms as f64)
    }

    /// Seconds until the run is complete: the remaining steps at the recent speed, and their evaluations.
    pub fn seconds_left(&self) -> Option<f64> {
        let config = self.state.config.as_ref()?;
        let steps = self.state.total_steps().saturating_sub(self.state.step()) as f64;
        let epochs = f64::from(config.recipe.epochs) - self.state.epochs.len() as f64;
        let evaluation = self.state.epochs.last().map_or(0.0, |(_, epoch)| epoch.eval_seconds);
        Some(steps / self.pace()? + epochs.max(0.0) * evaluation)
    }

    /// Median seconds of an epoch's training, and of its waiting for data.
    pub fn epoch_seconds(&self) -> Option<(f64, f64)> {
        let median = |value: fn(&EpochRecord) -> f64| {
            train::median(self.state.epochs.iter().map(|(_, epoch)| value(epoch)).collect())
        };
        Some((median(|epoch| epoch.seconds)?, median(|epoch| epoch.data_seconds)?))
    }
}
