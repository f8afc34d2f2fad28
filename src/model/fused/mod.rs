//! The engine for accelerators: every block's forward and backward pass written out as products and the fused operations
//! of [`crate::ops::fused`], without a graph.
//!
//! Activations and the operands of the blocks' products are bf16 or as wide as the weights; what is kept for long, added
//! up and stepped stays single precision: weights, the residual stream, statistics, gradients of weights, head.

mod backward;
mod forward;
mod gradients;
mod tokens;
mod weights;

use std::ops::Range;

use candle_core::{DType, Tensor};

use super::{
    BlockNorms, Engine, Extras, Features, LossFn, Method, ModelConfig, ModelError, ParamSpec, ParamStore, Part,
    Precision, StepOutput, Thrift,
    engine::check_blocks,
    portable::{self, Norms, Room},
    specs, stem,
    tokens::MASK_TOKEN,
};
use crate::ops::{
    block::Squares,
    fused::{Added, Heads, Normed, add_norm, norm_back},
};
use backward::Needs;
use forward::{Kept, Stream};
use gradients::Gradients;
use weights::{Rounded, Weights};

type Result<T> = std::result::Result<T, ModelError>;

/// A backbone and what a method adds to it, by fused operations.
///
/// It keeps frozen matrices once more as products take them, so they must not change under it.
pub struct Fused {
    config: ModelConfig,
    extras: Extras,
    needs: Vec<Needs>,
    precision: Precision,
    room: Room,
    rounded: Rounded,
    /// Whether the last block always carries every token on, and not only those that are pooled.
    every_token: bool,
}

/// What a pass is to leave on its way.
#[derive(Clone, Copy, Default)]
struct Watch<'a> {
    /// What a backward pass needs.
    graph: bool,
    /// Sums of squares of what adapters add, over every token.
    norms: bool,
    /// The residual stream after these blocks, counted from 1.
    after: &'a [usize],
}

/// What blocks leave behind.
struct Through {
    /// The last LayerNorm's rows.
    last: Normed,
    /// Of the last blocks that anything trains in or before, in order.
    kept: Vec<Kept>,
    /// Tokens of each clip that are left.
    tokens: usize,
    norms: Norms,
    /// The residual stream where it was asked for, (batch, tokens, D).
    states: Vec<Tensor>,
}

/// What a pass leaves behind for its backward pass.
struct Pass {
    logits: Tensor,
    /// (batch, tokens, D), with the stem's graph if the stem trains.
    tokens: Tensor,
    /// The last blocks that anything trains in or before, in order.
    blocks: Vec<Kept>,
    /// The last LayerNorm's rows, and the head's.
    last: Normed,
    head: Normed,
    /// What each row is of its clip's pooled vector, (batch, 1, tokens).
    shares: Tensor,
    norms: Norms,
    states: Vec<Tensor>,
}

impl Fused {
    /// An engine for a model of this shape and method.
    pub fn new(config: ModelConfig, method: Method, thrift: Thrift) -> Self {
        let extras = method.extras(&config);
        let room = Room::new(thrift.micro_batch);
        let specs = specs(&config, method);
        let needs = (0..config.depth).map(|block| Needs::of(&specs, block)).collect();
        let (precision, rounded) = (thrift.precision, Rounded::default());
        Self { config, extras, needs, precision, room, rounded, every_token: false }
    }

    /// The weights of a pass, which is about to begin.
    fn weights<'a>(&self, store: &'a ParamStore, rounded: &'a mut Rounded) -> Weights<'a> {
        portable::products_on(store.device(), self.precision);
        let kept = store.iter().next().map_or(DType::F32, |(_, var)| var.dtype());
        let dtype = if self.precision.is_single() { kept } else { DType::BF16 };
        Weights { store, dtype, rounded }
    }

    fn forward(&mut self, store: &ParamStore, input: &Features, watch: Watch<'_>) -> Result<Pass> {
        let mut rounded = std::mem::take(&mut self.rounded);
        rounded.begin();
        let pass = self.pass(&mut self.weights(store, &mut rounded), input, watch);
        self.rounded = rounded;
        pass
    }

    /// From spectrograms to logits.
    fn pass(&self, weights: &mut Weights<'_>, input: &Features, watch: Watch<'_>) -> Result<Pass> {
        let stem_trains = watch.graph && weights.store.trainable().any(|(spec, _)| spec.part == Part::Stem);
        let tokens = stem::tokens(&self.config, &portable::Weights::new(weights.store, stem_trains), input)?;
        let (hidden, batch) = (self.config.hidden, input.batch);
        let Through { last, kept: blocks, tokens: left, norms, states } = self.blocks(weights, &tokens, watch)?;
        let shares = self.shares(input, left, &last.norm)?;
        let rows = last.norm.reshape((batch, left, hidden))?;
        let pooled = shares.matmul(&rows)?.reshape((batch, hidden))?;
        let (logits, head) = self.head(weights, &pooled)?;
        Ok(Pass { logits, tokens, blocks, last, head, shares, norms, states })
    }

