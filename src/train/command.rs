/// What a trainer obeys, between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Hold still, keep everything.
    Pause,
    /// Go on.
    Continue,
    /// Write a checkpoint now.
    Checkpoint,
    /// Write a checkpoint and end; the run can be resumed.
    Stop,
}
