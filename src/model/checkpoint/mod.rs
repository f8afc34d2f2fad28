//! Checkpoints of other makers and our own: one file for each format, recognised by content.
//!
//! [`Checkpoint::open`] reads a file's table and settings and checks that every weight is there and
//! fits; values are read one parameter at a time when a model is made of it. No name of a file
//! matters, no byte of one is executed, and nothing larger than the file is ever allocated.

mod card;
mod ced;
mod deit;
mod export;
mod export_ast;
mod export_ced;
mod export_parts;
mod export_peft;
mod folder;
mod foreign;
mod ggml;
mod gong;
mod hugging_face;
mod keys;
mod mapping;
mod openai;
mod peft;
mod pickle;
mod place;
mod positions;
pub mod safetensors;
mod session;
mod settings;
mod tensors;
mod torch;
mod whisper;
mod wrappers;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use card::{AdapterCheckpoint, Card, save_adapter, save_backbone, save_model};
pub use export::to_hugging_face;
pub use export_peft::to_peft;
pub use folder::ENDINGS;
pub(in crate::model) use folder::holds_weights;
pub use peft::Lora;
pub use place::{Dtype, Place};
pub(in crate::model) use positions::are as are_positions;
pub use session::Session;
pub use tensors::Tensors;

use super::{Method, ModelConfig, ModelError, Positions};
use crate::{audio::Normalisation, limits, regular};
use folder::Files;
use mapping::Mapping;
use settings::Settings;
use tensors::Bytes;

/// Who wrote a checkpoint, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Hugging Face's AST, or SSAST in its form.
    HuggingFaceAst,
    /// Gong's AST.
    GongAst,
    /// Gong's SSAST.
    GongSsast,
    /// timm's distilled DeiT, trained on pictures.
    Deit,
    /// CED in Hugging Face's form.
    HuggingFaceCed,
    /// CED as its makers published it.
    RawCed,
    /// Dasheng in Hugging Face's form.
    HuggingFaceDasheng,
    /// Dasheng as its makers published it.
    RawDasheng,
    /// Whisper in Hugging Face's form.
    HuggingFaceWhisper,
    /// Whisper in GGML's form.
    GgmlWhisper,
    /// Whisper as OpenAI published it.
    #[serde(rename = "openai-whisper")]
    OpenAiWhisper,
    /// Our own.
    Own,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HuggingFaceAst => "Hugging Face AST",
            Self::GongAst => "Gong's AST",
            Self::GongSsast => "Gong's SSAST",
            Self::Deit => "distilled DeiT (ImageNet)",
            Self::HuggingFaceCed => "CED (Hugging Face)",
            Self::RawCed => "CED",
            Self::HuggingFaceDasheng => "Dasheng (Hugging Face)",
            Self::RawDasheng => "Dasheng",
            Self::HuggingFaceWhisper => "Whisper encoder (Hugging Face)",
            Self::GgmlWhisper => "Whisper encoder (GGML)",
            Self::OpenAiWhisper => "Whisper encoder (OpenAI)",
            Self::Own => "aat-tui model",
        })
    }
}