    /// Tokens (batch, tokens, D) through the blocks and the last LayerNorm.
    fn blocks(&self, weights: &mut Weights<'_>, tokens: &Tensor, watch: Watch<'_>) -> Result<Through> {
        let ModelConfig { hidden, heads, .. } = self.config;
        let (batch, count, _) = tokens.dims3()?;
        let heads = Heads { batch, tokens: count, queries: count, heads, size: hidden / heads };
        let x = tokens.detach().reshape((batch * count, hidden))?;
        let mut stream = Stream { x, added: Added::default(), heads };
        let (mut all, mut norms, mut states) = (Vec::new(), Norms::default(), Vec::new());
        let every = self.every_token || watch.norms || !watch.after.is_empty();
        for block in 0..self.config.depth {
            let (next, kept) = self.block(weights, block, stream, every, watch.norms.then_some(&mut norms))?;
            stream = next;
            if watch.graph && kept.needs.any {
                all.push(kept);
            }
            if watch.after.contains(&(block + 1)) {
                states.push(stream.settled()?);
            }
        }
        let layer = weights.norm("norm", self.config.norm_eps)?;
        let x = stream.settled()?;
        let last = add_norm(&x, &Added::default(), &layer, x.dtype())?;
        Ok(Through { last, kept: all, tokens: stream.heads.tokens, norms, states })
    }

    /// Logits (batch, classes) of pooled vectors (batch, D), and the head's norm of these.
    fn head(&self, weights: &Weights<'_>, pooled: &Tensor) -> Result<(Tensor, Normed)> {
        let normed = if self.config.head_norm {
            let layer = weights.norm("head.norm", self.config.head_eps)?;
            add_norm(pooled, &Added::default(), &layer, pooled.dtype())?
        } else {
            // A head without a norm has no statistics either.
            Normed { stream: pooled.clone(), norm: pooled.clone(), stats: pooled.zeros_like()? }
        };
        let product = normed.norm.matmul(&weights.get("head.linear.weight")?.t()?)?;
        Ok((product.broadcast_add(&weights.bias("head.linear")?)?, normed))
    }

    /// What each token is of its clip's pooled vector, (batch, 1, tokens).
    fn shares(&self, input: &Features, tokens: usize, like: &Tensor) -> Result<Tensor> {
        let shares = self.config.pooled_shares(input.batch, &input.valid, tokens);
        Ok(Tensor::from_vec(shares, (input.batch, 1, tokens), like.device())?.to_dtype(like.dtype())?)
    }

    /// Gradients of the head, and that of the pooled vectors if anything before the head trains.
    fn head_back(
        &self,
        weights: &Weights<'_>,
        head: &Normed,
        towards: &Tensor,
        found: &mut Gradients,
    ) -> Result<Option<Tensor>> {
        found.linear(weights, "head.linear", towards, Some(&head.norm))?;
        let through = towards.matmul(&weights.get("head.linear.weight")?)?;
        if self.config.head_norm {
            found.norm(weights, "head.norm", &through, head)?;
        }
        if !weights.store.trainable().any(|(spec, _)| spec.part != Part::Head) {
            return Ok(None);
        }
        if !self.config.head_norm {
            return Ok(Some(through));
        }
        let zeros = head.stream.zeros_like()?;
        let [pooled, _] = norm_back(&through, head, &weights.get("head.norm.weight")?, &zeros)?;
        Ok(Some(pooled))
    }

    /// All gradients of a pass, from that of its logits.
    fn backward(&self, weights: &mut Weights<'_>, pass: Pass, towards: &Tensor, found: &mut Gradients) -> Result<()> {
        let Pass { tokens, blocks, last, head, shares, .. } = pass;
        let Some(pooled) = self.head_back(weights, &head, towards, found)? else { return Ok(()) };
        let (batch, _, count) = shares.dims3()?;
        let pooled = pooled.reshape((batch, 1, self.config.hidden))?;
        let rows = shares.reshape((batch, count, 1))?.broadcast_mul(&pooled)?;
        let through = rows.reshape((batch * count, self.config.hidden))?;
        self.blocks_back(weights, &tokens, blocks, &last, &through, found)
    }

    /// Gradients of the last LayerNorm, the blocks and what made the tokens, from that of the LayerNorm's rows.
    fn blocks_back(
        &self,
        weights: &mut Weights<'_>,
        tokens: &Tensor,
        mut blocks: Vec<Kept>,
        last: &Normed,
        through: &Tensor,
        found: &mut Gradients,
    ) -> Result<()> {
        found.norm(weights, "norm", through, last)?;
        let zeros = last.stream.zeros_like()?;
        let [whole, _] = norm_back(through, last, &weights.get("norm.weight")?, &zeros)?;
        let rounded = whole.to_dtype(weights.dtype)?;

        let mut towards = Some([whole, rounded]);
        for block in (0..self.config.depth).rev() {
            let (Some(kept), Some(here)) = (blocks.pop(), towards.take()) else { return Ok(()) };
            towards = self.block_back(weights, block, kept, here, found)?;
        }
        if let Some([whole, _]) = towards.filter(|_| tokens.track_op()) {
            // The gradient of sum(tokens * d loss / d tokens) is that of the loss itself.
            let mut of_stem = (tokens * whole.reshape(tokens.shape())?)?.sum_all()?.backward()?;
            for (spec, var) in weights.store.trainable().filter(|(spec, _)| makes_tokens(spec)) {
                if let Some(gradient) = of_stem.remove(var) {
                    found.put(weights, &spec.name, &gradient)?;
                }
            }
        }
        Ok(())
    }

