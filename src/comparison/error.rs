//! Why sessions cannot be compared.

use std::path::PathBuf;

use super::Member;
use crate::session::SessionError;

/// Why sessions cannot be compared. Messages say what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComparisonError {
    /// A session cannot be read.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A configuration cannot be compared.
    #[error("a session's configuration cannot be written as JSON: {0}")]
    Facts(#[from] serde_json::Error),
    /// A session is not complete.
    #[error("{0} is not complete: aat-tui resume {0} finishes it", folder.display())]
    Incomplete {
        /// The session.
        folder: PathBuf,
    },
    /// Two sessions have other data sets or metrics.
    #[error(
        "{} has {has} and {} has {other_has}: only sessions of one data set and metric can be compared",
        first.display(), other.display()
    )]
    Unlike {
        /// The first session.
        first: PathBuf,
        /// Its metric and data set.
        has: String,
        /// The other session.
        other: PathBuf,
        /// Its metric and data set.
        other_has: String,
    },
    /// A session is named twice.
    #[error("{} is named twice; name it once", folder.display())]
    Repeated {
        /// The session.
        folder: PathBuf,
    },
    /// Two sessions are of one fold of the same configuration.
    #[error(
        "{} and {} are two trainings {of}, alike in method, backbone, data, recipe and seed; leave one out",
        one.display(), other.display()
    )]
    Twice {
        /// One session.
        one: PathBuf,
        /// The other session.
        other: PathBuf,
        /// Of which fold, in words.
        of: String,
    },
}

impl ComparisonError {
    /// Two runs of one fold of a configuration.
    pub(super) fn twice(one: &Member, other: &Member) -> Self {
        if one.folder == other.folder {
            return Self::Repeated { folder: one.folder.clone() };
        }
        let of = match one.fold() {
            Some(fold) => format!("of fold {fold} of the same run"),
            None => "of the same run".to_owned(),
        };
        Self::Twice { one: one.folder.clone(), other: other.folder.clone(), of }
    }
}
