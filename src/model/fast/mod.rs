//! The engine on this project's own kernels, for the CPU: hand-written backward passes, no graph, memory that lasts
//! for the run. What it does is what [`Portable`](super::Portable) does, to rounding; tests hold it to that.
//!
//! It does less, exactly: backward ends at the first tensor that trains, frozen weights get no gradient, nothing is
//! kept for what has no backward pass, and of the last block only the tokens that are pooled are computed.

mod head;
mod stem;
#[cfg(test)]
mod tests;
mod weights;

use std::{collections::HashMap, ops::Range};

use candle_core::Tensor;

use super::{
    BlockNorms, Engine, Extras, Features, LossFn, Method, ModelConfig, ModelError, ParamStore, Pooling, Stem,
    StepOutput, specs,
};
use crate::ops::{
    block::{Block, Gradients, Shape, Squares},
    parallel,
    stack::Stack,
};
use head::Head;
use weights::Weights;

type Result<T> = std::result::Result<T, ModelError>;

/// What may be traded for memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thrift {
    /// Clips that go through the model at a time; gradients are accumulated exactly. `None`: the whole batch.
    pub micro_batch: Option<usize>,
    /// Keep only each block's input and compute the rest again in the backward pass.
    pub checkpoint: bool,
}

/// A model on this project's own kernels.
pub struct Fast {
    config: ModelConfig,
    extras: Extras,
    thrift: Thrift,
    stack: Stack,
    head: Head,
}

impl Fast {
    /// Whether these kernels can do a model of this shape and method.
    pub fn supports(config: &ModelConfig, method: Method) -> bool {
        let backbone_trains = || specs(config, method).iter().any(|spec| spec.trains && spec.name.contains(".attn."));
        let extras = method.extras(config);
        matches!(config.stem, Stem::Patches { .. })
            && extras.lora.is_none()
            && config.depth > 0
            && (extras.prompts == 0 || !backbone_trains())
    }

    /// An engine for a model of this shape and method, which it must support.
    ///
    /// # Errors
    /// When it does not.
    pub fn new(config: ModelConfig, method: Method, thrift: Thrift) -> Result<Self> {
        if !Self::supports(&config, method) {
            return Err(ModelError::Shape(format!("the CPU kernels have no {method} for this backbone")));
        }
        let extras = method.extras(&config);
        let trains: HashMap<_, _> = specs(&config, method).into_iter().map(|spec| (spec.name, spec.trains)).collect();
        let blocks = (0..config.depth)
            .map(|i| block(&extras, i, &mut |name| Ok(trains.get(name).copied().unwrap_or(false))))
            .collect::<Result<Vec<Block<bool>>>>()?;
        let stem = stem::PARAMETERS.iter().any(|name| trains.get(*name).copied().unwrap_or(false));
        let stack = Stack::new(&blocks, stem, thrift.checkpoint);
        Ok(Self { config, extras, thrift, stack, head: Head::default() })
    }

    /// Bytes of activations and of everything else that lasts between steps, weights and gradients apart.
    pub fn bytes(&self) -> usize {
        self.stack.bytes()
    }

    /// Sizes of a batch; with `every`, the last block carries on every token, not only those that are pooled.
    fn shape(&self, batch: usize, every: bool) -> Shape {
        let (tokens, first) = (self.config.tokens(), self.config.class_tokens());
        let pooled = if self.pools_class_tokens() { first } else { tokens };
        Shape {
            batch,
            tokens,
            keep: if every { tokens } else { pooled },
            hidden: self.config.hidden,
            heads: self.config.heads,
            eps: self.config.norm_eps as f32,
        }
    }

    fn pools_class_tokens(&self) -> bool {
        self.config.pooling == Pooling::ClassTokens && self.config.class_tokens() > 0
    }

    /// The batch in parts that go through the model one after another.
    fn parts(&self, batch: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let size = self.thrift.micro_batch.unwrap_or(batch).max(1);
        (0..batch).step_by(size).map(move |from| from..(from + size).min(batch))
    }

    fn forward(
        &mut self,
        weights: &Weights<'_>,
        blocks: &[Block<&[f32]>],
        shape: &Shape,
        input: &Features,
        train: bool,
        squares: &mut [Squares],
    ) -> Result<Vec<f32>> {
        stem::forward(&self.config, weights, input, self.stack.tokens(shape))?;
        let first = self.config.class_tokens();
        let pooled = if self.pools_class_tokens() { 0..first } else { first..shape.keep };
        let tokens = self.stack.forward(shape, blocks, train, squares);
        self.head.forward(&self.config, weights, tokens, shape, pooled)
    }

    /// Logits, and norms inside each block where they are wanted and there are adapters.
    fn answer(&mut self, store: &ParamStore, input: &Features, norms: bool) -> Result<(Vec<f32>, Vec<BlockNorms>)> {
        super::stem::check(&self.config, input)?;
        let weights = Weights::of(store);
        let weights = weights.view()?;
        let extras = self.extras;
        let depth = self.config.depth;
        let blocks = (0..depth)
            .map(|i| block(&extras, i, &mut |name| weights.get(name)))
            .collect::<Result<Vec<Block<&[f32]>>>>()?;
        let measured = norms && (extras.spatial.is_some() || extras.mlp.is_some());
        let mut squares = vec![Squares::default(); if measured { depth } else { 0 }];
        let mut logits = Vec::with_capacity(input.batch * self.config.classes);
        for range in self.parts(input.batch) {
            let clips = part(input, &range);
            let shape = self.shape(range.len(), false);
            logits.extend(parallel::install(|| self.forward(&weights, &blocks, &shape, &clips, false, &mut squares))?);
        }
        // The last block computes only the tokens that are pooled, and its norms are over those.
        let Shape { tokens, keep, hidden, .. } = self.shape(input.batch, false);
        let values = |i: usize| (input.batch * if i + 1 == depth { keep } else { tokens } * hidden) as f64;
        let norms = squares.iter().enumerate().map(|(i, squares)| block_norms(squares, values(i))).collect();
        Ok((logits, norms))
    }
}

