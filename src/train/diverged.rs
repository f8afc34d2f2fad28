//! Handles a loss, a gradient or a score that is not a number: nothing is written from it, and the error names where it
//! came from.

use std::fmt;

use super::TrainError;
use crate::{
    data::{Batch, Dataset},
    model::{self, Engine, Features, MemoryOptions, ParamStore},
    session::RunConfig,
};

/// Most clips that are named.
const NAMED: usize = 5;
/// Most consecutive steps that may be skipped: after more, the batches are not the cause.
pub(super) const MOST_SKIPPED: u32 = 10;

/// What is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The loss of a training step.
    Loss,
    /// A gradient of a training step.
    Gradient,
    /// Scores of validation.
    Scores,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loss => "the loss",
            Self::Gradient => "a gradient",
            Self::Scores => "a score",
        })
    }
}

/// Where it came from: the first layer whose output is not finite, and the clips of the batch that cause it.
///
/// # Errors
/// When the model cannot compute at all.
pub(super) fn source(
    config: &RunConfig,
    store: &ParamStore,
    dataset: &Dataset,
    batch: &Batch,
) -> Result<String, TrainError> {
    let files = |clips: &[usize]| {
        let names: Vec<String> = clips
            .iter()
            .take(NAMED)
            .filter_map(|clip| Some(dataset.items.get(*batch.items.get(*clip)?)?.id.clone()))
            .collect();
        let more = clips.len().saturating_sub(NAMED);
        if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
    };
    let all: Vec<usize> = (0..batch.items.len()).collect();
    if let Some(name) = weight_that_is_none(store)? {
        return Ok(format!("the weight {name} is not finite; the batch was {}", files(&all)));
    }
    let memory = MemoryOptions { precision: config.dtype, ..MemoryOptions::default() };
    let mut engine = model::engine(&config.shape, config.method, store.device(), memory);
    // One clip at a time: a clip's own numbers decide, and it takes the memory of one.
    let mut first: Option<(usize, String)> = None;
    let mut culprits = Vec::new();
    for clip in 0..batch.features.batch {
        let features = batch.features.part(clip..clip + 1);
        if let Some((depth, layer)) = first_layer(&mut *engine, store, &features)? {
            culprits.push(clip);
            if first.as_ref().is_none_or(|(known, _)| depth < *known) {
                first = Some((depth, layer));
            }
        }
    }
    Ok(match first {
        Some((_, layer)) => {
            format!("the first values that are not finite come from {layer}, with {}", files(&culprits))
        }
        None => {
            format!("every layer's output is finite, so it arose in the backward pass; the batch was {}", files(&all))
        }
    })
}

fn weight_that_is_none(store: &ParamStore) -> Result<Option<String>, TrainError> {
    for (spec, var) in store.iter() {
        let sum = var.as_detached_tensor().to_dtype(candle_core::DType::F32)?.abs()?.sum_all()?.to_scalar::<f32>()?;
        let values = || var.flatten_all()?.to_dtype(candle_core::DType::F32)?.to_vec1::<f32>();
        if !sum.is_finite() && !values()?.iter().all(|value| value.is_finite()) {
            return Ok(Some(spec.name.clone()));
        }
    }
    Ok(None)
}

