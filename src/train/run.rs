//! One run as a state machine: each call of `advance` takes a step or evaluates a batch.
//!
//! Nothing in it depends on the clock but the timings it reports, and every random draw is a function of
//! (seed, epoch, index): a run taken up from a checkpoint ends with the bits of one never interrupted.

use std::time::{Duration, Instant};

use super::{
    AdamW, Answers, Criterion, TrainError,
    average::Average,
    batches::Batches,
    evaluation::Evaluation,
    frozen::Frozen,
    journal::Journal,
    lr_factor, median,
    parts::clipped,
    snapshot::{self, Part},
    trainer::{Job, Progress},
};
use crate::{
    data::Batch,
    model::{BlockNorms, Engine, ParamStore, StepOutput},
    session::{Averaged, Checkpoint, Checkpoints, EpochRecord, Event, Lock, Position, RunConfig, StepRecord, Summary},
};

/// Checkpoints within an epoch are this far apart.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// Steps without norms whose time says what a usual step costs.
const USUAL_STEPS: usize = 15;

/// A run at work. It holds its session's lock.
pub(super) struct Run {
    pub(super) config: RunConfig,
    pub(super) lock: Lock,
    pub(super) engine: Box<dyn Engine>,
    pub(super) store: ParamStore,
    pub(super) optimizer: AdamW,
    pub(super) batches: Batches,
    /// What the backbone makes of each clip, where it never changes.
    pub(super) frozen: Option<Frozen>,
    pub(super) position: Position,
    pub(super) evaluation: Option<Evaluation>,
    /// The mean of the last epochs' weights, where the recipe asks for it.
    pub(super) average: Average,
    /// A model of that mean, under evaluation when every epoch is done.
    pub(super) averaging: Option<(ParamStore, Evaluation)>,
    /// What that mean is worth, once it was evaluated.
    pub(super) averaged: Option<Averaged>,
    /// The answers of the last complete epoch.
    pub(super) answers: Option<Answers>,
    pub(super) usual_ms: Vec<f64>,
    pub(super) saved: Saved,
}

