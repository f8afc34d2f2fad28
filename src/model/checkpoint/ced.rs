//! CED and Dasheng, in Hugging Face's form and as their makers published them. One encoder with two sizes of patches: of
//! 16 bins by 16 frames in CED, of all 64 bins by 4 frames in Dasheng.

use super::{
    Checkpoint, Format, Mapping, Tensors, depth, ignored,
    keys::{CED, CED_FEATURES, DASHENG_ENCODER},
    settings::{BELONG, Settings, labels},
    size, usual_heads,
};
use crate::{
    audio::{CED_BINS, Normalisation},
    model::{Family, ModelConfig, ModelError, Pooling, Stem},
};

/// The published length of CED, in frames: its last four make no column.
const CED_FRAMES: usize = 1012;
const CED_COLUMNS: usize = 63;
/// Of the published models the one whose heads are not of 64 values: Dasheng-0.6B's hidden size, blocks and heads.
const ODD_HEADS: [usize; 3] = [1280, 32, 16];

/// The encoder's prefix, in Hugging Face's form and the raw file.
fn prefix(tensors: &Tensors) -> Option<&'static str> {
    ["encoder.", ""]
        .into_iter()
        .find(|prefix| ["time_pos_embed", "freq_pos_embed"].iter().all(|name| tensors.has(&format!("{prefix}{name}"))))
}

/// Where the batch norm is: under a number in all but Hugging Face's CED.
fn batch_norm(tensors: &Tensors, prefix: &str) -> Option<String> {
    ["init_bn.1", "init_bn"]
        .into_iter()
        .map(|name| format!("{prefix}{name}"))
        .find(|name| tensors.has(&format!("{name}.running_var")))
}

pub(super) fn recognise(tensors: &Tensors) -> bool {
    prefix(tensors).is_some_and(|prefix| {
        batch_norm(tensors, prefix).is_some() && tensors.has(&format!("{prefix}patch_embed.proj.weight"))
    })
}

pub(super) fn open(tensors: Tensors) -> Result<Checkpoint, ModelError> {
    let prefix = prefix(&tensors).unwrap_or_default();
    let theirs = |name: &str| format!("{prefix}{name}");
    if tensors.has(&theirs("cls_token")) {
        let problem = "it pools by a class token, which no published CED or Dasheng does";
        return Err(ModelError::checkpoint(&tensors.path, problem, "give a model whose pooling is mean"));
    }
    let bins = batch_norm(&tensors, prefix).unwrap_or_default();
    let projection = theirs("patch_embed.proj.weight");
    let [hidden, _, height, width] = [0, 1, 2, 3].map(|axis| size(&tensors, &projection, axis));
    let mel_bins = size(&tensors, &format!("{bins}.running_var"), 0);
    let depth = depth(&tensors, |i| theirs(&format!("blocks.{i}.norm1.weight")));
    let columns = size(&tensors, &theirs("time_pos_embed"), 3);
    let classes = size(&tensors, "outputlayer.1.weight", 0);
    let is_dasheng = height == mel_bins;
    let frames = if columns == CED_COLUMNS && !is_dasheng { CED_FRAMES } else { columns * width };

    let mut numbers = vec![("embed_dim", hidden), ("depth", depth), ("n_mels", mel_bins)];
    if classes > 0 {
        numbers.push(("outputdim", classes));
    }
    let settings = Said::beside(&tensors, &numbers)?;
    let features = Settings::beside(&tensors, "preprocessor_config.json", CED_FEATURES, &[("feature_size", mel_bins)])?;
    let frames = settings.length(frames, columns, width)?;
    settings.stride([height, width])?;

    let mut notes = Vec::new();
    let heads = match settings.heads(&tensors)? {
        Some(heads) => heads,
        None => {
            let heads = published_heads(hidden, depth);
            notes.push(format!("it does not say its attention heads: {heads} are taken, as in the published model"));
            heads
        }
    };
    let config = ModelConfig {
        stem: Stem::Patches { mel_bins, frames, patch: [height, width], stride: [height, width] },
        family: Some(Family::Ced),
        hidden,
        depth,
        heads,
        mlp_hidden: size(&tensors, &theirs("blocks.0.mlp.fc1.weight"), 0),
        norm_eps: 1e-6,
        head_eps: 1e-5,
        head_norm: true,
        pooling: Pooling::Mean,
        classes,
    };
    config.check_backbone()?;
    if mel_bins != CED_BINS {
        let problem = format!("it takes {mel_bins} mel bins, and CED's filter bank here has {CED_BINS}");
        return Err(ModelError::checkpoint(
            &tensors.path,
            problem,
            "give a model of 64 mel bins, as all published are",
        ));
    }

    let map = mapping(prefix, &bins, &projection, &config);
    let (labels, about_labels) = labels(settings.whole.as_ref(), classes, tensors.patched)?;
    notes.extend(about_labels);
    notes.push(format!(
        "clips longer than {:.2} s are answered in windows of that length, the last one moved back to end with the clip, and \
         their mean is taken; its scales and shifts of mel bins never train",
        frames as f64 / 100.0
    ));
    if classes > 0 && settings.whole.is_some() {
        notes.push(
            "its makers' own code calls probabilities logits: a sigmoid has been applied to them there".to_owned(),
        );
    }
    notes.extend(settings.whole.as_ref().and_then(|settings| settings.unknown(CED)));
    notes.extend(features.as_ref().and_then(|settings| settings.unknown(CED_FEATURES)));
    let given = super::multi_label(settings.whole.as_ref())?;
    let ignored = ignored(&tensors, &map, |name| match name {
        _ if name.contains("front_end.") => "a table of its front end, which is computed here",
        _ if name.ends_with("num_batches_tracked") => "a count of training's batches",
        _ => "not part of the encoder",
    });
    Ok(Checkpoint {
        path: tensors.path.clone(),
        format: match (is_dasheng, prefix.is_empty()) {
            (false, false) => Format::HuggingFaceCed,
            (false, true) => Format::RawCed,
            (true, false) => Format::HuggingFaceDasheng,
            (true, true) => Format::RawDasheng,
        },
        grid: [size(&tensors, &theirs("freq_pos_embed"), 2), columns],
        method: None,
        config,
        labels,
        // AudioSet's classes, which occur together: its makers answer with sigmoids.
        multi_label: given.or((classes > 0).then_some(true)),
        normalisation: Some(Normalisation::NONE),
        notes,
        ignored,
        tensors,
        mapping: map,
    })
}

