//! A pretraining in progress: each call of `advance` takes a step or validates a batch.

use std::time::{Duration, Instant};

use crate::{
    audio::FrontEnd,
    data::{Crops, Stream},
    model::{
        Method, ModelConfig, ModelError, ParamStore,
        checkpoint::{Card, save_backbone},
        pretrain::{Outcome, Pretrainer},
    },
    session::{EpochRecord, Event, Position, RunConfig, StepRecord},
    train::{
        AdamW, TrainError,
        job::{Job, Progress},
        journal::Journal,
        parts::clipping,
        session_writer::{self, SessionWriter},
        snapshot,
    },
};

/// Time between two checkpoints within an epoch.
pub(super) const CHECKPOINT_EVERY: Duration = Duration::from_secs(120);
/// The final learning rate as a share of the highest.
const END: f64 = 0.01;
/// Folder of the backbone in a session's folder.
const BACKBONE: &str = "backbone";

/// A pretraining in progress.
pub(in crate::train) struct Pretraining {
    pub(super) config: RunConfig,
    pub(super) engine: Pretrainer,
    pub(super) store: ParamStore,
    pub(super) optimizer: AdamW,
    pub(super) crops: Crops,
    pub(super) stream: Option<Stream>,
    pub(super) steps_per_epoch: u64,
    pub(super) position: Position,
    pub(super) writer: SessionWriter,
    pub(super) validation: Option<Validation>,
}

/// Validation in progress: sums over its batches, one for each objective.
#[derive(Default)]
pub(super) struct Validation {
    done: u64,
    sums: Vec<Outcome>,
    seconds: f64,
}

