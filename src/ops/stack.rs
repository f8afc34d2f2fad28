//! A stack of blocks: the stream between them and what is saved of each, in memory that lasts for the run.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    block::{self, Block, Gradients, Lengths, Needs, Saved, Shape, Squares, Tape, Trained, Weights, Widths, Workspace},
    parallel::Buffer,
};

/// What the backward pass computes again instead of keeping it: memory for time. Results are the same to the bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recompute {
    /// Nothing: all that it needs is kept.
    #[default]
    Nothing,
    /// The first layer of each MLP: nothing as wide as the MLP is kept.
    Mlp,
    /// Everything in a block: only each block's input is kept.
    Block,
}

impl Recompute {
    /// All, with their names.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Nothing, "nothing"), (Self::Mlp, "mlp"), (Self::Block, "block")];

    /// Whether nothing is computed again.
    pub fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

impl fmt::Display for Recompute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.into_iter().find(|(recompute, _)| recompute == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Recompute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text);
        found.map(|(recompute, _)| recompute).ok_or_else(|| "it is nothing, mlp or block".to_owned())
    }
}

/// Forward and backward through a stack of blocks.
#[derive(Debug)]
pub struct Stack {
    needs: Vec<Needs>,
    recompute: Recompute,
    tapes: Vec<Tape>,
    inputs: Vec<Buffer>,
    work: Workspace,
    /// The residual stream: each block reads one buffer and writes the other.
    x: [Buffer; 2],
    /// The same for its gradient.
    dx: [Buffer; 2],
}

impl Stack {
    /// A stack of blocks; `trains` says what trains in them, `before` whether anything before them does, `bf16` whether
    /// their own matrices are.
    pub fn new(trains: &[Block<bool>], before: bool, recompute: Recompute, bf16: bool) -> Self {
        let mut before = before;
        let needs: Vec<_> = trains
            .iter()
            .map(|trains| {
                let needs = Needs::of(trains, before, recompute == Recompute::Mlp).with_short_slopes(bf16);
                before |= needs.any;
                needs
            })
            .collect();
        let whole = recompute == Recompute::Block;
        let tapes = if whole { 1 } else { needs.len() };
        Self {
            recompute,
            tapes: (0..tapes).map(|_| Tape::default()).collect(),
            inputs: (0..if whole { needs.len() } else { 0 }).map(|_| Buffer::default()).collect(),
            needs,
            work: Workspace::default(),
            x: Default::default(),
            dx: Default::default(),
        }
    }

    /// The buffer for the tokens of `shape`, (batch, tokens, D).
    pub fn tokens(&mut self, shape: &Shape) -> &mut [f32] {
        self.x[0].get(shape.batch * shape.tokens * shape.hidden)
    }

