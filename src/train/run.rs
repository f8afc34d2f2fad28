//! One run.

use super::{Launch, TrainError, journal::Journal, trainer::Job};
use crate::session::Store;

pub(super) fn launch(_store: &Store, _launch: Launch, _journal: &mut Journal) -> Result<Box<dyn Job>, TrainError> {
    Err(TrainError::Request("this build cannot train yet".to_owned()))
}
