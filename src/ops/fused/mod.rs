//! Operations that fuse several steps, without a graph: used by the engine for accelerators.
//!
//! On CUDA each is one kernel of `src/ops/cuda`; elsewhere it uses candle's operations, in any precision, so that tests
//! can compare the engines' gradients. Rows are (rows, width). The residual stream and all statistics, sums and
//! gradients of weights have one type, single precision on CUDA; activations may be bf16.

mod attention;
mod chunks;
mod gelu;
mod norm;
mod patches;
#[cfg(any(test, feature = "cuda"))]
mod pieces;
mod product;
mod sums;
mod update;
mod upload;

pub use attention::{Attended, Heads, attention};
pub use gelu::{gelu, gelu_back};
pub use norm::{Added, LayerNorm, Normed, add, add_norm, norm_back};
pub use patches::{place_tokens, unfold_patches};
pub use product::{matrix_gradient, product_onto};
pub use sums::{Pending, add_bias, column_sums, norm_sums};
pub use update::{Stepped, adamw, rounded, squares};
pub use upload::upload;

use candle_core::{Result, Tensor};

#[cfg(feature = "cuda")]
use super::cuda;
#[cfg(feature = "cuda")]
pub(in crate::ops) use pieces::{FOLDED, PIECE, Pieces, SUMMED, TENSORS};

/// Whether this project's kernels support rows of this width on the tensor's device.
#[cfg(feature = "cuda")]
fn kernels_take(x: &Tensor, width: usize) -> bool {
    x.device().is_cuda() && width.is_multiple_of(4)
}

/// Rows and width.
fn rows_of(x: &Tensor) -> Result<(usize, usize)> {
    let width = x.dim(candle_core::D::Minus1)?;
    Ok((x.elem_count() / width.max(1), width))
}

/// The kernel's variant for a type of activations.
#[cfg(feature = "cuda")]
fn variant(kernel: &str, dtype: candle_core::DType) -> String {
    format!("{kernel}_{}", if dtype == candle_core::DType::BF16 { "bf16" } else { "f32" })
}

#[cfg(test)]
mod tests;
