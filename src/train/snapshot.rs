//! Weights and moments, to a checkpoint and back.

use std::{borrow::Cow, path::Path};

use candle_core::Var;
use safetensors::{Dtype, View};

use super::{AdamW, Predictions};
use crate::{
    infer::find,
    model::{ModelError, ParamSpec, ParamStore},
    session::{Checkpoint, Checkpoints, History, SessionError},
};

/// Prefixes of a parameter's name under which a checkpoint stores its moments.
const MOMENTS: [&str; 2] = ["adamw.first.", "adamw.second."];

/// The message about a session that is resumed before it wrote a checkpoint: everything up to there is a function of
/// the seed.
pub(super) const FROM_THE_START: &str = "it has no checkpoint yet and starts again from its first step";

/// One tensor to write; its bytes are made as the file is written, one tensor at a time.
pub(super) struct TensorData<'a> {
    shape: Vec<usize>,
    values: Cow<'a, [f32]>,
}

impl View for &TensorData<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>().into()
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

/// One parameter's values, borrowed.
pub(super) fn part<'a>(shape: &[usize], values: &'a [f32]) -> TensorData<'a> {
    TensorData { shape: shape.to_vec(), values: values.into() }
}

/// Names of validation predictions in a checkpoint: scores and targets, (clips, classes).
const ANSWERS: [&str; 2] = ["answers.scores", "answers.targets"];

/// Validation predictions, stored beside the weights that made them, so that runs can be compared clip by clip.
pub(super) fn predictions<'a>(predictions: &Predictions) -> Vec<(String, TensorData<'a>)> {
    let part = |values: &Vec<f32>| TensorData {
        shape: vec![predictions.clips(), predictions.classes],
        values: values.clone().into(),
    };
    let parts = [part(&predictions.scores), part(&predictions.targets)];
    ANSWERS.iter().map(|name| (*name).to_owned()).zip(parts).collect()
}

/// The predictions for validation clips in a checkpoint, if any: those of its last complete epoch.
pub fn predictions_in(checkpoint: &Checkpoint) -> Option<Predictions> {
    let [scores, targets] = ANSWERS.map(|name| checkpoint.tensors.get(name));
    let classes = *scores?.shape.get(1)?;
    Some(Predictions { classes, scores: scores?.data.clone(), targets: targets?.data.clone() })
}

/// A session's predictions for its validation clips in its best epoch.
///
/// # Errors
/// When its best weights cannot be read.
pub fn predictions_of_best(folder: &Path) -> Result<Option<Predictions>, SessionError> {
    Ok(predictions_in(&Checkpoint::read(&Checkpoints::of(folder).best_path())?))
}

/// A session's predictions for its validation clips with the averaged weights, where it has them.
///
/// # Errors
/// When they cannot be read.
pub fn predictions_of_averaged(folder: &Path) -> Result<Option<Predictions>, SessionError> {
    Ok(predictions_in(&Checkpoint::read(&Checkpoints::of(folder).averaged_path())?))
}

/// A session's predictions for its validation clips in its last complete epoch.
///
/// # Errors
/// When it has no checkpoint that can be read.
pub fn predictions_of_last(folder: &Path) -> Result<Option<Predictions>, SessionError> {
    Ok(predictions_in(&Checkpoints::of(folder).latest()?.0))
}

/// The trainable weights.
pub(super) fn weights(store: &ParamStore) -> Result<Vec<(String, TensorData<'static>)>, ModelError> {
    let part = |(spec, var): (&ParamSpec, &Var)| {
        let values = var.flatten_all()?.to_vec1::<f32>()?;
        Ok((spec.name.clone(), TensorData { shape: spec.shape.clone(), values: values.into() }))
    };
    store.trainable().map(part).collect()
}

