//! Biases: added to rows, and their gradients.

use candle_core::{Result, Tensor};

#[cfg(feature = "cuda")]
use super::kernels_take;
use super::{Normed, norm::normal, rows_of};

/// Parts into which rows are divided, so that many columns are summed in parallel.
#[cfg(feature = "cuda")]
const SHARES: usize = 64;

/// x (rows, width) + bias (width). May overwrite x, which therefore must not be shared.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn add_bias(x: Tensor, bias: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    {
        let (rows, width) = rows_of(&x)?;
        if kernels_take(&x, width) {
            use super::{cuda, cuda::Argument::*, variant};
            let arguments = [Of(&x), Of(bias), Count(rows * width), Int(width)];
            let grid = [(rows * width / 4).div_ceil(cuda::THREADS), 1, 1];
            let kernel = variant("add_bias", x.dtype());
            cuda::launch(x.device(), cuda::File::Rows, &kernel, grid, cuda::THREADS, &arguments)?;
            return Ok(x);
        }
    }
    x.to_dtype(bias.dtype())?.broadcast_add(bias)?.to_dtype(x.dtype())
}

/// The sum of x's rows (rows, width), of the type of `like`.
///
/// # Errors
/// When the device fails.
pub fn column_sums(x: &Tensor, like: &Tensor) -> Result<Tensor> {
    let (rows, width) = rows_of(x)?;
    #[cfg(feature = "cuda")]
    if kernels_take(x, width) {
        return Ok(on_cuda(x, None, like)?.0);
    }
    x.reshape((rows, width))?.to_dtype(like.dtype())?.sum(0)
}

/// The gradients of a LayerNorm's weight and bias from its result's, d (rows, width).
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn norm_sums(d: &Tensor, normed: &Normed) -> Result<[Tensor; 2]> {
    let (rows, width) = rows_of(d)?;
    #[cfg(feature = "cuda")]
    if kernels_take(d, width)
        && let (bias, Some(weight)) = on_cuda(d, Some(normed), &normed.stream)?
    {
        return Ok([weight, bias]);
    }
    let d = d.reshape((rows, width))?.to_dtype(normed.stream.dtype())?;
    Ok([(&d * normal(normed)?)?.sum(0)?, d.sum(0)?])
}

#[cfg(feature = "cuda")]
fn on_cuda(x: &Tensor, normed: Option<&Normed>, like: &Tensor) -> Result<(Tensor, Option<Tensor>)> {
    use super::{cuda, cuda::Argument::*, variant};
    let ((rows, width), device) = (rows_of(x)?, x.device());
    let x = x.contiguous()?;
    let shares = SHARES.min(rows.div_ceil(8)).max(1);
    // Both sums lie one behind the other, so that one launch adds up the shares of both.
    let both = 1 + usize::from(normed.is_some());
    let parts = cuda::unfilled((both, shares, width), like.dtype(), device)?;
    let (sums, alongs) = (parts.narrow(0, 0, 1)?, parts.narrow(0, both - 1, 1)?);
    let arguments = [
        Of(&x),
        Maybe(normed.map(|normed| &normed.stream)),
        Maybe(normed.map(|normed| &normed.stats)),
        Of(&sums),
        Of(&alongs),
        Int(rows),
        Int(width),
    ];
    let kernel = variant("column_sums", x.dtype());
    cuda::launch(device, cuda::File::Rows, &kernel, [width.div_ceil(128), shares, 1], cuda::THREADS, &arguments)?;
    let to = cuda::unfilled((both, width), like.dtype(), device)?;
    let arguments = [Of(&parts), Of(&to), Int(shares), Int(width)];
    cuda::launch(
        device,
        cuda::File::Rows,
        "fold_sums",
        [width.div_ceil(cuda::THREADS), both, 1],
        cuda::THREADS,
        &arguments,
    )?;
    Ok((to.get(0)?, normed.map(|_| to.get(1)).transpose()?))
}
