//! Hours of recordings to detections: windows, scores, events, tables.
//!
//! One file after another is decoded, cut into overlapping windows and scored; its scores are kept in a part of its own, so
//! that what is done stays done, and so that thresholds can be changed without scoring again. Tables are made from parts
//! alone, in the order of the files, so that they are the same bytes however often a scan was broken off.
//!
//! Knows models only as a [`Classifier`](crate::infer::Classifier), and nothing of terminals.

mod cells;
mod choice;
mod clips;
mod events;
mod files;
mod in_memory;
mod journal;
pub mod measure;
mod median;
mod names;
mod part;
mod plan;
mod reviewed;
mod rules;
mod run;
mod score;
mod settings;
mod sidecar;
mod table;
mod workers;

use std::path::PathBuf;

pub use choice::{Choice, Limits};
pub use clips::{Clips, Cut};
pub use events::Detection;
pub use files::{Found, Recording, Unread, find, paths_of};
pub use in_memory::{Scores, score_recordings};
pub use plan::{Event, Plan, Progress, Row, Summary};
pub use reviewed::{Reviewed, reviewed};
pub use rules::{ClassRule, LOW, Own, Rules, THRESHOLDS, Thresholds};
pub use run::run;
pub use settings::{Grid, Key};
pub use table::Format;

/// Why a scan ended before its tables were written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// A file or folder of the scan's own.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// What was asked for cannot be done.
    #[error("{0}")]
    Request(String),
    /// The model.
    #[error(transparent)]
    Infer(#[from] crate::infer::InferError),
    /// Somebody ended it; what is done stays done.
    #[error("the scan was broken off")]
    Broken,
}

impl ScanError {
    /// An error of the file system with the file that it is about.
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