/// A checkpoint that was looked at: what it is, and where each parameter is in it.
#[derive(Debug)]
pub struct Checkpoint {
    /// The file of its tensors.
    pub path: PathBuf,
    /// Who wrote it.
    pub format: Format,
    /// Its shape; `classes` is 0 where it has no head.
    pub config: ModelConfig,
    /// What it was adapted by: our own only.
    pub method: Option<Method>,
    /// Patch rows and columns that its positions are for.
    pub grid: [usize; 2],
    /// Its class names, as many as its head has classes.
    pub labels: Option<Vec<String>>,
    /// Whether its classes occur together, each a question of its own; `None` where it does not say.
    pub multi_label: Option<bool>,
    /// The feature statistics it was trained with; [`Normalisation::NONE`] where its features are used as they are.
    pub normalisation: Option<Normalisation>,
    /// What a person should know about it.
    pub notes: Vec<String>,
    /// Tensors of the file that are of no use here, and why.
    pub ignored: Vec<(String, &'static str)>,
    tensors: Tensors,
    mapping: Mapping,
}

impl Checkpoint {
    /// Looks at a checkpoint: a file, or a folder with `model.safetensors`, `pytorch_model.bin`, several parts with
    /// their index, or a single file of tensors under any name.
    ///
    /// # Errors
    /// When it cannot be read, is of no known kind, or misses something.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let (files, notes) = folder::find(path)?;
        let checkpoint = match Tables::open(files)? {
            Tables::Ggml(tensors, hyperparameters) => whisper::ggml(tensors, &hyperparameters)?,
            Tables::Named(tensors) => recognise(tensors)?,
        };
        Self::checked(checkpoint.with_notes(notes))
    }

    /// Looks at a base model with LoRA weights merged in.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when the weights do not fit the base.
    pub fn with_lora(lora: &Lora, base: &Path) -> Result<Self, ModelError> {
        let (files, mut notes) = folder::find(base)?;
        let Tables::Named(tensors) = Tables::open(files)? else {
            let remedy = "name a base model in Hugging Face's form";
            return Err(ModelError::checkpoint(base, "LoRA cannot be merged into GGML", remedy));
        };
        let (tensors, wrapped) = wrappers::unwrap(tensors, is_known)?;
        let (tensors, merged) = lora.merge(tensors, open_tensors)?;
        notes.extend(wrapped.into_iter().chain(merged));
        Self::checked(recognise(tensors)?.with_notes(notes))
    }

    /// With these notes before its own.
    fn with_notes(mut self, mut notes: Vec<String>) -> Self {
        notes.append(&mut self.notes);
        self.notes = notes;
        self
    }

    /// Looks at safetensors that are in the program, under this name, with their card where they have one; nothing else
    /// is beside them.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn inside(name: &str, tensors: &'static [u8], card: Option<&'static str>) -> Result<Self, ModelError> {
        Self::checked(recognise(safetensors::open(Path::new(name), Bytes::Inside(tensors, card))?)?)
    }

    fn checked(checkpoint: Self) -> Result<Self, ModelError> {
        checkpoint.config.check_backbone()?;
        checkpoint.config.front_end().map_err(|why| {
            let remedy = "choose a model whose features are computed here";
            ModelError::checkpoint(&checkpoint.path, why.to_string(), remedy)
        })?;
        checkpoint.mapping.check(&checkpoint.tensors)?;
        Ok(checkpoint)
    }

    /// The file it is read from; `None` where that is the program itself.
    pub fn file(&self) -> Option<&Path> {
        (!self.tensors.is_inside()).then_some(&self.path)
    }

    /// Whether it gives this parameter of ours.
    pub fn has(&self, name: &str) -> bool {
        self.mapping.has(name)
    }

    /// Names of our parameters that it gives.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.mapping.names()
    }

    /// The values of one of our parameters, as the file has it.
    ///
    /// # Errors
    /// When it does not give it, or the file cannot be read.
    pub fn read(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        self.mapping.read(&self.tensors, name)
    }

    /// Its positions of this name for a model of another length or stride, row-major.
    ///
    /// # Errors
    /// When a clip is longer than a Whisper encoder's positions.
    pub fn positions(&self, name: &str, source: &[f32], wanted: &ModelConfig) -> Result<Vec<f32>, ModelError> {
        if wanted.facts().positions == Positions::Sinusoids && wanted.grid()[1] > self.grid[1] {
            return Err(ModelError::checkpoint(
                &self.path,
                format!("it has positions for {} frames, not for {}", 2 * self.grid[1], wanted.frames()),
                "take shorter clips",
            ));
        }
        Ok(positions::for_shape(name, source, self.grid, wanted))
    }

    /// The file's tensors, for those who want to list them.
    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }
}