/// The heads of the published model of these sizes.
fn published_heads(hidden: usize, depth: usize) -> usize {
    let [odd_hidden, odd_depth, odd_heads] = ODD_HEADS;
    if [hidden, depth] == [odd_hidden, odd_depth] { odd_heads } else { usual_heads(hidden) }
}

fn mapping(prefix: &str, bins: &str, projection: &str, config: &ModelConfig) -> Mapping {
    let (mut map, d) = (Mapping::default(), config.hidden);
    let theirs = |name: &str| format!("{prefix}{name}");
    let Stem::Patches { mel_bins, patch, .. } = config.stem else { return map };
    let [rows, columns] = config.grid();
    map.batch_norm("bin_norm", bins, mel_bins);
    map.copy("patch.weight", projection, &[d, 1, patch[0], patch[1]]);
    map.copy("patch.bias", theirs("patch_embed.proj.bias"), &[d]);
    map.turn("pos_embed.freq", theirs("freq_pos_embed"), [rows, d]);
    map.turn("pos_embed.time", theirs("time_pos_embed"), [columns, d]);
    for i in 0..config.depth {
        let (ours, block) = (format!("blocks.{i}"), theirs(&format!("blocks.{i}")));
        map.norm(&format!("{ours}.norm1"), &format!("{block}.norm1"), d);
        map.linear(&format!("{ours}.attn.qkv"), &format!("{block}.attn.qkv"), 3 * d, d);
        map.linear(&format!("{ours}.attn.proj"), &format!("{block}.attn.proj"), d, d);
        map.norm(&format!("{ours}.norm2"), &format!("{block}.norm2"), d);
        map.linear(&format!("{ours}.mlp.fc1"), &format!("{block}.mlp.fc1"), config.mlp_hidden, d);
        map.linear(&format!("{ours}.mlp.fc2"), &format!("{block}.mlp.fc2"), d, config.mlp_hidden);
    }
    map.norm("norm", &theirs("norm"), d);
    if config.classes > 0 {
        map.norm("head.norm", "outputlayer.0", d);
        map.linear("head.linear", "outputlayer.1", config.classes, d);
    }
    map
}

/// What `config.json` says, where there is one; Dasheng's says the encoder's part within.
struct Said {
    whole: Option<Settings>,
    encoder: Option<Settings>,
}

impl Said {
    fn beside(tensors: &Tensors, sizes: &[(&str, usize)]) -> Result<Self, ModelError> {
        let whole = Settings::beside(tensors, "config.json", CED, sizes)?;
        let encoder = match &whole {
            Some(settings) => settings.within("encoder_kwargs", DASHENG_ENCODER, sizes)?,
            None => None,
        };
        Ok(Self { whole, encoder })
    }

    /// Both, the inner first.
    fn all(&self) -> impl Iterator<Item = &Settings> {
        self.encoder.iter().chain(&self.whole)
    }

    /// The frames of its own length: as given, if as many make its columns.
    fn length(&self, usual: usize, columns: usize, width: usize) -> Result<usize, ModelError> {
        for settings in self.all() {
            if let Some(frames) = settings.size("target_length")? {
                if frames / width.max(1) != columns {
                    let why = format!("its positions are of {columns} columns of {width} frames");
                    return Err(settings.refuse("target_length", &why, BELONG));
                }
                return Ok(frames);
            }
        }
        Ok(usual)
    }

    /// Refuses patches that overlap or leave gaps.
    fn stride(&self, patch: [usize; 2]) -> Result<(), ModelError> {
        for settings in self.all() {
            for key in ["patch_size", "patch_stride"] {
                if settings.pair(key)?.is_some_and(|given| given != patch) {
                    let why = format!("the weights' patches are {} x {} and are side by side", patch[0], patch[1]);
                    return Err(settings.refuse(key, &why, BELONG));
                }
            }
        }
        Ok(())
    }

    /// Attention heads, where anything says them.
    fn heads(&self, tensors: &Tensors) -> Result<Option<usize>, ModelError> {
        for settings in self.all() {
            if let Some(heads) = settings.size("num_heads")? {
                return Ok(Some(heads));
            }
        }
        let of_pickle = tensors
            .metadata
            .iter()
            .find(|(name, _)| *name == "config.num_heads" || name.ends_with(".config.num_heads"));
        Ok(of_pickle.and_then(|(_, heads)| heads.parse().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CED's four and Dasheng's three: 1280 values would be 20 heads of 64, but the published model has 16 of 80.
    #[test]
    fn heads_are_those_of_the_published_models() {
        let published =
            [([192, 12], 3), ([256, 12], 4), ([384, 12], 6), ([768, 12], 12), ([1280, 32], 16), ([1536, 40], 24)];
        for ([hidden, depth], heads) in published {
            assert_eq!(published_heads(hidden, depth), heads, "{hidden}");
        }
    }
}
