//! One run as a state machine: each call of `advance` takes a step or evaluates a batch.
//!
//! Nothing in it depends on the clock but the timings it reports, and every random draw is a function of
//! (seed, epoch, index): a run taken up from a checkpoint ends with the bits of one never interrupted.

use std::time::{Duration, Instant};

use candle_core::Tensor;

use super::{
    AdamW, Answers, Criterion, TrainError,
    batches::Batches,
    frozen::Frozen,
    journal::Journal,
    lr_factor, median,
    snapshot::{self, Part},
    trainer::{Job, Progress},
};
use crate::{
    data::Batch,
    model::{BlockNorms, Engine, ParamStore, StepOutput},
    session::{Best, Checkpoint, Checkpoints, EpochRecord, Event, Lock, Position, RunConfig, StepRecord, Summary},
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
    /// The answers of the last complete epoch.
    pub(super) answers: Option<Answers>,
    pub(super) usual_ms: Vec<f64>,
    pub(super) saved: Saved,
}

/// Validation under way.
pub(super) struct Evaluation {
    answers: Answers,
    /// Batches done.
    done: u64,
    loss_sum: f64,
    loss_weight: f64,
    seconds: f64,
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
}

impl Job for Run {
    fn advance(&mut self, journal: &mut Journal) -> Result<Progress, TrainError> {
        if self.is_complete() {
            return self.finish(journal);
        }
        if self.position.step_in_epoch < self.batches.steps_per_epoch() {
            self.step(journal)?;
            if self.saved.at.elapsed() >= CHECKPOINT_EVERY {
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
        let factor = lr_factor(&self.config.recipe.schedule, self.position.step, epoch);
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
        self.optimizer.update(&self.store, &gradients, |_| lr)?;

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
        let mut ahead = true;
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
            whole = Some(match whole {
                None => output,
                Some(sum) => add(sum, output)?,
            });
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
        let begun = Instant::now();
        let classes = self.config.shape.classes;
        let evaluation = self.evaluation.get_or_insert_with(|| Evaluation {
            answers: Answers::new(classes),
            done: 0,
            loss_sum: 0.0,
            loss_weight: 0.0,
            seconds: 0.0,
        });
        if evaluation.done < self.batches.val_batches() {
            let labels = self.batches.val_labels(evaluation.done);
            let kept = self.frozen.as_ref().and_then(|frozen| frozen.kept(&labels.items));
            let batch = if kept.is_some() { labels } else { self.batches.val(evaluation.done)? };
            let pooled = match &mut self.frozen {
                Some(frozen) if kept.is_none() => Some(frozen.pooled(self.engine.as_mut(), &self.store, &batch)?),
                _ => kept,
            };
            let logits = match pooled {
                Some(pooled) => self.engine.head_logits(&self.store, &pooled)?,
                None => self.engine.logits(&self.store, &batch.features)?,
            };
            let criterion = Criterion::new(self.config.recipe.loss, &batch.targets);
            let (loss, _) = criterion.share(0..batch.items.len(), &logits);
            evaluation.answers.extend(&logits, &batch.targets);
            evaluation.loss_sum += f64::from(loss) * criterion.terms();
            evaluation.loss_weight += criterion.terms();
            evaluation.done += 1;
            evaluation.seconds += begun.elapsed().as_secs_f64();
            let done = evaluation.answers.clips();
            journal.show(Event::Evaluating { done, total: self.batches.val_clips() });
        }
        if evaluation.done < self.batches.val_batches() {
            return Ok(false);
        }
        if let Some(evaluation) = self.evaluation.take() {
            self.end_epoch(evaluation, journal)?;
        }
        Ok(true)
    }

    /// Sums the epoch up.
    fn end_epoch(&mut self, evaluation: Evaluation, journal: &mut Journal) -> Result<(), TrainError> {
        let recipe = &self.config.recipe;
        let value = evaluation.answers.value(recipe.metric);
        let position = &mut self.position;
        let epoch = position.epochs + 1;
        let mean = |sum: f64, weight: f64| if weight > 0.0 { sum / weight } else { 0.0 };
        let record = EpochRecord {
            epoch,
            step: position.step,
            train_loss: mean(position.loss_sum, position.loss_weight) as f32,
            val_loss: mean(evaluation.loss_sum, evaluation.loss_weight) as f32,
            value,
            seconds: position.seconds,
            data_seconds: position.data_seconds,
            eval_seconds: evaluation.seconds,
            lr: self.config.lr * lr_factor(&recipe.schedule, position.step.saturating_sub(1), epoch),
        };
        let reached = Best { epoch, value };
        position.epochs = epoch;
        position.step_in_epoch = 0;
        position.epoch_seconds.push(position.seconds);
        (position.loss_sum, position.loss_weight, position.seconds, position.data_seconds) = (0.0, 0.0, 0.0, 0.0);
        position.last = Some(reached);
        if position.best.is_none_or(|best| value > best.value) {
            position.best = Some(reached);
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
            self.saved.at = Instant::now();
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
        self.saved.mark == Some((self.position.step, self.position.step_in_epoch))
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
            trainable: self.store.trainable().map(|(spec, _)| spec.count()).sum(),
            epoch_seconds: median(self.position.epoch_seconds.clone()).unwrap_or(0.0),
            peak_rss_bytes: peak_rss_bytes(),
        };
        journal.emit(Event::Finished { summary });
        journal.sync()?;
        Ok(Progress::Done)
    }
}

/// Gradients scaled down so that their norm over all parameters is at most `most`; as they are when it is 0.
fn clipped(gradients: Vec<Tensor>, most: f64) -> Result<Vec<Tensor>, TrainError> {
    if most <= 0.0 {
        return Ok(gradients);
    }
    let mut squares = 0.0;
    for gradient in &gradients {
        squares += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
    }
    let norm = squares.sqrt();
    if !norm.is_finite() {
        return Err(TrainError::Failed("a gradient is no number: train again with a lower --lr".to_owned()));
    }
    if norm <= most {
        return Ok(gradients);
    }
    Ok(gradients.iter().map(|gradient| gradient.affine(most / norm, 0.0)).collect::<Result<_, _>>()?)
}

/// Two parts of a batch together.
fn add(sum: StepOutput, part: StepOutput) -> Result<StepOutput, TrainError> {
    let gradients = sum.gradients.iter().zip(&part.gradients).map(|(a, b)| a + b).collect::<Result<_, _>>()?;
    Ok(StepOutput {
        loss: sum.loss + part.loss,
        logits: [sum.logits, part.logits].concat(),
        gradients,
        norms: sum.norms,
    })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::Device;

    use super::*;

    #[test]
    fn clipping_scales_all_gradients_alike_and_leaves_small_ones() {
        let gradients =
            || vec![Tensor::new(&[3f32], &Device::Cpu).unwrap(), Tensor::new(&[4f32], &Device::Cpu).unwrap()];
        let values = |most| -> Vec<f32> {
            let clipped = clipped(gradients(), most).unwrap();
            clipped.iter().map(|gradient| gradient.to_vec1::<f32>().unwrap()[0]).collect()
        };
        assert_eq!(values(0.0), [3.0, 4.0]);
        assert_eq!(values(5.0), [3.0, 4.0]);
        assert!((values(1.0)[0] - 0.6).abs() < 1e-6 && (values(1.0)[1] - 0.8).abs() < 1e-6);
        let wild = vec![Tensor::new(&[f32::NAN], &Device::Cpu).unwrap()];
        assert!(clipped(wild, 1.0).unwrap_err().to_string().contains("lower --lr"));
    }
}