/// Positions of this name and one shape for a model of another, row-major, by the family's rule.
pub fn fit_positions(name: &str, source: &[f32], from: &ModelConfig, to: &ModelConfig) -> Vec<f32> {
    positions::for_shape(name, source, from.grid(), to)
}

/// Every tensor that the mapping has no use for, with the first reason that fits its name.
fn ignored(tensors: &Tensors, mapping: &Mapping, reason: impl Fn(&str) -> &'static str) -> Vec<(String, &'static str)> {
    tensors.iter().filter(|(name, _)| !mapping.uses(name)).map(|(name, _)| (name.to_owned(), reason(name))).collect()
}

enum Tables {
    Named(Tensors),
    Ggml(Tensors, ggml::Hyperparameters),
}

impl Tables {
    fn open(files: Files) -> Result<Self, ModelError> {
        match files {
            Files::One(path) => Self::of_file(&path),
            Files::Parts(index) => Ok(Self::Named(index.open(open_tensors)?)),
        }
    }

    fn of_file(path: &Path) -> Result<Self, ModelError> {
        let io = |source| ModelError::Io { path: path.to_owned(), source };
        let first = foreign::first_bytes(path)?;
        let file = regular::open(path).map_err(io)?;
        if ggml::recognise(&first) {
            let (tensors, hyperparameters) = ggml::open(path, file)?;
            return Ok(Self::Ggml(tensors, hyperparameters));
        }
        if torch::recognise(&first) {
            return Ok(Self::Named(torch::open(path, file)?));
        }
        if !safetensors::is_plausible(&first) {
            foreign::refuse(path, &first)?;
        }
        if safetensors::recognise(&first) {
            return Ok(Self::Named(safetensors::open(path, file)?));
        }
        torch::refuse_old(path, &first)?;
        let remedy = "give safetensors, a zip .pth of PyTorch, or Whisper's GGML";
        Err(ModelError::checkpoint(path, "this is no checkpoint that is known here", remedy))
    }
}

/// Opens the table of a file of tensors, whatever they are of.
///
/// # Errors
/// As [`Checkpoint::open`].
pub fn open_tensors(path: &Path) -> Result<Tensors, ModelError> {
    match Tables::of_file(path)? {
        Tables::Named(tensors) | Tables::Ggml(tensors, _) => Ok(tensors),
    }
}

/// How many tensors a pickled state dict describes: the reader of a `.pth` without the archive around it.
///
/// # Errors
/// A sentence on what the pickle is or wants instead.
pub fn tensors_of_pickle(pickle: &[u8]) -> Result<usize, String> {
    pickle::state(pickle).map(|state| state.tensors.len())
}

/// How a maker's files are recognised and opened.
type Maker = (fn(&Tensors) -> bool, fn(Tensors) -> Result<Checkpoint, ModelError>);

/// Every maker; the first that recognises a file opens it.
const MAKERS: [Maker; 7] = [
    (card::recognise, card::open),
    (ced::recognise, ced::open),
    (hugging_face::recognise, hugging_face::open),
    (gong::recognise, gong::open),
    (deit::recognise, deit::open),
    (openai::recognise, whisper::openai),
    (whisper::recognise, whisper::open),
];

/// Models of other families by a tensor that only they have. Some of these would pass for a Vision Transformer.
const OTHERS: [(&str, &str); 11] = [
    ("decoder_embed.weight", "a masked autoencoder (AudioMAE)"),
    ("post_extract_proj.weight", "BEATs, wav2vec 2.0 or HuBERT"),
    ("feature_extractor.conv_layers.0.conv.weight", "wav2vec 2.0 or HuBERT"),
    ("modality_encoders.IMAGE.local_encoder.proj.weight", "EAT"),
    ("local_encoder.proj.weight", "EAT or SSLAM"),
    ("spectrogram_extractor.stft.conv_real.weight", "PANNs"),
    ("audio_branch.patch_embed.proj.weight", "CLAP"),
    ("audio_model.audio_encoder.patch_embed.proj.weight", "CLAP"),
    ("quantizer.vq.layers.0._codebook.embed", "EnCodec"),
    ("text_model.embeddings.token_embedding.weight", "a model with a text encoder"),
    ("lm_head.weight", "a language model"),
];

