//! This project's own CPU kernels: hand-written backward passes, no graph, memory that lasts for the run.
//!
//! Backward ends at the first tensor that trains, frozen weights get no gradient, nothing is kept for what has no
//! backward pass, and of the last block only the tokens that are pooled are computed. The residual stream and its
//! gradient are in the [`Stack`], so tokens are nothing here.

mod cost;
mod end;
mod packs;
mod seen;
mod stem;
mod weights;

use candle_core::{Device, Tensor};

use super::{Backend, Input, Plan, Result, Sizes, Watch};
use crate::{
    model::{
        Extras, ModelConfig, ParamStore,
        arch::{self, Backbone, Names},
    },
    ops::{
        block::{Block, Linear, Shape, Squares, Weights},
        layer_norm::LayerNorm,
        parallel,
        stack::Stack,
    },
};
pub use cost::Cost;
use end::Pool;
use packs::PackedBlocks;
use stem::Convolutions;
use weights::Held;

/// In main memory, on all cores.
pub(in crate::model) struct Cpu {
    config: ModelConfig,
    extras: Extras,
    convolutions: Convolutions,
    stack: Stack,
    packed: PackedBlocks,
    pool: Pool,
    squares: Vec<Squares>,
}

impl Cpu {
    /// Whether the kernels can do this: prompts have no gradient for what projects them, and bf16 comes in pairs.
    pub(in crate::model) fn supports(plan: &Plan<'_>) -> bool {
        let projects =
            |block: &Block<bool>| [&block.qkv, &block.proj].into_iter().any(|layer| layer.weight || layer.bias);
        let pairs = plan.memory.precision.is_single() || plan.config.hidden.is_multiple_of(2);
        pairs && (plan.extras.prompts == 0 || plan.extras.lora.is_none() && !plan.trains.blocks.iter().any(projects))
    }

    fn shape(&self, sizes: Sizes) -> Shape {
        Shape {
            batch: sizes.batch,
            tokens: sizes.tokens,
            keep: sizes.keep,
            hidden: self.config.hidden,
            heads: self.config.heads,
            eps: self.config.norm_eps as f32,
            lora_scale: self.extras.lora.map_or(0.0, |size| size.scale() as f32),
        }
    }

    fn norm<'a>(&self, weights: &'a Backbone<Held<'_>>) -> LayerNorm<'a> {
        let Linear { weight, bias } = &weights.norm;
        LayerNorm { weight: weight.values(), bias: bias.values(), eps: self.config.norm_eps as f32 }
    }
}

impl Backend for Cpu {
    const ALONE: bool = true;

    type Weights<'s> = Backbone<Held<'s>>;
    type Gradients = Backbone<Option<Vec<f32>>>;
    type Tokens = ();
    type Towards = ();
    type Stem = ();
    type Block = ();
    /// The tokens before the final norm, where every one of them is asked for.
    type End = Vec<f32>;

    fn new(plan: &Plan<'_>) -> Self {
        let Plan { config, extras, trains, memory } = plan;
        let packed = PackedBlocks::new(config, trains, *memory);
        Self {
            stack: Stack::new(&trains.blocks, trains.stem.any(), memory.recompute, !memory.precision.is_single()),
            config: (*config).clone(),
            extras: **extras,
            convolutions: Convolutions::new(packed.of_the_rest()),
            packed,
            pool: Pool::default(),
            squares: Vec::new(),
        }
    }

