//! One of the two runs on the screen.

use std::path::PathBuf;

use super::{action::Opened, layers::Adapter};
use crate::{
    model::{BlockNorms, Method},
    plot::{Run, Side, Trace},
    session::{EpochRecord, Event, Record, RunState, Status},
};

/// Where a slot's run comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Origin {
    /// Nothing ran here yet.
    #[default]
    Empty,
    /// Asked for; the first event has not come yet.
    Starting,
    /// Trained by this process.
    Here,
    /// Read from a session's folder.
    Disk(PathBuf),
}

/// A side, its method, and its run.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Which side.
    pub side: Side,
    /// How the next run of this side adapts the backbone.
    pub method: Method,
    /// What the next run of this side adapts; `None`: what the setup says.
    pub backbone: Option<String>,
    /// Where the run comes from.
    pub origin: Origin,
    /// Whether its trainer's thread is alive in this process.
    pub alive: bool,
    /// The run.
    pub state: RunState,
    /// Its steps, condensed.
    pub trace: Trace,
    /// The greatest value of each adapter so far, for the scales of maps: norms, then ratios.
    pub peaks: [[f64; 2]; 2],
    /// Why it could not be started.
    pub problem: Option<String>,
}

impl Slot {
    /// Nothing yet.
    pub fn new(side: Side, method: Method) -> Self {
        let (backbone, state, trace, peaks, problem) = Default::default();
        Self { side, method, backbone, origin: Origin::Empty, alive: false, state, trace, peaks, problem }
    }

    /// Makes room for a run that was asked for.
    pub fn start(&mut self) {
        let backbone = self.backbone.take();
        *self = Self { backbone, origin: Origin::Starting, alive: true, ..Self::new(self.side, self.method) };
    }

    /// Makes room for the rest of a run that was opened before.
    pub fn resume(&mut self, path: PathBuf) {
        self.origin = Origin::Disk(path);
        self.alive = true;
        self.problem = None;
    }

    /// Takes in a session read from disk.
    pub fn open(&mut self, opened: Opened) {
        let Opened { path, state, trace, .. } = opened;
        let method = state.config.as_ref().map_or(self.method, |config| config.method);
        *self = Self { origin: Origin::Disk(path), state, trace, ..Self::new(self.side, method) };
        for norms in &self.state.norms {
            raise(&mut self.peaks, &norms.blocks);
        }
    }

    /// Folds an event of the run in this process.
    pub fn apply(&mut self, record: &Record) {
        if matches!(record.event, Event::Started { .. }) {
            self.origin = Origin::Here;
        }
        if let Event::Norms { blocks, .. } = &record.event {
            raise(&mut self.peaks, blocks);
        }
        self.trace.apply(record);
        self.state.apply(record);
    }

    /// Whether its session has this name.
    pub fn is_called(&self, name: &str) -> bool {
        self.state.config.as_ref().is_some_and(|config| config.session == name)
    }

    /// Whether there is anything to show.
    pub fn is_empty(&self) -> bool {
        self.state.config.is_none()
    }

    /// Whether it trains, decodes or evaluates right now, in this process.
    pub fn is_busy(&self) -> bool {
        self.alive && !self.state.is_over()
    }

    /// Whether someone paused it.
    pub fn is_paused(&self) -> bool {
        self.alive && self.state.status == Status::Paused
    }

    /// Whether it was left unfinished and has a checkpoint to go on from.
    pub fn can_resume(&self) -> bool {
        !self.alive && self.state.checkpoint.is_some() && self.state.status != Status::Finished
    }

    /// What charts need.
    pub fn run(&self) -> Option<Run<'_>> {
        (!self.is_empty()).then_some(Run { side: self.side, state: &self.state, trace: &self.trace })
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

    /// Steps a second lately, by the clock: of two runs that step about, each has half.
    /// The median step decides, so that pauses and validations between steps do not count.
    pub fn pace(&self) -> Option<f64> {
        let recent = &self.state.steps[self.state.steps.len().saturating_sub(32)..];
        let mut gaps: Vec<_> = recent.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0)).collect();
        gaps.sort_unstable();
        gaps.get(gaps.len() / 2).filter(|ms| **ms > 0).map(|ms| 1e3 / *ms as f64)
    }

    /// Seconds until the run is complete: the steps that are left at the recent pace, and their evaluations.
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
            let mut values: Vec<_> = self.state.epochs.iter().map(|(_, epoch)| value(epoch)).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied()
        };
        Some((median(|epoch| epoch.seconds)?, median(|epoch| epoch.data_seconds)?))
    }
}

/// Raises the greatest values to those of a measurement.
fn raise(peaks: &mut [[f64; 2]; 2], blocks: &[BlockNorms]) {
    for (adapter, peaks) in Adapter::BOTH.into_iter().zip(peaks) {
        for (ratio, peak) in [false, true].into_iter().zip(peaks) {
            *peak = blocks.iter().map(|block| adapter.value(block, ratio)).fold(*peak, f64::max);
        }
    }
}
