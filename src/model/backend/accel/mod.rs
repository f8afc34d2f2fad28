//! Tensors of any device: products and the fused operations of [`crate::ops::fused`], which on CUDA are this project's own
//! kernels and elsewhere candle's operations. Both passes are written out, without a graph.
//!
//! Activations and the operands of the blocks' products are bf16 or as wide as the weights; what is kept for long, added
//! up and stepped stays single precision: weights, the residual stream, statistics, gradients of weights.

mod backward;
mod forward;
mod gradients;
mod norms;
mod stem;
mod weights;

use candle_core::{DType, Device, Tensor};

use super::{Backend, Input, Plan, Result, Sizes, Watch};
use crate::{
    model::{
        Extras, ModelConfig, ParamStore, Precision,
        arch::{Backbone, Names},
        store::to_host,
    },
    ops::{
        block::Squares,
        fused::{Added, Heads, Normed, add_norm, norm_back},
    },
};
use backward::{Needs, Towards};
use forward::{Kept, Stream};
use gradients::Found;
use norms::Norms;
use weights::{Rounded, Weights, norm};

/// Products and fused operations.
///
/// It keeps frozen matrices once more as products take them, so they must not change under it.
pub(in crate::model) struct Accel {
    config: ModelConfig,
    extras: Extras,
    needs: Vec<Needs>,
    precision: Precision,
    rounded: Rounded,
    norms: Norms,
}

/// What the backward pass needs of the final norm.
pub(in crate::model) struct End {
    last: Normed,
    /// What each row is of its clip's pooled vector, (batch, 1, tokens), where the rows are pooled.
    shares: Option<Tensor>,
}

impl Accel {
    /// The type of activations beside a residual stream.
    fn activations(&self, stream: &Tensor) -> DType {
        if self.precision.is_single() { stream.dtype() } else { DType::BF16 }
    }

    /// The final norm's rows.
    fn last(&self, weights: &Weights, tokens: &Stream) -> Result<Normed> {
        let x = tokens.settled()?;
        Ok(add_norm(&x, &Added::default(), &norm(&weights.backbone.norm, self.config.norm_eps), x.dtype())?)
    }

    /// From the gradient of these to that of the stream.
    fn last_back(&self, weights: &Weights, last: &Normed, through: &Tensor, found: &mut Found) -> Result<Towards> {
        gradients::norm(&mut found.part.norm, &weights.backbone.norm, through, last, &mut found.pending)?;
        let zeros = last.stream.zeros_like()?;
        let [whole, _] = norm_back(through, last, &weights.backbone.norm.weight.kept, &zeros)?;
        let rounded = whole.to_dtype(weights.dtype)?;
        Ok([whole, rounded])
    }
}

/// Sets how exact on the device products of single precision have to be in the passes that follow.
fn products_on(device: &Device, precision: Precision) {
    if device.is_cuda() {
        // For the whole process, since candle has it so; engines of both kinds seldom meet in one.
        candle_core::cuda::set_gemm_reduced_precision_f32(!precision.is_single());
    }
}

impl Backend for Accel {
    const ALONE: bool = false;

    type Weights<'s> = Weights;
    type Gradients = Found;
    type Tokens = Stream;
    type Towards = Towards;
    type Stem = stem::Saved;
    type Block = Option<Kept>;
    type End = End;

    fn new(Plan { config, extras, trains, memory }: &Plan<'_>) -> Self {
        let mut before = trains.stem.any();
        let needs = trains.blocks.iter().map(|block| {
            let needs = Needs::of(block, before);
            before |= needs.any;
            needs
        });
        Self {
            needs: needs.collect(),
            config: (*config).clone(),
            extras: **extras,
            precision: memory.precision,
            rounded: Rounded::default(),
            norms: Norms::default(),
        }
    }

    fn weights(&mut self, names: &Backbone<Names>, store: &ParamStore) -> Result<Weights> {
        products_on(store.device(), self.precision);
        let kept = store.iter().next().map_or(DType::F32, |(_, var)| var.dtype());
        let dtype = if self.precision.is_single() { kept } else { DType::BF16 };
        Weights::of(names, store, dtype, &mut self.rounded)
    }

    fn gradients(&self, names: &Backbone<Names>, _: &ParamStore) -> Result<Found> {
        Ok(Found::new(names.map(|_| None)))
    }

    fn begin_part(gradients: &mut Found) {
        gradients.begin();
    }

    fn end_part(gradients: &mut Found) -> Result<()> {
        gradients.end()
    }

    fn found(gradients: Found) -> Result<Vec<Option<Tensor>>> {
        Ok(gradients.sums())
    }