    fn weights<'s>(&mut self, names: &Backbone<Names>, store: &'s ParamStore) -> Result<Self::Weights<'s>> {
        let weights = names.try_map(|names| Held::of(store, names))?;
        self.packed.update(&weights)?;
        Ok(weights)
    }

    fn gradients(&self, names: &Backbone<Names>, store: &ParamStore) -> Result<Self::Gradients> {
        let trains = arch::trains(store);
        let count = |name: &String| store.entry(name).map_or(0, |(spec, _)| spec.count());
        Ok(names.map(|names| trains(names).then(|| vec![0.0; names.count(count)])))
    }

    fn found(mut gradients: Self::Gradients) -> Result<Vec<Option<Tensor>>> {
        let mut all = Vec::new();
        gradients.map_mut(|gradient| all.push(gradient.take()));
        let tensor = |values: Vec<f32>| {
            let count = values.len();
            Tensor::from_vec(values, count, &Device::Cpu)
        };
        Ok(all.into_iter().map(|gradient| gradient.map(tensor).transpose()).collect::<candle_core::Result<_>>()?)
    }

    fn run<R: Send>(work: impl FnOnce() -> R + Send) -> R {
        parallel::install(work)
    }

    fn embed(&mut self, weights: &Self::Weights<'_>, sizes: Sizes, input: Input<'_>, train: bool) -> Result<((), ())> {
        self.squares.clear();
        let shape = self.shape(sizes);
        let out = self.stack.tokens(&shape);
        stem::forward(&self.config, &weights.map(Held::values), input, &mut self.convolutions, train, out);
        Ok(((), ()))
    }

    fn embed_back(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        input: Input<'_>,
        (): (),
        (): (),
        gradients: &mut Self::Gradients,
    ) -> Result<()> {
        let shape = self.shape(sizes);
        let dtokens = self.stack.gradient(&shape);
        stem::backward(&self.config, &weights.map(Held::values), input, &mut self.convolutions, dtokens, gradients);
        Ok(())
    }

    fn block(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        block: usize,
        (): (),
        watch: Watch,
    ) -> Result<((), ())> {
        let (shape, mut squares) = (self.shape(sizes), watch.norms.then(Squares::default));
        let held = &weights.blocks[block];
        let own = Weights { values: held.map(Held::values), matrices: self.packed.forward(block, held) };
        self.stack.forward_block(&shape, &own, block, watch.train, squares.as_mut());
        self.squares.extend(squares);
        Ok(((), ()))
    }

    fn block_back(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        block: usize,
        (): (),
        (): (),
        gradients: &mut Self::Gradients,
    ) -> Result<Option<()>> {
        let shape = self.shape(sizes);
        let held = &weights.blocks[block];
        let own = Weights { values: held.map(Held::values), matrices: self.packed.backward(block, held) };
        let mut found = gradients.blocks[block].map_mut(Option::as_deref_mut);
        Ok(self.stack.backward_block(&shape, &own, block, &mut found).then_some(()))
    }

    fn state(&self, sizes: Sizes, _: &()) -> Result<Vec<f32>> {
        Ok(self.stack.left(&self.shape(sizes)).to_vec())
    }

    fn squares(&mut self) -> Result<Vec<Squares>> {
        Ok(std::mem::take(&mut self.squares))
    }

    fn pool(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        (): (),
        places: Vec<Vec<usize>>,
    ) -> Result<(Vec<f32>, Self::End)> {
        let (shape, norm) = (self.shape(sizes), self.norm(weights));
        let mut pooled = vec![0.0; shape.batch * shape.hidden];
        self.pool.forward(norm, self.stack.left(&shape), &shape, places, &mut pooled);
        Ok((pooled, Vec::new()))
    }

    fn pool_back(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        _: Self::End,
        towards: &[f32],
        gradients: &mut Self::Gradients,
    ) -> Result<()> {
        let (shape, norm) = (self.shape(sizes), self.norm(weights));
        let dtokens = self.pool.backward(norm, &shape, towards, &mut gradients.norm);
        self.stack.begin_backward(dtokens);
        Ok(())
    }

    fn normed(&mut self, weights: &Self::Weights<'_>, sizes: Sizes, (): ()) -> Result<(Vec<f32>, Self::End)> {
        let tokens = self.stack.left(&self.shape(sizes)).to_vec();
        Ok((end::normed(self.norm(weights), &tokens), tokens))
    }

    fn normed_back(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        tokens: Self::End,
        towards: &[f32],
        gradients: &mut Self::Gradients,
    ) -> Result<()> {
        let rows = sizes.tokens * self.config.hidden;
        let dtokens = end::normed_back(self.norm(weights), rows, &tokens, towards, &mut gradients.norm);
        self.stack.begin_backward(&dtokens);
        Ok(())
    }
}
