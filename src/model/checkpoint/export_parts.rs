//! What the forms that a model is exported to have in common.

use std::{collections::BTreeMap, io::Write, path::Path};

use candle_core::{DType, Tensor};
use serde_json::{Value, json};

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

/// `id2label` and `label2id` of a `config.json`: the classes by number and by name, `LABEL_0` and so on where they have no
/// names; empty without a head.
pub(super) fn class_names(opened: &Opened, head: bool) -> [Value; 2] {
    let name = |id: usize| opened.labels.as_ref().map_or_else(|| format!("LABEL_{id}"), |labels| labels[id].clone());
    let classes = match &opened.labels {
        _ if !head => 0,
        Some(labels) => labels.len(),
        None => opened.config.classes,
    };
    let by_id: BTreeMap<String, String> = (0..classes).map(|id| (id.to_string(), name(id))).collect();
    let by_name: BTreeMap<String, usize> = (0..classes).map(|id| (name(id), id)).collect();
    [json!(by_id), json!(by_name)]
}

/// Writes settings as indented JSON.
pub(super) fn write(path: &Path, settings: &Value) -> Result<(), ModelError> {
    atomic::write(path, |file| writeln!(file, "{settings:#}"))
        .map_err(|source| ModelError::Io { path: path.to_owned(), source })
}