    /// Loss, gradients and sums of squares of the clips in a range, from their pass.
    fn finish(
        &mut self,
        store: &ParamStore,
        mut pass: Pass,
        range: Range<usize>,
        loss: LossFn<'_>,
    ) -> Result<(StepOutput, Vec<Squares>)> {
        let norms = std::mem::take(&mut pass.norms);
        let logits = portable::to_host(&pass.logits)?;
        let (loss, towards) = loss(range, &logits);
        let towards = Tensor::from_vec(towards, pass.logits.dims(), store.device())?.to_dtype(pass.logits.dtype())?;
        let (mut rounded, mut found) = (std::mem::take(&mut self.rounded), Gradients::default());
        let done = self.backward(&mut self.weights(store, &mut rounded), pass, &towards, &mut found);
        self.rounded = rounded;
        done?;
        let squares = norms.read()?;
        let gradients = found.in_order(store)?;
        Ok((StepOutput { loss, logits, gradients, norms: None }, squares))
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
            let watch = Watch { norms, ..Watch::default() };
            let pass = self.forward(store, &input.part(range), watch)?;
            Ok((portable::to_host(&pass.logits)?, pass.norms.read()?))
        });
        self.room = room;
        let (logits, squares) = outcome?;
        Ok((logits, BlockNorms::of(&squares, self.values(input.batch))))
    }
}

/// Whether a parameter is of what makes tokens of spectrograms.
fn makes_tokens(spec: &ParamSpec) -> bool {
    spec.part == Part::Stem || spec.name == MASK_TOKEN
}

impl Engine for Fused {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn step(&mut self, store: &ParamStore, input: &Features, loss: LossFn<'_>, norms: bool) -> Result<StepOutput> {
        stem::check(&self.config, input)?;
        let mut room = std::mem::take(&mut self.room);
        let outcome = room.step(input.batch, |range| {
            let watch = Watch { graph: true, norms, ..Watch::default() };
            let pass = self.forward(store, &input.part(range.clone()), watch)?;
            self.finish(store, pass, range, loss)
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
        check_blocks(after, self.config.depth)?;
        let pass = self.forward(store, input, Watch { after, ..Watch::default() })?;
        pass.states.iter().map(portable::to_host).collect()
    }

    fn pooled(&mut self, store: &ParamStore, input: &Features) -> Result<Vec<f32>> {
        let mut all = Vec::with_capacity(input.batch * self.config.hidden);
        for clip in 0..input.batch {
            let pass = self.forward(store, &input.part(clip..clip + 1), Watch::default())?;
            all.extend(portable::to_host(&pass.head.stream)?);
        }
        Ok(all)
    }

    fn head_step(&mut self, store: &ParamStore, pooled: &[f32], loss: LossFn<'_>) -> Result<StepOutput> {
        let mut rounded = Rounded::default();
        let weights = self.weights(store, &mut rounded);
        let (logits, head) = self.head(&weights, &self.to_device(store, pooled)?)?;
        let clips = 0..logits.dim(0)?;
        let host = portable::to_host(&logits)?;
        let (loss, towards) = loss(clips, &host);
        let towards = Tensor::from_vec(towards, logits.dims(), store.device())?.to_dtype(logits.dtype())?;
        let mut found = Gradients::default();
        self.head_back(&weights, &head, &towards, &mut found)?;
        Ok(StepOutput { loss, logits: host, gradients: found.in_order(store)?, norms: None })
    }

    fn head_logits(&mut self, store: &ParamStore, pooled: &[f32]) -> Result<Vec<f32>> {
        let mut rounded = Rounded::default();
        let weights = self.weights(store, &mut rounded);
        portable::to_host(&self.head(&weights, &self.to_device(store, pooled)?)?.0)
    }

    fn note(&mut self) -> Option<String> {
        self.room.note()
    }
}

impl Fused {
    /// Pooled vectors on the device.
    fn to_device(&self, store: &ParamStore, pooled: &[f32]) -> Result<Tensor> {
        let d = self.config.hidden;
        let kept = store.iter().next().map_or(DType::F32, |(_, var)| var.dtype());
        Ok(Tensor::from_slice(pooled, (pooled.len() / d, d), store.device())?.to_dtype(kept)?)
    }
}
