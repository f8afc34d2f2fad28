//! From spectrograms to tokens on the device.

use candle_core::{Device, Result, Tensor};

/// (clips, grid 0 * grid 1, patch 0 * patch 1) of spectrograms (clips, frames, bins), mel before time both in the grid
/// and in a patch; `None` where the device has no kernel for it.
///
/// # Errors
/// When the device fails.
pub fn unfold_patches(
    clips: &[f32],
    [frames, bins]: [usize; 2],
    grid: [usize; 2],
    patch: [usize; 2],
    stride: [usize; 2],
    device: &Device,
) -> Result<Option<Tensor>> {
    #[cfg(feature = "cuda")]
    if device.is_cuda() {
        use super::{cuda, cuda::Argument::*};
        let batch = clips.len() / (frames * bins).max(1);
        let clips = Tensor::from_slice(clips, (batch, frames, bins), device)?;
        let shape = (batch, grid[0] * grid[1], patch[0] * patch[1]);
        let to = cuda::unfilled(shape, candle_core::DType::F32, device)?;
        let count = shape.0 * shape.1 * shape.2;
        let sizes = [frames, bins, grid[0], grid[1], patch[0], patch[1], stride[0], stride[1]];
        let arguments: Vec<_> = [Of(&clips), Of(&to), Count(count)].into_iter().chain(sizes.map(Int)).collect();
        let blocks = [count.div_ceil(cuda::THREADS), 1, 1];
        cuda::launch(device, cuda::File::Rows, "unfold_patches", blocks, cuda::THREADS, &arguments)?;
        return Ok(Some(to));
    }
    let _ = (clips, frames, bins, grid, patch, stride, device);
    Ok(None)
}

/// Tokens (clips, 2 + patches, width): both class tokens (1, 1, width), then the products (clips, patches, width) plus
/// their bias, all plus their positions (1, 2 + patches, width); `None` where the device has no kernel for it.
///
/// # Errors
/// When the device fails.
pub fn place_tokens(
    products: &Tensor,
    bias: &Tensor,
    [first, second]: [&Tensor; 2],
    positions: &Tensor,
) -> Result<Option<Tensor>> {
    #[cfg(feature = "cuda")]
    if super::kernels_take(products, products.dim(2)?) {
        use super::{cuda, cuda::Argument::*};
        let (batch, patches, width) = products.dims3()?;
        let to = cuda::unfilled((batch, patches + 2, width), products.dtype(), products.device())?;
        let count = to.elem_count();
        let tensors = [products, bias, first, second, positions, &to].map(Of);
        let arguments: Vec<_> = tensors.into_iter().chain([Count(count), Int(patches), Int(width)]).collect();
        let blocks = [(count / 4).div_ceil(cuda::THREADS), 1, 1];
        cuda::launch(products.device(), cuda::File::Rows, "place_tokens", blocks, cuda::THREADS, &arguments)?;
        return Ok(Some(to));
    }
    let _ = (products, bias, first, second, positions);
    Ok(None)
}
