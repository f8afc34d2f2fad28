//! A trained model for use elsewhere: one ONNX file, or a folder in the form that Hugging Face's libraries read.
//!
//! What is written goes to a temporary name first, is run there against this program, and gets its own name only when
//! both give the same scores.

mod folder;
mod form;
mod license;
mod model_card;
mod onnx;
mod verify;

use std::{
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use serde::Serialize;

pub use verify::{Accuracy, Checked, LIMIT, LIMIT_HALF};

use crate::{
    data::DataError,
    infer::{Classifier, InferError, Which},
    model::ModelError,
    session::{SessionError, Store},
};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// A session (name, folder or `last`), or a model whose checkpoint has labels.
    pub source: String,
    /// What to write: a file that ends in `.onnx`, or else a folder.
    pub target: PathBuf,
    /// Which of a session's weights; `None` for those that it answers with.
    pub weights: Option<Which>,
    /// Numbers that the weights are stored in.
    pub storage: Storage,
    /// Samples of every sound; `None` for any length.
    pub samples: Option<usize>,
    /// Also gives logits.
    pub logits: bool,
    /// Also gives pooled vectors.
    pub embeddings: bool,
    /// What to compare on.
    pub verify: Verify,
    /// Into a folder: what was trained alone, without the backbone.
    pub adapter: bool,
}

/// Numbers that weights are stored in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// Single precision: what was trained.
    #[default]
    F32,
    /// Half precision for the model's matrices.
    F16,
}

impl Storage {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

/// What a written file is compared with the program on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Validation clips of the session's own data.
    #[default]
    Own,
    /// Clips of this data set.
    Data(String),
    /// Nothing: the file is kept unchecked.
    Nothing,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The file or folder.
    pub file: PathBuf,
    /// `onnx`, or what of Hugging Face's libraries or of ours reads the folder.
    pub format: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Numbers that the weights are stored in.
    pub dtype: &'static str,
    /// How it compares with the program; `None` where that was not asked for.
    #[serde(flatten)]
    pub checked: Option<Checked>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Report {
    /// What was written and how it compares with the program, a sentence a line, for people.
    pub fn lines(&self) -> Vec<String> {
        let megabytes = self.bytes as f64 / 1e6;
        let mut lines = vec![format!("{}: {}, {megabytes:.1} MB, {}", self.file.display(), self.format, self.dtype)];
        if let Some(Checked { clips, verified_on, worst_difference, changed_labels, accuracy }) = &self.checked {
            let labels = match changed_labels {
                0 => "every first class is the same".to_owned(),
                some => format!("the first class of {some} is another"),
            };
            lines.push(format!(
                "scores of {clips} clips of {verified_on} differ from the program's by at most {worst_difference:.1e}; {labels}"
            ));
            if let Some(accuracy) = accuracy {
                let Accuracy { metric, ours, file } = accuracy;
                lines.push(format!("{metric}: {ours:.4} by the program, {file:.4} by what was written"));
            }
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines
    }
}

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// So many bytes are being written.
    Writing(u64),
    /// So many clips of so many were compared.
    Verifying(usize, usize),
}

/// Gets the progress of an export, and may break it off.
pub type Watch<'a> = &'a mut dyn FnMut(Stage) -> ControlFlow<()>;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The request cannot be met as it is.
    #[error("{0}")]
    Refused(String),
    /// What was written answers differently, and was removed.
    #[error("{0}")]
    Differs(String),
    /// The disk refused.
    #[error("{}: cannot write: {source}{}", path.display(), remedy(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Someone broke it off.
    #[error("interrupted")]
    Interrupted,
    /// The model to export, or the clips to compare on.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The session.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The data to compare on.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl ExportError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

impl From<io::Error> for ExportError {
    fn from(source: io::Error) -> Self {
        // The caller, which has the path, adds it.
        Self::Io { path: PathBuf::new(), source }
    }
}

fn remedy(source: &io::Error) -> &'static str {
    use io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "; make room or choose another place; nothing was written"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "; choose another place",
        ErrorKind::NotFound => "; make that folder first",
        _ => "",
    }
}

/// Writes what is asked for, compares it with the program, and keeps it only if both give the same scores.
///
/// # Errors
/// When the model cannot be opened, the form cannot hold it, the disk refuses, or the scores differ; nothing is then at
/// the target but what was there before.
pub fn export(request: &Request, store: &Store, watch: Watch<'_>) -> Result<Report, ExportError> {
    let form = target(&request.target)?;
    match form {
        Target::Onnx if request.adapter => {
            Err(ExportError::Refused("--adapter is for a folder; an ONNX file holds the whole model".to_owned()))
        }
        Target::Onnx => onnx::export(request, &mut open(request, store)?, watch),
        Target::Folder => folder::export(request, store, watch),
    }
}

/// The model, on the CPU and in single precision: what a file is compared with.
fn open(request: &Request, store: &Store) -> Result<Classifier, ExportError> {
    let Some(which) = request.weights else { return Ok(Classifier::open(&request.source, store, "cpu")?) };
    Ok(Classifier::of_session(&store.find(&request.source)?, which, "cpu")?)
}

/// What a target's name means.
enum Target {
    Onnx,
    Folder,
}

/// What is to be written; a target that cannot be is refused before any work is done for it.
fn target(target: &Path) -> Result<Target, ExportError> {
    let refuse = |problem: &str| Err(ExportError::Refused(format!("{}: {problem}", target.display())));
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return refuse("the folder that it would be in is not there; make it first");
    }
    let extension = target.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("onnx") if target.is_dir() => refuse("that is a folder; name a file in it"),
        Some("onnx") => Ok(Target::Onnx),
        Some("pt" | "pth" | "bin" | "tflite" | "mlmodel" | "mlpackage" | "gguf" | "safetensors" | "json") => {
            refuse("name a file that ends in .onnx, or a folder")
        }
        _ if target.is_file() => {
            refuse("that is a file; name a folder that is not there yet, or a file that ends in .onnx")
        }
        _ if target.is_dir() && std::fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) => {
            refuse("that folder is not empty; name one that is not there yet")
        }
        _ => Ok(Target::Folder),
    }
}
