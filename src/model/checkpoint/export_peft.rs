//! Low-rank updates as a folder that Hugging Face's `peft` loads onto the base, and back from it.
//!
//! Names are those of transformers 5, whose AST has `q_proj` and `v_proj` where version 4 had `query` and `value`:
//! `peft` looks them up in memory, so that version 4 refuses the folder instead of leaving the updates out.

use std::{fs, io::Write, path::Path};

use candle_core::DType;
use serde_json::json;

use super::{
    Card, card,
    peft::{SETTINGS, WEIGHTS, name_of},
    safetensors,
};
use crate::{
    atomic,
    model::{ModelError, Opened, Part},
};

/// Writes what `lora` trained. `base` is what users load first; our own card travels in the file's metadata, so that
/// this program reads the folder back.
///
/// # Errors
/// When the model is no AST adapted by `lora`; when the disk refuses.
pub fn to_peft(folder: &Path, opened: &Opened, card: &Card, base: &str) -> Result<(), ModelError> {
    let Some(size) = opened.method.extras(&opened.config).lora else {
        let problem = format!("{} has no low-rank updates", opened.method);
        return Err(ModelError::checkpoint(folder, problem, "peft has a form for lora only"));
    };
    let io = |source| ModelError::Io { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(io)?;
    let trained: Vec<_> = opened
        .store
        .iter()
        .filter(|(spec, _)| matches!(spec.part, Part::Lora | Part::Head))
        .filter_map(|(spec, var)| Some((name_of(&spec.name)?, spec, var)))
        .collect();
    let table: Vec<(&str, &[usize])> =
        trained.iter().map(|(name, spec, _)| (name.as_str(), spec.shape.as_slice())).collect();
    let own = serde_json::to_string(card).map_err(|why| io(why.into()))?;
    let metadata = [("format", "pt"), (card::KEY, card::ADAPTER), (card::INSIDE, own.as_str())];
    safetensors::write(&folder.join(WEIGHTS[0]), &metadata, &table, |i| {
        Ok(trained[i].2.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
    })?;
    let settings = json!({
        "peft_type": "LORA",
        "base_model_name_or_path": base,
        "r": size.rank,
        "lora_alpha": size.alpha,
        "lora_dropout": 0.0,
        "target_modules": ["q_proj", "v_proj"],
        "modules_to_save": ["classifier"],
        "bias": "none",
        "fan_in_fan_out": false,
        "use_rslora": false,
        "use_dora": false,
        "task_type": null,
        "inference_mode": true,
    });
    atomic::write(&folder.join(SETTINGS), |file| writeln!(file, "{settings:#}")).map_err(io)
}
