//! The engine on this project's own kernels, for the CPU: hand-written backward passes, no graph, memory that lasts
//! for the run. What it does is what [`Portable`](super::Portable) does, to rounding; tests hold it to that.
//!
//! It does less, exactly: backward ends at the first tensor that trains, frozen weights get no gradient, nothing is
//! kept for what has no backward pass, and of the last block only the tokens that are pooled are computed.

mod biases;
mod cost;
mod encode;
mod head;
mod pool;
mod stem;
mod weights;

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use candle_core::Tensor;

use super::{
    BlockNorms, Engine, Extras, Features, LossFn, Method, ModelConfig, ModelError, ParamStore, Part, Precision,
    StepOutput, engine::check_blocks, specs,
};
use crate::ops::{
    block::{Block, Gradients, Shape, Squares},
    parallel,
    stack::Stack,
};
use biases::Biases;
pub use cost::Cost;
use head::Head;
use pool::Pool;
use stem::Convolutions;
pub(super) use weights::Weights as WeightsByName;
use weights::Weights;

type Result<T> = std::result::Result<T, ModelError>;

/// What may be traded for memory and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thrift {
    /// Clips that go through the model at a time; gradients are accumulated exactly. `None`: the whole batch.
    pub micro_batch: Option<usize>,
    /// Keep only each block's input and compute the rest again in the backward pass.
    pub checkpoint: bool,
    /// Keep nothing as wide as a block's MLP, and multiply by its first layer again in the backward pass.
    pub lean: bool,
    /// In what the blocks' matrices multiply. These kernels know single precision only.
    pub precision: Precision,
}

/// A model on this project's own kernels.
pub struct Fast {
    config: ModelConfig,
    extras: Extras,
    thrift: Thrift,
    /// Whether anything before the first block trains, and anything before the head.
    trains: [bool; 2],
    convolutions: Convolutions,
    stack: Stack,
    pool: Pool,
    head: Head,
}

impl Fast {
    /// Whether these kernels can do a model of this shape and method.
    pub fn supports(config: &ModelConfig, method: Method) -> bool {
        let backbone_trains = || specs(config, method).iter().any(|spec| spec.trains && spec.name.contains(".attn."));
        let extras = method.extras(config);
        config.depth > 0 && (extras.prompts == 0 || extras.lora.is_none() && !backbone_trains())
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
        let specs = specs(&config, method);
        let names: HashSet<_> = specs.iter().filter(|spec| spec.trains).map(|spec| spec.name.as_str()).collect();
        let trains = |name: &str| names.contains(name);
        let blocks = (0..config.depth)
            .map(|i| {
                let packed = !config.key_bias() && biases::trains(i, trains);
                block(&extras, i, &mut |name| Ok(trains(name) || packed && name.ends_with(biases::PACKED)))
            })
            .collect::<Result<Vec<Block<bool>>>>()?;
        let stem = stem::PARAMETERS.iter().any(|name| trains(name));
        let backbone = specs.iter().any(|spec| spec.trains && spec.part != Part::Head);
        Ok(Self {
            stack: Stack::new(&blocks, stem, thrift.checkpoint, thrift.lean),
            config,
            extras,
            thrift,
            trains: [stem, backbone],
            convolutions: Convolutions::default(),
            pool: Pool::default(),
            head: Head::default(),
        })
    }

    /// Bytes of activations and of everything else that lasts between steps, weights and gradients apart.
    pub fn bytes(&self) -> usize {
        self.convolutions.bytes() + self.stack.bytes() + self.pool.bytes()
    }

    /// Of each clip, the tokens whose mean the head is given.
    fn pooled_tokens(&self, input: &Features) -> Vec<Vec<usize>> {
        (0..input.batch).map(|clip| self.config.pooled_tokens(input.valid.get(clip).copied())).collect()
    }

