use std::path::{Path, PathBuf};

/// What can go wrong with a model or its checkpoint. Messages say what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A checkpoint could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A checkpoint's content cannot be used.
    #[error("{}: {problem}; {remedy}", path.display())]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// A name that is not known, with the nearest that is.
    #[error("there is no {what} called \"{given}\"; {hint}")]
    Unknown {
        /// What kind of name it is: "method", "model".
        what: &'static str,
        /// What was given.
        given: String,
        /// The nearest valid name, or the list of them.
        hint: String,
    },
    /// Sizes that do not fit together.
    #[error("{0}")]
    Shape(String),
    /// A device without memory for even one clip.
    #[error(
        "the device's memory is too small for one clip ({0}); take fewer --frames, a larger --stride or a smaller \
         model, or --device cpu"
    )]
    Memory(String),
    /// An arithmetic failure below.
    #[error("arithmetic failed: {0}")]
    Compute(#[from] candle_core::Error),
}

impl ModelError {
    /// Whether a device had too little memory. CUDA, cuBLAS and Metal each say so in words of their own, and without
    /// their features their types are not there to ask.
    pub fn is_out_of_memory(&self) -> bool {
        let Self::Compute(error) = self else { return false };
        let error = error.to_string();
        ["OUT_OF_MEMORY", "out of memory", "ALLOC_FAILED", "Failed to create metal resource"]
            .iter()
            .any(|sign| error.contains(sign))
    }

    /// What is wrong, without file and remedy, for a message that names its own.
    pub fn reason(&self) -> String {
        match self {
            Self::Checkpoint { problem, .. } => problem.clone(),
            Self::Unknown { what, given, .. } => format!("{given} is no {what}"),
            other => other.to_string(),
        }
    }

    /// A checkpoint that cannot be used: what is wrong and what to do.
    pub(super) fn checkpoint(path: &Path, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }
}
