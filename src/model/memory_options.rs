//! What may be traded for memory and time.

pub use crate::ops::stack::Recompute;

use super::Precision;

/// What may be traded for memory and time in a training step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryOptions {
    /// Clips that go through the model at a time; gradients are accumulated exactly. `None`: as many as the device has
    /// memory for.
    pub micro_batch: Option<usize>,
    /// What the backward pass computes again instead of keeping it; on the CPU's kernels alone.
    pub recompute: Recompute,
    /// In what the blocks' matrices multiply. The CPU's kernels know single precision only.
    pub precision: Precision,
}