fn is_known(tensors: &Tensors) -> bool {
    other_family(tensors).is_none() && MAKERS.iter().any(|(recognise, _)| recognise(tensors))
}

/// The family of a model that is not read here.
fn other_family(tensors: &Tensors) -> Option<&'static str> {
    let has = |name: &str| tensors.iter().any(|(theirs, _)| theirs == name || theirs.ends_with(&format!(".{name}")));
    if card::recognise(tensors) || ced::recognise(tensors) || whisper::recognise(tensors) {
        return None;
    }
    OTHERS.into_iter().find(|(name, _)| has(name)).map(|(_, family)| family)
}

fn recognise(tensors: Tensors) -> Result<Checkpoint, ModelError> {
    let known = "known are AST, SSAST, distilled DeiT, CED, Dasheng, Whisper's encoder and our own";
    if tensors.iter().next().is_none() {
        return Err(ModelError::checkpoint(&tensors.path, "it holds no tensors at all", known));
    }
    let (tensors, mut notes) = wrappers::unwrap(tensors, is_known)?;
    let (tensors, merged) =
        if peft::is_unmerged(&tensors) { peft::merge_inside(tensors)? } else { (tensors, Vec::new()) };
    notes.extend(merged);
    if let Some(family) = other_family(&tensors) {
        return Err(ModelError::checkpoint(&tensors.path, format!("this is {family}, which is not read here"), known));
    }
    if let Some((_, open)) = MAKERS.iter().find(|(recognise, _)| recognise(&tensors)) {
        return Ok(open(tensors)?.with_notes(notes));
    }
    let names: Vec<String> = tensors.iter().map(|(name, _)| name.to_owned()).collect();
    let problem = format!("no known model has its tensors ({})", mapping::some_of(&names));
    Err(ModelError::checkpoint(&tensors.path, problem, known))
}

/// Whether `problem_type` says that classes occur together.
fn multi_label(settings: Option<&Settings>) -> Result<Option<bool>, ModelError> {
    let given = settings.map(|settings| settings.text("problem_type")).transpose()?.flatten();
    Ok(given.map(|kind| kind == "multi_label_classification"))
}

/// A JSON file beside the tensors, if there is one, with its path.
fn beside<T: serde::de::DeserializeOwned>(tensors: &Tensors, name: &str) -> Result<Option<(PathBuf, T)>, ModelError> {
    let read = |path: PathBuf, text: &str| match serde_json::from_str(text) {
        Ok(value) => Ok(Some((path, value))),
        Err(why) => Err(ModelError::checkpoint(&path, why.to_string(), "download or copy it again")),
    };
    if let Some(card) = tensors.settings().filter(|_| name == card::MODEL_CARD) {
        return read(tensors.path.with_file_name(name), card);
    }
    let found = tensors.folders().iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.map_or(Ok(None), |path| {
        let text = foreign::read_text(&path, limits::SETTINGS)?;
        read(path, &text)
    })
}

/// How many blocks there are: consecutive numbers from 0 for which the file has this tensor.
fn depth(tensors: &Tensors, name: impl Fn(usize) -> String) -> usize {
    (0..).take_while(|&block| tensors.has(&name(block))).count()
}

/// The sizes of one axis of a tensor; 0 where there is none, which no check lets through.
fn size(tensors: &Tensors, name: &str, axis: usize) -> usize {
    tensors.get(name).and_then(|place| place.shape.get(axis)).copied().unwrap_or(0)
}

/// Heads of a Vision Transformer whose file does not say: 64 values each, as in every DeiT and Whisper.
fn usual_heads(hidden: usize) -> usize {
    (hidden / 64).max(1)
}