/// The first layer whose output for a clip is not finite, in the order of computation.
fn first_layer(
    engine: &mut dyn Engine,
    store: &ParamStore,
    clip: &Features,
) -> Result<Option<(usize, String)>, TrainError> {
    let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
    if !finite(&clip.data) {
        return Ok(Some((0, "the features themselves".to_owned())));
    }
    let depth = engine.config().depth;
    let blocks: Vec<usize> = (1..=depth).collect();
    let states = engine.states(store, clip, &blocks)?;
    let block = states.iter().position(|values| !finite(values));
    let logits = engine.logits(store, clip)?;
    Ok(match block {
        Some(block) => Some((block + 1, format!("block {block} (of {depth}, counted from 0)"))),
        None if !finite(&logits) => Some((depth + 1, "the head".to_owned())),
        None => None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::Tensor;

    use super::*;
    use crate::{
        session::{Checkpoints, Event, LogReader, OnNan},
        train::{
            Request,
            job::{Job, Progress},
            run::Run,
            testing::{Bench, files},
        },
    };

    const PLAIN: &str = "freq_mask = 0\ntime_mask = 0\nmixup = 0.0\ngain = 0.0\nnoise = false\nclip_norm = 0.0\n";

    fn request(bench: &Bench, on_nan: OnNan) -> Request {
        Request { method: "aat".parse().unwrap(), on_nan, ..bench.request() }
    }

    /// Fills a weight with a value; returns what it was.
    fn fill(run: &Run, name: &str, value: f32) -> Tensor {
        let var = run.store.get(name).unwrap();
        let before = var.as_detached_tensor().copy().unwrap();
        var.set(&(before.zeros_like().unwrap() + f64::from(value)).unwrap()).unwrap();
        before
    }

    #[test]
    fn a_loss_that_is_no_number_names_the_first_layer_and_the_clips_and_writes_nothing() {
        let bench = Bench::new(PLAIN);
        let (mut run, mut journal) = bench.begin_with(&request(&bench, OnNan::Stop));
        // Finite weights whose products are not.
        fill(&run, "blocks.3.mlp.fc2.weight", 3e38);
        let said = run.advance(&mut journal).unwrap_err().to_string();
        for part in ["step 1", "diverged", "block 3 (of 12", ".wav", "nothing was written", "--lr"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let written = files(run.writer.folder());
        assert!(written.iter().all(|name| !name.ends_with(".safetensors")), "{written:?}");
    }

    #[test]
    fn a_weight_that_is_no_number_is_named() {
        let bench = Bench::new(PLAIN);
        let (mut run, mut journal) = bench.begin_with(&request(&bench, OnNan::Stop));
        fill(&run, "blocks.2.adapter.up.weight", f32::NAN);
        let said = run.advance(&mut journal).unwrap_err().to_string();
        assert!(said.contains("the weight blocks.2.adapter.up.weight is not finite"), "{said}");
    }

    #[test]
    fn scores_that_are_no_numbers_are_no_best_epoch() {
        let bench = Bench::new(PLAIN);
        let (mut run, mut journal) = bench.begin_with(&request(&bench, OnNan::Skip));
        while run.position.step_in_epoch < run.batches.steps_per_epoch() {
            assert_eq!(run.advance(&mut journal).unwrap(), Progress::More);
        }
        fill(&run, "head.linear.weight", f32::NAN);
        let said = loop {
            match run.advance(&mut journal) {
                Ok(_) => {}
                Err(error) => break error.to_string(),
            }
        };
        assert!(said.contains("validation in epoch 1") && said.contains("head.linear.weight"), "{said}");
        assert!(!Checkpoints::of(run.writer.folder()).best_path().exists());
        assert_eq!(run.position.best, None);
    }

    #[test]
    fn steps_that_are_no_numbers_are_skipped_where_that_is_asked_for() {
        let bench = Bench::new(PLAIN);
        let (mut run, mut journal) = bench.begin_with(&request(&bench, OnNan::Skip));
        let good = fill(&run, "blocks.3.mlp.fc2.weight", 3e38);
        (0..2).for_each(|_| assert_eq!(run.advance(&mut journal).unwrap(), Progress::More));
        assert_eq!((run.position.step, run.skipped), (2, 2));
        run.store.get("blocks.3.mlp.fc2.weight").unwrap().set(&good).unwrap();
        run.advance(&mut journal).unwrap();
        assert_eq!((run.position.step, run.skipped, run.optimizer.step()), (3, 0, 3));
        let records = LogReader::new(run.writer.folder()).poll().unwrap();
        let skipped = |record: &&crate::session::Record| matches!(&record.event, Event::Warning { message } if message.contains("was skipped") && message.contains("block 3"));
        assert_eq!(records.iter().filter(skipped).count(), 2);

        // After so many consecutive steps the batches are not the cause.
        let (mut run, mut journal) = bench.begin_with(&request(&bench, OnNan::Skip));
        fill(&run, "blocks.3.mlp.fc2.weight", 3e38);
        run.skipped = MOST_SKIPPED;
        let said = run.advance(&mut journal).unwrap_err().to_string();
        assert!(said.contains("after 10 steps in a row were skipped"), "{said}");
    }
}
