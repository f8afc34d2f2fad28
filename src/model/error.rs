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
    /// An arithmetic failure below.
    #[error("arithmetic failed: {0}")]
    Compute(#[from] candle_core::Error),
}

impl ModelError {
    /// A checkpoint that cannot be used: what is wrong and what to do.
    pub(super) fn checkpoint(path: &Path, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }
}
