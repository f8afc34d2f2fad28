//! The engine on candle's operations: any device, any shape and method, and the oracle of the fast ones.

mod block;
mod norms;
mod room;
#[cfg(test)]
mod tests;
mod weights;

use std::ops::Range;

use candle_core::{DType, Device, Tensor};

use super::{
    BlockNorms, Engine, Extras, Features, LossFn, Method, ModelConfig, ModelError, ParamStore, Precision, StepOutput,
    Thrift, engine::check_blocks, stem,
};
use crate::ops::block::Squares;
pub(super) use norms::{Norms, squares_of};
pub(super) use room::Room;
pub(super) use weights::Weights;

type Result<T> = std::result::Result<T, ModelError>;

/// A backbone and what a method adds to it, on candle's operations.
pub struct Portable {
    config: ModelConfig,
    extras: Extras,
    precision: Precision,
    room: Room,
}

/// What one forward pass leaves.
pub(super) struct Pass {
    /// (batch, classes).
    pub logits: Tensor,
    /// Norms inside each block, when asked for and there are adapters.
    pub norms: Norms,
    /// The residual stream after each block, (batch, tokens, D) without prompts, when asked for.
    pub hidden: Vec<Tensor>,
}

/// What a forward pass is to observe on its way.
#[derive(Clone, Copy, Default)]
pub(super) struct Watch {
    pub norms: bool,
    pub hidden: bool,
}

impl Portable {
    /// An engine for a model of this shape and method, in single precision.
    pub fn new(config: ModelConfig, method: Method) -> Self {
        Self::with(config, method, Thrift::default())
    }

    /// The same, with what may be traded for memory and time. It keeps no more than each block's inputs and
    /// intermediate values anyway; of `checkpoint` it knows nothing.
    pub fn with(config: ModelConfig, method: Method, thrift: Thrift) -> Self {
        let extras = method.extras(&config);
        Self { config, extras, precision: thrift.precision, room: Room::new(thrift.micro_batch) }
    }

    /// The weights of a pass, which is about to begin.
    fn weights<'a>(&self, store: &'a ParamStore, graph: bool) -> Weights<'a> {
        products_on(store.device(), self.precision);
        Weights { precision: self.precision, ..Weights::new(store, graph) }
    }

    /// The whole forward pass; `graph` says whether gradients will be asked for.
    pub(super) fn forward(&self, store: &ParamStore, input: &Features, graph: bool, watch: Watch) -> Result<Pass> {
        let weights = self.weights(store, graph);
        let (mut norms, mut hidden) = (Norms::default(), Vec::new());
        let pooled = self.backbone(&weights, input, watch, &mut norms, &mut hidden)?;
        Ok(Pass { logits: self.head(&weights, &pooled)?, norms, hidden })
    }

    /// From spectrograms to pooled vectors (batch, D).
    fn backbone(
        &self,
        weights: &Weights<'_>,
        input: &Features,
        watch: Watch,
        norms: &mut Norms,
        hidden: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut x = stem::tokens(&self.config, weights, input)?;
        for block in 0..self.config.depth {
            x = self.block(weights, &format!("blocks.{block}"), &x, watch.norms.then_some(&mut *norms))?;
            if watch.hidden {
                hidden.push(x.detach());
            }
        }
        let x = weights.norm("norm", &x, self.config.norm_eps)?;
        self.pool(weights, &x, input)
    }

    /// Logits (batch, classes) of pooled vectors (batch, D).
    fn head(&self, weights: &Weights<'_>, pooled: &Tensor) -> Result<Tensor> {
        if !self.config.head_norm {
            return weights.linear("head.linear", pooled);
        }
        let normed = weights.norm("head.norm", pooled, self.config.head_eps)?;
        weights.linear("head.linear", &normed)
    }

    /// Pooled vectors on the device.
    fn to_device(&self, store: &ParamStore, pooled: &[f32]) -> Result<Tensor> {
        let d = self.config.hidden;
        let kept = store.iter().next().map_or(DType::F32, |(_, var)| var.dtype());
        Ok(Tensor::from_slice(pooled, (pooled.len() / d, d), store.device())?.to_dtype(kept)?)
    }

    /// Loss, gradients and sums of squares of the clips in a range, from their pass with its graph.
    fn finish(
        store: &ParamStore,
        pass: Pass,
        range: Range<usize>,
        loss: LossFn<'_>,
    ) -> Result<(StepOutput, Vec<Squares>)> {
        let logits = to_host(&pass.logits)?;
        let (loss, towards) = loss(range, &logits);
        let towards = Tensor::from_vec(towards, pass.logits.dims(), store.device())?.to_dtype(pass.logits.dtype())?;
        // The gradient of sum(logits * d loss / d logits) is that of the loss itself.
        let mut found = (pass.logits * towards)?.sum_all()?.backward()?;
        let gradients = store
            .trainable()
            .map(|(spec, var)| {
                found.remove(var).ok_or_else(|| ModelError::Shape(format!("{} received no gradient", spec.name)))
            })
            .collect::<Result<_>>()?;
        Ok((StepOutput { loss, logits, gradients, norms: None }, pass.norms.read()?))
    }

    /// Values of the residual stream of so many clips, over which norms are taken.
    fn values(&self, batch: usize) -> usize {
        batch * self.config.tokens() * self.config.hidden
    }

    /// Logits, and norms where they are asked for.
    fn answer(&mut self, store: &ParamStore, input: &Features, norms: bool) -> Result<(Vec<f32>, Vec<BlockNorms>)> {
        stem::check(&self.config, input)?;
        let mut room = std::mem::take(&mut self.room);
        let outcome = room.answer(input.batch, |range| {
            let watch = Watch { norms, hidden: false };
            let pass = self.forward(store, &input.part(range), false, watch)?;
            Ok((to_host(&pass.logits)?, pass.norms.read()?))
        });
        self.room = room;
        let (logits, squares) = outcome?;
        Ok((logits, BlockNorms::of(&squares, self.values(input.batch))))
    }

    /// x (batch, tokens, D) to (batch, D).
    fn pool(&self, weights: &Weights<'_>, x: &Tensor, input: &Features) -> Result<Tensor> {
        let (batch, tokens, hidden) = x.dims3()?;
        let shares = self.config.pooled_shares(input.batch, &input.valid, tokens);
        let shares = Tensor::from_vec(shares, (batch, 1, tokens), weights.device())?.to_dtype(weights.dtype())?;
        Ok(shares.matmul(&x.contiguous()?)?.reshape((batch, hidden))?)
    }
}