    /// Sizes of a batch; with `every`, the last block carries on every token, not only those that are pooled.
    fn shape(&self, pooled: &[Vec<usize>], every: bool) -> Shape {
        let tokens = self.config.tokens();
        let last = pooled.iter().filter_map(|places| places.last()).max().map_or(tokens, |last| last + 1);
        Shape {
            batch: pooled.len(),
            tokens,
            keep: if every { tokens } else { last },
            hidden: self.config.hidden,
            heads: self.config.heads,
            eps: self.config.norm_eps as f32,
            lora_scale: self.extras.lora.map_or(0.0, |size| size.scale() as f32),
        }
    }

    /// The batch in parts that go through the model one after another.
    fn parts(&self, batch: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let size = self.thrift.micro_batch.unwrap_or(batch).max(1);
        (0..batch).step_by(size).map(move |from| from..(from + size).min(batch))
    }

    /// Leaves what the backbone makes of some clips with the head, and gives the sizes they went through blocks with.
    fn backbone(
        &mut self,
        weights: &Weights<'_>,
        blocks: &[Block<&[f32]>],
        input: &Features,
        train: bool,
        squares: &mut [Squares],
    ) -> Result<Shape> {
        let config = &self.config;
        let pooled = self.pooled_tokens(input);
        let shape = self.shape(&pooled, !squares.is_empty());
        let keep = train && self.trains[0];
        stem::forward(config, weights, input, &mut self.convolutions, keep, self.stack.tokens(&shape))?;
        let tokens = self.stack.forward(&shape, blocks, train, squares);
        let of_clips = self.head.pooled(shape.batch, shape.hidden);
        self.pool.forward(config, weights, tokens, &shape, pooled, of_clips)?;
        Ok(shape)
    }

    /// Adds to the gradients, the blocks' and the others, what logits' gradient says of the clips of the last forward
    /// pass.
    fn backward(
        &mut self,
        weights: &Weights<'_>,
        blocks: &[Block<&[f32]>],
        input: &Features,
        shape: &Shape,
        dlogits: &[f32],
        (of_blocks, gradients): (&mut [Gradients<'_>], &mut HashMap<&str, &mut [f32]>),
    ) -> Result<()> {
        let (config, backbone) = (&self.config, self.trains[1]);
        let dpooled = self.head.backward(config, weights, dlogits, backbone, gradients)?;
        if !backbone {
            return Ok(());
        }
        let dtokens = self.pool.backward(config, weights, shape, &dpooled, gradients)?;
        if let Some(dtokens) = self.stack.backward(shape, blocks, dtokens, of_blocks) {
            stem::backward(config, weights, input, &mut self.convolutions, dtokens, gradients)?;
        }
        Ok(())
    }

    /// Logits, and norms inside each block where they are wanted and there are adapters.
    fn answer(&mut self, store: &ParamStore, input: &Features, norms: bool) -> Result<(Vec<f32>, Vec<BlockNorms>)> {
        if !self.trains[1] {
            // As in training, where what is kept of a clip must be what it would be now.
            let pooled = self.pooled(store, input)?;
            return Ok((self.head_logits(store, &pooled)?, Vec::new()));
        }
        super::stem::check(&self.config, input)?;
        let weights = Weights::of(store);
        let weights = weights.view()?;
        let (config, extras) = (self.config.clone(), self.extras);
        let biases = Biases::of(&config, &weights)?;
        let blocks = blocks(&config, &extras, &weights, &biases)?;
        let measured = norms && (extras.spatial.is_some() || extras.mlp.is_some());
        let mut squares = vec![Squares::default(); if measured { config.depth } else { 0 }];
        let mut logits = Vec::with_capacity(input.batch * config.classes);
        for range in self.parts(input.batch) {
            let clips = input.part(range);
            let of_part = parallel::install(|| -> Result<_> {
                self.backbone(&weights, &blocks, &clips, false, &mut squares)?;
                self.head.forward(&config, &weights)
            })?;
            logits.extend(of_part);
        }
        Ok((logits, BlockNorms::of(&squares, input.batch * config.tokens() * config.hidden)))
    }
}

/// The weights of every block.
fn blocks<'a>(
    config: &ModelConfig,
    extras: &Extras,
    weights: &Weights<'a>,
    biases: &'a Biases,
) -> Result<Vec<Block<&'a [f32]>>> {
    let of = |i: usize| {
        block(extras, i, &mut |name| match biases.get(i) {
            Some(packed) if name.ends_with(biases::PACKED) => Ok(packed),
            _ => weights.get(name),
        })
    };
    (0..config.depth).map(of).collect()
}

