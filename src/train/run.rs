//! One run as a state machine: each call of `advance` takes a step or evaluates a batch.
//!
//! Only the reported timings depend on the clock, and every random draw is a function of (seed, epoch, index): a run
//! resumed from a checkpoint ends with the same bits as one that was never interrupted.

use std::time::{Duration, Instant};

use super::{
    AdamW, Criterion, Predictions, TrainError,
    average::Average,
    batches::Batches,
    diverged::{self, MOST_SKIPPED, What},
    evaluation::Evaluation,
    frozen::Frozen,
    job::{Job, Progress},
    journal::Journal,
    lr_factor, median,
    parts::clipping,
    session_writer::{self, SessionWriter},
    snapshot,
};
use crate::{
    data::Batch,
    model::{BlockNorms, Engine, ParamStore, StepOutput},
    session::{Averaged, EpochRecord, Event, OnNan, Position, RunConfig, StepRecord},
};

/// Time between two checkpoints within an epoch.
pub(super) const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// Steps without norms over which the time of a usual step is measured.
const USUAL_STEPS: usize = 15;

/// A run in progress.
pub(super) struct Run {
    pub(super) config: RunConfig,
    pub(super) engine: Box<dyn Engine>,
    pub(super) store: ParamStore,
    pub(super) optimizer: AdamW,
    pub(super) batches: Batches,
    /// The frozen backbone's vector of each clip, where it never changes.
    pub(super) frozen: Option<Frozen>,
    pub(super) position: Position,
    pub(super) evaluation: Option<Evaluation>,
    /// The mean of the last epochs' weights, where the recipe asks for it.
    pub(super) average: Average,
    /// A model with the averaged weights, in evaluation after the last epoch.
    pub(super) averaging: Option<(ParamStore, Evaluation)>,
    /// The metric of the averaged weights, once evaluated.
    pub(super) averaged: Option<Averaged>,
    /// The predictions of the last complete epoch.
    pub(super) predictions: Option<Predictions>,
    pub(super) usual_ms: Vec<f64>,
    /// Consecutive steps that were skipped because they were not numbers.
    pub(super) skipped: u32,
    pub(super) writer: SessionWriter,
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
            if self.writer.is_due() {
                self.try_save(journal);
            }
        } else if self.evaluate(journal)? {
            self.try_save(journal);
        }
        Ok(Progress::More)
    }

    fn checkpoint(&mut self, journal: &mut Journal) -> Result<(), TrainError> {
        self.try_save(journal);
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
            return self.not_a_number(What::Loss, batch, journal);
        }
        let check = self.config.on_nan == OnNan::Skip;
        let Some(scale) = clipping(&output.gradients, self.config.recipe.clip_norm, check)? else {
            return self.not_a_number(What::Gradient, batch, journal);
        };
        self.skipped = 0;
        let rates = self.config.recipe.rates;
        self.optimizer.update(&self.store, &output.gradients, scale, |spec| lr * rates.of(spec.part))?;
        // An accelerator is still computing when the host is done.
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
        self.emit_norms(output.norms, compute_ms, journal);
        Ok(())
    }

    /// Handles a training step whose loss or gradient is not a number.
    fn not_a_number(&mut self, what: What, batch: Batch, journal: &mut Journal) -> Result<(), TrainError> {
        let (step, epoch) = (self.position.step + 1, self.position.epochs + 1);
        // Where the backbone's vectors are kept, the batch came without its sound.
        let batch = match batch.features.batch {
            0 => self.batches.train(epoch, self.position.step_in_epoch, false)?,
            _ => batch,
        };
        let source = diverged::source(&self.config, &self.store, self.batches.dataset(), &batch)?;
        self.skipped += 1;
        if self.config.on_nan == OnNan::Stop || self.skipped > MOST_SKIPPED {
            return Err(self.diverged(&format!("{what} of step {step}"), &source));
        }
        journal.emit(Event::Warning { message: format!("step {step} was skipped: {what} is not a number; {source}") });
        self.optimizer.skip();
        self.position.step = step;
        self.position.step_in_epoch += 1;
        Ok(())
    }

    /// The error of a run that has diverged.
    fn diverged(&self, what: &str, source: &str) -> TrainError {
        let skipped = match self.skipped {
            0 | 1 => String::new(),
            n => format!(" after {} steps in a row were skipped", n - 1),
        };
        TrainError::Failed(format!(
            "{what} is not a number{skipped}: training has diverged; {source}; nothing was written from it: train again \
             with a lower --lr than {}, or without these clips",
            self.config.lr
        ))
    }

    /// The next batch, with the frozen backbone's vectors of its clips where they are kept: then its sound is left out.
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

    /// The gradient of a whole batch; the engine splits it into as many parts as memory requires.
    fn forward_and_backward(
        &mut self,
        batch: &Batch,
        pooled: Option<&[f32]>,
        criterion: &Criterion<'_>,
        norms: bool,
    ) -> Result<StepOutput, TrainError> {
        let mut loss = |range, logits: &[f32]| criterion.share(range, logits);
        Ok(match pooled {
            Some(pooled) => self.engine.head_step(&self.store, pooled, &mut loss)?,
            None => self.engine.step(&self.store, &batch.features, &mut loss, norms)?,
        })
    }

    /// Emits the norms and the time that measuring them took beyond a usual step.
    fn emit_norms(&mut self, norms: Option<Vec<BlockNorms>>, compute_ms: f64, journal: &mut Journal) {
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

    /// Evaluates one batch of the validation split; true when it was the epoch's last.
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
            if let Some(batch) = &evaluation.broken {
                return Err(self.scores_are_no_numbers(&self.store, batch));
            }
            self.end_epoch(evaluation, journal)?;
        }
        Ok(true)
    }

    fn scores_are_no_numbers(&self, store: &ParamStore, batch: &Batch) -> TrainError {
        let epoch = self.position.epochs + 1;
        match diverged::source(&self.config, store, self.batches.dataset(), batch) {
            Ok(source) => self.diverged(&format!("{} of validation in epoch {epoch}", What::Scores), &source),
            Err(error) => error,
        }
    }

    /// The same for the averaged weights, which are then written and reported.
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
        if let Some(batch) = &evaluation.broken {
            return Err(self.scores_are_no_numbers(&mean, batch));
        }
        let averaged = Averaged {
            epochs: self.average.epochs(),
            value: evaluation.predictions.value(self.config.recipe.metric),
            val_loss: evaluation.loss() as f32,
            eval_seconds: evaluation.seconds,
        };
        let mut parts = snapshot::weights(&mean)?;
        parts.extend(snapshot::predictions(&evaluation.predictions));
        self.writer.write_averaged(&self.position, &parts, journal)?;
        self.averaged = Some(averaged);
        journal.emit(Event::Averaged(averaged));
        Ok(())
    }

    /// Ends the epoch with its summary.
    fn end_epoch(&mut self, evaluation: Evaluation, journal: &mut Journal) -> Result<(), TrainError> {
        let (recipe, steps) = (&self.config.recipe, self.batches.steps_per_epoch());
        let value = evaluation.predictions.value(recipe.metric);
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
            parts.extend(snapshot::predictions(&evaluation.predictions));
            self.writer.keep_best(position.clone(), parts);
        }
        self.predictions = Some(evaluation.predictions);
        journal.emit(Event::Epoch(record));
        Ok(())
    }

    /// As [`save`](Self::save), but a failed save does not stop training.
    fn try_save(&mut self, journal: &mut Journal) {
        if let Err(error) = self.save(journal) {
            self.writer.failed(&self.position, &error, journal);
        }
    }

    /// Writes a checkpoint unless the newest is of this step, and best weights when they are due.
    fn save(&mut self, journal: &mut Journal) -> Result<(), TrainError> {
        let Self { writer, position, store, optimizer, average, predictions, .. } = self;
        let parts = || {
            let mut parts = snapshot::all(store, optimizer)?;
            parts.extend(average.parts(store));
            parts.extend(predictions.iter().flat_map(snapshot::predictions));
            Ok(parts)
        };
        writer.save(position, parts, journal)
    }

    /// Whether every epoch is done, or the recipe's patience is over.
    fn is_complete(&self) -> bool {
        let Position { epochs, best, .. } = &self.position;
        let recipe = &self.config.recipe;
        let waited = best.map_or(0, |best| epochs - best.epoch);
        *epochs >= recipe.epochs || (recipe.patience > 0 && waited >= recipe.patience)
    }

    /// Ends the run: everything must be on disk.
    fn finish(&mut self, journal: &mut Journal) -> Result<Progress, TrainError> {
        self.save(journal)?;
        if self.position.epochs < self.config.recipe.epochs {
            let patience = self.config.recipe.patience;
            let message = format!("ended early: {patience} epochs without a better metric");
            journal.emit(Event::Warning { message });
        }
        session_writer::finish(&self.position, &self.store, self.averaged, journal)?;
        Ok(Progress::Done)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        model::Recompute,
        train::{Request, testing::Bench},
    };

    /// Nothing can be written when weights are due, and still not when the run ends: nothing is lost, and once it can be
    /// written the run is complete. The trainer waits for that where the disk is full.
    #[test]
    fn a_run_that_cannot_be_written_at_its_end_is_complete_once_it_can() {
        let bench = Bench::new("");
        let (mut run, mut journal) = bench.begin_with(&bench.request());
        let folder = run.writer.folder().to_owned();
        let epochs = run.config.recipe.epochs;
        while run.position.epochs < epochs {
            // Folders in place of the temporary files make every write fail.
            for name in ["best.partial".to_owned(), format!("checkpoint-{:08}.partial", run.position.step)] {
                std::fs::create_dir_all(folder.join(&name).join("x")).unwrap();
            }
            assert_eq!(run.advance(&mut journal).unwrap(), Progress::More);
        }
        for _ in 0..3 {
            assert!(matches!(run.advance(&mut journal), Err(TrainError::Session(_))));
        }
        for entry in std::fs::read_dir(&folder).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
        assert_eq!(run.advance(&mut journal).unwrap(), Progress::Done);
        let (checkpoint, passed_over) = crate::session::Checkpoints::of(&folder).latest().unwrap();
        assert_eq!((checkpoint.position.epochs, passed_over.len()), (epochs, 0));
        assert!(folder.join(crate::session::BEST_FILE).is_file());
        let state = crate::session::load(&folder).unwrap();
        assert!(state.summary.is_some());
        assert!(state.warnings.iter().any(|warning| warning.contains("no checkpoint of step")), "{:?}", state.warnings);
    }

    /// What the backward pass computes again costs time and changes no weight.
    #[test]
    fn a_run_that_computes_again_learns_the_same_to_the_bit() {
        let bench = Bench::new("");
        let learnt = |recompute| {
            let request = Request { method: "aat".parse().unwrap(), recompute, ..bench.request() };
            let (mut run, mut journal) = bench.begin_with(&request);
            for _ in 0..2 {
                run.advance(&mut journal).unwrap();
            }
            let values = |var: &candle_core::Var| var.as_tensor().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            run.store.iter().map(|(spec, var)| (spec.name.clone(), values(var))).collect::<Vec<_>>()
        };
        let [kept, mlp, block] = Recompute::ALL.map(|(recompute, _)| learnt(recompute));
        assert!(kept == mlp && kept == block);
    }
}