/// What is safe on disk, and what is still to be written.
pub(super) struct Saved {
    /// Step and step in epoch of the last checkpoint, if there is one.
    mark: Option<(u64, u64)>,
    at: Instant,
    /// The best weights, until they are on disk.
    best: Option<(Position, Vec<(String, Part<'static>)>)>,
}

impl Saved {
    /// Of a run that has nothing on disk yet, or everything up to this position.
    pub(super) fn up_to(position: Option<&Position>) -> Self {
        let mark = position.map(|position| (position.step, position.step_in_epoch));
        Self { mark, at: Instant::now(), best: None }
    }

    /// Whether everything up to this position is on disk.
    pub(super) fn is_at(&self, position: &Position) -> bool {
        self.mark == Some((position.step, position.step_in_epoch))
    }

    /// Time since the last checkpoint, or since the last that failed.
    pub(super) fn age(&self) -> Duration {
        self.at.elapsed()
    }

    /// A checkpoint failed: wait as long again before the next.
    pub(super) fn again(&mut self) {
        self.at = Instant::now();
    }
}

impl Job for Run {
    fn advance(&mut self, journal: &mut Journal) -> Result<Progress, TrainError> {
        if self.is_complete() {
            if self.average.epochs() > 0 && self.averaged.is_none() {
                self.evaluate_average(journal)?;
                return Ok(Progress::More);
            }
            return self.finish(journal);
        }
        if self.position.step_in_epoch < self.batches.steps_per_epoch() {
            self.step(journal)?;
            if self.saved.age() >= CHECKPOINT_EVERY {
                self.try_checkpoint(journal);
            }
        } else if self.evaluate(journal)? {
            self.try_checkpoint(journal);
        }
        Ok(Progress::More)
    }

    fn checkpoint(&mut self, journal: &mut Journal) -> Result<(), TrainError> {
        self.try_checkpoint(journal);
        Ok(())
    }
}

impl Run {
    /// One optimizer step.
    fn step(&mut self, journal: &mut Journal) -> Result<(), TrainError> {
        let begun = Instant::now();
        let epoch = self.position.epochs + 1;
        let (batch, kept) = self.training_batch(epoch)?;
        let data = begun.elapsed();
        let pooled = match &mut self.frozen {
            Some(frozen) if frozen.trains && kept.is_none() => {
                Some(frozen.pooled(self.engine.as_mut(), &self.store, &batch)?)
            }
            _ => kept,
        };
        let steps = self.batches.steps_per_epoch();
        let factor = lr_factor(&self.config.recipe.schedule, self.position.step, steps);
        let lr = self.config.lr * factor;
        let step = self.position.step + 1;
        let wants_norms = self.config.norms_every > 0 && step.is_multiple_of(self.config.norms_every);
        let criterion = Criterion::new(self.config.recipe.loss, &batch.targets);
        let output = self.forward_and_backward(&batch, pooled.as_deref(), &criterion, wants_norms)?;
        if !output.loss.is_finite() {
            return Err(TrainError::Failed(format!(
                "the loss of step {step} is {}: training has diverged; train again with a lower --lr than {}",
                output.loss, self.config.lr
            )));
        }
        let gradients = clipped(output.gradients, self.config.recipe.clip_norm)?;
        let rates = self.config.recipe.rates;
        self.optimizer.update(&self.store, &gradients, |spec| lr * rates.of(spec.part))?;
        // An accelerator is still at it when the host is done.
        self.store.device().synchronize()?;
        if let Some(message) = self.engine.note() {
            journal.emit(Event::Warning { message });
        }

        let whole = begun.elapsed();
        let compute_ms = (whole - data).as_secs_f64() * 1e3;
        self.position.step = step;
        self.position.step_in_epoch += 1;
        self.position.loss_sum += f64::from(output.loss) * criterion.terms();
        self.position.loss_weight += criterion.terms();
        self.position.seconds += whole.as_secs_f64();
        self.position.data_seconds += data.as_secs_f64();
        journal.emit(Event::Step(StepRecord {
            step,
            epoch,
            loss: output.loss,
            lr,
            data_ms: (data.as_secs_f64() * 1e3) as f32,
            compute_ms: compute_ms as f32,
        }));
        self.tell_norms(output.norms, compute_ms, journal);
        Ok(())
    }

    /// The next batch, and what the backbone makes of its clips where that is kept: then its sound is left out.
    fn training_batch(&mut self, epoch: u32) -> Result<(Batch, Option<Vec<f32>>), TrainError> {
        let step = self.position.step_in_epoch;
        let mut ahead = epoch < self.config.recipe.epochs;
        if let Some(frozen) = self.frozen.as_ref().filter(|frozen| frozen.trains) {
            let labels = self.batches.train_labels(epoch, step);
            if let Some(kept) = frozen.kept(&labels.items) {
                return Ok((labels, Some(kept)));
            }
            ahead = false;
        }
        Ok((self.batches.train(epoch, step, ahead)?, None))
    }

    /// The gradient of a whole batch, by way of as many parts as memory asks for.
    fn forward_and_backward(
        &mut self,
        batch: &Batch,
        pooled: Option<&[f32]>,
        criterion: &Criterion<'_>,
        norms: bool,
    ) -> Result<StepOutput, TrainError> {
        let mut whole: Option<StepOutput> = None;
        let (clips, size, d) = (batch.items.len(), self.config.micro_batch.max(1), self.config.shape.hidden);
        for start in (0..clips).step_by(size) {
            let end = (start + size).min(clips);
            let mut loss = |range: std::ops::Range<usize>, logits: &[f32]| {
                criterion.share(start + range.start..start + range.end, logits)
            };
            // Norms of the first part stand for the batch: the measurement shall cost little.
            let output = match pooled {
                Some(pooled) => self.engine.head_step(&self.store, &pooled[start * d..end * d], &mut loss)?,
                None => {
                    let part = batch.features.part(start..end);
                    self.engine.step(&self.store, &part, &mut loss, norms && start == 0)?
                }
            };
            match &mut whole {
                None => whole = Some(output),
                Some(whole) => whole.add(output)?,
            }
        }
        whole.ok_or_else(|| TrainError::Failed("a batch without clips".to_owned()))
    }

    /// Tells the norms, and what measuring them cost beyond a usual step.
    fn tell_norms(&mut self, norms: Option<Vec<BlockNorms>>, compute_ms: f64, journal: &mut Journal) {
        match norms {
            Some(blocks) => {
                let usual = median(self.usual_ms.clone()).unwrap_or(compute_ms);
                let cost_ms = (compute_ms - usual).max(0.0) as f32;
                journal.emit(Event::Norms { step: self.position.step, blocks, cost_ms });
            }
            None => {
                if self.usual_ms.len() >= USUAL_STEPS {
                    self.usual_ms.remove(0);
                }
                self.usual_ms.push(compute_ms);
            }
        }
    }

    /// Evaluates one batch of the validation split; true when that ends the epoch.
    fn evaluate(&mut self, journal: &mut Journal) -> Result<bool, TrainError> {
        let (classes, loss) = (self.config.shape.classes, self.config.recipe.loss);
        let evaluation = self.evaluation.get_or_insert_with(|| Evaluation::new(classes));
        if !evaluation.advance(
            self.engine.as_mut(),
            &self.store,
            &mut self.batches,
            self.frozen.as_mut(),
            loss,
            journal,
        )? {
            return Ok(false);
        }
        if let Some(evaluation) = self.evaluation.take() {
            self.end_epoch(evaluation, journal)?;
        }
        Ok(true)
    }

    /// The same for the averaged weights, which are then written and told of.
    fn evaluate_average(&mut self, journal: &mut Journal) -> Result<(), TrainError> {
        let (classes, loss) = (self.config.shape.classes, self.config.recipe.loss);
        let (mean, mut evaluation) = match self.averaging.take() {
            Some(begun) => begun,
            None => (self.average.store(&self.store)?, Evaluation::new(classes)),
        };
        if !evaluation.advance(self.engine.as_mut(), &mean, &mut self.batches, self.frozen.as_mut(), loss, journal)? {
            self.averaging = Some((mean, evaluation));
            return Ok(());
        }
        let averaged = Averaged {
            epochs: self.average.epochs(),
            value: evaluation.answers.value(self.config.recipe.metric),
            val_loss: evaluation.loss() as f32,
            eval_seconds: evaluation.seconds,
        };
        let mut parts = snapshot::weights(&mean)?;
        parts.extend(snapshot::answers(&evaluation.answers));
        let path = Checkpoints::of(self.lock.folder()).averaged_path();
        Checkpoint::write(&path, &self.position, parts.iter().map(|(name, part)| (name, part)))?;
        self.averaged = Some(averaged);
        journal.emit(Event::Averaged(averaged));
        Ok(())
    }

    /// Sums the epoch up.
    fn end_epoch(&mut self, evaluation: Evaluation, journal: &mut Journal) -> Result<(), TrainError> {
        let (recipe, steps) = (&self.config.recipe, self.batches.steps_per_epoch());
        let value = evaluation.answers.value(recipe.metric);
        let position = &mut self.position;
        let epoch = position.epochs + 1;
        if epoch + recipe.average_last > recipe.epochs {
            self.average.add(&self.store)?;
            position.averaged = self.average.epochs();
        }
        let mean = |sum: f64, weight: f64| if weight > 0.0 { sum / weight } else { 0.0 };
        let record = EpochRecord {
            epoch,
            step: position.step,
            train_loss: mean(position.loss_sum, position.loss_weight) as f32,
            val_loss: evaluation.loss() as f32,
            value,
            seconds: position.seconds,
            data_seconds: position.data_seconds,
            eval_seconds: evaluation.seconds,
            lr: self.config.lr * lr_factor(&recipe.schedule, position.step.saturating_sub(1), steps),
        };
        if position.end_epoch(value) {
            let mut parts = snapshot::weights(&self.store)?;
            parts.extend(snapshot::answers(&evaluation.answers));
            self.saved.best = Some((position.clone(), parts));
        }
        self.answers = Some(evaluation.answers);
        journal.emit(Event::Epoch(record));
        Ok(())
    }

    /// Writes a checkpoint unless the newest is of this step, and best weights when they are due. A disk that
    /// refuses stops no training: it is said, what is there stays, and the next point tries again.
    fn try_checkpoint(&mut self, journal: &mut Journal) {
        if let Err(error) = self.save(journal) {
            self.saved.again();
            journal.emit(Event::Warning { message: format!("no checkpoint of step {}: {error}", self.position.step) });
        }
    }

    fn save(&mut self, journal: &mut Journal) -> Result<(), TrainError> {
        let checkpoints = Checkpoints::of(self.lock.folder());
        if let Some((position, weights)) = &self.saved.best {
            Checkpoint::write(&checkpoints.best_path(), position, weights.iter().map(|(name, part)| (name, part)))?;
            self.saved.best = None;
        }
        if self.is_saved() {
            return Ok(());
        }
        let path = checkpoints.path(self.position.step);
        let mut parts = snapshot::all(&self.store, &self.optimizer)?;
        parts.extend(self.average.parts(&self.store));
        parts.extend(self.answers.iter().flat_map(snapshot::answers));
        let bytes = Checkpoint::write(&path, &self.position, parts.iter().map(|(name, part)| (name, part)))?;
        drop(parts);
        self.saved = Saved::up_to(Some(&self.position));
        let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        journal.emit(Event::Checkpoint { step: self.position.step, file, bytes });
        checkpoints.prune();
        journal.sync()?;
        Ok(())
    }

    /// Whether every epoch is done, or the recipe's patience is over.
    fn is_complete(&self) -> bool {
        let Position { epochs, best, .. } = &self.position;
        let recipe = &self.config.recipe;
        let waited = best.map_or(0, |best| epochs - best.epoch);
        *epochs >= recipe.epochs || (recipe.patience > 0 && waited >= recipe.patience)
    }

    fn is_saved(&self) -> bool {
        self.saved.is_at(&self.position)
    }

    /// The end: everything must be on disk.
    fn finish(&mut self, journal: &mut Journal) -> Result<Progress, TrainError> {
        self.save(journal)?;
        if self.position.epochs < self.config.recipe.epochs {
            let patience = self.config.recipe.patience;
            let message = format!("ended early: {patience} epochs without a better metric");
            journal.emit(Event::Warning { message });
        }
        let summary = Summary {
            best: self.position.best,
            last: self.position.last,
            averaged: self.averaged,
            trainable: self.store.trainable().map(|(spec, _)| spec.count()).sum(),
            epoch_seconds: median(self.position.epoch_seconds.clone()).unwrap_or(0.0),
            peak_rss_bytes: peak_rss_bytes(),
        };
        journal.emit(Event::Finished { summary });
        journal.sync()?;
        Ok(Progress::Done)
    }
}

/// Peak resident memory of the process; 0 where the system does not tell.
pub fn peak_rss_bytes() -> u64 {
    #[cfg(unix)]
    {
        use nix::sys::resource::{UsageWho, getrusage};
        // Linux counts in KiB, macOS in bytes.
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss().max(0) as u64 * unit)
    }
    #[cfg(not(unix))]
    0
}