/// One thing for each parameter of block `i`, by name.
fn block<T>(extras: &Extras, i: usize, of: &mut impl FnMut(&str) -> Result<T>) -> Result<Block<T>> {
    use crate::ops::block::{Adapter, Linear, Lora};
    let name = |part: &str| format!("blocks.{i}.{part}");
    Ok(Block {
        prompt: if extras.prompts > 0 { Some(of(&name("prompt"))?) } else { None },
        norm1: Linear::build(&name("norm1"), of)?,
        qkv: Linear::build(&name("attn.qkv"), of)?,
        proj: Linear::build(&name("attn.proj"), of)?,
        lora: extras.lora.map(|_| Lora::build(&name("attn"), of)).transpose()?,
        spatial: extras.spatial.map(|_| Adapter::build(&name("spatial"), of)).transpose()?,
        norm2: Linear::build(&name("norm2"), of)?,
        fc1: Linear::build(&name("mlp.fc1"), of)?,
        fc2: Linear::build(&name("mlp.fc2"), of)?,
        adapter: extras.mlp.map(|_| Adapter::build(&name("adapter"), of)).transpose()?,
    })
}

impl Engine for Fast {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn step(&mut self, store: &ParamStore, input: &Features, loss: LossFn<'_>, norms: bool) -> Result<StepOutput> {
        if !self.trains[1] {
            let pooled = self.pooled(store, input)?;
            return self.head_step(store, &pooled, loss);
        }
        super::stem::check(&self.config, input)?;
        let weights = Weights::of(store);
        let weights = weights.view()?;
        let (config, extras) = (self.config.clone(), self.extras);
        let biases = Biases::of(&config, &weights)?;
        let blocks = blocks(&config, &extras, &weights, &biases)?;
        let mut buffers: Vec<Vec<f32>> = store.trainable().map(|(spec, _)| vec![0.0; spec.count()]).collect();
        let mut gradients: HashMap<&str, &mut [f32]> = store
            .trainable()
            .map(|(spec, _)| spec.name.as_str())
            .zip(buffers.iter_mut().map(Vec::as_mut_slice))
            .collect();
        let trains = |name: &str| gradients.contains_key(name);
        let mut of_biases = Biases::zeros(&config, |i| biases::trains(i, trains));
        let mut of_blocks = (0..config.depth)
            .zip(of_biases.iter_mut())
            .map(|(i, mut packed)| {
                block(&extras, i, &mut |name| {
                    let own = if name.ends_with(biases::PACKED) { packed.take() } else { None };
                    Ok(own.or_else(|| gradients.remove(name)))
                })
            })
            .collect::<Result<Vec<Gradients<'_>>>>()?;

        let measured = norms && (extras.spatial.is_some() || extras.mlp.is_some());
        let mut squares = vec![Squares::default(); if measured { self.config.depth } else { 0 }];
        let mut logits = Vec::with_capacity(input.batch * self.config.classes);
        let mut total = 0.0;
        for range in self.parts(input.batch) {
            let clips = input.part(range.clone());
            let (of_part, shape) = parallel::install(|| -> Result<_> {
                let shape = self.backbone(&weights, &blocks, &clips, true, &mut squares)?;
                Ok((self.head.forward(&config, &weights)?, shape))
            })?;
            let (share, dlogits) = loss(range, &of_part);
            total += share;
            parallel::install(|| {
                self.backward(&weights, &blocks, &clips, &shape, &dlogits, (&mut of_blocks, &mut gradients))
            })?;
            logits.extend(of_part);
        }
        drop(of_blocks);
        of_biases.add_to(&config, &mut gradients);
        let gradients = tensors(store, buffers)?;
        let norms = measured.then(|| BlockNorms::of(&squares, input.batch * config.tokens() * config.hidden));
        Ok(StepOutput { loss: total, logits, gradients, norms })
    }

