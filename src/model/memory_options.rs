//! What may be traded for memory and time.

use super::Precision;

/// What may be traded for memory and time in a training step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryOptions {
    /// Clips that go through the model at a time; gradients are accumulated exactly. `None`: as many as the device has
    /// memory for.
    pub micro_batch: Option<usize>,
    /// Keep only each block's input and compute the rest again in the backward pass; on the CPU's kernels alone.
    pub checkpoint: bool,
    /// Keep nothing as wide as a block's MLP, and multiply by its first layer again in the backward pass; on the CPU's
    /// kernels alone.
    pub lean: bool,
    /// In what the blocks' matrices multiply. The CPU's kernels know single precision only.
    pub precision: Precision,
}
