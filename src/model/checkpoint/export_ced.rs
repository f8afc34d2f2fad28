//! Out to CED's and Dasheng's own form: a folder with the names that their makers' code for `transformers` reads.

use std::{fs, path::Path};

use serde_json::json;

use super::{
    export_parts::{class_names, fold_low_rank, values, write},
    safetensors,
};
use crate::model::{ModelError, Opened, ParamSpec, Part, Stem};

/// What stands beside a batch norm's variance in PyTorch.
const BATCH_EPS: f64 = 1e-5;

/// Writes the folder; with `head` also the classifier.
///
/// # Errors
/// When that form cannot hold it: adapters, prompts, patches that are neither CED's nor Dasheng's; when the disk refuses.
pub(super) fn to_folder(folder: &Path, opened: &Opened, head: bool) -> Result<(), ModelError> {
    let config = &opened.config;
    let Stem::Patches { mel_bins, frames, patch, stride } = config.stem else {
        return Err(ModelError::checkpoint(folder, "CED cuts patches", "keep it in the form it has"));
    };
    let added = opened.store.specs().iter().find(|spec| matches!(spec.part, Part::Spatial | Part::Mlp | Part::Prompt));
    if let Some(spec) = added {
        let problem =
            format!("{} has {}, which CED's form has no place for and no weights can absorb", opened.method, spec.name);
        let remedy = "export the whole model as one ONNX file, or convert its backbone";
        return Err(ModelError::checkpoint(folder, problem, remedy));
    }
    if patch != stride || (head && !config.head_norm) {
        let problem = "CED's form has patches side by side and a norm in the head";
        return Err(ModelError::checkpoint(folder, problem, "export it as one ONNX file"));
    }
    let is_dasheng = patch[0] == mel_bins;
    let bins = if is_dasheng { "encoder.init_bn.1" } else { "encoder.init_bn" };

    let mut tensors: Vec<Target> = Vec::new();
    for spec in opened.store.specs().iter().filter(|spec| head || spec.part != Part::Head) {
        tensors.extend(targets(spec, patch, bins));
    }
    let table: Vec<(&str, &[usize])> =
        tensors.iter().map(|target| (target.name.as_str(), target.shape.as_slice())).collect();
    fs::create_dir_all(folder).map_err(|source| ModelError::Io { path: folder.to_owned(), source })?;
    safetensors::write(&folder.join("model.safetensors"), &[("format", "pt")], &table, |i| {
        let Target { ours, how, shape, .. } = &tensors[i];
        if let How::Fill(value) = how {
            return Ok(vec![*value; shape.iter().product()]);
        }
        let var = opened.store.get(ours).ok_or_else(|| ModelError::Shape(format!("there is no {ours}")))?;
        let mut values = values(var)?;
        match how {
            How::Turn(columns) => {
                let rows = values.len() / columns.max(&1);
                values = (0..*columns)
                    .flat_map(|at| (0..rows).map(move |row| (row, at)))
                    .map(|(row, at)| values[row * columns + at])
                    .collect();
            }
            How::Scale => {
                let root = (1.0 + BATCH_EPS).sqrt();
                values.iter_mut().for_each(|value| *value = (f64::from(*value) * root) as f32);
            }
            How::Copy | How::Fill(_) => {}
        }
        if ours.ends_with("attn.qkv.weight") {
            let third = values.len() / 3;
            for (at, part) in values.chunks_exact_mut(third).enumerate() {
                fold_low_rank(opened, ours, at, part)?;
            }
        }
        Ok(values)
    })?;

    let [id2label, label2id] = class_names(opened, head);
    let encoder = json!({
        "embed_dim": config.hidden,
        "depth": config.depth,
        "num_heads": config.heads,
        "mlp_ratio": config.mlp_hidden as f64 / config.hidden as f64,
        "target_length": frames,
        "patch_size": patch,
        "patch_stride": stride,
        "n_mels": mel_bins,
        "pooling": "mean",
        "qkv_bias": true,
    });
    let mut settings = if is_dasheng {
        json!({ "architectures": ["DashengModel"], "model_type": "dasheng", "encoder_kwargs": encoder })
    } else {
        let mut settings = encoder;
        settings["architectures"] = json!(["CedForAudioClassification"]);
        settings["model_type"] = json!("ced");
        settings["patch_size"] = json!(patch[0]);
        settings["patch_stride"] = json!(stride[0]);
        settings
    };
    if head {
        settings["outputdim"] = json!(config.classes);
        settings["id2label"] = id2label;
        settings["label2id"] = label2id;
    }
    write(&folder.join("config.json"), &settings)?;
    let kind = if is_dasheng { "DashengFeatureExtractor" } else { "CedFeatureExtractor" };
    let features = json!({
        "feature_extractor_type": kind,
        "feature_size": mel_bins,
        "sampling_rate": crate::audio::SAMPLE_RATE,
        "f_min": 0,
        "f_max": 8000,
        "hop_size": 160,
        "n_fft": 512,
        "win_size": 512,
        "center": true,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": false,
    });
    write(&folder.join("preprocessor_config.json"), &features)
}

/// A tensor of the folder, and what it is made of.
struct Target {
    name: String,
    shape: Vec<usize>,
    ours: String,
    how: How,
}

enum How {
    Copy,
    /// Our (rows, so many columns) turned around.
    Turn(usize),
    /// A batch norm's weight where its variance is 1.
    Scale,
    /// One number everywhere.
    Fill(f32),
}

fn targets(spec: &ParamSpec, patch: [usize; 2], bins: &str) -> Vec<Target> {
    let target = |name: String, shape: Vec<usize>, how| Target { name, shape, ours: spec.name.clone(), how };
    let copy = |name: String| vec![target(name, spec.shape.clone(), How::Copy)];
    match spec.name.as_str() {
        // Our scale and shift are those of a batch norm that has seen a mean of 0 and a variance of 1.
        "bin_norm.weight" => vec![
            target(format!("{bins}.weight"), spec.shape.clone(), How::Scale),
            target(format!("{bins}.running_var"), spec.shape.clone(), How::Fill(1.0)),
        ],
        "bin_norm.bias" => vec![
            target(format!("{bins}.bias"), spec.shape.clone(), How::Copy),
            target(format!("{bins}.running_mean"), spec.shape.clone(), How::Fill(0.0)),
        ],
        "patch.weight" => {
            let shape = vec![spec.shape[0], 1, patch[0], patch[1]];
            vec![target("encoder.patch_embed.proj.weight".into(), shape, How::Copy)]
        }
        "patch.bias" => copy("encoder.patch_embed.proj.bias".into()),
        "pos_embed.freq" => {
            let (count, d) = (spec.shape[1], spec.shape[2]);
            vec![target("encoder.freq_pos_embed".into(), vec![1, d, count, 1], How::Turn(d))]
        }
        "pos_embed.time" => {
            let (count, d) = (spec.shape[1], spec.shape[2]);
            vec![target("encoder.time_pos_embed".into(), vec![1, d, 1, count], How::Turn(d))]
        }
        name if spec.part == Part::Head => {
            copy(name.replace("head.norm", "outputlayer.0").replace("head.linear", "outputlayer.1"))
        }
        // Its updates are in the queries' and values' weights.
        _ if spec.part == Part::Lora => Vec::new(),
        name => copy(format!("encoder.{name}")),
    }
}
