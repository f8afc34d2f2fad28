use std::path::PathBuf;

use super::Problem;

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
    /// Something is wrong with one or more of its files.
    #[error("{first}{}", and_more(*more, spec))]
    Problems {
        /// The first of them.
        first: Problem,
        /// How many more there are.
        more: usize,
        /// The data set as it was given.
        spec: String,
    },
    /// A request that the data set cannot answer, such as a fold that is not there.
    #[error("{0}")]
    Request(String),
    /// A clip could not be read.
    #[error(transparent)]
    Audio(#[from] crate::audio::AudioError),
    /// Someone asked to stop.
    #[error("interrupted")]
    Cancelled,
}

fn and_more(more: usize, spec: &str) -> String {
    match more {
        0 => String::new(),
        1 => format!(" (and one more problem: `aat-tui data check {spec}` lists both)"),
        _ => format!(" (and {more} more problems: `aat-tui data check {spec}` lists them all)"),
    }
}
