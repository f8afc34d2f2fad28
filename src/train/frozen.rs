//! Vectors of a frozen backbone: computed once for each clip of a run that trains only the head.

use std::collections::HashMap;

use super::TrainError;
use crate::{
    data::Batch,
    model::{self, Engine, ParamStore, Part},
    session::RunConfig,
};

/// Bytes of vectors that are kept: 80,000 clips of a base model. Further clips pass through the backbone each time.
const MEMORY: usize = 256 << 20;

/// The vectors by clip, for as long as the run lasts. A resumed run computes them again, to the same bits, because each
/// clip passes through the backbone alone.
pub(super) struct Frozen {
    kept: HashMap<usize, Box<[f32]>>,
    /// Values of a clip.
    hidden: usize,
    /// Most clips that are kept.
    room: usize,
    /// Whether training clips are the same in every epoch; validation clips always are.
    pub(super) trains: bool,
}

impl Frozen {
    /// For a run that trains only the head; `None` for another.
    pub(super) fn of(config: &RunConfig) -> Option<Self> {
        let specs = model::specs(&config.shape, config.method);
        let head_alone = specs.iter().all(|spec| !spec.trains || spec.part == Part::Head);
        head_alone.then(|| {
            let hidden = config.shape.hidden;
            Self { kept: HashMap::new(), hidden, room: MEMORY / (4 * hidden), trains: !config.recipe.augments() }
        })
    }

    /// The vectors of these clips, (clips, D), if all of them are kept.
    pub(super) fn kept(&self, items: &[usize]) -> Option<Vec<f32>> {
        let mut all = Vec::with_capacity(items.len() * self.hidden);
        for item in items {
            all.extend_from_slice(self.kept.get(item)?);
        }
        Some(all)
    }

    /// The vectors of a batch of clips, (clips, D).
    pub(super) fn pooled(
        &mut self,
        engine: &mut dyn Engine,
        store: &ParamStore,
        batch: &Batch,
    ) -> Result<Vec<f32>, TrainError> {
        let mut all = Vec::with_capacity(batch.items.len() * self.hidden);
        for (clip, item) in batch.items.iter().enumerate() {
            if let Some(kept) = self.kept.get(item) {
                all.extend_from_slice(kept);
                continue;
            }
            let vector = engine.pooled(store, &batch.features.part(clip..clip + 1))?;
            all.extend_from_slice(&vector);
            if self.kept.len() < self.room {
                self.kept.insert(*item, vector.into());
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use crate::{
        session::Lock,
        train::{
            Feed,
            job::{Job, Progress},
            journal::Journal,
            run::Run,
            testing::Bench,
        },
    };

    /// Every trained weight and every score of the last epoch, to the bit.
    fn ended(mut run: Run, mut journal: Journal) -> Vec<u32> {
        while run.advance(&mut journal).unwrap() == Progress::More {}
        let weights = run.store.trainable().flat_map(|(_, var)| var.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        let scores = run.predictions.as_ref().unwrap().scores.clone();
        weights.chain(scores).map(f32::to_bits).collect()
    }

    const PLAIN: &str = "freq_mask = 0\ntime_mask = 0\nmixup = 0.0\ngain = 0.0\nnoise = false\n";

    #[test]
    fn what_is_kept_changes_no_bit() {
        let bench = Bench::new(PLAIN);
        let with = |change: &dyn Fn(&mut Run)| {
            let (mut run, journal) = bench.begin();
            change(&mut run);
            ended(run, journal)
        };
        let kept = with(&|run| assert!(run.frozen.as_ref().unwrap().trains));
        assert_eq!(kept, with(&|run| run.frozen = None), "without keeping anything");
        assert_eq!(kept, with(&|run| run.frozen.as_mut().unwrap().room = 2), "with room for two clips");

        // Interrupted in the middle of an epoch and resumed.
        let (mut run, mut journal) = bench.begin();
        (0..6).for_each(|_| assert_eq!(run.advance(&mut journal).unwrap(), Progress::More));
        run.checkpoint(&mut journal).unwrap();
        let folder = run.writer.folder().to_owned();
        drop((run, journal));
        let mut journal = Journal::new(0, Feed::new(), Arc::default());
        let run = bench.group().resume(Lock::take(&folder).unwrap(), &folder, &mut journal).unwrap();
        assert_eq!(kept, ended(run, journal), "taken up again");
    }

    /// The next epoch's batches are made during validation; after the last epoch there are none.
    #[test]
    fn nothing_is_prepared_after_the_last_epoch() {
        let bench = Bench::new("freq_mask = 24\n");
        let (mut run, mut journal) = bench.begin();
        let mut prepared = Vec::new();
        while run.position.epochs < 3 {
            run.advance(&mut journal).unwrap();
            if run.position.step_in_epoch == run.batches.steps_per_epoch() {
                prepared.push(run.batches.prepared());
            }
        }
        prepared.dedup();
        assert_eq!(prepared, [Some(2), Some(3)]);
    }

    #[test]
    fn augmented_clips_are_never_kept_and_validation_always_is() {
        let bench = Bench::new("freq_mask = 24\n");
        let (mut run, mut journal) = bench.begin();
        while run.advance(&mut journal).unwrap() == Progress::More {}
        let frozen = run.frozen.as_ref().unwrap();
        assert!(!frozen.trains);
        assert_eq!(frozen.kept.len(), run.batches.val_clips());
        let kept = ended(run, journal);
        let (mut run, journal) = bench.begin();
        run.frozen = None;
        assert_eq!(kept, ended(run, journal));
    }
}
