//! Validation in progress, a batch at a time.

use std::time::Instant;

use super::{Criterion, Predictions, TrainError, batches::Batches, frozen::Frozen, journal::Journal};
use crate::{
    data::{Batch, Loss},
    model::{Engine, ParamStore},
    session::Event,
};

/// The results of the validation split so far.
pub(super) struct Evaluation {
    /// Predictions for the clips done.
    pub(super) predictions: Predictions,
    /// Seconds spent.
    pub(super) seconds: f64,
    /// The batch whose scores are not numbers; evaluation ends with it.
    pub(super) broken: Option<Batch>,
    /// Batches done.
    done: u64,
    loss_sum: f64,
    loss_weight: f64,
}

impl Evaluation {
    /// An evaluation without any batch yet.
    pub(super) fn new(classes: usize) -> Self {
        Self {
            predictions: Predictions::new(classes),
            seconds: 0.0,
            broken: None,
            done: 0,
            loss_sum: 0.0,
            loss_weight: 0.0,
        }
    }

    /// Evaluates one batch; true when it was the last.
    pub(super) fn advance(
        &mut self,
        engine: &mut dyn Engine,
        store: &ParamStore,
        batches: &mut Batches,
        frozen: Option<&mut Frozen>,
        loss: Loss,
        journal: &Journal,
    ) -> Result<bool, TrainError> {
        let begun = Instant::now();
        if self.done < batches.val_batches() {
            let (logits, targets) = match frozen {
                None => {
                    let batch = batches.val(self.done)?;
                    (engine.logits(store, &batch.features)?, batch.targets)
                }
                Some(frozen) => {
                    let labels = batches.val_labels(self.done);
                    let (pooled, targets) = match frozen.kept(&labels.items) {
                        Some(kept) => (kept, labels.targets),
                        None => {
                            let batch = batches.val(self.done)?;
                            (frozen.pooled(engine, store, &batch)?, batch.targets)
                        }
                    };
                    (engine.head_logits(store, &pooled)?, targets)
                }
            };
            if logits.iter().any(|score| !score.is_finite()) {
                self.broken = Some(batches.val(self.done)?);
                return Ok(true);
            }
            let criterion = Criterion::new(loss, &targets);
            let (loss, _) = criterion.share(0..logits.len() / self.predictions.classes.max(1), &logits);
            self.predictions.extend(&logits, &targets);
            self.loss_sum += f64::from(loss) * criterion.terms();
            self.loss_weight += criterion.terms();
            self.done += 1;
            self.seconds += begun.elapsed().as_secs_f64();
            journal.show(Event::Evaluating { done: self.predictions.clips(), total: batches.val_clips() });
        }
        Ok(self.done >= batches.val_batches())
    }

    /// Mean loss of the clips done.
    pub(super) fn loss(&self) -> f64 {
        if self.loss_weight > 0.0 { self.loss_sum / self.loss_weight } else { 0.0 }
    }
}
