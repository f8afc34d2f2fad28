//! The state of a run: a pure fold over its events.

use super::{Averaged, Best, EpochRecord, Event, Record, RunConfig, StepRecord, Summary};
use crate::model::{BlockNorms, Inventory, pretrain::Outcome};

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Status {
    /// Nothing has happened yet.
    #[default]
    New,
    /// Decoding before the first epoch: clips done, clips in all.
    Preparing(usize, usize),
    /// Training.
    Running,
    /// Validating: clips done, clips in all.
    Evaluating(usize, usize),
    /// Paused by someone.
    Paused,
    /// Stopped on request; can be resumed.
    Stopped,
    /// Ended by an error.
    Failed(String),
    /// Complete.
    Finished,
}

/// One measurement of the adapters' norms.
#[derive(Clone, Debug, PartialEq)]
pub struct NormsRecord {
    /// At this step.
    pub step: u64,
    /// One for each block.
    pub blocks: Vec<BlockNorms>,
    /// Milliseconds the measurement cost.
    pub cost_ms: f32,
}

/// Everything a view shows of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunState {
    /// Set by the first event.
    pub config: Option<Box<RunConfig>>,
    /// What trains.
    pub inventory: Inventory,
    /// Tokens of a clip.
    pub tokens: usize,
    /// Clips that train and clips that validate.
    pub clips: (usize, usize),
    /// Optimizer steps of an epoch.
    pub steps_per_epoch: u64,
    /// Bytes of the optimizer's moments.
    pub moment_bytes: u64,
    /// Where it stands.
    pub status: Status,
    /// Every step, with its time.
    pub steps: Vec<(u64, StepRecord)>,
    /// Every finished epoch, with its time.
    pub epochs: Vec<(u64, EpochRecord)>,
    /// What the mean of the last epochs' weights is worth.
    pub averaged: Option<Averaged>,
    /// Measurements of the adapters.
    pub norms: Vec<NormsRecord>,
    /// What each objective of a pretraining came to in the last epoch.
    pub objectives: Vec<(String, Outcome)>,
    /// Step and file of the last checkpoint.
    pub checkpoint: Option<(u64, String)>,
    /// Warnings, in order.
    pub warnings: Vec<String>,
    /// Set by the last event of a complete run.
    pub summary: Option<Summary>,
    /// Time of the first and the last event, ms since the Unix epoch.
    pub span_ms: Option<(u64, u64)>,
}

impl RunState {
    /// Folds a whole log.
    pub fn from_records<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut state = Self::default();
        for record in records {
            state.apply(record);
        }
        state
    }

    /// Folds one event.
    pub fn apply(&mut self, record: &Record) {
        let at = record.at_ms;
        self.span_ms = Some((self.span_ms.map_or(at, |(first, _)| first), at));
        match &record.event {
            Event::Started { config, inventory, tokens, train_clips, val_clips, steps_per_epoch, moment_bytes } => {
                self.config = Some(config.clone());
                self.inventory = inventory.clone();
                self.tokens = *tokens;
                self.clips = (*train_clips, *val_clips);
                self.steps_per_epoch = *steps_per_epoch;
                self.moment_bytes = *moment_bytes;
            }
            Event::Preparing { done, total } => self.status = Status::Preparing(*done, *total),
            Event::Step(step) => {
                self.status = Status::Running;
                self.steps.push((at, *step));
            }
            Event::Norms { step, blocks, cost_ms } => {
                self.norms.push(NormsRecord { step: *step, blocks: blocks.clone(), cost_ms: *cost_ms });
            }
            Event::Evaluating { done, total } => self.status = Status::Evaluating(*done, *total),
            Event::Epoch(epoch) => {
                self.status = Status::Running;
                self.epochs.push((at, *epoch));
            }
            Event::Objectives { outcomes, .. } => self.objectives = outcomes.clone(),
            Event::Averaged(averaged) => {
                self.status = Status::Running;
                self.averaged = Some(*averaged);
            }
            Event::Checkpoint { step, file, .. } => self.checkpoint = Some((*step, file.clone())),
            Event::Paused => self.status = Status::Paused,
            Event::Continued => self.status = Status::Running,
            Event::Resumed { step, epochs } => self.rewind(*step, *epochs),
            Event::Warning { message } => self.warnings.push(message.clone()),
            Event::Stopped => self.status = Status::Stopped,
            Event::Failed { message } => self.status = Status::Failed(message.clone()),
            Event::Finished { summary } => {
                self.summary = Some(summary.clone());
                self.status = Status::Finished;
            }
        }
    }

    /// Forgets what came after a checkpoint: a resumed run does it again.
    fn rewind(&mut self, step: u64, epochs: u32) {
        self.steps.retain(|(_, record)| record.step <= step);
        self.epochs.retain(|(_, record)| record.epoch <= epochs);
        self.norms.retain(|record| record.step <= step);
        self.averaged = None;
        self.summary = None;
        self.status = Status::Running;
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.steps.last().map_or(0, |(_, step)| step.step)
    }

    /// Steps the whole run takes.
    pub fn total_steps(&self) -> u64 {
        self.config.as_ref().map_or(0, |config| u64::from(config.recipe.epochs) * self.steps_per_epoch)
    }

    /// The best epoch so far.
    pub fn best(&self) -> Option<Best> {
        let best = |best: Option<Best>, (_, epoch): &(u64, EpochRecord)| match best {
            Some(best) if best.value >= epoch.value => Some(best),
            _ => Some(Best { epoch: epoch.epoch, value: epoch.value }),
        };
        self.epochs.iter().fold(None, best)
    }

    /// The last epoch.
    pub fn last(&self) -> Option<Best> {
        self.epochs.last().map(|(_, epoch)| Best { epoch: epoch.epoch, value: epoch.value })
    }

    /// Whether nothing more will come without someone asking.
    pub fn is_over(&self) -> bool {
        matches!(self.status, Status::Finished | Status::Failed(_) | Status::Stopped)
    }
}
