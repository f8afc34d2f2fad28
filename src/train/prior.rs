//! What earlier runs of the very same request left behind, so that a comparison goes on instead of starting again.

use std::path::PathBuf;

use super::{Request, TrainError, plan::Asked};
use crate::session::{Checkpoints, SessionInfo, Status, Store};

/// The furthest that earlier runs of a request came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prior {
    /// Nothing to go on with.
    Nothing,
    /// A session with a checkpoint to go on from.
    Half(PathBuf),
    /// A complete session.
    Complete(PathBuf),
}

impl Prior {
    /// Looks for sessions of this request: of its name, or of that name with a number, and with the same
    /// configuration over as many clips.
    ///
    /// # Errors
    /// When the request cannot be settled, or the sessions cannot be read.
    pub fn of(request: &Request, store: &Store) -> Result<Self, TrainError> {
        let asked = Asked::of(request)?;
        let mut furthest = Self::Nothing;
        for session in store.named(asked.name())? {
            if !session.state.config.as_ref().is_some_and(|config| asked.is(config, session.state.clips)) {
                continue;
            }
            match Self::from(session) {
                complete @ Self::Complete(_) => return Ok(complete),
                half @ Self::Half(_) => furthest = half,
                Self::Nothing => {}
            }
        }
        Ok(furthest)
    }

    /// The session's folder, where there is one.
    pub fn folder(&self) -> Option<&PathBuf> {
        match self {
            Self::Nothing => None,
            Self::Half(folder) | Self::Complete(folder) => Some(folder),
        }
    }
}

impl From<SessionInfo> for Prior {
    fn from(session: SessionInfo) -> Self {
        match session.state.status {
            Status::Finished => Self::Complete(session.path),
            _ if Checkpoints::of(&session.path).any() => Self::Half(session.path),
            _ => Self::Nothing,
        }
    }
}
