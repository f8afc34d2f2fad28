//! Finds an earlier run of the same request, so that a comparison continues instead of starting again.

use std::path::PathBuf;

use super::{Request, TrainError, plan::Asked, provenance::same_clips};
use crate::session::{Checkpoints, RunConfig, SessionInfo, Status, Store};

/// How far earlier runs of a request came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExistingRun {
    /// There is no run to continue.
    None,
    /// A session that can be resumed: from its newest checkpoint, or from its first step where it has none.
    Resumable(PathBuf),
    /// A complete session.
    Complete(PathBuf),
}

impl ExistingRun {
    /// Looks for sessions of this request: of its name, or of that name with a number, and with the same configuration
    /// over the same clips by name, label and content. Also returns a message for each session of the same data set,
    /// method, backbone, fold and seed that is not used because its clips differ.
    ///
    /// # Errors
    /// When the request is not valid, or the sessions cannot be read.
    pub fn of(request: &Request, store: &Store) -> Result<(Self, Vec<String>), TrainError> {
        let asked = Asked::of(request)?;
        let (mut furthest, mut reached, mut others, mut clips) = (Self::None, None, Vec::new(), None);
        for session in store.named(asked.name())? {
            let Some(config) = session.state.config.as_deref() else { continue };
            let same_request = asked.is(config, session.state.clips);
            if !same_request && !asked.resembles(config) {
                continue;
            }
            if config.dataset.is_some() {
                // Read once for all sessions, and only if a session may match.
                let clips = match &clips {
                    Some(clips) => clips,
                    None => clips.insert(asked.clip_list()?),
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
                Self::Resumable(folder) => {
                    let step = Some(Checkpoints::of(&folder).newest_step());
                    if step > reached {
                        (furthest, reached) = (Self::Resumable(folder), step);
                    }
                }
                Self::None => {}
            }
        }
        Ok((furthest, others))
    }

    /// The session's folder, where there is one.
    pub fn folder(&self) -> Option<&PathBuf> {
        match self {
            Self::None => None,
            Self::Resumable(folder) | Self::Complete(folder) => Some(folder),
        }
    }
}

fn not_used(config: &RunConfig, why: &TrainError) -> String {
    let why = why.to_string();
    let why = why.split(';').next().unwrap_or(&why);
    format!("{} is not used: {why}", config.session)
}

impl From<SessionInfo> for ExistingRun {
    fn from(session: SessionInfo) -> Self {
        match session.state.status {
            Status::Finished => Self::Complete(session.path),
            _ => Self::Resumable(session.path),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;
    use crate::{
        model::Inventory,
        session::{Event, LogWriter, Record},
    };

    /// A session of this request that was stopped with checkpoints of these steps.
    fn stopped(store: &Store, request: &Request, steps: &[u64]) -> PathBuf {
        let asked = Asked::of(request).unwrap();
        let (_, lock) = store.create(asked.name()).unwrap();
        let (train_clips, val_clips) = asked.clips();
        let started = Event::Started {
            config: Box::new(asked.config().clone()),
            inventory: Inventory::default(),
            tokens: 1,
            train_clips,
            val_clips,
            steps_per_epoch: 48,
            moment_bytes: 0,
        };
        let mut log = LogWriter::open(lock.folder()).unwrap();
        for event in [started, Event::Stopped] {
            log.append(&Record { at_ms: 1, event }).unwrap();
        }
        for step in steps {
            fs::write(Checkpoints::of(lock.folder()).path(*step), "").unwrap();
        }
        lock.folder().to_owned()
    }

    #[test]
    fn a_comparison_continues_the_run_that_came_furthest() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let request = Request { device: "cpu".into(), ..Request::default() };
        assert_eq!(ExistingRun::of(&request, &store).unwrap().0, ExistingRun::None);
        let without = stopped(&store, &request, &[]);
        assert_eq!(ExistingRun::of(&request, &store).unwrap().0, ExistingRun::Resumable(without));
        stopped(&store, &request, &[24, 48]);
        let furthest = stopped(&store, &request, &[96, 120]);
        stopped(&store, &request, &[5]);
        assert_eq!(ExistingRun::of(&request, &store).unwrap().0, ExistingRun::Resumable(furthest));
    }
}
