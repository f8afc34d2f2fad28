//! The events of a run, one JSON object per line in `events.jsonl`.

use serde::{Deserialize, Serialize};

use super::RunConfig;
use crate::model::{BlockNorms, Inventory, pretrain::Outcome};

/// An event with its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// One optimizer step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Steps done, this one included.
    pub step: u64,
    /// The epoch it belongs to, counted from 1.
    pub epoch: u32,
    /// Training loss.
    pub loss: f32,
    /// Learning rate of the step.
    pub lr: f64,
    /// Milliseconds spent waiting for data.
    pub data_ms: f32,
    /// Milliseconds of forward, backward and update.
    pub compute_ms: f32,
}

/// One pass over the training split with its evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: u32,
    /// Steps done at its end.
    pub step: u64,
    /// Mean training loss.
    pub train_loss: f32,
    /// Loss on the validation split.
    pub val_loss: f32,
    /// The recipe's metric on the validation split.
    pub value: f64,
    /// Seconds of the run's own work on training, including data, without evaluation.
    pub seconds: f64,
    /// Seconds of it spent waiting for data.
    pub data_seconds: f64,
    /// Seconds of evaluation, in addition.
    pub eval_seconds: f64,
    /// Learning rate at its end.
    pub lr: f64,
}

/// An epoch and its metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Counted from 1.
    pub epoch: u32,
    /// The metric.
    pub value: f64,
}

/// The metric of the averaged weights of the last epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Averaged {
    /// Epochs in the mean.
    pub epochs: u32,
    /// The recipe's metric on the validation split.
    pub value: f64,
    /// Loss on the validation split.
    pub val_loss: f32,
    /// Seconds of the evaluation.
    pub eval_seconds: f64,
}

/// The summary of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The best epoch on the validation split: the paper's protocol.
    pub best: Option<Best>,
    /// The last epoch.
    pub last: Option<Best>,
    /// The mean of the last epochs' weights, where the recipe asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub averaged: Option<Averaged>,
    /// Parameters that train.
    pub trainable: usize,
    /// Median seconds of an epoch's training.
    pub epoch_seconds: f64,
    /// Peak resident memory of the process, where the system reports it.
    pub peak_rss_bytes: u64,
}

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began; everything that decides its result.
    Started {
        /// Full configuration.
        config: Box<RunConfig>,
        /// What trains and what is frozen.
        inventory: Inventory,
        /// Tokens of a clip.
        tokens: usize,
        /// Clips that train.
        train_clips: usize,
        /// Clips that validate.
        val_clips: usize,
        /// Optimizer steps of an epoch.
        steps_per_epoch: u64,
        /// Bytes of the optimizer's moments.
        moment_bytes: u64,
    },
    /// Data is being decoded before the first epoch.
    Preparing {
        /// Clips done.
        done: usize,
        /// Clips in all.
        total: usize,
    },
    /// A step was taken.
    Step(StepRecord),
    /// The adapters' norms were measured.
    Norms {
        /// At this step.
        step: u64,
        /// One for each block.
        blocks: Vec<BlockNorms>,
        /// Milliseconds that the measurement took.
        cost_ms: f32,
    },
    /// Validation is in progress.
    Evaluating {
        /// Clips done.
        done: usize,
        /// Clips in all.
        total: usize,
    },
    /// An epoch ended.
    Epoch(EpochRecord),
    /// The result of each objective of a pretraining on held-out sound.
    Objectives {
        /// The epoch.
        epoch: u32,
        /// By name.
        outcomes: Vec<(String, Outcome)>,
    },
    /// The mean of the last epochs' weights was evaluated.
    Averaged(Averaged),
    /// A checkpoint is safely on disk.
    Checkpoint {
        /// The number of steps done.
        step: u64,
        /// File name in the session's folder.
        file: String,
        /// Size in bytes.
        bytes: u64,
    },
    /// Someone paused the run.
    Paused,
    /// Someone continued the run.
    Continued,
    /// The run was resumed from the checkpoint of this step; the log's events after that step are void.
    Resumed {
        /// The checkpoint's step.
        step: u64,
        /// Epochs that were complete, evaluation included, when it was written.
        epochs: u32,
    },
    /// A warning; the run continues.
    Warning {
        /// A message to show.
        message: String,
    },
    /// The run is complete, and the disk has no room for its results: they are kept in memory, and writing them is tried
    /// again.
    Waiting {
        /// A message to show: what could not be written.
        message: String,
    },
    /// The run was stopped on request; it can be resumed.
    Stopped,
    /// The run ended by an error.
    Failed {
        /// A message to show: what was wrong and what to do.
        message: String,
    },
    /// The run is complete.
    Finished {
        /// Its summary.
        summary: Summary,
    },
}
