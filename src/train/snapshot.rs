//! Weights and moments on their way to a checkpoint and back.

use std::borrow::Cow;

use candle_core::Var;
use safetensors::{Dtype, View};

use super::AdamW;
use crate::{
    infer::find,
    model::{ModelError, ParamSpec, ParamStore},
    session,
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
    checkpoint: &session::Checkpoint,
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