impl Pretraining {
    /// Linear warm-up, then half a cosine down to a hundredth.
    fn lr(&self) -> f64 {
        let total = (self.steps_per_epoch * u64::from(self.config.recipe.epochs)).max(1);
        let warm = self.config.recipe.schedule.warmup_steps.min(total / 5).max(1);
        let step = self.position.step;
        let warming = ((step + 1) as f64 / warm as f64).min(1.0);
        let way = (step.saturating_sub(warm)) as f64 / (total - warm).max(1) as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * way.min(1.0)).cos());
        self.config.lr * warming * (END + (1.0 - END) * cosine)
    }

    fn step(&mut self, journal: &mut Journal) -> Result<(), TrainError> {
        let begun = Instant::now();
        let step = self.position.step;
        let stream = self.stream.get_or_insert_with(|| self.crops.from(step));
        let sounds = stream.take()?;
        let data = begun.elapsed();
        let lr = self.lr();
        let outcome = self.engine.step(&self.store, &sounds);
        let (loss, gradients, _) = outcome.map_err(|error| self.explained(error))?;
        if !loss.is_finite() {
            return Err(self.diverged(&format!("the loss of step {}", step + 1)));
        }
        let Some(scale) = clipping(&gradients, self.config.recipe.clip_norm, true)? else {
            return Err(self.diverged(&format!("a gradient of step {}", step + 1)));
        };
        self.optimizer.update(&self.store, &gradients, scale, |_| lr)?;
        let whole = begun.elapsed();
        let position = &mut self.position;
        position.step += 1;
        position.step_in_epoch += 1;
        position.loss_sum += f64::from(loss);
        position.loss_weight += 1.0;
        position.seconds += whole.as_secs_f64();
        position.data_seconds += data.as_secs_f64();
        journal.emit(Event::Step(StepRecord {
            step: position.step,
            epoch: position.epochs + 1,
            loss,
            lr,
            data_ms: (data.as_secs_f64() * 1e3) as f32,
            compute_ms: ((whole - data).as_secs_f64() * 1e3) as f32,
        }));
        Ok(())
    }

    /// The error of a pretraining that has diverged.
    fn diverged(&self, what: &str) -> TrainError {
        let lr = self.config.lr;
        TrainError::Failed(format!(
            "{what} is not a number: pretraining has diverged; nothing was written from it: try a lower --lr than {lr}"
        ))
    }

    /// An objective is a mean over the batch, so a batch too large for a device is not taken in parts.
    fn explained(&self, error: ModelError) -> TrainError {
        let batch = self.config.recipe.batch;
        if !error.is_out_of_memory() {
            return error.into();
        }
        TrainError::Failed(format!(
            "the device's memory is too small for steps of {batch} crops: pretrain with a smaller --batch, or --device cpu"
        ))
    }

    /// Validates one batch; true when it was the epoch's last.
    fn validate(&mut self, journal: &mut Journal) -> Result<bool, TrainError> {
        let begun = Instant::now();
        let total = self.crops.val_batches();
        let validation = self.validation.get_or_insert_default();
        if validation.done < total {
            let sounds = self.crops.val(validation.done)?;
            let outcomes = self.engine.outcomes(&self.store, &sounds)?;
            let nothing = Outcome { loss: 0.0, score: 0.0, terms: 0.0 };
            validation.sums.resize(outcomes.len(), nothing);
            for (sum, outcome) in validation.sums.iter_mut().zip(outcomes) {
                sum.loss += outcome.loss * outcome.terms;
                sum.score += outcome.score * outcome.terms;
                sum.terms += outcome.terms;
            }
            validation.done += 1;
            validation.seconds += begun.elapsed().as_secs_f64();
            let clips = self.crops.val_clips();
            let done = (validation.done as usize * self.config.recipe.batch).min(clips);
            journal.show(Event::Evaluating { done, total: clips });
        }
        if validation.done < total {
            return Ok(false);
        }
        if let Some(validation) = self.validation.take() {
            self.end_epoch(&validation, journal)?;
        }
        Ok(true)
    }

    fn end_epoch(&mut self, validation: &Validation, journal: &mut Journal) -> Result<(), TrainError> {
        let lr = self.lr();
        let objectives = self.config.pretrain.as_ref().map(|own| own.objectives).unwrap_or_default();
        let means: Vec<Outcome> = validation
            .sums
            .iter()
            .map(|sum| {
                let terms = sum.terms.max(1.0);
                Outcome { loss: sum.loss / terms, score: sum.score / terms, terms: sum.terms }
            })
            .collect();
        let value = means.iter().map(|mean| mean.score).sum::<f64>() / means.len().max(1) as f64;
        let val_loss = objectives.named().zip(&means).map(|((_, weight), mean)| weight * mean.loss).sum::<f64>();
        if !(value.is_finite() && val_loss.is_finite()) {
            return Err(self.diverged(&format!("validation of epoch {}", self.position.epochs + 1)));
        }
        let position = &mut self.position;
        let epoch = position.epochs + 1;
        journal.emit(Event::Objectives {
            epoch,
            outcomes: objectives.named().map(|(name, _)| name.to_owned()).zip(means).collect(),
        });
        let record = EpochRecord {
            epoch,
            step: position.step,
            train_loss: (position.loss_sum / position.loss_weight.max(1.0)) as f32,
            val_loss: val_loss as f32,
            value,
            seconds: position.seconds,
            data_seconds: position.data_seconds,
            eval_seconds: validation.seconds,
            lr,
        };
        position.end_epoch(value);
        journal.emit(Event::Epoch(record));
        Ok(())
    }

    fn save(&mut self, journal: &mut Journal) -> Result<(), TrainError> {
        let Self { writer, position, store, optimizer, .. } = self;
        writer.save(position, || Ok(snapshot::all(store, optimizer)?), journal)
    }

    /// A failed save does not stop training.
    fn try_save(&mut self, journal: &mut Journal) {
        if let Err(error) = self.save(journal) {
            self.writer.failed(&self.position, &error, journal);
        }
    }

    /// Writes the backbone alone, for `--model`.
    fn write_backbone(&self) -> Result<(), TrainError> {
        let card = Card {
            base: self.config.model.clone(),
            base_fingerprint: self.position.backbone.clone(),
            seed: self.config.seed,
            method: Method::full(),
            shape: ModelConfig { classes: 0, ..self.config.shape.clone() },
            labels: Vec::new(),
            front_end: FrontEnd::Kaldi.card().into(),
            normalisation: Some(self.config.normalisation),
            multi_label: None,
        };
        Ok(save_backbone(&self.writer.folder().join(BACKBONE), &card, &self.store)?)
    }

    fn finish(&mut self, journal: &mut Journal) -> Result<Progress, TrainError> {
        self.save(journal)?;
        self.write_backbone()?;
        session_writer::finish(&self.position, &self.store, None, journal)?;
        Ok(Progress::Done)
    }
}

impl Job for Pretraining {
    fn advance(&mut self, journal: &mut Journal) -> Result<Progress, TrainError> {
        if self.position.epochs >= self.config.recipe.epochs {
            return self.finish(journal);
        }
        if self.position.step_in_epoch < self.steps_per_epoch {
            self.step(journal)?;
            if self.writer.is_due() {
                self.try_save(journal);
            }
        } else if self.validate(journal)? {
            self.try_save(journal);
            self.write_backbone()?;
        }
        Ok(Progress::More)
    }

    fn checkpoint(&mut self, journal: &mut Journal) -> Result<(), TrainError> {
        self.try_save(journal);
        Ok(())
    }
}
