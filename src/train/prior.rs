//! What earlier runs of the very same request left behind, so that a comparison goes on instead of starting again.

use std::path::PathBuf;

use super::{Request, TrainError, plan::Asked, provenance::same_clips};
use crate::session::{Checkpoints, RunConfig, SessionInfo, Status, Store};

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
    /// configuration over the same clips by name, label and content. Beside what was found, says which sessions of the same
    /// data set, method, backbone, fold and seed are not used because their clips were others.
    ///
    /// # Errors
    /// When the request cannot be settled, or the sessions cannot be read.
    pub fn of(request: &Request, store: &Store) -> Result<(Self, Vec<String>), TrainError> {
        let asked = Asked::of(request)?;
        let (mut furthest, mut others, mut clips) = (Self::Nothing, Vec::new(), None);
        for session in store.named(asked.name())? {
            let Some(config) = session.state.config.as_deref() else { continue };
            let same_request = asked.is(config, session.state.clips);
            if !same_request && !asked.resembles(config) {
                continue;
            }
            if config.dataset.is_some() {
                // Read once for all sessions, and only where one of them could be meant.
                let clips = match &clips {
                    Some(clips) => clips,
                    None => clips.insert(asked.clips()?),
                };
                if let Err(error) = same_clips(config, clips, &session.path) {
                    others.push(not_used(config, &error));
                    continue;
                }
            }
            if !same_request {
                continue;
            }
            match Self::from(session) {
                complete @ Self::Complete(_) => return Ok((complete, others)),
                half @ Self::Half(_) => furthest = half,
                Self::Nothing => {}
            }
        }
        Ok((furthest, others))
    }

    /// The session's folder, where there is one.
    pub fn folder(&self) -> Option<&PathBuf> {
        match self {
            Self::Nothing => None,
            Self::Half(folder) | Self::Complete(folder) => Some(folder),
        }
    }
}

fn not_used(config: &RunConfig, why: &TrainError) -> String {
    let why = why.to_string();
    let why = why.split(';').next().unwrap_or(&why);
    format!("{} is not used: {why}", config.session)
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
