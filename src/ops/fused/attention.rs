//! Multi-head self-attention on packed queries, keys and values.

use candle_core::{DType, Result, Tensor};

use super::chunks;

/// The head size that the kernels support.
#[cfg(feature = "cuda")]
const SIZE: usize = 64;

/// The layout of tokens and heads in rows.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// Clips.
    pub batch: usize,
    /// Tokens of a clip.
    pub tokens: usize,
    /// The first of them, which have queries; all have keys and values.
    pub queries: usize,
    /// Heads.
    pub heads: usize,
    /// Size of a head.
    pub size: usize,
}

/// What the backward pass needs.
#[derive(Clone)]
pub struct Attended {
    /// The input.
    qkv: Tensor,
    /// The result.
    out: Tensor,
    /// Each query's log-sum-exp.
    lse: Tensor,
}

/// softmax(q k^T / sqrt(size)) v from qkv (batch * tokens, 3 * heads * size): (batch * queries, heads * size).
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn attention(qkv: Tensor, heads: Heads) -> Result<(Tensor, Attended)> {
    #[cfg(feature = "cuda")]
    if on_cuda::takes(&qkv, heads) {
        return on_cuda::forward(qkv, heads);
    }
    let Heads { batch, queries, heads: count, size, .. } = heads;
    let (out, lse) = chunks::forward(&parts(&qkv, heads)?, chunks::SCORES)?;
    let out = out.reshape((batch, count, queries, size))?.transpose(1, 2)?.reshape((batch * queries, count * size))?;
    let out = out.to_dtype(qkv.dtype())?;
    Ok((out.clone(), Attended { qkv, out, lse }))
}

impl Attended {
    /// The gradient of qkv from that of the result.
    ///
    /// # Errors
    /// When the device fails.
    pub fn back(self, grad: &Tensor, heads: Heads) -> Result<Tensor> {
        let Self { qkv, out, lse } = self;
        #[cfg(feature = "cuda")]
        if on_cuda::takes(&qkv, heads) {
            return on_cuda::back(&qkv, &out, &lse, grad, heads);
        }
        let Heads { batch, tokens, queries, heads: count, size } = heads;
        let of_heads = |t: &Tensor| {
            let t = t.reshape((batch, queries, count, size))?.transpose(1, 2)?.contiguous()?;
            t.reshape((batch * count, queries, size))?.to_dtype(wide(&qkv))
        };
        let found = chunks::backward(&parts(&qkv, heads)?, [&of_heads(&out)?, &lse], &of_heads(grad)?, chunks::SCORES)?;
        let [of_queries, of_keys, of_values] = found;
        // A token without a query gets no query gradient.
        let of_queries = of_queries.pad_with_zeros(1, 0, tokens - queries)?;
        let of_tokens = |t: Tensor| t.reshape((batch, count, tokens, size))?.transpose(1, 2);
        let packed = [of_tokens(of_queries)?, of_tokens(of_keys)?, of_tokens(of_values)?];
        Tensor::stack(&packed, 2)?.reshape((batch * tokens, 3 * count * size))?.to_dtype(qkv.dtype())
    }

    /// The same by kernels that multiply five times instead of seven, of which a block takes `each` tiles of 64 keys;
    /// `None` where there are none. Nothing trains with them before they have been measured on a card.
    ///
    /// # Errors
    /// When the device fails.
    pub fn back_at_once(&self, grad: &Tensor, heads: Heads, each: usize) -> Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if on_cuda::takes(&self.qkv, heads) {
            return on_cuda::back_at_once(self, grad, heads, each.max(1)).map(Some);
        }
        let _ = (grad, heads, each);
        Ok(None)
    }
}

/// Scores are single precision where activations are bf16, as in the kernels.
fn wide(qkv: &Tensor) -> DType {
    if qkv.dtype() == DType::BF16 { DType::F32 } else { qkv.dtype() }
}

/// Queries (batch * heads, queries, size), keys and values (batch * heads, tokens, size).
fn parts(qkv: &Tensor, Heads { batch, tokens, queries, heads, size }: Heads) -> Result<[Tensor; 3]> {
    let parts = qkv.reshape((batch, tokens, 3, heads, size))?.permute((2, 0, 3, 1, 4))?;
    let part = |i: usize, count: usize| {
        let part = parts.get(i)?.narrow(2, 0, count)?.contiguous()?;
        part.reshape((batch * heads, count, size))?.to_dtype(wide(qkv))
    };
    Ok([part(0, queries)?, part(1, tokens)?, part(2, tokens)?])
}

#[cfg(feature = "cuda")]
mod on_cuda {
    use candle_core::{DType, Device, Result, Tensor};

    use super::{Attended, Heads, SIZE};
    use crate::ops::cuda::{self, Argument::*, File, Launch};

