//! Validation under way, a batch at a time.

use std::time::Instant;

use super::{Answers, Criterion, TrainError, batches::Batches, journal::Journal};
use crate::{
    data::Loss,
    model::{Engine, ParamStore},
    session::Event,
};

/// What the validation split has said so far.
pub(super) struct Evaluation {
    /// To the clips done.
    pub(super) answers: Answers,
    /// Seconds at work.
    pub(super) seconds: f64,
    /// Batches done.
    done: u64,
    loss_sum: f64,
    loss_weight: f64,
}

impl Evaluation {
    /// One that has seen nothing yet.
    pub(super) fn new(classes: usize) -> Self {
        Self { answers: Answers::new(classes), seconds: 0.0, done: 0, loss_sum: 0.0, loss_weight: 0.0 }
    }

    /// Evaluates one batch; true when that was the last.
    pub(super) fn advance(
        &mut self,
        engine: &mut dyn Engine,
        store: &ParamStore,
        batches: &mut Batches,
        loss: Loss,
        journal: &Journal,
    ) -> Result<bool, TrainError> {
        let begun = Instant::now();
        if self.done < batches.val_batches() {
            let batch = batches.val(self.done)?;
            let logits = engine.logits(store, &batch.features)?;
            let criterion = Criterion::new(loss, &batch.targets);
            let (loss, _) = criterion.share(0..batch.features.batch, &logits);
            self.answers.extend(&logits, &batch.targets);
            self.loss_sum += f64::from(loss) * criterion.terms();
            self.loss_weight += criterion.terms();
            self.done += 1;
            self.seconds += begun.elapsed().as_secs_f64();
            journal.show(Event::Evaluating { done: self.answers.clips(), total: batches.val_clips() });
        }
        Ok(self.done >= batches.val_batches())
    }

    /// Mean loss of the clips done.
    pub(super) fn loss(&self) -> f64 {
        if self.loss_weight > 0.0 { self.loss_sum / self.loss_weight } else { 0.0 }
    }
}
