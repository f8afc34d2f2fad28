//! The residual stream and its LayerNorms.

use candle_core::{D, DType, Result, Tensor};

#[cfg(feature = "cuda")]
use super::kernels_take;
use super::rows_of;

/// The widest row that a kernel holds in registers.
#[cfg(feature = "cuda")]
const WIDEST: usize = 1024;

/// Terms to add to the residual stream.
#[derive(Clone, Default)]
pub struct Added {
    /// Activations (rows, width), at most two of one type.
    pub values: Vec<Tensor>,
    /// Biases (width) of the layers they come from, at most two.
    pub biases: Vec<Tensor>,
}

/// A LayerNorm's parameters (width).
#[derive(Clone)]
pub struct LayerNorm {
    /// Its weight.
    pub weight: Tensor,
    /// Its bias.
    pub bias: Tensor,
    /// Epsilon.
    pub eps: f64,
}

/// A stream and its LayerNorm.
#[derive(Clone)]
pub struct Normed {
    /// (rows, width).
    pub stream: Tensor,
    /// (rows, width), of the activations' type.
    pub norm: Tensor,
    /// Mean and 1 / deviation of each row, (rows, 2).
    pub stats: Tensor,
}

/// x (rows, width) plus the terms.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn add(x: &Tensor, added: &Added) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if takes(x, added)? {
        return Ok(on_cuda(x, added, None, x.dtype())?.0);
    }
    let mut stream = x.clone();
    for values in &added.values {
        stream = (stream + values.to_dtype(x.dtype())?)?;
    }
    for bias in &added.biases {
        stream = stream.broadcast_add(bias)?;
    }
    Ok(stream)
}

/// The same and its LayerNorm, of the type of activations.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn add_norm(x: &Tensor, added: &Added, layer: &LayerNorm, dtype: DType) -> Result<Normed> {
    #[cfg(feature = "cuda")]
    if takes(x, added)? {
        let (stream, normed) = on_cuda(x, added, Some(layer), dtype)?;
        if let Some((norm, stats)) = normed {
            return Ok(Normed { stream, norm, stats });
        }
    }
    let stream = add(x, added)?;
    let mean = stream.mean_keepdim(D::Minus1)?;
    let centred = stream.broadcast_sub(&mean)?;
    let scale = ((centred.sqr()?.mean_keepdim(D::Minus1)? + layer.eps)?.sqrt()?).recip()?;
    let norm = centred.broadcast_mul(&scale)?.broadcast_mul(&layer.weight)?.broadcast_add(&layer.bias)?;
    Ok(Normed { stream, norm: norm.to_dtype(dtype)?, stats: Tensor::cat(&[&mean, &scale], 1)? })
}

/// The gradient of the stream: `grad`, past the LayerNorm, plus the gradient through it, from that of its result,
/// `through`. Also rounded to the type of `through`.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn norm_back(through: &Tensor, normed: &Normed, weight: &Tensor, grad: &Tensor) -> Result<[Tensor; 2]> {
    let (rows, width) = rows_of(grad)?;
    #[cfg(feature = "cuda")]
    if kernels_take(grad, width) && width <= WIDEST {
        use super::{cuda, cuda::Argument::*, variant};
        let towards = cuda::unfilled((rows, width), grad.dtype(), grad.device())?;
        let rounded = cuda::unfilled((rows, width), through.dtype(), grad.device())?;
        let arguments = [
            Of(through),
            Of(&normed.stream),
            Of(&normed.stats),
            Of(weight),
            Of(grad),
            Of(&towards),
            Of(&rounded),
            Int(rows),
            Int(width),
        ];
        let grid = [rows.div_ceil(cuda::THREADS / 32), 1, 1];
        let kernel = variant("norm_back", through.dtype());
        cuda::launch(grad.device(), cuda::File::Rows, &kernel, grid, cuda::THREADS, &arguments)?;
        return Ok([towards, rounded]);
    }
    let _ = rows;
    let scale = normed.stats.narrow(1, 1, 1)?;
    let normal = normal(normed)?;
    let h = through.to_dtype(grad.dtype())?.broadcast_mul(weight)?;
    let along = (&h * &normal)?.mean_keepdim(D::Minus1)?;
    let inner = (h.broadcast_sub(&h.mean_keepdim(D::Minus1)?)? - normal.broadcast_mul(&along)?)?;
    let towards = (grad.reshape((rows, width))? + inner.broadcast_mul(&scale)?)?;
    let rounded = towards.to_dtype(through.dtype())?;
    Ok([towards, rounded])
}

/// The stream with mean 0 and deviation 1.
pub(super) fn normal(normed: &Normed) -> Result<Tensor> {
    let (mean, scale) = (normed.stats.narrow(1, 0, 1)?, normed.stats.narrow(1, 1, 1)?);
    normed.stream.broadcast_sub(&mean)?.broadcast_mul(&scale)
}

#[cfg(feature = "cuda")]
fn takes(x: &Tensor, added: &Added) -> Result<bool> {
    let (_, width) = rows_of(x)?;
    let few =
        added.values.len() <= 2 && added.biases.len() <= 2 && (added.biases.is_empty() || !added.values.is_empty());
    Ok(kernels_take(x, width) && width <= WIDEST && few)
}

#[cfg(feature = "cuda")]
fn on_cuda(
    x: &Tensor,
    added: &Added,
    layer: Option<&LayerNorm>,
    dtype: DType,
) -> Result<(Tensor, Option<(Tensor, Tensor)>)> {
    use super::{cuda, cuda::Argument::*, variant};
    let ((rows, width), device) = (rows_of(x)?, x.device());
    let (values, biases) = (&added.values, &added.biases);
    let dtype = values.first().map_or(dtype, Tensor::dtype);
    let x = x.contiguous()?;
    let stream =
        if !values.is_empty() { cuda::unfilled((rows, width), x.dtype(), device)? } else { x.reshape((rows, width))? };
    let normed = match layer {
        Some(_) => Some((cuda::unfilled((rows, width), dtype, device)?, cuda::unfilled((rows, 2), x.dtype(), device)?)),
        None => None,
    };
    let arguments = [
        Of(&x),
        Maybe(values.first()),
        Maybe(biases.first()),
        Maybe(values.get(1)),
        Maybe(biases.get(1)),
        Maybe(layer.map(|layer| &layer.weight)),
        Maybe(layer.map(|layer| &layer.bias)),
        Of(&stream),
        Maybe(normed.as_ref().map(|(norm, _)| norm)),
        Maybe(normed.as_ref().map(|(_, stats)| stats)),
        Int(rows),
        Int(width),
        Float(layer.map_or(0.0, |layer| layer.eps)),
    ];
    let grid = [rows.div_ceil(cuda::THREADS / 32), 1, 1];
    cuda::launch(device, cuda::File::Rows, &variant("add_norm", dtype), grid, cuda::THREADS, &arguments)?;
    Ok((stream, normed))
}
