//! Whisper's encoder as a backbone: pre-norm blocks, so that both adapters fit as they are.

use super::{
    Checkpoint, Format, Mapping, Tensors, depth,
    ggml::Hyperparameters,
    ignored,
    keys::{WHISPER, WHISPER_FEATURES},
    openai,
    settings::{self, Settings},
    size, usual_heads,
};
use crate::model::{ModelConfig, ModelError, Pooling, Stem};

/// Where the encoder's names begin: in a whole model, in a bare one, in an encoder alone.
fn prefix(tensors: &Tensors) -> Option<&'static str> {
    ["model.encoder.", "encoder.", ""].into_iter().find(|prefix| tensors.has(&format!("{prefix}conv1.weight")))
}

pub(super) fn recognise(tensors: &Tensors) -> bool {
    prefix(tensors).is_some_and(|prefix| tensors.has(&format!("{prefix}layers.0.self_attn.q_proj.weight")))
}

/// Hugging Face's form.
pub(super) fn open(tensors: Tensors) -> Result<Checkpoint, ModelError> {
    let sizes = Sizes::of(&tensors);
    let mut numbers = vec![
        ("d_model", sizes.hidden),
        ("encoder_layers", sizes.depth),
        ("num_hidden_layers", sizes.depth),
        ("encoder_ffn_dim", sizes.mlp_hidden),
        ("num_mel_bins", sizes.mel_bins),
        ("max_source_positions", sizes.positions),
    ];
    let projected = size(&tensors, PROJECTOR, 0);
    if projected > 0 {
        numbers.push(("classifier_proj_size", projected));
    }
    let settings = Settings::beside(&tensors, "config.json", WHISPER, &numbers)?;
    let features =
        Settings::beside(&tensors, "preprocessor_config.json", WHISPER_FEATURES, &[("feature_size", sizes.mel_bins)])?;
    let heads = settings.as_ref().map(|settings| settings.size("encoder_attention_heads")).transpose()?.flatten();
    let mut checkpoint = encoder(tensors, Format::HuggingFaceWhisper, heads)?;
    if heads.is_none() && checkpoint.file().is_some() {
        let heads = checkpoint.config.heads;
        checkpoint.notes.push(format!("no config.json says its attention heads: {heads} of 64 values are taken"));
    }
    checkpoint.notes.extend(settings.as_ref().and_then(|settings| settings.unknown(WHISPER)));
    checkpoint.notes.extend(features.as_ref().and_then(|settings| settings.unknown(WHISPER_FEATURES)));
    head(checkpoint, settings.as_ref())
}

/// OpenAI's own `.pt`, and whatever else keeps its names.
pub(super) fn openai(tensors: Tensors) -> Result<Checkpoint, ModelError> {
    let heads = openai::heads(&tensors);
    let all = tensors.iter().count();
    let tensors = tensors.rename(openai::hugging_face);
    let decoder = all - tensors.iter().count();
    let mut checkpoint = encoder(tensors, Format::OpenAiWhisper, heads)?;
    if heads.is_none() {
        let heads = checkpoint.config.heads;
        checkpoint.notes.push(format!("it does not say its attention heads: {heads} of 64 values are taken"));
    }
    if decoder > 0 {
        checkpoint.notes.push(format!("{decoder} tensors of the decoder are not used"));
    }
    Ok(checkpoint)
}

/// The projection before the classifier of `WhisperForAudioClassification`.
const PROJECTOR: &str = "projector.weight";

/// Gives the encoder the head of `WhisperForAudioClassification`, where the file has one: a linear projection of every
/// token, their mean, and a linear classifier. A mean of linear images is the linear image of the mean, so that both
/// layers become one, with no norm before it.
fn head(mut checkpoint: Checkpoint, settings: Option<&Settings>) -> Result<Checkpoint, ModelError> {
    let classes = size(&checkpoint.tensors, "classifier.weight", 0);
    if classes == 0 || !checkpoint.tensors.has(PROJECTOR) {
        return Ok(checkpoint);
    }
    let (inner, hidden) = (size(&checkpoint.tensors, PROJECTOR, 0), checkpoint.config.hidden);
    checkpoint.mapping.two_linears("head.linear", ["projector", "classifier"], [classes, inner, hidden]);
    checkpoint.config = ModelConfig { classes, head_norm: false, pooling: Pooling::All, ..checkpoint.config };
    let (labels, note) = settings::labels(settings, classes, checkpoint.tensors.patched)?;
    checkpoint.labels = labels;
    checkpoint.notes.extend(note);
    let seconds = checkpoint.config.frames() as f64 / 100.0;
    checkpoint.notes.push(format!(
        "its own head averages the tokens of {seconds} s, silence behind a clip included; a new head leaves padding out"
    ));
    checkpoint.multi_label = super::multi_label(settings)?;
    checkpoint.ignored.retain(|(name, _)| !checkpoint.mapping.uses(name));
    Ok(checkpoint)
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

/// What the encoder's tensors say of its size.
struct Sizes {
    hidden: usize,
    depth: usize,
    mlp_hidden: usize,
    mel_bins: usize,
    positions: usize,
}

impl Sizes {
    fn of(tensors: &Tensors) -> Self {
        let prefix = prefix(tensors).unwrap_or_default();
        let theirs = |name: &str| format!("{prefix}{name}");
        let table = theirs("embed_positions.weight");
        Self {
            hidden: size(tensors, &theirs("conv1.weight"), 0),
            depth: depth(tensors, |i| theirs(&format!("layers.{i}.self_attn.q_proj.weight"))),
            mlp_hidden: size(tensors, &theirs("layers.0.fc1.weight"), 0),
            mel_bins: size(tensors, &theirs("conv1.weight"), 1),
            // 30 seconds, where a file leaves the table out.
            positions: if tensors.has(&table) { size(tensors, &table, 0) } else { 1500 },
        }
    }
}

fn encoder(tensors: Tensors, format: Format, heads: Option<usize>) -> Result<Checkpoint, ModelError> {
    let prefix = prefix(&tensors).unwrap_or_default();
    let theirs = |name: &str| format!("{prefix}{name}");
    let Sizes { hidden, depth, mlp_hidden, mel_bins, positions } = Sizes::of(&tensors);
    let table = theirs("embed_positions.weight");
    let config = ModelConfig {
        stem: Stem::Convolutions { mel_bins, frames: 2 * positions },
        hidden,
        depth,
        heads: heads.unwrap_or_else(|| usual_heads(hidden)),
        mlp_hidden,
        norm_eps: 1e-5,
        head_eps: 1e-5,
        head_norm: true,
        family: None,
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
    let ignored = ignored(&tensors, &map, |name| {
        if name.contains("decoder.") || name == "proj_out.weight" {
            "part of the decoder"
        } else {
            "not part of the encoder"
        }
    });
    Ok(Checkpoint {
        path: tensors.path.clone(),
        format,
        grid: [1, positions],
        method: None,
        config,
        labels: None,
        multi_label: None,
        normalisation: None,
        notes: Vec::new(),
        ignored,
        tensors,
        mapping: map,
    })
}