/// One thing for each parameter of block `i`, by name.
fn block<T>(extras: &Extras, i: usize, of: &mut impl FnMut(&str) -> Result<T>) -> Result<Block<T>> {
    use crate::ops::block::{Adapter, Linear};
    let name = |part: &str| format!("blocks.{i}.{part}");
    Ok(Block {
        prompt: if extras.prompts > 0 { Some(of(&name("prompt"))?) } else { None },
        norm1: Linear::build(&name("norm1"), of)?,
        qkv: Linear::build(&name("attn.qkv"), of)?,
        proj: Linear::build(&name("attn.proj"), of)?,
        spatial: extras.spatial.map(|_| Adapter::build(&name("spatial"), of)).transpose()?,
        norm2: Linear::build(&name("norm2"), of)?,
        fc1: Linear::build(&name("mlp.fc1"), of)?,
        fc2: Linear::build(&name("mlp.fc2"), of)?,
        adapter: extras.mlp.map(|_| Adapter::build(&name("adapter"), of)).transpose()?,
    })
}

/// The clips of a range as a batch of their own.
fn part(input: &Features, range: &Range<usize>) -> Features {
    let clip = input.frames * input.bins;
    Features {
        batch: range.len(),
        frames: input.frames,
        bins: input.bins,
        data: input.data[range.start * clip..range.end * clip].to_vec(),
        valid: input.valid.get(range.clone()).unwrap_or_default().to_vec(),
    }
}

impl Engine for Fast {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn step(&mut self, store: &ParamStore, input: &Features, loss: LossFn<'_>, norms: bool) -> Result<StepOutput> {
        super::stem::check(&self.config, input)?;
        let weights = Weights::of(store);
        let weights = weights.view()?;
        let extras = self.extras;
        let blocks = (0..self.config.depth)
            .map(|i| block(&extras, i, &mut |name| weights.get(name)))
            .collect::<Result<Vec<_>>>()?;
        let mut buffers: Vec<Vec<f32>> = store.trainable().map(|(spec, _)| vec![0.0; spec.count()]).collect();
        let mut gradients: HashMap<&str, &mut [f32]> = store
            .trainable()
            .map(|(spec, _)| spec.name.as_str())
            .zip(buffers.iter_mut().map(Vec::as_mut_slice))
            .collect();
        let mut of_blocks = (0..self.config.depth)
            .map(|i| block(&extras, i, &mut |name| Ok(gradients.remove(name))))
            .collect::<Result<Vec<Gradients<'_>>>>()?;

        let measured = norms && (extras.spatial.is_some() || extras.mlp.is_some());
        let mut squares = vec![Squares::default(); if measured { self.config.depth } else { 0 }];
        let mut logits = Vec::with_capacity(input.batch * self.config.classes);
        let mut total = 0.0;
        for range in self.parts(input.batch) {
            let clips = part(input, &range);
            let shape = self.shape(range.len(), measured);
            let of_part = parallel::install(|| self.forward(&weights, &blocks, &shape, &clips, true, &mut squares))?;
            let (share, dlogits) = loss(range, &of_part);
            total += share;
            parallel::install(|| -> Result<()> {
                let dy = self.head.backward(&self.config, &weights, &dlogits, &mut gradients)?;
                if let Some(dtokens) = self.stack.backward(&shape, &blocks, dy, &mut of_blocks) {
                    stem::backward(&self.config, &clips, dtokens, &mut gradients);
                }
                Ok(())
            })?;
            logits.extend(of_part);
        }
        let rows = (input.batch * self.config.tokens() * self.config.hidden) as f64;
        let gradients = store
            .trainable()
            .zip(buffers)
            .map(|((spec, _), buffer)| Ok(Tensor::from_vec(buffer, spec.shape.as_slice(), store.device())?))
            .collect::<Result<_>>()?;
        let norms = measured.then(|| squares.iter().map(|squares| block_norms(squares, rows)).collect());
        Ok(StepOutput { loss: total, logits, gradients, norms })
    }

    fn logits(&mut self, store: &ParamStore, input: &Features) -> Result<Vec<f32>> {
        Ok(self.answer(store, input, false)?.0)
    }

    fn observe(&mut self, store: &ParamStore, input: &Features) -> Result<(Vec<f32>, Vec<BlockNorms>)> {
        self.answer(store, input, true)
    }
}

/// Norms from sums of squares over `values` values.
fn block_norms(squares: &Squares, values: f64) -> BlockNorms {
    let rms = |sum: f64| (sum / values).sqrt() as f32;
    let ratio = |added: f64, to: f64| if to > 0.0 { (added / to).sqrt() as f32 } else { 0.0 };
    BlockNorms {
        spatial: rms(squares.spatial),
        spatial_ratio: ratio(squares.spatial, squares.x),
        mlp: rms(squares.adapter),
        mlp_ratio: ratio(squares.adapter, squares.x2),
    }
}
