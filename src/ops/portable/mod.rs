//! Operations on candle tensors, for any device, with backward passes that skip what is frozen.
//!
//! candle differentiates by itself, but computes the gradient of every operand, frozen or not, and
//! its fused kernels silently have no gradient at all. Here each operation says what its gradient is.

mod attention;
mod gelu;
mod graft;
mod layer_norm;
mod linear;
mod softmax;

pub use attention::attention;
pub use gelu::gelu;
pub use graft::graft;
pub use layer_norm::layer_norm;
pub use linear::{Multiplications, linear, linear_in};
pub use softmax::softmax;

#[cfg(test)]
pub(super) mod check;
