//! GELU with the bias of the layer before it.

use candle_core::{Result, Tensor};

#[cfg(feature = "cuda")]
use super::kernels_take;
use super::rows_of;

/// GELU(x + bias) of x (rows, width).
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn gelu(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (rows, width) = rows_of(x)?;
    #[cfg(feature = "cuda")]
    if kernels_take(x, width) {
        use super::{cuda, cuda::Argument::*, variant};
        let to = cuda::unfilled((rows, width), x.dtype(), x.device())?;
        let arguments = [Of(x), Of(bias), Of(&to), Count(rows * width), Int(width)];
        let grid = [(rows * width / 4).div_ceil(cuda::THREADS), 1, 1];
        let kernel = variant("gelu_forward", x.dtype());
        cuda::launch(x.device(), cuda::File::Rows, &kernel, grid, cuda::THREADS, &arguments)?;
        return Ok(to);
    }
    let _ = (rows, width);
    x.to_dtype(bias.dtype())?.broadcast_add(bias)?.gelu_erf()?.to_dtype(x.dtype())
}

/// `grad` times the slope of GELU at x + bias, and, if `value`, GELU(x + bias) again. May overwrite `grad`.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn gelu_back(x: &Tensor, bias: &Tensor, grad: Tensor, value: bool) -> Result<(Tensor, Option<Tensor>)> {
    let (rows, width) = rows_of(x)?;
    #[cfg(feature = "cuda")]
    if kernels_take(x, width) {
        use super::{cuda, cuda::Argument::*, variant};
        let again = if value { Some(cuda::unfilled((rows, width), x.dtype(), x.device())?) } else { None };
        let arguments = [Of(x), Of(bias), Of(&grad), Maybe(again.as_ref()), Count(rows * width), Int(width)];
        let grid = [(rows * width / 4).div_ceil(cuda::THREADS), 1, 1];
        let kernel = variant("gelu_back", x.dtype());
        cuda::launch(x.device(), cuda::File::Rows, &kernel, grid, cuda::THREADS, &arguments)?;
        return Ok((grad, again));
    }
    let _ = (rows, width);
    let again = if value { Some(gelu(x, bias)?) } else { None };
    let x = x.to_dtype(bias.dtype())?.broadcast_add(bias)?;
    // The normal distribution's cumulative probability at x, and its density.
    let share = ((&x * std::f64::consts::FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5))?;
    let density = ((x.sqr()? * -0.5)?.exp()? * (1.0 / std::f64::consts::TAU.sqrt()))?;
    let slope = (share + (x * density)?)?;
    let towards = (grad.to_dtype(slope.dtype())? * slope)?.to_dtype(grad.dtype())?;
    Ok((towards, again))
}
