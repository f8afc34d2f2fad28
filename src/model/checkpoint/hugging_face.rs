//! Hugging Face's `ASTForAudioClassification` and `ASTModel`, SSAST in the same form included.

use super::{
    Checkpoint, Format, Mapping, Tensors, depth, ignored,
    keys::{AST, AST_FEATURES},
    settings::{BELONG, Settings, labels},
    size, usual_heads,
};
use crate::{
    audio::Normalisation,
    model::{ModelConfig, ModelError, Pooling, Stem},
};

/// The backbone's prefix inside a model with a head.
const PREFIX: &str = "audio_spectrogram_transformer.";
/// LayerNorm epsilon where no `config.json` says another (transformers' own).
const NORM_EPS: f64 = 1e-12;
/// Strides, frames and mel bins likewise.
const STRIDE: usize = 10;
const FRAMES: usize = 1024;
const MEL_BINS: usize = 128;

/// A name as published, of one as transformers 5 has it in memory: `layers.0.attention.q_proj.weight` is
/// `encoder.layer.0.attention.attention.query.weight` in files. Other names stay as they are.
pub(super) fn published(name: &str) -> String {
    const MODULES: [(&str, &str); 6] = [
        ("attention.q_proj", "attention.attention.query"),
        ("attention.k_proj", "attention.attention.key"),
        ("attention.v_proj", "attention.attention.value"),
        ("attention.o_proj", "attention.output.dense"),
        ("mlp.fc1", "intermediate.dense"),
        ("mlp.fc2", "output.dense"),
    ];
    const NORMS: [&str; 2] = ["layernorm_before", "layernorm_after"];
    let at = if name.starts_with("layers.") { Some(0) } else { name.find(".layers.").map(|dot| dot + 1) };
    let in_memory = || {
        let (prefix, rest) = name.split_at(at?);
        let (block, place) = rest.strip_prefix("layers.")?.split_once('.')?;
        let (module, leaf) = place.rsplit_once('.')?;
        let renamed = MODULES.iter().find(|(theirs, _)| *theirs == module).map(|(_, published)| *published);
        let module = renamed.or_else(|| NORMS.into_iter().find(|norm| *norm == module))?;
        Some(format!("{prefix}encoder.layer.{block}.{module}.{leaf}"))
    };
    in_memory().unwrap_or_else(|| name.to_owned())
}

fn prefix(tensors: &Tensors) -> Option<&'static str> {
    [PREFIX, ""]
        .into_iter()
        .find(|prefix| tensors.has(&format!("{prefix}embeddings.patch_embeddings.projection.weight")))
}

pub(super) fn recognise(tensors: &Tensors) -> bool {
    prefix(tensors).is_some_and(|prefix| tensors.has(&format!("{prefix}embeddings.distillation_token")))
}

