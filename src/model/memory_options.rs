//! What may be traded for memory and time.

pub use crate::ops::stack::Recompute;

use super::Precision;

/// What may be traded for memory and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryOptions {
    /// Clips that go through the model at a time; gradients are accumulated exactly. `None`: as many as the device has
    /// memory for.
    pub micro_batch: Option<usize>,
    /// What the backward pass computes again instead of keeping it; on the CPU's kernels alone.
    pub recompute: Recompute,
    /// In what the blocks' matrices multiply.
    pub precision: Precision,
    /// Whether the backbone trains. Elsewhere the CPU's kernels keep a small model's f32 matrices a second time, in the order
    /// in which products read them: most of what a prediction of one clip gains by it is lost among many clips.
    pub training: bool,
}
