//! A run's batches: the loaders of its training and its validation clips.

use std::{ops::ControlFlow, sync::Arc};

use super::{TrainError, plan::Plan};
use crate::data::{self, DataError, Dataset, FeatureSet, Labels, Loader};

/// Clips of a batch that is only evaluated.
const EVALUATED: usize = 16;

/// One run's batches, each found by its position, so that a run continues where it stopped.
pub(super) struct Batches {
    set: Arc<FeatureSet>,
    train: Loader,
    val: Loader,
    /// The epoch in training.
    training: Option<(u32, data::Batches)>,
    /// The validation split in evaluation.
    validating: Option<data::Batches>,
    /// Which clips are in which batch of a training epoch, and of the validation split.
    train_labels: Option<(u32, Labels)>,
    val_labels: Labels,
}

impl Batches {
    /// The batches of a planned run. Decodes every clip first, so that one that cannot be read is known before
    /// training; `progress` may cancel.
    pub(super) fn new(
        plan: &Plan,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, DataError> {
        let (config, set) = (&plan.config, &plan.features);
        let (train, val) = (plan.division.train.clone(), plan.division.val.clone());
        set.prepare(&[train.as_slice(), &val].concat(), progress)?;
        let normalisation = config.normalisation;
        let val = Loader::evaluation(Arc::clone(set), val, &config.recipe, normalisation, EVALUATED);
        Ok(Self {
            set: Arc::clone(set),
            train: Loader::training(Arc::clone(set), train, &config.recipe, normalisation, config.seed),
            val_labels: val.labels(1),
            val,
            training: None,
            validating: None,
            train_labels: None,
        })
    }

    /// The data set.
    pub(super) fn dataset(&self) -> &Dataset {
        self.set.dataset()
    }

    /// The epoch whose training batches are being made.
    #[cfg(test)]
    pub(super) fn prepared(&self) -> Option<u32> {
        self.training.as_ref().map(|(epoch, _)| *epoch)
    }

    pub(super) fn steps_per_epoch(&self) -> u64 {
        self.train.batches()
    }

    pub(super) fn val_batches(&self) -> u64 {
        self.val.batches()
    }

    pub(super) fn val_clips(&self) -> usize {
        self.val.clips()
    }

    /// Batch `step` (from 0) of an epoch (from 1). `ahead` says whether the next epoch will need its batches.
    pub(super) fn train(&mut self, epoch: u32, step: u64, ahead: bool) -> Result<data::Batch, TrainError> {
        let at = |(at_epoch, stream): &(u32, data::Batches)| *at_epoch == epoch && stream.position() == step;
        if !self.training.as_ref().is_some_and(at) {
            // The old threads end before new ones start.
            self.training = None;
            self.training = Some((epoch, self.train.epoch(epoch, step)));
        }
        let batch = self.training.as_mut().and_then(|(_, stream)| stream.next());
        if ahead && step + 1 == self.train.batches() {
            // The next epoch's first batches are made while this one is evaluated.
            self.training = Some((epoch + 1, self.train.epoch(epoch + 1, 0)));
        }
        batch.unwrap_or_else(|| Err(missing(step))).map_err(TrainError::from)
    }

    /// The same batch without its sound, its labels not mixed.
    pub(super) fn train_labels(&mut self, epoch: u32, step: u64) -> data::Batch {
        let labels = match self.train_labels.take() {
            Some((at, labels)) if at == epoch => labels,
            _ => self.train.labels(epoch),
        };
        let batch = labels.batch(step);
        self.train_labels = Some((epoch, labels));
        batch
    }

    /// Batch `number` (from 0) of the validation split, without its sound.
    pub(super) fn val_labels(&self, number: u64) -> data::Batch {
        self.val_labels.batch(number)
    }

    /// Batch `number` (from 0) of the validation split.
    pub(super) fn val(&mut self, number: u64) -> Result<data::Batch, TrainError> {
        if self.validating.as_ref().is_none_or(|stream| stream.position() != number) {
            self.validating = Some(self.val.epoch(1, number));
        }
        let batch = self.validating.as_mut().and_then(|stream| stream.next());
        batch.unwrap_or_else(|| Err(missing(number))).map_err(TrainError::from)
    }
}

fn missing(number: u64) -> DataError {
    DataError::Request(format!("the loader has no batch {number}"))
}
