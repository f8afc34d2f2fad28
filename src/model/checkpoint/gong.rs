//! Gong's own `.pth` files: AST fine-tuned on AudioSet, and SSAST pretrained on unlabelled sound.
//!
//! Both wrap timm's distilled DeiT (`module.v.`). SSAST adds the settings of its pretraining as scalars
//! and the heads of its two objectives, of which a backbone needs only the input's size.

use super::{Checkpoint, Format, Mapping, Tensors, depth, ignored, size, usual_heads};
use crate::model::{ModelConfig, ModelError, Pooling, Stem};

/// AudioSet's clips (Gong): frames and mel bins.
const FRAMES: usize = 1024;
const MEL_BINS: usize = 128;
/// Strides that Gong published, the usual one first.
const STRIDES: [usize; 4] = [10, 12, 14, 16];

/// The vision transformer's prefix: inside DataParallel, or saved without it.
fn prefix(tensors: &Tensors) -> Option<&'static str> {
    ["module.v.", "v."].into_iter().find(|prefix| tensors.has(&format!("{prefix}patch_embed.proj.weight")))
}

pub(super) fn recognise(tensors: &Tensors) -> bool {
    prefix(tensors).is_some()
}

pub(super) fn open(tensors: Tensors) -> Result<Checkpoint, ModelError> {
    let v = prefix(&tensors).unwrap_or("v.");
    let root = v.trim_end_matches("v.");
    let self_supervised = tensors.has(&format!("{root}p_input_tdim"));
    let projection = format!("{v}patch_embed.proj.weight");
    let (hidden, patch) =
        (size(&tensors, &projection, 0), [size(&tensors, &projection, 2), size(&tensors, &projection, 3)]);
    let positions = size(&tensors, &format!("{v}pos_embed"), 1).saturating_sub(2);
    let mut notes = Vec::new();
    let stem = if self_supervised {
        // Pretraining cuts patches side by side (SSAST, "fstride=fshape").
        let frames = scalar(&tensors, &format!("{root}p_input_tdim"))?;
        let mel_bins = scalar(&tensors, &format!("{root}p_input_fdim"))?;
        Stem::Patches { mel_bins, frames, patch, stride: patch }
    } else {
        let (frames, stride) = guess(positions, patch).ok_or_else(|| {
            let problem = format!("{positions} positions fit no stride from 10 to 16");
            ModelError::checkpoint(&tensors.path, problem, "give Gong's file as published")
        })?;
        if frames != FRAMES {
            notes.push(format!("its file does not say its length: {positions} positions are taken as {frames} frames at stride {stride}"));
        }
        Stem::Patches { mel_bins: MEL_BINS, frames, patch, stride: [stride; 2] }
    };
    let head = format!("{root}mlp_head");
    let config = ModelConfig {
        stem,
        hidden,
        depth: depth(&tensors, |i| format!("{v}blocks.{i}.norm1.weight")),
        heads: usual_heads(hidden),
        mlp_hidden: size(&tensors, &format!("{v}blocks.0.mlp.fc1.weight"), 0),
        norm_eps: 1e-6,
        head_eps: 1e-5,
        head_norm: true,
        family: None,
        pooling: Pooling::ClassTokens,
        classes: size(&tensors, &format!("{head}.1.weight"), 0),
    };
    config.check_backbone()?;

    let mut map = Mapping::default();
    map.copy("patch.weight", projection, &[hidden, 1, patch[0], patch[1]]);
    vision_transformer(&mut map, v, &config, config.tokens());
    if config.classes > 0 {
        map.norm("head.norm", &format!("{head}.0"), hidden);
        map.linear("head.linear", &format!("{head}.1"), config.classes, hidden);
    }
    let ignored = ignored(&tensors, &map, |name| {
        if name.contains(".head") { "a head of DeiT's, for pictures" } else { "part of SSAST's pretraining" }
    });
    Ok(Checkpoint {
        path: tensors.path.clone(),
        format: if self_supervised { Format::GongSsast } else { Format::GongAst },
        grid: config.grid(),
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

/// Everything of timm's distilled Vision Transformer but its patch projection's weight.
pub(super) fn vision_transformer(map: &mut Mapping, v: &str, config: &ModelConfig, positions: usize) {
    let d = config.hidden;
    map.copy("patch.bias", format!("{v}patch_embed.proj.bias"), &[d]);
    map.copy("cls_token", format!("{v}cls_token"), &[d]);
    map.copy("dist_token", format!("{v}dist_token"), &[d]);
    map.copy("pos_embed", format!("{v}pos_embed"), &[positions, d]);
    for i in 0..config.depth {
        let (ours, theirs) = (format!("blocks.{i}"), format!("{v}blocks.{i}"));
        map.norm(&format!("{ours}.norm1"), &format!("{theirs}.norm1"), d);
        map.linear(&format!("{ours}.attn.qkv"), &format!("{theirs}.attn.qkv"), 3 * d, d);
        map.linear(&format!("{ours}.attn.proj"), &format!("{theirs}.attn.proj"), d, d);
        map.norm(&format!("{ours}.norm2"), &format!("{theirs}.norm2"), d);
        map.linear(&format!("{ours}.mlp.fc1"), &format!("{theirs}.mlp.fc1"), config.mlp_hidden, d);
        map.linear(&format!("{ours}.mlp.fc2"), &format!("{theirs}.mlp.fc2"), d, config.mlp_hidden);
    }
    map.norm("norm", &format!("{v}norm"), d);
}

/// Frames and stride of so many patches: AudioSet's length if a stride gives it, else the first stride whose rows
/// divide them.
fn guess(positions: usize, patch: [usize; 2]) -> Option<(usize, usize)> {
    let steps = |length: usize, patch: usize, stride: usize| length.checked_sub(patch).map(|rest| rest / stride + 1);
    let rows = |stride: usize| steps(MEL_BINS, patch[0], stride);
    let published = |stride: &&usize| {
        rows(**stride).zip(steps(FRAMES, patch[1], **stride)).is_some_and(|(rows, columns)| rows * columns == positions)
    };
    if let Some(stride) = STRIDES.iter().find(published) {
        return Some((FRAMES, *stride));
    }
    STRIDES.iter().find_map(|&stride| {
        let rows = rows(stride).filter(|rows| positions > 0 && positions.is_multiple_of(*rows))?;
        Some(((positions / rows - 1) * stride + patch[1], stride))
    })
}

/// A whole number that the file keeps as a tensor.
fn scalar(tensors: &Tensors, name: &str) -> Result<usize, ModelError> {
    let mut values = Vec::new();
    if tensors.get(name).and_then(|place| place.count()) == Some(1) {
        tensors.read(name, &mut values)?;
    }
    match values[..] {
        [value] if (1.0..1e6).contains(&value) => Ok(value as usize),
        _ => Err(ModelError::checkpoint(&tensors.path, format!("{name} is no size"), "give Gong's file as published")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_grids_are_recognised() {
        for (positions, stride) in [(1212, 10), (850, 12), (657, 14), (512, 16)] {
            assert_eq!(guess(positions, [16, 16]), Some((1024, stride)));
        }
        assert_eq!(guess(600, [16, 16]), Some((506, 10)));
        assert_eq!(guess(0, [16, 16]), None);
        assert_eq!(guess(7, [16, 16]), None);
    }
}
