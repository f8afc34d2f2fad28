//! Weights and moments on their way to a checkpoint and back.

use std::{borrow::Cow, path::Path};

use candle_core::Var;
use safetensors::{Dtype, View};

use super::{AdamW, Answers};
use crate::{
    infer::find,
    model::{ModelError, ParamSpec, ParamStore},
    session::{Checkpoint, Checkpoints, SessionError},
};

/// Prefixes of a parameter's name under which its moments stand in a checkpoint.
const MOMENTS: [&str; 2] = ["adamw.first.", "adamw.second."];

/// One tensor to be written; bytes are made one tensor at a time, as the file is written.
pub(super) struct Part<'a> {
    shape: Vec<usize>,
    values: Cow<'a, [f32]>,
}

impl View for &Part<'_> {
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
pub(super) fn part<'a>(shape: &[usize], values: &'a [f32]) -> Part<'a> {
    Part { shape: shape.to_vec(), values: values.into() }
}

/// Names of a validation's answers in a checkpoint: scores and targets, (clips, classes).
const ANSWERS: [&str; 2] = ["answers.scores", "answers.targets"];

/// A validation's answers, kept beside the weights that gave them, so that runs can be compared clip by clip.
pub(super) fn answers<'a>(answers: &Answers) -> Vec<(String, Part<'a>)> {
    let part =
        |values: &Vec<f32>| Part { shape: vec![answers.clips(), answers.classes], values: values.clone().into() };
    let parts = [part(&answers.scores), part(&answers.targets)];
    ANSWERS.iter().map(|name| (*name).to_owned()).zip(parts).collect()
}

/// The answers that a checkpoint keeps, if any.
pub(super) fn answers_in(checkpoint: &Checkpoint) -> Option<Answers> {
    let [scores, targets] = ANSWERS.map(|name| checkpoint.tensors.get(name));
    let classes = *scores?.shape.get(1)?;
    Some(Answers { classes, scores: scores?.data.clone(), targets: targets?.data.clone() })
}

/// A session's answers to its validation clips in its best epoch.
///
/// # Errors
/// When its best weights cannot be read.
pub fn answers_of_best(folder: &Path) -> Result<Option<Answers>, SessionError> {
    Ok(answers_in(&Checkpoint::read(&Checkpoints::of(folder).best_path())?))
}

/// A session's answers to its validation clips with the averaged weights, where it has them.
///
/// # Errors
/// When they cannot be read.
pub fn answers_of_averaged(folder: &Path) -> Result<Option<Answers>, SessionError> {
    Ok(answers_in(&Checkpoint::read(&Checkpoints::of(folder).averaged_path())?))
}

/// A session's answers to its validation clips in its last complete epoch.
///
/// # Errors
/// When it has no checkpoint that can be read.
pub fn answers_of_last(folder: &Path) -> Result<Option<Answers>, SessionError> {
    Ok(answers_in(&Checkpoints::of(folder).latest()?.0))
}

/// The weights that train.
pub(super) fn weights(store: &ParamStore) -> Result<Vec<(String, Part<'static>)>, ModelError> {
    let part = |(spec, var): (&ParamSpec, &Var)| {
        let values = var.flatten_all()?.to_vec1::<f32>()?;
        Ok((spec.name.clone(), Part { shape: spec.shape.clone(), values: values.into() }))
    };
    store.trainable().map(part).collect()
}

/// The weights that train, and the optimizer's moments of them.
pub(super) fn all<'a>(store: &ParamStore, optimizer: &'a AdamW) -> Result<Vec<(String, Part<'a>)>, ModelError> {
    let mut parts: Vec<(String, Part<'a>)> = weights(store)?;
    for ((spec, _), pair) in store.trainable().zip(optimizer.moments()?) {
        for (prefix, values) in MOMENTS.iter().zip(pair) {
            parts.push((format!("{prefix}{}", spec.name), Part { shape: spec.shape.clone(), values }));
        }
    }
    Ok(parts)
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
