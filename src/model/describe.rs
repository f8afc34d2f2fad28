//! A description of a model, without making it: for `models show` and `models check`.

use serde::Serialize;

use super::{
    Extras, Method, ModelConfig, ModelError, Part,
    checkpoint::{AdapterCheckpoint, Card, Checkpoint},
    source::Source,
    specs,
};
use crate::audio::{FrontEnd, Normalisation};

/// A tensor of the file that is of no use here.
#[derive(Clone, Debug, Serialize)]
pub struct Ignored {
    /// Its name in the file.
    pub name: String,
    /// Why.
    pub why: &'static str,
}

/// What a model is.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// As it was given.
    pub model: String,
    /// Who wrote it, or what it is.
    pub format: String,
    /// The file of its tensors.
    pub file: Option<String>,
    /// Its shape; `classes` is 0 where it has no head.
    pub shape: ModelConfig,
    /// Tokens of a clip of its own length.
    pub tokens: usize,
    /// Parameters, head and additions included.
    pub parameters: usize,
    /// The log-mel that it takes: `kaldi`, `whisper`, `whisper128`.
    pub front_end: &'static str,
    /// What it was adapted by.
    pub method: Option<Method>,
    /// What it was adapted from.
    pub base: Option<String>,
    /// Its class names.
    pub labels: Option<Vec<String>>,
    /// The feature statistics it was trained with.
    pub normalisation: Option<Normalisation>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// What of the file is not used.
    pub ignored: Vec<Ignored>,
}

/// Looks at what `--model` names, without reading its weights.
///
/// # Errors
/// When there is no such model, or its file cannot be used.
pub fn describe(source: &str) -> Result<Description, ModelError> {
    Ok(match Source::find(source)? {
        Source::Random { shape, .. } => blank(source, "random weights".into(), shape, None),
        Source::File(checkpoint) => of_checkpoint(source, &checkpoint),
        Source::Adapter(adapter) => of_adapter(source, &adapter),
    })
}

/// Reads every weight of a model and answers with how many there are.
///
/// # Errors
/// When one cannot be read or is no number.
pub fn check(source: &str) -> Result<usize, ModelError> {
    match Source::find(source)? {
        Source::Random { .. } => Ok(0),
        Source::File(checkpoint) => read_all(checkpoint.names().map(|name| checkpoint.read(name))),
        Source::Adapter(adapter) => read_all(adapter.specs().map(|spec| adapter.read(&spec.name))),
    }
}

fn read_all(weights: impl Iterator<Item = Result<Vec<f32>, ModelError>>) -> Result<usize, ModelError> {
    weights.map(|values| values.map(|_| 1)).sum()
}

/// Parameters of a model of this shape, head and additions included.
pub(super) fn parameters(shape: &ModelConfig, method: Option<Method>) -> usize {
    let counted = specs(shape, method.unwrap_or_else(Method::full));
    counted.iter().filter(|spec| shape.classes > 0 || spec.part != Part::Head).map(|spec| spec.count()).sum()
}

fn blank(source: &str, format: String, shape: ModelConfig, method: Option<Method>) -> Description {
    let parameters = parameters(&shape, method);
    Description {
        model: source.to_owned(),
        format,
        file: None,
        tokens: shape.tokens(),
        front_end: shape.front_end().map_or("none", FrontEnd::name),
        shape,
        parameters,
        method,
        base: None,
        labels: None,
        normalisation: None,
        notes: Vec::new(),
        ignored: Vec::new(),
    }
}

fn of_checkpoint(source: &str, checkpoint: &Checkpoint) -> Description {
    let ignored = checkpoint.ignored.iter().map(|(name, why)| Ignored { name: name.clone(), why }).collect();
    Description {
        file: checkpoint.file().map(|file| file.display().to_string()),
        labels: checkpoint.labels.clone(),
        normalisation: checkpoint.normalisation,
        notes: checkpoint.notes.clone(),
        ignored,
        ..blank(source, checkpoint.format.to_string(), checkpoint.config.clone(), checkpoint.method)
    }
}

fn of_adapter(source: &str, adapter: &AdapterCheckpoint) -> Description {
    let card = &adapter.card;
    let base = format!("{} ({})", card.base, card.base_fingerprint);
    Description {
        file: Some(adapter.path().display().to_string()),
        base: Some(base),
        labels: Some(card.labels.clone()),
        normalisation: card.normalisation,
        notes: vec![foldable(card).to_owned()],
        ..blank(source, adapter.kind().into(), card.shape.clone(), Some(card.method))
    }
}

/// Whether the backbone's weights can take up what was added.
fn foldable(card: &Card) -> &'static str {
    match card.method.extras(&card.shape) {
        Extras { spatial: None, mlp: None, prompts: 0, .. } => {
            "`export` folds it into the backbone's weights: an ONNX file, or a plain model for Hugging Face's transformers"
        }
        _ => {
            "what has a GELU inside or tokens of its own cannot be folded into a backbone's weights: `export` writes the \
             whole model as one ONNX file"
        }
    }
}
