//! Loads a checkpoint's named tensors into a model.

use candle_core::Tensor;

use super::Calibration;
use crate::{
    model::{ModelError, ParamStore},
    session::{self, Checkpoint},
};

/// Loads a checkpoint's weights into the trainable parameters.
///
/// # Errors
/// When one is missing or of another shape, or the device fails.
pub fn restore(store: &ParamStore, checkpoint: &Checkpoint) -> Result<(), ModelError> {
    for (spec, var) in store.trainable() {
        let kept = find(checkpoint, &spec.name, &spec.shape)?;
        var.set(&Tensor::from_slice(&kept.data, spec.shape.as_slice(), store.device())?)?;
    }
    Ok(())
}

/// Scales the head's weights, just loaded from a checkpoint, by a session's calibration if it is of that checkpoint. Returns
/// whether it is.
///
/// # Errors
/// When the device fails, or the model has no linear head.
pub(super) fn calibrate(
    store: &ParamStore,
    labels: &[String],
    calibration: Option<&Calibration>,
    checkpoint: &Checkpoint,
    averaged: bool,
) -> Result<bool, ModelError> {
    let fitting = calibration.filter(|known| known.is_of(&checkpoint.position, averaged));
    fitting.map_or(Ok(()), |calibration| calibration.apply(store, labels))?;
    Ok(fitting.is_some())
}

/// A checkpoint's tensor of this name and shape.
///
/// # Errors
/// When it is missing or of another shape.
pub fn find<'a>(checkpoint: &'a Checkpoint, name: &str, shape: &[usize]) -> Result<&'a session::Tensor, ModelError> {
    match checkpoint.tensors.get(name) {
        Some(tensor) if tensor.shape == shape => Ok(tensor),
        Some(tensor) => Err(ModelError::Shape(format!(
            "the checkpoint's {name} is {:?} and the model's is {shape:?}: the model has changed since; train anew",
            tensor.shape
        ))),
        None => Err(ModelError::Shape(format!(
            "the checkpoint has no {name}: another version of this program wrote it; train anew"
        ))),
    }
}
