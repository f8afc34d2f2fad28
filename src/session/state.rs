//! The state of a run: a pure fold over its events.

use std::collections::VecDeque;

use super::{Averaged, Best, EpochRecord, Event, Record, RunConfig, StepRecord, Summary, norms::Norms, trace::Trace};
use crate::model::{Inventory, Part, pretrain::Outcome};

/// Newest steps that are kept one by one: enough to compute a run's speed.
const RECENT: usize = 64;

/// The status of a run.
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

/// Everything a view shows of a run. Its size does not depend on the run's length: each epoch is kept exactly, steps and
/// norms as buckets with their extremes ([`Trace`], [`Norms`]); the log on disk has every step.
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
    /// The status.
    pub status: Status,
    /// The training loss of every step, condensed, and the clock of the run's work.
    pub trace: Trace,
    /// The newest steps one by one, each with its time.
    pub recent: VecDeque<(u64, StepRecord)>,
    pub(crate) step: u64,
    /// Every finished epoch, with its time.
    pub epochs: Vec<(u64, EpochRecord)>,
    /// The metric of the averaged weights of the last epochs.
    pub averaged: Option<Averaged>,
    /// Measurements of the adapters, condensed.
    pub norms: Norms,
    /// The result of each objective of a pretraining in the last epoch.
    pub objectives: Vec<(String, Outcome)>,
    /// Step and file of the last checkpoint.
    pub checkpoint: Option<(u64, String)>,
    /// Warnings, in order.
    pub warnings: Vec<String>,
    /// What could not be written, while a complete run waits for room on the disk.
    pub waiting: Option<String>,
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

    /// Folds one event. `Started` resets the state, so that a log that is sent twice is folded once.
    pub fn apply(&mut self, record: &Record) {
        let at = record.at_ms;
        match record.event {
            Event::Started { .. } => *self = Self::default(),
            // Progress reports are in no log and leave no lasting trace in the state.
            Event::Preparing { done, total } => return self.status = Status::Preparing(done, total),
            Event::Evaluating { done, total } => return self.status = Status::Evaluating(done, total),
            _ => {}
        }
        self.span_ms = Some((self.span_ms.map_or(at, |(first, _)| first), at));
        self.trace.apply(record);
        if !matches!(record.event, Event::Warning { .. } | Event::Checkpoint { .. }) {
            self.waiting = None;
        }
        match &record.event {
            Event::Started { config, inventory, tokens, train_clips, val_clips, steps_per_epoch, moment_bytes } => {
                self.config = Some(config.clone());
                self.inventory = inventory.clone();
                self.tokens = *tokens;
                self.clips = (*train_clips, *val_clips);
                self.steps_per_epoch = *steps_per_epoch;
                self.moment_bytes = *moment_bytes;
            }
            Event::Preparing { .. } | Event::Evaluating { .. } => {}
            Event::Step(step) => {
                self.status = Status::Running;
                self.step = step.step;
                if self.recent.len() >= RECENT {
                    self.recent.pop_front();
                }
                self.recent.push_back((at, *step));
            }
            Event::Norms { step, blocks, .. } => self.norms.push(*step, blocks),
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
            Event::Waiting { message } => self.waiting = Some(message.clone()),
            Event::Stopped => self.status = Status::Stopped,
            Event::Failed { message } => self.status = Status::Failed(message.clone()),
            Event::Finished { summary } => {
                self.summary = Some(summary.clone());
                self.status = Status::Finished;
            }
        }
    }

    /// Forgets everything after a checkpoint: a resumed run does it again.
    fn rewind(&mut self, step: u64, epochs: u32) {
        self.step = step;
        self.recent.retain(|(_, record)| record.step <= step);
        self.epochs.retain(|(_, record)| record.epoch <= epochs);
        self.norms.rewind(step);
        self.averaged = None;
        self.summary = None;
        self.status = Status::Running;
    }

    /// The same without steps and norms: what a list shows.
    #[must_use]
    pub fn outline(self) -> Self {
        Self { trace: Trace::default(), recent: VecDeque::new(), norms: Norms::default(), ..self }
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The newest step, unless the run was resumed since.
    pub fn newest_step(&self) -> Option<&StepRecord> {
        self.recent.back().map(|(_, step)| step)
    }

    /// The parts that train at another learning rate than the run's, with their peak rates.
    pub fn own_rates(&self) -> Vec<(Part, f32)> {
        let Some(config) = &self.config else { return Vec::new() };
        let trains = |part| self.inventory.groups.iter().any(|group| group.part == part && group.trainable > 0);
        let parts = Part::NETWORK.into_iter().map(|part| (part, config.recipe.rates.of(part)));
        parts
            .filter(|&(part, factor)| factor != 1.0 && trains(part))
            .map(|(part, factor)| (part, (config.lr * factor) as f32))
            .collect()
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

    /// Whether no event will follow unless the run is resumed.
    pub fn is_over(&self) -> bool {
        matches!(self.status, Status::Finished | Status::Failed(_) | Status::Stopped)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::session::testing;

    #[test]
    fn a_log_sent_twice_is_folded_once() {
        let records = testing::records();
        let once = RunState::from_records(&records);
        let twice = RunState::from_records(records.iter().chain(&records));
        assert_eq!(once, twice);
        assert_eq!((once.epochs.len(), once.warnings.len(), once.trace.epoch_seconds().count()), (2, 1, 2));
    }

    #[test]
    fn a_resumed_run_stands_at_its_checkpoint_however_long_ago_that_was() {
        let mut records = testing::records();
        records.pop();
        let step = |step: u64| Event::Step(StepRecord { step, epoch: 3, ..StepRecord::default() });
        records.extend((5..900).map(|n| Record { at_ms: 1_700_000_002_000 + n, event: step(n) }));
        records.push(Record { at_ms: 1_700_009_000_000, event: Event::Resumed { step: 2, epochs: 1 } });
        let state = RunState::from_records(&records);
        assert_eq!((state.step(), state.epochs.len(), state.trace.epoch_seconds().count()), (2, 1, 1));
        assert_eq!(state.trace.buckets().last().unwrap().last, 2);
        assert!(state.trace.active_s() < 1.0, "hours between two processes are no work");
    }

    #[test]
    fn a_long_run_takes_no_more_room_than_a_short_one() {
        let mut state = RunState::default();
        let (mut at_ms, blocks) = (0, vec![crate::model::BlockNorms::default(); 12]);
        for step in 1..=200_000u64 {
            at_ms += 20;
            let event = Event::Step(StepRecord { step, loss: if step == 7 { 9.0 } else { 1.0 }, ..Default::default() });
            state.apply(&Record { at_ms, event });
            state.apply(&Record { at_ms, event: Event::Norms { step, blocks: blocks.clone(), cost_ms: 0.0 } });
        }
        assert_eq!((state.recent.len(), state.step()), (RECENT, 200_000));
        assert!(state.trace.buckets().len() <= super::super::BUCKETS && state.norms.buckets().len() <= 512);
        assert_eq!(state.trace.buckets()[0].max, 9.0, "no spike vanishes");
    }
}