/// Tells the device how exact products of single precision have to be in the passes that follow.
pub(super) fn products_on(device: &Device, precision: Precision) {
    if device.is_cuda() {
        // For the whole process, since candle has it so; engines of both kinds seldom meet in one.
        candle_core::cuda::set_gemm_reduced_precision_f32(!precision.is_single());
    }
}

/// To the host, row-major.
pub(super) fn to_host(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

impl Engine for Portable {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn step(&mut self, store: &ParamStore, input: &Features, loss: LossFn<'_>, norms: bool) -> Result<StepOutput> {
        stem::check(&self.config, input)?;
        let mut room = std::mem::take(&mut self.room);
        let outcome = room.step(input.batch, |range| {
            let watch = Watch { norms, hidden: false };
            let pass = self.forward(store, &input.part(range.clone()), true, watch)?;
            Self::finish(store, pass, range, loss)
        });
        self.room = room;
        let (output, squares) = outcome?;
        let norms = BlockNorms::of(&squares, self.values(input.batch));
        Ok(StepOutput { norms: (!norms.is_empty()).then_some(norms), ..output })
    }

    fn logits(&mut self, store: &ParamStore, input: &Features) -> Result<Vec<f32>> {
        Ok(self.answer(store, input, false)?.0)
    }

    fn observe(&mut self, store: &ParamStore, input: &Features) -> Result<(Vec<f32>, Vec<BlockNorms>)> {
        self.answer(store, input, true)
    }

    fn states(&mut self, store: &ParamStore, input: &Features, after: &[usize]) -> Result<Vec<Vec<f32>>> {
        stem::check(&self.config, input)?;
        check_blocks(after, self.config.depth)?;
        let pass = self.forward(store, input, false, Watch { norms: false, hidden: true })?;
        after.iter().map(|block| to_host(&pass.hidden[block - 1])).collect()
    }

    fn pooled(&mut self, store: &ParamStore, input: &Features) -> Result<Vec<f32>> {
        let weights = self.weights(store, false);
        let mut all = Vec::with_capacity(input.batch * self.config.hidden);
        for clip in 0..input.batch {
            let clip = input.part(clip..clip + 1);
            let pooled = self.backbone(&weights, &clip, Watch::default(), &mut Norms::default(), &mut Vec::new())?;
            all.extend(to_host(&pooled)?);
        }
        Ok(all)
    }

    fn head_step(&mut self, store: &ParamStore, pooled: &[f32], loss: LossFn<'_>) -> Result<StepOutput> {
        let logits = self.head(&self.weights(store, true), &self.to_device(store, pooled)?)?;
        let clips = 0..logits.dim(0)?;
        Ok(Self::finish(store, Pass { logits, norms: Norms::default(), hidden: Vec::new() }, clips, loss)?.0)
    }

    fn head_logits(&mut self, store: &ParamStore, pooled: &[f32]) -> Result<Vec<f32>> {
        to_host(&self.head(&self.weights(store, false), &self.to_device(store, pooled)?)?)
    }

    fn note(&mut self) -> Option<String> {
        self.room.note()
    }
}
