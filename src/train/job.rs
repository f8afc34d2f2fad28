//! The work of the trainer's thread.

use super::{TrainError, journal::Journal};

/// Work for the trainer's thread: training, pretraining, or a stand-in for tests.
pub(super) trait Job: Send {
    /// Does one step, or one part of preparation or evaluation, and says whether more remains. After an error that the
    /// disk is full ([`TrainError::is_full_disk`]) it is called again, and does what is missing.
    fn advance(&mut self, journal: &mut Journal) -> Result<Progress, TrainError>;
    /// Saves everything done so far to disk.
    fn checkpoint(&mut self, journal: &mut Journal) -> Result<(), TrainError>;
}

/// Whether a job continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to do.
    More,
    /// Complete.
    Done,
}
