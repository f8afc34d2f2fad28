//! Out to Hugging Face's AST: a folder that `transformers` loads with `from_pretrained`.

use std::{fs, path::Path};

use serde_json::json;

use super::{
    export_parts::{class_names, fold_low_rank, values, write},
    safetensors,
};
use crate::model::{ModelError, Opened, ParamSpec, Part, Pooling, Stem};

/// Where one of our parameters goes: the name there, its shape, and which third of our rows it is.
struct Target {
    name: String,
    shape: Vec<usize>,
    third: Option<usize>,
}

/// Writes a model as Hugging Face's `ASTForAudioClassification`, or as `ASTModel` when `head` is false. Low-rank updates are
/// added to the queries' and values' weights.
///
/// # Errors
/// When that form cannot hold it: a Whisper encoder, patches that are not square, adapters or prompts; when the disk
/// refuses.
pub(super) fn to_folder(folder: &Path, opened: &Opened, head: bool) -> Result<(), ModelError> {
    let refuse = |problem: &str, remedy: &str| Err(ModelError::checkpoint(folder, problem, remedy));
    let Stem::Patches { mel_bins, frames, patch, stride } = opened.config.stem else {
        return refuse("a Whisper encoder is no AST", "keep it in the form it has");
    };
    if patch[0] != patch[1] {
        return refuse("Hugging Face's AST has square patches only", "keep it in the form it has");
    }
    if head && opened.config.pooling != Pooling::ClassTokens {
        return refuse(
            "its head answers to the mean of all tokens, that of Hugging Face's AST to the class tokens alone",
            "keep the whole model in our own form",
        );
    }
    let added = opened.store.specs().iter().find(|spec| matches!(spec.part, Part::Spatial | Part::Mlp | Part::Prompt));
    if let Some(spec) = added {
        return refuse(
            &format!(
                "{} has {}, which Hugging Face's AST has no place for and no weights can absorb",
                opened.method, spec.name
            ),
            "keep the whole model in our own form, or convert its backbone",
        );
    }

    let prefix = if head { "audio_spectrogram_transformer." } else { "" };
    let mut tensors: Vec<(Target, &str)> = Vec::new();
    for spec in opened.store.specs().iter().filter(|spec| head || spec.part != Part::Head) {
        tensors.extend(targets(prefix, spec, patch).into_iter().map(|target| (target, spec.name.as_str())));
    }
    let table: Vec<(&str, &[usize])> =
        tensors.iter().map(|(target, _)| (target.name.as_str(), target.shape.as_slice())).collect();
    fs::create_dir_all(folder).map_err(|source| ModelError::Io { path: folder.to_owned(), source })?;
    safetensors::write(&folder.join("model.safetensors"), &[("format", "pt")], &table, |i| {
        let (target, ours) = &tensors[i];
        let var = opened.store.get(ours).ok_or_else(|| ModelError::Shape(format!("there is no {ours}")))?;
        let mut values = values(var)?;
        if let Some(third) = target.third {
            let size = values.len() / 3;
            values = values[third * size..(third + 1) * size].to_vec();
            fold_low_rank(opened, ours, third, &mut values)?;
        }
        Ok(values)
    })?;

    let config = &opened.config;
    let [id2label, label2id] = class_names(opened, head);
    let mut settings = json!({
        "architectures": [if head { "ASTForAudioClassification" } else { "ASTModel" }],
        "model_type": "audio-spectrogram-transformer",
        "hidden_size": config.hidden,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "intermediate_size": config.mlp_hidden,
        "hidden_act": "gelu",
        "layer_norm_eps": config.norm_eps,
        "patch_size": patch[0],
        "qkv_bias": true,
        "frequency_stride": stride[0],
        "time_stride": stride[1],
        "max_length": frames,
        "num_mel_bins": mel_bins,
        "dtype": "float32",
    });
    if head {
        settings["id2label"] = id2label;
        settings["label2id"] = label2id;
    }
    write(&folder.join("config.json"), &settings)?;
    let mut front_end = json!({
        "feature_extractor_type": "ASTFeatureExtractor",
        "feature_size": 1,
        "sampling_rate": crate::audio::SAMPLE_RATE,
        "num_mel_bins": mel_bins,
        "max_length": frames,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": false,
        "do_normalize": opened.normalisation.is_some(),
    });
    if let Some(normalisation) = opened.normalisation {
        front_end["mean"] = json!(normalisation.mean);
        front_end["std"] = json!(normalisation.std);
    }
    write(&folder.join("preprocessor_config.json"), &front_end)
}

/// The published names (`reference`: transformers' `modeling_audio_spectrogram_transformer`, version 4).
fn targets(prefix: &str, spec: &ParamSpec, patch: [usize; 2]) -> Vec<Target> {
    let whole = |name: String| vec![Target { name, shape: spec.shape.clone(), third: None }];
    let embeddings = format!("{prefix}embeddings");
    match spec.name.as_str() {
        "patch.weight" => {
            let shape = vec![spec.shape[0], 1, patch[0], patch[1]];
            vec![Target { name: format!("{embeddings}.patch_embeddings.projection.weight"), shape, third: None }]
        }
        "patch.bias" => whole(format!("{embeddings}.patch_embeddings.projection.bias")),
        "cls_token" => whole(format!("{embeddings}.cls_token")),
        "dist_token" => whole(format!("{embeddings}.distillation_token")),
        "pos_embed" => whole(format!("{embeddings}.position_embeddings")),
        name => {
            if let Some(rest) = name.strip_prefix("head.") {
                return whole(format!(
                    "classifier.{}",
                    rest.replace("norm.", "layernorm.").replace("linear.", "dense.")
                ));
            }
            if let Some(rest) = name.strip_prefix("norm.") {
                return whole(format!("{prefix}layernorm.{rest}"));
            }
            let Some((block, rest)) = name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) else {
                return Vec::new();
            };
            let layer = format!("{prefix}encoder.layer.{block}");
            let (module, leaf) = rest.rsplit_once('.').unwrap_or((rest, ""));
            if module == "attn.qkv" {
                let mut shape = spec.shape.clone();
                shape[0] /= 3;
                let third = |(third, name)| Target {
                    name: format!("{layer}.attention.attention.{name}.{leaf}"),
                    shape: shape.clone(),
                    third: Some(third),
                };
                return ["query", "key", "value"].into_iter().enumerate().map(third).collect();
            }
            let module = match module {
                "norm1" => "layernorm_before",
                "norm2" => "layernorm_after",
                "attn.proj" => "attention.output.dense",
                "mlp.fc1" => "intermediate.dense",
                "mlp.fc2" => "output.dense",
                _ => return Vec::new(),
            };
            whole(format!("{layer}.{module}.{leaf}"))
        }
    }
}
