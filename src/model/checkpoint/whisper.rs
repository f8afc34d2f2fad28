//! Whisper's encoder as a backbone: pre-norm blocks, so that both adapters fit as they are.

use serde::Deserialize;

use super::{Checkpoint, Format, Mapping, Tensors, beside, depth, ggml::Hyperparameters, ignored, size, usual_heads};
use crate::model::{ModelConfig, ModelError, Pooling, Stem};

/// `config.json`, as far as the encoder needs it.
#[derive(Deserialize)]
struct Settings {
    encoder_attention_heads: Option<usize>,
}

/// Where the encoder's names begin: in a whole model, in a bare one, in an encoder alone.
fn prefix(tensors: &Tensors) -> Option<&'static str> {
    ["model.encoder.", "encoder.", ""].into_iter().find(|prefix| tensors.has(&format!("{prefix}conv1.weight")))
}

pub(super) fn recognise(tensors: &Tensors) -> bool {
    prefix(tensors).is_some_and(|prefix| tensors.has(&format!("{prefix}layers.0.self_attn.q_proj.weight")))
}

pub(super) fn open(tensors: Tensors) -> Result<Checkpoint, ModelError> {
    let settings: Option<Settings> = beside(&tensors, "config.json")?;
    let heads = settings.and_then(|settings| settings.encoder_attention_heads);
    encoder(tensors, Format::HuggingFaceWhisper, heads)
}

pub(super) fn ggml(tensors: Tensors, hyperparameters: &Hyperparameters) -> Result<Checkpoint, ModelError> {
    let (mel_bins, positions) = (hyperparameters.mel_bins, hyperparameters.positions);
    let checkpoint = encoder(tensors, Format::GgmlWhisper, Some(hyperparameters.heads))?;
    if (checkpoint.config.mel_bins(), checkpoint.grid[1]) == (mel_bins, positions) {
        return Ok(checkpoint);
    }
    let problem = format!("its header claims {mel_bins} mel bins and {positions} positions, its tensors do not");
    Err(ModelError::checkpoint(&checkpoint.path, problem, super::tensors::CUT_SHORT))
}

fn encoder(tensors: Tensors, format: Format, heads: Option<usize>) -> Result<Checkpoint, ModelError> {
    let prefix = prefix(&tensors).unwrap_or_default();
    let theirs = |name: &str| format!("{prefix}{name}");
    let hidden = size(&tensors, &theirs("conv1.weight"), 0);
    let mel_bins = size(&tensors, &theirs("conv1.weight"), 1);
    let table = theirs("embed_positions.weight");
    // 30 seconds, where a file leaves the table out.
    let positions = if tensors.has(&table) { size(&tensors, &table, 0) } else { 1500 };
    let config = ModelConfig {
        stem: Stem::Convolutions { mel_bins, frames: 2 * positions },
        hidden,
        depth: depth(&tensors, |i| theirs(&format!("layers.{i}.self_attn.q_proj.weight"))),
        heads: heads.unwrap_or_else(|| usual_heads(hidden)),
        mlp_hidden: size(&tensors, &theirs("layers.0.fc1.weight"), 0),
        norm_eps: 1e-5,
        head_eps: 1e-5,
        pooling: Pooling::Mean,
        classes: 0,
    };
    config.check_backbone()?;

    let mut map = Mapping::default();
    for (name, input) in [("conv1", mel_bins), ("conv2", hidden)] {
        map.copy(format!("stem.{name}.weight"), theirs(&format!("{name}.weight")), &[hidden, input, 3]);
        map.copy(format!("stem.{name}.bias"), theirs(&format!("{name}.bias")), &[hidden]);
    }
    if tensors.has(&table) {
        map.copy("pos_embed", table, &[positions, hidden]);
    } else {
        map.sinusoids("pos_embed", positions, hidden);
    }
    for i in 0..config.depth {
        let (ours, layer) = (format!("blocks.{i}"), theirs(&format!("layers.{i}")));
        map.norm(&format!("{ours}.norm1"), &format!("{layer}.self_attn_layer_norm"), hidden);
        let weights = ["q", "k", "v"].map(|name| format!("{layer}.self_attn.{name}_proj.weight")).to_vec();
        map.stack(format!("{ours}.attn.qkv.weight"), weights, &[hidden, hidden]);
        map.copy(format!("{ours}.attn.q_bias"), format!("{layer}.self_attn.q_proj.bias"), &[hidden]);
        map.copy(format!("{ours}.attn.v_bias"), format!("{layer}.self_attn.v_proj.bias"), &[hidden]);
        map.linear(&format!("{ours}.attn.proj"), &format!("{layer}.self_attn.out_proj"), hidden, hidden);
        map.norm(&format!("{ours}.norm2"), &format!("{layer}.final_layer_norm"), hidden);
        map.linear(&format!("{ours}.mlp.fc1"), &format!("{layer}.fc1"), config.mlp_hidden, hidden);
        map.linear(&format!("{ours}.mlp.fc2"), &format!("{layer}.fc2"), hidden, config.mlp_hidden);
    }
    map.norm("norm", &theirs("layer_norm"), hidden);
    let ignored = ignored(&tensors, &map, |_| "part of the decoder");
    Ok(Checkpoint {
        path: tensors.path.clone(),
        format,
        grid: [1, positions],
        method: None,
        config,
        labels: None,
        normalisation: None,
        notes: Vec::new(),
        ignored,
        tensors,
        mapping: map,
    })
}
