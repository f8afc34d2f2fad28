//! Hugging Face's `ASTForAudioClassification` and `ASTModel`, SSAST in the same form included.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Checkpoint, Format, Mapping, Tensors, beside, depth, ignored, size, usual_heads};
use crate::{
    audio::Normalisation,
    model::{ModelConfig, ModelError, Pooling, Stem},
};

/// The backbone's prefix inside a model with a head.
const PREFIX: &str = "audio_spectrogram_transformer.";

/// `config.json`, as far as a shape needs it; defaults are transformers' own.
#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    num_attention_heads: Option<usize>,
    layer_norm_eps: f64,
    frequency_stride: usize,
    time_stride: usize,
    max_length: usize,
    num_mel_bins: usize,
    id2label: HashMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            num_attention_heads: None,
            layer_norm_eps: 1e-12,
            frequency_stride: 10,
            time_stride: 10,
            max_length: 1024,
            num_mel_bins: 128,
            id2label: HashMap::new(),
        }
    }
}

/// `preprocessor_config.json`.
#[derive(Deserialize)]
struct Preprocessor {
    mean: Option<f32>,
    std: Option<f32>,
    do_normalize: Option<bool>,
}

/// Names of a block's modules: as published, and as transformers 5 has them in memory.
struct Names {
    block: &'static str,
    qkv: [&'static str; 3],
    proj: &'static str,
    fc1: &'static str,
    fc2: &'static str,
}

const PUBLISHED: Names = Names {
    block: "encoder.layer.",
    qkv: ["attention.attention.query", "attention.attention.key", "attention.attention.value"],
    proj: "attention.output.dense",
    fc1: "intermediate.dense",
    fc2: "output.dense",
};

const IN_MEMORY: Names = Names {
    block: "layers.",
    qkv: ["attention.q_proj", "attention.k_proj", "attention.v_proj"],
    proj: "attention.o_proj",
    fc1: "mlp.fc1",
    fc2: "mlp.fc2",
};

fn prefix(tensors: &Tensors) -> Option<&'static str> {
    [PREFIX, ""]
        .into_iter()
        .find(|prefix| tensors.has(&format!("{prefix}embeddings.patch_embeddings.projection.weight")))
}

pub(super) fn recognise(tensors: &Tensors) -> bool {
    prefix(tensors).is_some_and(|prefix| tensors.has(&format!("{prefix}embeddings.distillation_token")))
}

pub(super) fn open(tensors: Tensors) -> Result<Checkpoint, ModelError> {
    let prefix = prefix(&tensors).unwrap_or(PREFIX);
    let has_settings: Option<Settings> = beside(&tensors, "config.json")?;
    let mut notes = Vec::new();
    if has_settings.is_none() {
        notes.push("no config.json beside it: strides and length are taken to be AST's own".to_owned());
    }
    let settings = has_settings.unwrap_or_default();
    let preprocessor: Option<Preprocessor> = beside(&tensors, "preprocessor_config.json")?;

    let names = if tensors.has(&format!("{prefix}layers.0.layernorm_before.weight")) { &IN_MEMORY } else { &PUBLISHED };
    let block = |i: usize| format!("{prefix}{}{i}", names.block);
    let projection = format!("{prefix}embeddings.patch_embeddings.projection");
    let weight = format!("{projection}.weight");
    let (hidden, patch) = (size(&tensors, &weight, 0), [size(&tensors, &weight, 2), size(&tensors, &weight, 3)]);
    let config = ModelConfig {
        stem: Stem::Patches {
            mel_bins: settings.num_mel_bins,
            frames: settings.max_length,
            patch,
            stride: [settings.frequency_stride, settings.time_stride],
        },
        hidden,
        depth: depth(&tensors, |i| format!("{}.layernorm_before.weight", block(i))),
        heads: settings.num_attention_heads.unwrap_or_else(|| usual_heads(hidden)),
        mlp_hidden: size(&tensors, &format!("{}.{}.weight", block(0), names.fc1), 0),
        norm_eps: settings.layer_norm_eps,
        head_eps: settings.layer_norm_eps,
        pooling: Pooling::ClassTokens,
        classes: size(&tensors, "classifier.dense.weight", 0),
    };
    config.check_backbone()?;

    let mut map = Mapping::default();
    let embeddings = format!("{prefix}embeddings");
    map.copy("patch.weight", weight, &[hidden, 1, patch[0], patch[1]]);
    map.copy("patch.bias", format!("{projection}.bias"), &[hidden]);
    map.copy("cls_token", format!("{embeddings}.cls_token"), &[hidden]);
    map.copy("dist_token", format!("{embeddings}.distillation_token"), &[hidden]);
    map.copy("pos_embed", format!("{embeddings}.position_embeddings"), &[config.tokens(), hidden]);
    for i in 0..config.depth {
        let (ours, theirs) = (format!("blocks.{i}"), block(i));
        map.norm(&format!("{ours}.norm1"), &format!("{theirs}.layernorm_before"), hidden);
        map.norm(&format!("{ours}.norm2"), &format!("{theirs}.layernorm_after"), hidden);
        let stacked = |leaf: &str| names.qkv.iter().map(|name| format!("{theirs}.{name}.{leaf}")).collect();
        map.stack(format!("{ours}.attn.qkv.weight"), stacked("weight"), &[hidden, hidden]);
        map.stack(format!("{ours}.attn.qkv.bias"), stacked("bias"), &[hidden]);
        map.linear(&format!("{ours}.attn.proj"), &format!("{theirs}.{}", names.proj), hidden, hidden);
        map.linear(&format!("{ours}.mlp.fc1"), &format!("{theirs}.{}", names.fc1), config.mlp_hidden, hidden);
        map.linear(&format!("{ours}.mlp.fc2"), &format!("{theirs}.{}", names.fc2), hidden, config.mlp_hidden);
    }
    map.norm("norm", &format!("{prefix}layernorm"), hidden);
    if config.classes > 0 {
        map.norm("head.norm", "classifier.layernorm", hidden);
        map.linear("head.linear", "classifier.dense", config.classes, hidden);
    }

    let labels = labels(settings.id2label, config.classes);
    if labels.is_none() && config.classes > 0 {
        notes.push(format!("it names none of its {} classes", config.classes));
    }
    let normalisation = preprocessor.filter(|p| p.do_normalize != Some(false)).and_then(|p| {
        let (mean, std) = p.mean.zip(p.std)?;
        (std > 0.0).then_some(Normalisation { mean, std })
    });
    let ignored = ignored(&tensors, &map, |_| "not part of the model");
    Ok(Checkpoint {
        path: tensors.path.clone(),
        format: Format::HuggingFaceAst,
        grid: config.grid(),
        method: None,
        config,
        labels,
        normalisation,
        notes,
        ignored,
        tensors,
        mapping: map,
    })
}

/// The labels in the order of their numbers, if there is one for each class.
fn labels(named: HashMap<String, String>, classes: usize) -> Option<Vec<String>> {
    let labels: Vec<String> = (0..classes).map_while(|id| named.get(&id.to_string()).cloned()).collect();
    (!labels.is_empty() && labels.len() == classes).then_some(labels)
}
