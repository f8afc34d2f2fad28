//! Checkpoints of other makers and our own: one file for each format, recognised by content.
//!
//! [`Checkpoint::open`] reads a file's table and settings and checks that every weight is there and
//! fits; values are read one parameter at a time when a model is made of it. No name of a file
//! matters, no byte of one is executed, and nothing larger than the file is ever allocated.

mod card;
mod deit;
mod export;
mod ggml;
mod gong;
mod hugging_face;
mod mapping;
mod peft;
mod pickle;
mod positions;
pub mod safetensors;
mod session;
mod tensors;
mod torch;
mod whisper;

use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use card::{Adapter, Card, save_adapter, save_backbone, save_model};
pub use export::to_hugging_face;
pub use peft::to_peft;
pub use session::Session;
pub use tensors::{Dtype, Place, Tensors};

use super::{Method, ModelConfig, ModelError, Stem};
use crate::audio::Normalisation;
use mapping::Mapping;
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
    /// Whisper in Hugging Face's form.
    HuggingFaceWhisper,
    /// Whisper in GGML's form.
    GgmlWhisper,
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
            Self::HuggingFaceWhisper => "Whisper encoder (Hugging Face)",
            Self::GgmlWhisper => "Whisper encoder (GGML)",
            Self::Own => "aat-tui model",
        })
    }
}

/// A checkpoint that was looked at: what it is, and where each parameter lies in it.
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
    /// The feature statistics it was trained with.
    pub normalisation: Option<Normalisation>,
    /// What a person should know about it.
    pub notes: Vec<String>,
    /// Tensors of the file that are of no use here, and why.
    pub ignored: Vec<(String, &'static str)>,
    tensors: Tensors,
    mapping: Mapping,
}

impl Checkpoint {
    /// Looks at a checkpoint: a file, or a folder with `model.safetensors` or `pytorch_model.bin`.
    ///
    /// # Errors
    /// When it cannot be read, is of no known kind, or misses something.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let file = file_of(path)?;
        Self::checked(match Tables::open(&file)? {
            Tables::Ggml(tensors, hyperparameters) => whisper::ggml(tensors, &hyperparameters)?,
            Tables::Named(tensors) => recognise(tensors)?,
        })
    }

    /// Looks at safetensors that lie in the program, under this name, with their card where they have one; nothing else
    /// is beside them.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn inside(name: &str, tensors: &'static [u8], card: Option<&'static str>) -> Result<Self, ModelError> {
        Self::checked(recognise(safetensors::open(Path::new(name), Bytes::Inside(tensors, card))?)?)
    }

    fn checked(checkpoint: Self) -> Result<Self, ModelError> {
        checkpoint.config.check_backbone()?;
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

    /// Its position embedding for a model of another length or stride, (1, tokens, hidden).
    ///
    /// # Errors
    /// As [`read`](Self::read), and when a clip is longer than a Whisper encoder's positions.
    pub fn positions(&self, source: &[f32], wanted: &ModelConfig) -> Result<Vec<f32>, ModelError> {
        let grid = wanted.grid();
        if matches!(wanted.stem, Stem::Convolutions { .. }) && grid[1] > self.grid[1] {
            return Err(ModelError::checkpoint(
                &self.path,
                format!("it has positions for {} frames, not for {}", 2 * self.grid[1], wanted.frames()),
                "take shorter clips",
            ));
        }
        if let Stem::Convolutions { .. } = wanted.stem {
            // Sinusoids count from the clip's beginning.
            return Ok(source[..(grid[1] * wanted.hidden).min(source.len())].to_vec());
        }
        Ok(positions::fit(source, wanted.class_tokens(), wanted.hidden, self.grid, grid))
    }

    /// The file's tensors, for those who want to list them.
    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }
}

/// A position embedding of one shape for a model of another, (1, tokens, hidden): cut to a clip's beginning where
/// positions are sinusoids, else cut to the middle or stretched.
pub fn fit_positions(source: &[f32], from: &ModelConfig, to: &ModelConfig) -> Vec<f32> {
    if let Stem::Convolutions { .. } = to.stem {
        return source[..(to.tokens() * to.hidden).min(source.len())].to_vec();
    }
    positions::fit(source, to.class_tokens(), to.hidden, from.grid(), to.grid())
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
    fn open(path: &Path) -> Result<Self, ModelError> {
        let io = |source| ModelError::Io { path: path.to_owned(), source };
        let mut first = Vec::with_capacity(16);
        File::open(path).map_err(io)?.take(16).read_to_end(&mut first).map_err(io)?;
        let file = File::open(path).map_err(io)?;
        if ggml::recognise(&first) {
            let (tensors, hyperparameters) = ggml::open(path, file)?;
            return Ok(Self::Ggml(tensors, hyperparameters));
        }
        if torch::recognise(&first) {
            return Ok(Self::Named(torch::open(path, file)?));
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
    match Tables::open(path)? {
        Tables::Named(tensors) | Tables::Ggml(tensors, _) => Ok(tensors),
    }
}

/// How many tensors a pickled state dict describes: the reader of a `.pth` without the archive around it.
///
/// # Errors
/// A sentence on what the pickle is or wants instead.
pub fn tensors_of_pickle(pickle: &[u8]) -> Result<usize, String> {
    pickle::tensors(pickle).map(|tensors| tensors.len())
}

fn recognise(tensors: Tensors) -> Result<Checkpoint, ModelError> {
    if card::recognise(&tensors) {
        card::open(tensors)
    } else if hugging_face::recognise(&tensors) {
        hugging_face::open(tensors)
    } else if gong::recognise(&tensors) {
        gong::open(tensors)
    } else if deit::recognise(&tensors) {
        deit::open(tensors)
    } else if whisper::recognise(&tensors) {
        whisper::open(tensors)
    } else {
        let names: Vec<String> = tensors.iter().map(|(name, _)| name.to_owned()).collect();
        let problem = format!("no known model has its tensors ({})", mapping::some_of(&names));
        let remedy = "known are AST, SSAST, distilled DeiT, Whisper's encoder and our own";
        Err(ModelError::checkpoint(&tensors.path, problem, remedy))
    }
}

/// The file of tensors that a path means.
fn file_of(path: &Path) -> Result<PathBuf, ModelError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    const NAMES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
    let found = NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| {
        let problem = if path.join("model.safetensors.index.json").is_file() {
            "its weights are in several files, which is not read here"
        } else {
            "this folder holds no checkpoint"
        };
        ModelError::checkpoint(path, problem, format!("it needs {}", NAMES.join(" or ")))
    })
}

/// A JSON file beside the tensors, if there is one.
fn beside<T: serde::de::DeserializeOwned>(tensors: &Tensors, name: &str) -> Result<Option<T>, ModelError> {
    /// Settings are small; AudioSet's labels are the largest.
    const LARGEST: u64 = 16 << 20;
    let path = tensors.path.with_file_name(name);
    let broken = |why: serde_json::Error| ModelError::checkpoint(&path, why.to_string(), "download or copy it again");
    if tensors.is_inside() {
        let card = tensors.settings().filter(|_| name == card::MODEL_CARD);
        return card.map(serde_json::from_str).transpose().map_err(broken);
    }
    let Ok(file) = File::open(&path) else { return Ok(None) };
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(|source| ModelError::Io { path: path.clone(), source })?;
    serde_json::from_str(&text).map(Some).map_err(broken)
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
