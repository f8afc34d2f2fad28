//! Biases: added to rows, and their gradients.

use candle_core::{Result, Tensor};

#[cfg(feature = "cuda")]
use super::kernels_take;
use super::{Normed, norm::normal, rows_of};

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

/// Sums whose shares are still to be added up, by few launches for all of them. On other devices than CUDA nothing is
/// pending.
#[derive(Default)]
pub struct Pending {
    /// Shares (shares, width) and the place of their sum (width).
    #[cfg(feature = "cuda")]
    folds: Vec<[Tensor; 2]>,
}

impl Pending {
    /// Adds up all of them: before this, nothing may read the sums.
    ///
    /// # Errors
    /// When the device fails.
    pub fn finish(&mut self) -> Result<()> {
        #[cfg(feature = "cuda")]
        for some in std::mem::take(&mut self.folds).chunks(super::TENSORS) {
            on_cuda::fold(some)?;
        }
        Ok(())
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        #[cfg(feature = "cuda")]
        self.folds.clear();
    }
}

/// The sum of x's rows (rows, width), of the type of `like`; perhaps pending.
///
/// # Errors
/// When the device fails.
pub fn column_sums(x: &Tensor, like: &Tensor, pending: &mut Pending) -> Result<Tensor> {
    let (rows, width) = rows_of(x)?;
    #[cfg(feature = "cuda")]
    if kernels_take(x, width) {
        return Ok(on_cuda::sums(x, None, pending)?.0);
    }
    let _ = pending;
    x.reshape((rows, width))?.to_dtype(like.dtype())?.sum(0)
}

/// The gradients of a LayerNorm's weight and bias from its result's, d (rows, width); perhaps pending.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn norm_sums(d: &Tensor, normed: &Normed, pending: &mut Pending) -> Result<[Tensor; 2]> {
    let (rows, width) = rows_of(d)?;
    #[cfg(feature = "cuda")]
    if kernels_take(d, width)
        && let (bias, Some(weight)) = on_cuda::sums(d, Some(normed), pending)?
    {
        return Ok([weight, bias]);
    }
    let _ = pending;
    let d = d.reshape((rows, width))?.to_dtype(normed.stream.dtype())?;
    Ok([(&d * normal(normed)?)?.sum(0)?, d.sum(0)?])
}

#[cfg(feature = "cuda")]
mod on_cuda {
    use candle_core::{DType, Result, Tensor};

    use super::{
        super::{FOLDED, variant},
        Normed, Pending, rows_of,
    };
    use crate::ops::cuda::{self, Argument::*, Each};

    /// Parts into which rows are divided, so that many columns are summed in parallel.
    const SHARES: usize = 64;

    /// Of x, and with `normed` of x times it.
    pub(super) fn sums(x: &Tensor, normed: Option<&Normed>, pending: &mut Pending) -> Result<(Tensor, Option<Tensor>)> {
        let ((rows, width), device) = (rows_of(x)?, x.device());
        let x = x.contiguous()?;
        let shares = SHARES.min(rows.div_ceil(8)).max(1);
        let unfilled = || cuda::unfilled((shares, width), DType::F32, device);
        let sums = unfilled()?;
        let alongs = normed.map(|_| unfilled()).transpose()?;
        let arguments = [
            Of(&x),
            Maybe(normed.map(|normed| &normed.stream)),
            Maybe(normed.map(|normed| &normed.stats)),
            Of(&sums),
            Maybe(alongs.as_ref()),
            Int(rows),
            Int(width),
        ];
        let kernel = variant("column_sums", x.dtype());
        cuda::launch(device, cuda::File::Rows, &kernel, [width.div_ceil(128), shares, 1], cuda::THREADS, &arguments)?;
        let mut later = |shares: Tensor| -> Result<Tensor> {
            let to = cuda::unfilled(width, DType::F32, device)?;
            pending.folds.push([shares, to.clone()]);
            Ok(to)
        };
        Ok((later(sums)?, alongs.map(later).transpose()?))
    }

    /// One launch for so many sums.
    pub(super) fn fold(folds: &[[Tensor; 2]]) -> Result<()> {
        let Some([shares, _]) = folds.first() else { return Ok(()) };
        let list: Vec<_> = folds
            .iter()
            .map(|[shares, to]| {
                let count = to.elem_count();
                Each { count, at: [shares, to], with: [(shares.elem_count() / count.max(1)) as f32, 0.0] }
            })
            .collect();
        cuda::launch_list(shares.device(), "fold_tensors", &list, FOLDED, &[])
    }
}
