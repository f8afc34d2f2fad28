use std::path::PathBuf;

/// What can be wrong with a data set. Messages name the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The data set cannot be used as it is.
    #[error("{}: {problem}; {remedy}", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// A request that the data set cannot answer, such as a fold that is not there.
    #[error("{0}")]
    Request(String),
    /// A clip could not be read.
    #[error(transparent)]
    Audio(#[from] crate::audio::AudioError),
}
