//! Products that write their result in place.

use candle_core::{DType, Result, Tensor};

/// to (rows, out) + x (rows, in) w (in, out). May overwrite `to`, which therefore must not be shared.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn product_onto(to: Tensor, x: &Tensor, w: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if to.device().is_cuda() && to.dtype() == DType::BF16 {
        super::cuda::product(&to, x, w, true)?;
        return Ok(to);
    }
    to + x.matmul(w)?
}

/// The gradient (out, in) of a layer's matrix from its result's, (rows, out), and its input (rows, in): sums of the
/// given type.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn matrix_gradient(grad: &Tensor, x: &Tensor, dtype: DType) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if grad.device().is_cuda() && grad.dtype() == DType::BF16 && dtype == DType::F32 {
        let to = super::cuda::unfilled((grad.dim(1)?, x.dim(1)?), dtype, grad.device())?;
        super::cuda::product(&to, &grad.t()?, x, false)?;
        return Ok(to);
    }
    grad.t()?.matmul(x)?.to_dtype(dtype)
}
