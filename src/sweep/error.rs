use std::path::{Path, PathBuf};

use crate::{session::SessionError, train::TrainError};

/// Why a sweep cannot be planned or run. Messages say what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The sweep's file has a key or a value that it cannot have.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A file or folder could not be read or written.
    #[error("{}: cannot {action}: {source}{}", path.display(), remedy(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The attempted action: "write", "read", "create".
        action: &'static str,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// SLURM refused, did not answer, or is not installed.
    #[error("{0}")]
    Slurm(String),
    /// The request names something that does not exist.
    #[error("{0}")]
    Request(String),
    /// A task's data, recipe, model and settings do not fit together.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A session's folder.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl SweepError {
    /// Adds the path and the attempted action to an operating system's error, for `map_err`.
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }

    /// A problem of the sweep's file.
    pub(super) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), problem: problem.into() }
    }
}

fn remedy(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; give a folder that this machine may write as `folder` in the sweep's file"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room, then run the sweep again",
        _ => "",
    }
}
