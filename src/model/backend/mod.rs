//! What a device computes of the network, one block at a time. Everything else is written once, in
//! [`network`](super::network).

mod accel;
mod cpu;

use candle_core::Tensor;

use super::{
    Extras, Features, MemoryOptions, ModelConfig, ModelError, ParamStore,
    arch::{Backbone, Names},
    tokens::Places,
};
use crate::ops::block::Squares;

pub(super) use accel::Accel;
pub use cpu::Cost;
pub(super) use cpu::Cpu;

type Result<T> = std::result::Result<T, ModelError>;

/// What a backend is made for.
pub(super) struct Plan<'a> {
    pub config: &'a ModelConfig,
    pub extras: &'a Extras,
    /// What trains.
    pub trains: &'a Backbone<bool>,
    pub memory: MemoryOptions,
}

/// Sizes of what goes through the blocks together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Clips.
    pub batch: usize,
    /// Tokens of each clip, without prompts.
    pub tokens: usize,
    /// Leading tokens of each clip that somebody asks for after the last block; a backend may carry on more.
    pub keep: usize,
}

/// What becomes tokens.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    /// Whole spectrograms.
    Clips(&'a Features),
    /// Chosen patches of them, some hidden.
    Patches(&'a Places<'a>),
}

/// What a forward pass leaves on its way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    /// What the backward pass needs.
    pub train: bool,
    /// Sums of squares of what adapters add and of what they add to.
    pub norms: bool,
}

/// A device's arithmetic. The gradient of a thing goes the way of the thing backwards: each method that ends in `_back`
/// takes what its twin saved.
pub(super) trait Backend: Send + Sized {
    /// Whether a clip of a frozen backbone always goes through alone, so that its vector is the same to the bit whatever
    /// is beside it.
    const ALONE: bool;

    /// A store's weights while a step lasts.
    type Weights<'s>: Sync;
    /// Gradients as they grow.
    type Gradients: Send;
    /// The residual stream.
    type Tokens: Send;
    /// Its gradient.
    type Towards: Send;
    /// What the backward pass needs of the stem, of a block, and of the final norm.
    type Stem: Send;
    type Block: Send;
    type End: Send;

    /// For models of one shape and method.
    fn new(plan: &Plan<'_>) -> Self;

    /// Takes hold of a store's weights.
    fn weights<'s>(&mut self, names: &Backbone<Names>, store: &'s ParamStore) -> Result<Self::Weights<'s>>;

    /// Gradients of nothing yet.
    fn gradients(&self, names: &Backbone<Names>, store: &ParamStore) -> Result<Self::Gradients>;

    /// A part of the batch begins: what was found of one that did not fit is forgotten.
    fn begin_part(_: &mut Self::Gradients) {}

    /// A part is done.
    fn end_part(_: &mut Self::Gradients) -> Result<()> {
        Ok(())
    }

    /// What was found, in the arrangement's order, where it trains; in any shape and on any device.
    fn found(gradients: Self::Gradients) -> Result<Vec<Option<Tensor>>>;

    /// Runs work on the threads that do this arithmetic.
    fn run<R: Send>(work: impl FnOnce() -> R + Send) -> R {
        work()
    }

    /// Spectrograms or patches to tokens, positions added.
    fn embed(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        input: Input<'_>,
        train: bool,
    ) -> Result<(Self::Tokens, Self::Stem)>;

    /// The stem's gradients.
    fn embed_back(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        input: Input<'_>,
        saved: Self::Stem,
        towards: Self::Towards,
        gradients: &mut Self::Gradients,
    ) -> Result<()>;

    /// Through one block. The last one may leave out tokens that nobody asks for.
    fn block(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        block: usize,
        tokens: Self::Tokens,
        watch: Watch,
    ) -> Result<(Self::Tokens, Self::Block)>;

    /// A block's gradients, and the gradient of its input if anything before it trains.
    fn block_back(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        block: usize,
        saved: Self::Block,
        towards: Self::Towards,
        gradients: &mut Self::Gradients,
    ) -> Result<Option<Self::Towards>>;

    /// The residual stream, (batch, tokens, D), after a block that left nothing out.
    fn state(&self, sizes: Sizes, tokens: &Self::Tokens) -> Result<Vec<f32>>;

    /// Sums of squares of each block since this was last asked, where they were measured.
    fn squares(&mut self) -> Result<Vec<Squares>>;

    /// The final norm, and of each clip the mean of the tokens at its places: (batch, D).
    fn pool(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        tokens: Self::Tokens,
        places: Vec<Vec<usize>>,
    ) -> Result<(Vec<f32>, Self::End)>;

    /// From the gradient of the means, (batch, D).
    fn pool_back(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        saved: Self::End,
        towards: &[f32],
        gradients: &mut Self::Gradients,
    ) -> Result<Self::Towards>;

    /// Every token after the final norm, (batch, tokens, D).
    fn normed(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        tokens: Self::Tokens,
    ) -> Result<(Vec<f32>, Self::End)>;

    /// From the gradient of these.
    fn normed_back(
        &mut self,
        weights: &Self::Weights<'_>,
        sizes: Sizes,
        saved: Self::End,
        towards: &[f32],
        gradients: &mut Self::Gradients,
    ) -> Result<Self::Towards>;
}
