//! What the forms that a model is exported to have in common.

use std::{io::Write, path::Path};

use candle_core::{DType, Tensor};

use crate::{
    atomic,
    model::{ModelError, Opened},
};

/// A tensor's values, row-major.
pub(super) fn values(tensor: &Tensor) -> Result<Vec<f32>, ModelError> {
    Ok(tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
}

/// Adds its low-rank update to a third of `blocks.i.attn.qkv.weight`, (D, D) row-major; nothing to keys, to biases, or
/// by another method.
pub(super) fn fold_low_rank(opened: &Opened, ours: &str, third: usize, weight: &mut [f32]) -> Result<(), ModelError> {
    let size = opened.method.extras(&opened.config).lora;
    let (Some(size), Some(attention), Some(name)) =
        (size, ours.strip_suffix("qkv.weight"), [Some("lora_q"), None, Some("lora_v")][third])
    else {
        return Ok(());
    };
    let get = |part: &str| {
        let name = format!("{attention}{name}.{part}.weight");
        values(opened.store.get(&name).ok_or_else(|| ModelError::Shape(format!("there is no {name}")))?)
    };
    size.fold(&get("up")?, &get("down")?, weight);
    Ok(())
}

/// Writes settings as indented JSON.
pub(super) fn write(path: &Path, settings: &serde_json::Value) -> Result<(), ModelError> {
    atomic::write(path, |file| writeln!(file, "{settings:#}"))
        .map_err(|source| ModelError::Io { path: path.to_owned(), source })
}