/// The trainable weights and the optimizer's moments.
pub(super) fn all<'a>(store: &ParamStore, optimizer: &'a AdamW) -> Result<Vec<(String, TensorData<'a>)>, ModelError> {
    let mut parts: Vec<(String, TensorData<'a>)> = weights(store)?;
    for ((spec, _), pair) in store.trainable().zip(optimizer.moments()?) {
        for (prefix, values) in MOMENTS.iter().zip(pair) {
            parts.push((format!("{prefix}{}", spec.name), TensorData { shape: spec.shape.clone(), values }));
        }
    }
    Ok(parts)
}

/// The checkpoint that a run resumes from, and why newer ones were skipped: the newest that is whole, fits the model,
/// and is not ahead of the log; if there is none, one that is ahead, for weights are worth more than curves.
///
/// # Errors
/// When there is no usable checkpoint.
pub(super) fn to_resume(
    checkpoints: &Checkpoints,
    store: &ParamStore,
    history: &History,
) -> Result<(Checkpoint, Vec<SessionError>), SessionError> {
    let recorded = checkpoints.latest_that(|checkpoint| {
        fits(store, checkpoint)?;
        history.lacks(&checkpoint.position).map_or(Ok(()), Err)
    });
    match recorded {
        Ok(found) => Ok(found),
        Err(_) => checkpoints.latest_that(|checkpoint| fits(store, checkpoint)),
    }
}

/// Why a run cannot resume from a checkpoint, if so: another backbone, or tensors that do not fit the model.
pub(super) fn fits(store: &ParamStore, checkpoint: &Checkpoint) -> Result<(), String> {
    for (spec, _) in store.trainable() {
        for prefix in ["", MOMENTS[0], MOMENTS[1]] {
            find(checkpoint, &format!("{prefix}{}", spec.name), &spec.shape).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// The optimizer with a checkpoint's moments.
///
/// # Errors
/// When one is missing or of another shape.
pub(super) fn restore_optimizer(
    store: &ParamStore,
    checkpoint: &Checkpoint,
    weight_decay: f64,
) -> Result<AdamW, ModelError> {
    let moments = |spec: &ParamSpec| -> Result<[Vec<f32>; 2], ModelError> {
        let kept =
            |prefix| find(checkpoint, &format!("{prefix}{}", spec.name), &spec.shape).map(|tensor| tensor.data.clone());
        Ok([kept(MOMENTS[0])?, kept(MOMENTS[1])?])
    };
    let kept = store.trainable().map(|(spec, _)| moments(spec)).collect::<Result<_, _>>()?;
    let mut optimizer = AdamW::new(store, weight_decay)?;
    optimizer.restore(checkpoint.position.step, kept)?;
    Ok(optimizer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, sync::Arc};

    use crate::{
        session::{Checkpoint, Event, LOG_FILE, Lock, LogReader, Tensor},
        train::{
            Feed,
            job::{Job, Progress},
            journal::Journal,
            run::Run,
            testing::{Bench, newest},
        },
    };

    const PLAIN: &str = "freq_mask = 0\ntime_mask = 0\nmixup = 0.0\ngain = 0.0\nnoise = false\n";

    /// A run with two checkpoints, dropped.
    fn broken_off(bench: &Bench) -> std::path::PathBuf {
        let (mut run, mut journal) = bench.begin();
        for _ in 0..2 {
            let epochs = run.position.epochs;
            while run.position.epochs == epochs {
                assert_eq!(run.advance(&mut journal).unwrap(), Progress::More);
            }
        }
        run.writer.folder().to_owned()
    }

    /// Resumes it; returns its warnings.
    fn again(bench: &Bench, folder: &std::path::Path) -> (Run, Vec<String>) {
        let mut journal = Journal::new(0, Feed::new(), Arc::default());
        let before = LogReader::new(folder).poll().unwrap().len();
        let run = bench.group().resume(Lock::take(folder).unwrap(), folder, &mut journal).unwrap();
        let appended = LogReader::new(folder).poll().unwrap().into_iter().skip(before);
        let warned = appended
            .filter_map(|record| if let Event::Warning { message } = record.event { Some(message) } else { None });
        (run, warned.collect())
    }

    #[test]
    fn a_damaged_checkpoint_is_passed_over_and_named() {
        let bench = Bench::new(PLAIN);
        let folder = broken_off(&bench);
        let (run, warned) = again(&bench, &folder);
        assert_eq!((run.position.epochs, warned), (2, vec![]));
        drop(run);
        let path = newest(&folder);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() - 9;
        bytes[at] ^= 4;
        fs::write(&path, bytes).unwrap();
        let (run, warned) = again(&bench, &folder);
        assert_eq!(run.position.epochs, 1);
        assert!(warned[0].contains("checksum") && warned[0].contains("checkpoint-"), "{warned:?}");
    }

    #[test]
    fn a_checkpoint_of_other_shapes_is_passed_over_and_named() {
        let bench = Bench::new(PLAIN);
        let folder = broken_off(&bench);
        let path = newest(&folder);
        let position = Checkpoint::read(&path).unwrap().position;
        let other = Tensor { shape: vec![7], data: vec![0.5; 7] };
        Checkpoint::write(&path, &position, [("head.linear.bias", &other), ("head.linear.weight", &other)]).unwrap();
        let (run, warned) = again(&bench, &folder);
        assert_eq!(run.position.epochs, 1);
        assert!(warned[0].contains("head.") && warned[0].contains("checkpoint-"), "{warned:?}");
    }

    /// A run that ended before its first checkpoint starts again, and ends like one that was never interrupted.
    #[test]
    fn without_a_checkpoint_it_starts_again() {
        let bench = Bench::new(PLAIN);
        let folder = broken_off(&bench);
        let whole = Checkpoint::read(&newest(&folder)).unwrap();
        for path in crate::session::Checkpoints::of(&folder).all() {
            fs::remove_file(path).unwrap();
        }
        let (mut run, warned) = again(&bench, &folder);
        assert_eq!((run.position.step, warned), (0, vec![super::FROM_THE_START.to_owned()]));
        let mut journal = Journal::new(0, Feed::new(), Arc::default());
        while run.position.epochs < 2 {
            assert_eq!(run.advance(&mut journal).unwrap(), Progress::More);
        }
        let weights = super::weights(&run.store).unwrap();
        for (name, part) in weights {
            assert_eq!(part.values, whole.tensors[&name].data, "{name}");
        }
    }

    /// A log that lost its end: the newest checkpoint that it covers is taken; if there is none, a warning says so.
    #[test]
    fn a_checkpoint_ahead_of_its_log_is_passed_over() {
        let bench = Bench::new(PLAIN);
        let folder = broken_off(&bench);
        let text = fs::read_to_string(folder.join(LOG_FILE)).unwrap();
        let cut = |epochs: usize| {
            let mut kept = Vec::new();
            for line in text.lines() {
                if line.contains("\"event\":\"epoch\"")
                    && kept.iter().filter(|kept: &&&str| kept.contains("\"event\":\"epoch\"")).count() == epochs
                {
                    break;
                }
                kept.push(line);
            }
            fs::write(folder.join(LOG_FILE), kept.join("\n") + "\n").unwrap();
        };
        cut(1);
        let (run, warned) = again(&bench, &folder);
        assert_eq!(run.position.epochs, 1);
        assert!(warned[0].contains("the log lost epoch 2"), "{warned:?}");
        drop(run);
        cut(0);
        let (run, warned) = again(&bench, &folder);
        assert_eq!(run.position.epochs, 2);
        assert!(
            warned.iter().any(|said| said.contains("the log lost epochs 1, 2") && said.contains("stay missing")),
            "{warned:?}"
        );
    }
}
