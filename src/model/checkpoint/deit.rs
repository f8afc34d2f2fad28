//! timm's distilled DeiT, trained on ImageNet: AST's own start (Gong, 2021).
//!
//! The patch projection's three colours are summed, and positions of its square grid cut or stretched.

use super::{Checkpoint, Format, Mapping, Tensors, depth, gong::vision_transformer, ignored, size, usual_heads};
use crate::model::{ModelConfig, ModelError, Pooling, Stem};

pub(super) fn recognise(tensors: &Tensors) -> bool {
    tensors.has("patch_embed.proj.weight") && tensors.has("blocks.0.attn.qkv.weight")
}

pub(super) fn open(tensors: Tensors) -> Result<Checkpoint, ModelError> {
    if !tensors.has("dist_token") {
        let problem = "this Vision Transformer has no distillation token";
        let remedy = "take a distilled DeiT (deit_*_distilled_*), whose two class tokens AST needs";
        return Err(ModelError::checkpoint(&tensors.path, problem, remedy));
    }
    let weight = "patch_embed.proj.weight";
    let [hidden, colours, height, width] = [0, 1, 2, 3].map(|axis| size(&tensors, weight, axis));
    let positions = size(&tensors, "pos_embed", 1);
    let side = positions.saturating_sub(2).isqrt();
    let config = ModelConfig {
        // What the model becomes when nothing else is asked for: AST as trained on AudioSet.
        stem: Stem::Patches { mel_bins: 128, frames: 1024, patch: [height, width], stride: [10, 10] },
        hidden,
        depth: depth(&tensors, |i| format!("blocks.{i}.norm1.weight")),
        heads: usual_heads(hidden),
        mlp_hidden: size(&tensors, "blocks.0.mlp.fc1.weight", 0),
        norm_eps: 1e-6,
        head_eps: 1e-5,
        head_norm: true,
        family: None,
        pooling: Pooling::ClassTokens,
        classes: 0,
    };
    config.check_backbone()?;
    if side == 0 || positions != side * side + 2 {
        let problem = format!("{positions} positions are no square grid with two class tokens");
        return Err(ModelError::checkpoint(&tensors.path, problem, "give a distilled DeiT as timm saves it"));
    }

    let mut map = Mapping::default();
    map.sum_colours("patch.weight", weight, &[hidden, colours, height, width]);
    vision_transformer(&mut map, "", &config, positions);
    let ignored = ignored(&tensors, &map, |_| "a head for pictures");
    let notes = vec![
        format!("trained on pictures of {} x {} pixels: its colours are summed", side * width, side * height),
        format!("positions come from a grid of {side} x {side} patches"),
    ];
    Ok(Checkpoint {
        path: tensors.path.clone(),
        format: Format::Deit,
        grid: [side, side],
        method: None,
        config,
        labels: None,
        multi_label: None,
        normalisation: None,
        notes,
        ignored,
        tensors,
        mapping: map,
    })
}
