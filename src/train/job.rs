//! What the trainer's thread runs, whatever it is.

use super::{TrainError, journal::Journal};

/// What the trainer's thread runs: a training, a pretraining, or a stand-in for tests.
pub(super) trait Job: Send {
    /// Does one step, or one slice of preparation or evaluation, and says whether more remains.
    fn advance(&mut self, journal: &mut Journal) -> Result<Progress, TrainError>;
    /// Makes everything done so far safe on disk.
    fn checkpoint(&mut self, journal: &mut Journal) -> Result<(), TrainError>;
}

/// Whether a job goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to do.
    More,
    /// Complete.
    Done,
}
