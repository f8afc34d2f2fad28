//! Loads a checkpoint's named tensors into a model.

use candle_core::Tensor;

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