    /// Computes all blocks; the result is (batch, keep, D), where `shape.keep` is the last block's. With `train`, saves
    /// what [`backward`](Self::backward) needs. `squares`, if not empty, has one for each block.
    pub fn forward(&mut self, shape: &Shape, weights: &[Weights<'_>], train: bool, squares: &mut [Squares]) -> &[f32] {
        let mut squares = squares.iter_mut();
        for (i, weights) in weights.iter().enumerate() {
            self.forward_block(shape, weights, i, train, squares.next());
        }
        self.left(shape)
    }

    /// Computes block `i`, as [`forward`](Self::forward) does.
    pub fn forward_block(
        &mut self,
        shape: &Shape,
        weights: &Weights<'_>,
        i: usize,
        train: bool,
        squares: Option<&mut Squares>,
    ) {
        let shape = self.shape_of(shape, i);
        let [x, y] = &mut self.x;
        let x = x.kept(shape.batch * shape.tokens * shape.hidden);
        let y = y.get(shape.batch * shape.keep * shape.hidden);
        let needs = self.needs[i];
        let kept = if !train || !needs.any {
            None
        } else if self.recompute == Recompute::Block {
            self.inputs[i].get(x.len()).copy_from_slice(x);
            None
        } else {
            Some(Saved { tape: &mut self.tapes[i], needs })
        };
        block::forward(&shape, weights, x, y, &mut self.work, kept, squares);
        self.x.swap(0, 1);
    }

    /// The last block's output, (batch, keep, D).
    pub fn left(&self, shape: &Shape) -> &[f32] {
        self.x[0].kept(shape.batch * shape.keep * shape.hidden)
    }

    /// From the gradient of [`forward`](Self::forward)'s result, adds every block's gradients to `gradients`, down to
    /// the first that trains. Returns the gradient of the tokens if something before the blocks trains.
    pub fn backward(
        &mut self,
        shape: &Shape,
        weights: &[Weights<'_>],
        dy: &[f32],
        gradients: &mut [Gradients<'_>],
    ) -> Option<&[f32]> {
        self.begin_backward(dy);
        for (i, (weights, gradients)) in weights.iter().zip(gradients).enumerate().rev() {
            if !self.backward_block(shape, weights, i, gradients) {
                return None;
            }
        }
        Some(self.gradient(shape))
    }

    /// Begins with the gradient of the last block's output.
    pub fn begin_backward(&mut self, dy: &[f32]) {
        self.dx[0].get(dy.len()).copy_from_slice(dy);
    }

    /// The backward pass of block `i`, as in [`backward`](Self::backward); returns whether something before it trains.
    pub fn backward_block(
        &mut self,
        shape: &Shape,
        weights: &Weights<'_>,
        i: usize,
        gradients: &mut Gradients<'_>,
    ) -> bool {
        let needs = self.needs[i];
        if !needs.any {
            return false;
        }
        let shape = self.shape_of(shape, i);
        let (rows_in, rows_out) = (shape.batch * shape.tokens, shape.batch * shape.keep);
        let tape = if self.recompute == Recompute::Block {
            let x = self.inputs[i].kept(rows_in * shape.hidden);
            let y = self.x[1].get(rows_out * shape.hidden);
            let kept = Saved { tape: &mut self.tapes[0], needs };
            block::forward(&shape, weights, x, y, &mut self.work, Some(kept), None);
            &mut self.tapes[0]
        } else {
            &mut self.tapes[i]
        };
        let [dy, dx] = &mut self.dx;
        let dy = dy.kept(rows_out * shape.hidden);
        let dx = dx.get_if(needs.input, rows_in * shape.hidden);
        block::backward(&shape, weights, Saved { tape, needs }, &mut self.work, dy, dx, gradients);
        if needs.input {
            self.dx.swap(0, 1);
        }
        needs.input
    }

    /// The gradient of the input tokens, (batch, tokens, D).
    pub fn gradient(&self, shape: &Shape) -> &[f32] {
        self.dx[0].kept(shape.batch * shape.tokens * shape.hidden)
    }

    /// Bytes that a training step with this shape saves for its backward pass, in blocks of these widths.
    pub fn kept(&self, shape: &Shape, widths: Widths) -> usize {
        let blocks = self.needs.iter().enumerate().filter(|(_, needs)| needs.any);
        let tapes = blocks.map(|(block, needs)| needs.lengths(&self.shape_of(shape, block), widths));
        if self.recompute != Recompute::Block {
            return tapes.map(|tape| tape.bytes()).sum();
        }
        let input = shape.batch * shape.tokens * shape.hidden * size_of::<f32>();
        tapes.clone().count() * input + tapes.reduce(Lengths::max).unwrap_or_default().bytes()
    }

    /// Multiplications of a training step with this shape, forward and backward, in blocks of these widths, with
    /// `trained` scalars of each; with checkpoints the forward pass is done twice.
    pub fn multiplications(&self, shape: &Shape, widths: Widths, trained: &[Trained]) -> [u64; 2] {
        let mut sums = [0, 0];
        for (block, (needs, trained)) in self.needs.iter().zip(trained).enumerate() {
            let [forward, backward] = needs.multiplications(&self.shape_of(shape, block), widths, *trained);
            let again = if self.recompute == Recompute::Block && needs.any { forward } else { 0 };
            sums = [sums[0] + forward, sums[1] + backward + again];
        }
        sums
    }

    /// Bytes in use of what [`kept`](Self::kept) counts.
    pub fn kept_bytes(&self) -> usize {
        let tapes = self.tapes.iter().map(Tape::bytes);
        tapes.chain(self.inputs.iter().map(Buffer::bytes)).sum()
    }

    /// Bytes of activations, gradients of activations and other lasting memory.
    pub fn bytes(&self) -> usize {
        let buffers = self.x.iter().chain(&self.dx);
        self.kept_bytes() + self.work.bytes() + buffers.map(Buffer::bytes).sum::<usize>()
    }

    /// Every block keeps every token, but the last one only those that are used.
    fn shape_of(&self, shape: &Shape, block: usize) -> Shape {
        if block + 1 == self.needs.len() { *shape } else { Shape { keep: shape.tokens, ..*shape } }
    }
}
