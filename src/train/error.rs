use std::path::PathBuf;

use crate::{data::DataError, model::ModelError, session::SessionError};

/// Why a run cannot start or continue. Messages say what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The parts of the request contradict one another.
    #[error("{0}")]
    Request(String),
    /// The session to be resumed was deleted, and another one has its name.
    #[error("{}: the session that was to be resumed was deleted, and another one has its name; open that one first", .0.display())]
    Another(PathBuf),
    /// Training itself went wrong, such as a loss that is no number.
    #[error("{0}")]
    Failed(String),
    /// A bug in this program, caught by the trainer.
    #[error("the trainer stopped because of a bug in this program: {0}; the last checkpoint can be resumed")]
    Panicked(String),
    /// The data set.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model or its checkpoint.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The session's folder.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl TrainError {
    /// Whether the disk is full, or what the user may store on it: making room mends it.
    pub(super) fn is_full_disk(&self) -> bool {
        use std::io::ErrorKind;
        let (Self::Session(SessionError::Io { source, .. }) | Self::Model(ModelError::Io { source, .. })) = self else {
            return false;
        };
        matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    }
}

impl From<candle_core::Error> for TrainError {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(error.into())
    }
}