pub(super) fn open(tensors: Tensors) -> Result<Checkpoint, ModelError> {
    let tensors = tensors.rename(|name| Some(published(name)));
    let prefix = prefix(&tensors).unwrap_or(PREFIX);
    let block = |i: usize| format!("{prefix}encoder.layer.{i}");
    let projection = format!("{prefix}embeddings.patch_embeddings.projection");
    let weight = format!("{projection}.weight");
    let (hidden, patch) = (size(&tensors, &weight, 0), [size(&tensors, &weight, 2), size(&tensors, &weight, 3)]);
    let depth = depth(&tensors, |i| format!("{}.layernorm_before.weight", block(i)));
    let mlp_hidden = size(&tensors, &format!("{}.intermediate.dense.weight", block(0)), 0);
    let sizes = [
        ("hidden_size", hidden),
        ("num_hidden_layers", depth),
        ("intermediate_size", mlp_hidden),
        ("patch_size", patch[0]),
    ];
    let settings = Settings::beside(&tensors, "config.json", AST, &sizes)?;
    let given = settings.as_ref();
    let number = |key: &str, usual: usize| -> Result<usize, ModelError> {
        Ok(given.map(|settings| settings.size(key)).transpose()?.flatten().unwrap_or(usual))
    };
    let norm_eps = given.map(|settings| settings.number("layer_norm_eps")).transpose()?.flatten().unwrap_or(NORM_EPS);
    if let Some(settings) = given.filter(|_| norm_eps <= 0.0) {
        return Err(settings.refuse("layer_norm_eps", "it must be above 0", BELONG));
    }
    let (mel_bins, frames) = (number("num_mel_bins", MEL_BINS)?, number("max_length", FRAMES)?);
    let config = ModelConfig {
        stem: Stem::Patches {
            mel_bins,
            frames,
            patch,
            stride: [number("frequency_stride", STRIDE)?, number("time_stride", STRIDE)?],
        },
        hidden,
        depth,
        heads: number("num_attention_heads", usual_heads(hidden))?,
        mlp_hidden,
        norm_eps,
        head_eps: norm_eps,
        head_norm: true,
        family: None,
        pooling: Pooling::ClassTokens,
        classes: size(&tensors, "classifier.dense.weight", 0),
    };
    config.check_backbone()?;
    if let Some(settings) = given.filter(|_| config.front_end().is_err()) {
        return Err(settings.refuse(
            "num_mel_bins",
            "AST's filter bank here has 128",
            "choose a model of 128 mel bins",
        ));
    }
    let mut notes = Vec::new();
    let positions = size(&tensors, &format!("{prefix}embeddings.position_embeddings"), 1);
    if given.is_none() {
        // Strides, length and heads are nowhere in the tensors.
        if positions != config.tokens() {
            let problem = format!(
                "there is no config.json beside it, and its {positions} positions are not the {} of AST's usual strides \
                 and length",
                config.tokens()
            );
            return Err(ModelError::checkpoint(
                &tensors.path,
                problem,
                "put the model's config.json into the same folder",
            ));
        }
        notes.push("no config.json beside it: strides and length are taken to be AST's own".to_owned());
    }

    let mut map = Mapping::default();
    let embeddings = format!("{prefix}embeddings");
    map.copy("patch.weight", weight, &[hidden, 1, patch[0], patch[1]]);
    map.copy("patch.bias", format!("{projection}.bias"), &[hidden]);
    map.copy("cls_token", format!("{embeddings}.cls_token"), &[hidden]);
    map.copy("dist_token", format!("{embeddings}.distillation_token"), &[hidden]);
    map.copy("pos_embed", format!("{embeddings}.position_embeddings"), &[config.tokens(), hidden]);
    let biases = qkv_biases(given, tensors.has(&format!("{}.attention.attention.query.bias", block(0))))?;
    if !biases {
        notes.push("its queries, keys and values have no biases (qkv_bias is false): they are zeros here".to_owned());
    }
    for i in 0..config.depth {
        let (ours, theirs) = (format!("blocks.{i}"), block(i));
        map.norm(&format!("{ours}.norm1"), &format!("{theirs}.layernorm_before"), hidden);
        map.norm(&format!("{ours}.norm2"), &format!("{theirs}.layernorm_after"), hidden);
        let stacked = |leaf: &str| {
            ["query", "key", "value"].map(|name| format!("{theirs}.attention.attention.{name}.{leaf}")).to_vec()
        };
        map.stack(format!("{ours}.attn.qkv.weight"), stacked("weight"), &[hidden, hidden]);
        if biases {
            map.stack(format!("{ours}.attn.qkv.bias"), stacked("bias"), &[hidden]);
        } else {
            map.zeros(format!("{ours}.attn.qkv.bias"), 3 * hidden);
        }
        map.linear(&format!("{ours}.attn.proj"), &format!("{theirs}.attention.output.dense"), hidden, hidden);
        map.linear(&format!("{ours}.mlp.fc1"), &format!("{theirs}.intermediate.dense"), mlp_hidden, hidden);
        map.linear(&format!("{ours}.mlp.fc2"), &format!("{theirs}.output.dense"), hidden, mlp_hidden);
    }
    map.norm("norm", &format!("{prefix}layernorm"), hidden);
    if config.classes > 0 {
        map.norm("head.norm", "classifier.layernorm", hidden);
        map.linear("head.linear", "classifier.dense", config.classes, hidden);
    }

    let (labels, about_labels) = labels(given, config.classes, tensors.patched)?;
    notes.extend(about_labels);
    let normalisation = normalisation(&tensors, mel_bins, frames, &mut notes)?;
    notes.extend(given.and_then(|settings| settings.unknown(AST)));
    let multi_label = super::multi_label(given)?;
    let ignored = ignored(&tensors, &map, |_| "not part of the model");
    Ok(Checkpoint {
        path: tensors.path.clone(),
        format: Format::HuggingFaceAst,
        grid: config.grid(),
        method: None,
        config,
        labels,
        multi_label,
        normalisation,
        notes,
        ignored,
        tensors,
        mapping: map,
    })
}

