//! Names as training scripts leave them: a model inside DataParallel, torch.compile, Lightning, PEFT, or a dict of
//! several copies. What a wrapper put before every name is taken off, and of several copies one is taken; both are reported.

use std::collections::BTreeSet;

use super::Tensors;
use crate::model::ModelError;

/// Names of modules that PyTorch's own tools put in, anywhere in a name.
const ANYWHERE: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// Names that every known model has one of, the longer first, each with others of which one must be beside it; what
/// stands before both is a wrapper's.
const SIGNS: [(&str, &[&str]); 8] = [
    (
        "audio_spectrogram_transformer.embeddings.patch_embeddings.projection.weight",
        &["audio_spectrogram_transformer.embeddings.cls_token"],
    ),
    ("embeddings.patch_embeddings.projection.weight", &["embeddings.cls_token"]),
    ("encoder.time_pos_embed", &["encoder.freq_pos_embed"]),
    ("time_pos_embed", &["freq_pos_embed"]),
    ("v.patch_embed.proj.weight", &["v.cls_token"]),
    ("patch_embed.proj.weight", &["blocks.0.attn.qkv.weight"]),
    ("encoder.conv1.weight", &["encoder.layers.0.self_attn.q_proj.weight", "encoder.blocks.0.attn.query.weight"]),
    ("conv1.weight", &["layers.0.self_attn.q_proj.weight", "blocks.0.attn.query.weight"]),
];

/// Words in the path of a copy that is an average or another's, and not the model that was trained.
const COPIES: [&str; 6] = ["ema", "teacher", "target", "shadow", "averaged", "swa"];

/// Names of dicts that hold the model, where several are left.
const USUAL: [&str; 6] = ["model", "state_dict", "model_state_dict", "module", "student", "net"];

/// Takes wrappers off unless names are `known` as they are; answers with what a person should know.
///
/// # Errors
/// When several copies are equally likely to be meant.
pub(super) fn unwrap(tensors: Tensors, known: impl Fn(&Tensors) -> bool) -> Result<(Tensors, Vec<String>), ModelError> {
    let mut notes = Vec::new();
    let tensors = without_inner(tensors, &mut notes);
    let found = prefixes(&tensors);
    if found.is_empty() || (found.len() == 1 && known(&tensors)) {
        return Ok((tensors, notes));
    }
    let chosen = choose(&tensors, &found)?;
    let rivals: Vec<&String> = found.iter().filter(|other| **other != chosen).collect();
    if !rivals.is_empty() {
        let names: Vec<String> = rivals.iter().map(|name| spoken(name)).collect();
        notes.push(format!("it holds several copies: {} was taken, {} left out", spoken(&chosen), names.join(", ")));
    } else {
        notes.push(format!("its weights are under {}, which is left out of their names", spoken(&chosen)));
    }
    let of_rival = |name: &str| rivals.iter().any(|rival| !rival.is_empty() && name.starts_with(rival.as_str()));
    // A tensor outside the wrapper must not take the place of one inside it.
    let inside: BTreeSet<String> =
        tensors.iter().filter_map(|(name, _)| Some(name.strip_prefix(chosen.as_str())?.to_owned())).collect();
    let unwrapped = tensors.rename(|name| match name.strip_prefix(chosen.as_str()) {
        Some(rest) if !(chosen.is_empty() && of_rival(name)) => Some(rest.to_owned()),
        // An optimizer's moments, the copies that were not taken: reported above or no part of any model.
        _ if of_rival(name) || name.starts_with("optimizer") || inside.contains(name) => None,
        _ => Some(name.to_owned()),
    });
    Ok((unwrapped, notes))
}

/// A wrapper's path as a person has it: `model` for `model.`.
fn spoken(prefix: &str) -> String {
    if prefix.is_empty() { "the outermost".to_owned() } else { format!("\"{}\"", prefix.trim_end_matches('.')) }
}

/// Leaves out the names of modules that tools put in, wherever they stand.
fn without_inner(tensors: Tensors, notes: &mut Vec<String>) -> Tensors {
    let found: BTreeSet<&str> =
        tensors.iter().flat_map(|(name, _)| name.split('.')).filter(|part| ANYWHERE.contains(part)).collect();
    if found.is_empty() {
        return tensors;
    }
    let names: Vec<&str> = found.into_iter().collect();
    notes.push(format!("{} is left out of its names", names.join(", ")));
    tensors.rename(|name| {
        let kept: Vec<&str> = name.split('.').filter(|part| !ANYWHERE.contains(part)).collect();
        Some(kept.join("."))
    })
}

/// What stands before the first sign that any name has, once for each copy.
fn prefixes(tensors: &Tensors) -> BTreeSet<String> {
    let of_sign = |(sign, beside): (&str, &[&str])| -> BTreeSet<String> {
        let before = |name: &str| {
            let prefix = name.strip_suffix(sign)?;
            let whole = prefix.is_empty() || prefix.ends_with('.');
            let is_model = || beside.iter().any(|name| tensors.has(&format!("{prefix}{name}")));
            (whole && is_model()).then(|| prefix.to_owned())
        };
        tensors.iter().filter_map(|(name, _)| before(name)).collect()
    };
    SIGNS.into_iter().map(of_sign).find(|found| !found.is_empty()).unwrap_or_default()
}

/// The copy that is meant.
fn choose(tensors: &Tensors, found: &BTreeSet<String>) -> Result<String, ModelError> {
    let is_copy = |prefix: &String| prefix.to_lowercase().split(['.', '_']).any(|word| COPIES.contains(&word));
    let trained: Vec<&String> = found.iter().filter(|prefix| !is_copy(prefix)).collect();
    let among: Vec<&String> = if trained.is_empty() { found.iter().collect() } else { trained };
    if let [only] = among[..] {
        return Ok(only.clone());
    }
    if among.iter().any(|prefix| prefix.is_empty()) {
        return Ok(String::new());
    }
    let usual = USUAL.into_iter().find_map(|name| among.iter().find(|prefix| prefix.trim_end_matches('.') == name));
    usual.map(|prefix| (*prefix).clone()).ok_or_else(|| {
        let names: Vec<String> = among.iter().map(|prefix| spoken(prefix)).collect();
        let problem = format!("it holds {} models, under {}", among.len(), names.join(", "));
        let first = among[0].trim_end_matches('.');
        let remedy = format!(
            "save the one you mean by itself; in Python: torch.save(torch.load(\"old.pth\", map_location=\"cpu\")\
             [\"{first}\"], \"weights.pth\")"
        );
        ModelError::checkpoint(&tensors.path, problem, remedy)
    })
}
