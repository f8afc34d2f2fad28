//! Differentiable operations with hand-written backward passes, each beside its portable twin.

pub mod portable;