/// Whether queries, keys and values have biases: as the settings say, with which the file must agree.
fn qkv_biases(settings: Option<&Settings>, in_file: bool) -> Result<bool, ModelError> {
    match settings {
        None => Ok(in_file),
        Some(settings) => match settings.flag("qkv_bias")?.unwrap_or(true) {
            false if in_file => Err(settings.refuse("qkv_bias", "the weights have these biases", BELONG)),
            true if !in_file => Err(settings.refuse("qkv_bias", "the weights lack these biases", BELONG)),
            given => Ok(given),
        },
    }
}

/// The statistics that features are normalised with, as `preprocessor_config.json` says.
fn normalisation(
    tensors: &Tensors,
    mel_bins: usize,
    frames: usize,
    notes: &mut Vec<String>,
) -> Result<Option<Normalisation>, ModelError> {
    let sizes = [("num_mel_bins", mel_bins), ("max_length", frames)];
    let Some(settings) = Settings::beside(tensors, "preprocessor_config.json", AST_FEATURES, &sizes)? else {
        notes.push(
            "no preprocessor_config.json beside it: its own answers take AudioSet's feature statistics".to_owned(),
        );
        return Ok(None);
    };
    notes.extend(settings.unknown(AST_FEATURES));
    if settings.flag("do_normalize")? == Some(false) {
        notes.push("its features are not normalised (do_normalize is false)".to_owned());
        return Ok(Some(Normalisation::NONE));
    }
    // What transformers' extractor takes by default.
    let usual = Normalisation::AUDIOSET;
    let mean = settings.number("mean")?.map_or(usual.mean, |mean| mean as f32);
    let std = settings.number("std")?.map_or(usual.std, |std| std as f32);
    if !(std.is_finite() && std > 0.0) {
        return Err(settings.refuse("std", "a standard deviation is above 0", BELONG));
    }
    Ok(Some(Normalisation { mean, std }))
}

#[cfg(test)]
mod tests {
    use super::published;

    #[test]
    fn names_in_memory_become_those_of_files() {
        for (theirs, expected) in [
            ("layers.3.attention.q_proj.weight", "encoder.layer.3.attention.attention.query.weight"),
            ("a.layers.0.mlp.fc2.bias", "a.encoder.layer.0.output.dense.bias"),
            ("a.layers.0.layernorm_after.bias", "a.encoder.layer.0.layernorm_after.bias"),
            // Whisper's own names stay.
            ("encoder.layers.0.self_attn.q_proj.weight", "encoder.layers.0.self_attn.q_proj.weight"),
            ("encoder.layer.0.output.dense.bias", "encoder.layer.0.output.dense.bias"),
        ] {
            assert_eq!(published(theirs), expected);
        }
    }
}