    fn logits(&mut self, store: &ParamStore, input: &Features) -> Result<Vec<f32>> {
        Ok(self.answer(store, input, false)?.0)
    }

    fn observe(&mut self, store: &ParamStore, input: &Features) -> Result<(Vec<f32>, Vec<BlockNorms>)> {
        self.answer(store, input, true)
    }

    fn states(&mut self, store: &ParamStore, input: &Features, after: &[usize]) -> Result<Vec<Vec<f32>>> {
        super::stem::check(&self.config, input)?;
        check_blocks(after, self.config.depth)?;
        let weights = Weights::of(store);
        let weights = weights.view()?;
        let (config, extras) = (self.config.clone(), self.extras);
        let biases = Biases::of(&config, &weights)?;
        let blocks = blocks(&config, &extras, &weights, &biases)?;
        let shape = self.shape(&vec![Vec::new(); input.batch], true);
        parallel::install(|| {
            stem::forward(&config, &weights, input, &mut self.convolutions, false, self.stack.tokens(&shape))?;
            let mut done = 0;
            let states = after.iter().map(|&block| {
                let next = &blocks[std::mem::replace(&mut done, block)..block];
                self.stack.forward(&shape, next, false, &mut []).to_vec()
            });
            Ok(states.collect())
        })
    }

    fn pooled(&mut self, store: &ParamStore, input: &Features) -> Result<Vec<f32>> {
        super::stem::check(&self.config, input)?;
        let weights = Weights::of(store);
        let weights = weights.view()?;
        let (config, extras) = (self.config.clone(), self.extras);
        let biases = Biases::of(&config, &weights)?;
        let blocks = blocks(&config, &extras, &weights, &biases)?;
        let mut pooled = Vec::with_capacity(input.batch * config.hidden);
        for clip in 0..input.batch {
            let clip = input.part(clip..clip + 1);
            parallel::install(|| self.backbone(&weights, &blocks, &clip, false, &mut []))?;
            pooled.extend_from_slice(self.head.last());
        }
        Ok(pooled)
    }

    fn head_step(&mut self, store: &ParamStore, pooled: &[f32], loss: LossFn<'_>) -> Result<StepOutput> {
        if self.trains[1] {
            return Err(ModelError::Shape("a step of the head alone is for what trains nothing else".into()));
        }
        let weights = Weights::of(store);
        let weights = weights.view()?;
        let mut buffers: Vec<Vec<f32>> = store.trainable().map(|(spec, _)| vec![0.0; spec.count()]).collect();
        let mut gradients: HashMap<&str, &mut [f32]> = store
            .trainable()
            .map(|(spec, _)| spec.name.as_str())
            .zip(buffers.iter_mut().map(Vec::as_mut_slice))
            .collect();
        let batch = pooled.len() / self.config.hidden;
        self.head.pooled(batch, self.config.hidden).copy_from_slice(pooled);
        let logits = self.head.forward(&self.config, &weights)?;
        let (loss, dlogits) = loss(0..batch, &logits);
        self.head.backward(&self.config, &weights, &dlogits, false, &mut gradients)?;
        Ok(StepOutput { loss, logits, gradients: tensors(store, buffers)?, norms: None })
    }

    fn head_logits(&mut self, store: &ParamStore, pooled: &[f32]) -> Result<Vec<f32>> {
        let weights = Weights::of(store);
        let d = self.config.hidden;
        self.head.pooled(pooled.len() / d, d).copy_from_slice(pooled);
        self.head.forward(&self.config, &weights.view()?)
    }
}

/// Gradients as the trainer is given them.
fn tensors(store: &ParamStore, buffers: Vec<Vec<f32>>) -> Result<Vec<Tensor>> {
    store
        .trainable()
        .zip(buffers)
        .map(|((spec, _), buffer)| Ok(Tensor::from_vec(buffer, spec.shape.as_slice(), store.device())?))
        .collect()
}