    fn embed(
        &mut self,
        weights: &Weights,
        sizes: Sizes,
        input: Input<'_>,
        train: bool,
    ) -> Result<(Stream, stem::Saved)> {
        self.norms = Norms::default();
        let device = weights.backbone.norm.weight.kept.device();
        let (tokens, saved) = stem::forward(&self.config, &weights.backbone, input, device)?;
        let ModelConfig { hidden, heads, .. } = self.config;
        let Sizes { batch, tokens: count, .. } = sizes;
        let heads = Heads { batch, tokens: count, queries: count, heads, size: hidden / heads };
        let x = tokens.reshape((batch * count, hidden))?;
        Ok((Stream { x, added: Added::default(), heads }, if train { saved } else { stem::Saved::Nothing }))
    }

    fn embed_back(
        &mut self,
        weights: &Weights,
        sizes: Sizes,
        _: Input<'_>,
        saved: stem::Saved,
        [whole, _]: Towards,
        gradients: &mut Found,
    ) -> Result<()> {
        stem::backward(&weights.backbone, saved, sizes.batch, whole, gradients)
    }

    fn block(
        &mut self,
        weights: &Weights,
        sizes: Sizes,
        block: usize,
        tokens: Stream,
        watch: Watch,
    ) -> Result<(Stream, Option<Kept>)> {
        let needs = self.needs[block];
        // Of the last block class tokens alone, where nothing else is asked for.
        let first = self.config.class_tokens();
        let keep = (block + 1 == self.config.depth && first > 0 && sizes.keep == first).then_some(first);
        let (next, kept) = self.forward(&weights.backbone.blocks[block], needs, tokens, keep, watch.norms)?;
        Ok((next, (watch.train && needs.any).then_some(kept)))
    }

    fn block_back(
        &mut self,
        weights: &Weights,
        _: Sizes,
        block: usize,
        saved: Option<Kept>,
        towards: Towards,
        gradients: &mut Found,
    ) -> Result<Option<Towards>> {
        let Some(kept) = saved else { return Ok(None) };
        let Found { part, pending, .. } = gradients;
        self.backward(&weights.backbone.blocks[block], kept, towards, &mut part.blocks[block], pending)
    }

    fn state(&self, _: Sizes, tokens: &Stream) -> Result<Vec<f32>> {
        to_host(&tokens.settled()?)
    }

    fn squares(&mut self) -> Result<Vec<Squares>> {
        std::mem::take(&mut self.norms).read()
    }

    fn pool(
        &mut self,
        weights: &Weights,
        sizes: Sizes,
        tokens: Stream,
        places: Vec<Vec<usize>>,
    ) -> Result<(Vec<f32>, End)> {
        let (last, left, d) = (self.last(weights, &tokens)?, tokens.heads.tokens, self.config.hidden);
        let mut shares = vec![0f32; sizes.batch * left];
        for (shares, places) in shares.chunks_mut(left.max(1)).zip(&places) {
            places.iter().for_each(|place| shares[*place] = 1.0 / places.len() as f32);
        }
        let device = last.norm.device();
        let shares = Tensor::from_vec(shares, (sizes.batch, 1, left), device)?.to_dtype(last.norm.dtype())?;
        let pooled = shares.matmul(&last.norm.reshape((sizes.batch, left, d))?)?;
        Ok((to_host(&pooled)?, End { last, shares: Some(shares) }))
    }

    fn pool_back(
        &mut self,
        weights: &Weights,
        sizes: Sizes,
        End { last, shares }: End,
        towards: &[f32],
        gradients: &mut Found,
    ) -> Result<Towards> {
        let (like, d) = (&last.norm, self.config.hidden);
        let towards = Tensor::from_slice(towards, (sizes.batch, 1, d), like.device())?.to_dtype(like.dtype())?;
        let through = match shares {
            Some(shares) => {
                let count = shares.dim(2)?;
                let rows = shares.reshape((sizes.batch, count, 1))?.broadcast_mul(&towards)?;
                rows.reshape((sizes.batch * count, d))?
            }
            None => like.zeros_like()?,
        };
        self.last_back(weights, &last, &through, gradients)
    }

    fn normed(&mut self, weights: &Weights, _: Sizes, tokens: Stream) -> Result<(Vec<f32>, End)> {
        let last = self.last(weights, &tokens)?;
        Ok((to_host(&last.norm)?, End { last, shares: None }))
    }

    fn normed_back(
        &mut self,
        weights: &Weights,
        _: Sizes,
        End { last, .. }: End,
        towards: &[f32],
        gradients: &mut Found,
    ) -> Result<Towards> {
        let through = Tensor::from_slice(towards, last.norm.shape(), last.norm.device())?;
        self.last_back(weights, &last, &through.to_dtype(last.norm.dtype())?, gradients)
    }
}
