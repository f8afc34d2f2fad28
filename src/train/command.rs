/// A command that a trainer obeys between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Pause, and keep everything in memory.
    Pause,
    /// Continue.
    Continue,
    /// Write a checkpoint now.
    Checkpoint,
    /// Write a checkpoint and end; the run can be resumed.
    Stop,
}