    /// Rows of a block of the forward pass.
    const FORWARD: usize = 128;
    /// Rows of a block of the backward pass, and its threads.
    const BACK: [usize; 2] = [64, 128];
    /// Shared memory of a block that does all of it (`tiles.cuh`).
    const ONCE_SHARED: usize = 6 * 64 * SIZE * 2 + 4 * 64 * 4;

    /// The kernels for a card, and the threads of a block of the forward pass.
    fn kernels(device: &Device) -> (File, usize) {
        if cuda::is_hopper(device) { (File::AttentionHopper, 256) } else { (File::Attention, 128) }
    }

    pub(super) fn takes(qkv: &Tensor, heads: Heads) -> bool {
        qkv.device().is_cuda() && qkv.dtype() == DType::BF16 && heads.size == SIZE
    }

    pub(super) fn forward(qkv: Tensor, heads: Heads) -> Result<(Tensor, Attended)> {
        let Heads { batch, tokens, queries, heads, size } = heads;
        let device = qkv.device();
        let out = cuda::unfilled((batch * queries, heads * size), DType::BF16, device)?;
        let lse = cuda::unfilled((batch, heads, queries), DType::F32, device)?;
        let scale = (size as f64).powf(-0.5) * std::f64::consts::LOG2_E;
        let arguments = [Of(&qkv), Of(&out), Of(&lse), Int(tokens), Int(queries), Int(heads), Float(scale)];
        let (file, threads) = kernels(device);
        let grid = [queries.div_ceil(FORWARD), heads, batch];
        cuda::launch(device, file, "attention_forward", grid, threads, &arguments)?;
        let kept = Attended { out: out.clone(), qkv, lse };
        Ok((out, kept))
    }

    /// Of each query and head, the sum of the result times its gradient; and memory for the gradient of qkv.
    fn before_back(out: &Tensor, grad: &Tensor, heads: Heads) -> Result<(Tensor, Tensor)> {
        let Heads { batch, tokens, queries, heads, size } = heads;
        let (device, rows) = (out.device(), batch * queries * heads);
        let delta = cuda::unfilled((batch, heads, queries), DType::F32, device)?;
        let arguments = [Of(out), Of(grad), Of(&delta), Int(rows), Int(queries), Int(heads)];
        let grid = [rows.div_ceil(cuda::THREADS / 8), 1, 1];
        let (file, _) = kernels(device);
        cuda::launch(device, file, "attention_delta", grid, cuda::THREADS, &arguments)?;
        // A token without a query gets no query gradient.
        let shape = (batch * tokens, 3 * heads * size);
        let dqkv = match queries < tokens {
            true => Tensor::zeros(shape, DType::BF16, device)?,
            false => cuda::unfilled(shape, DType::BF16, device)?,
        };
        Ok((delta, dqkv))
    }

    pub(super) fn back_at_once(kept: &Attended, grad: &Tensor, heads: Heads, each: usize) -> Result<Tensor> {
        let Attended { qkv, out, lse } = kept;
        let (delta, dqkv) = before_back(out, grad, heads)?;
        let Heads { batch, tokens, queries, heads, size } = heads;
        let (device, scale, [own, threads]) = (qkv.device(), (size as f64).powf(-0.5), BACK);
        let (file, _) = kernels(device);
        let (splits, tiles) = (tokens.div_ceil(own * each), queries.div_ceil(own));
        let parts = cuda::unfilled((splits, batch, heads, tiles, own * size), DType::F32, device)?;
        let tensors = [qkv, grad, lse, &delta, &dqkv, &parts].map(Of);
        let sizes = [Int(tokens), Int(queries), Int(heads), Float(scale), Int(each)];
        let grid = [splits, heads, batch];
        let launch = Launch { file, kernel: "attention_back_once", grid, threads, shared: ONCE_SHARED };
        cuda::launch_shared(device, launch, &[&tensors[..], &sizes].concat())?;
        let arguments = [Of(&parts), Of(&dqkv), Int(tokens), Int(queries), Int(heads), Float(scale), Int(splits)];
        cuda::launch(device, file, "attention_fold_queries", [tiles, heads, batch], threads, &arguments)?;
        Ok(dqkv)
    }

    pub(super) fn back(qkv: &Tensor, out: &Tensor, lse: &Tensor, grad: &Tensor, heads: Heads) -> Result<Tensor> {
        let (delta, dqkv) = before_back(out, grad, heads)?;
        let Heads { batch, tokens, queries, heads, size } = heads;
        let device = qkv.device();
        let (file, _) = kernels(device);
        let scale = (size as f64).powf(-0.5);
        let arguments =
            [Of(qkv), Of(grad), Of(lse), Of(&delta), Of(&dqkv), Int(tokens), Int(queries), Int(heads), Float(scale)];
        let [own, threads] = BACK;
        for (kernel, rows) in [("attention_queries_back", queries), ("attention_keys_back", tokens)] {
            cuda::launch(device, file, kernel, [rows.div_ceil(own), heads, batch], threads, &arguments)?;
        }
        Ok(dqkv)
    }
}
