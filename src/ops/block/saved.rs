//! What the backward pass of a block needs, and what forward saves for it: the least from which the rest is cheap.
//!
//! The adapters' inner values and x2 are recomputed where their inputs are saved anyway. Where fc2's weight is frozen,
//! GELU's slope is saved in place of fc1's output, with 16 bits if the blocks' matrices are bf16; a lean block saves
//! neither and multiplies by fc1 again.

use super::{Adapter, Block, Linear, Lora, Shape};
use crate::ops::parallel::Buffer;

/// What the backward pass of one block computes, and so what forward must save: nothing more.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Needs {
    /// The gradient of the block's input.
    pub input: bool,
    /// Anything at all.
    pub any: bool,
    /// Backward passes through attention: something before or in it trains.
    pub(super) attention: bool,
    /// Backward reaches x2: something at or before the Spatial Adapter trains.
    pub(super) x2: bool,
    /// The gradient of n = norm2(x2).
    pub(super) n: bool,
    /// The gradient of fc1's output.
    pub(super) mlp: bool,
    /// GELU of fc1's output, for fc2's weight.
    pub(super) act: bool,
    /// `M.down`'s output.
    pub(super) adapter_pre: bool,
    /// x2 itself, for norm2's backward pass and to recompute n.
    pub(super) x2_values: bool,
    /// n, for the weights of fc1 and `M.down`.
    pub(super) n_values: bool,
    /// fc1's weight or bias trains.
    pub(super) fc1: bool,
    /// `S.down`'s output.
    pub(super) spatial_pre: bool,
    /// h, for the weight of `S.down`.
    pub(super) h_values: bool,
    /// proj's weight or bias trains.
    pub(super) proj: bool,
    /// Attention's output, for proj's weight.
    pub(super) mixed: bool,
    /// A low-rank update trains.
    pub(super) lora: bool,
    /// fc1's output is recomputed, from n.
    pub(super) lean: bool,
    /// GELU's slope has 16 bits.
    pub(super) short: bool,
}

/// What is kept of the MLP for its GELU's backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfMlp {
    Nothing,
    /// fc1's output.
    Input,
    /// GELU's slope there.
    Slope,
    /// The same in 16 bits.
    ShortSlope,
}

impl Needs {
    /// From what trains in the block, and whether anything before it does. With `lean`, the widest tensors of a block
    /// are recomputed, which takes about a seventh more time.
    pub fn of(trains: &Block<bool>, before: bool, lean: bool) -> Self {
        let either = |linear: &Linear<bool>| linear.weight || linear.bias;
        let adapter =
            |adapter: &Option<Adapter<bool>>| adapter.as_ref().is_some_and(|a| either(&a.down) || either(&a.up));
        let down = |adapter: &Option<Adapter<bool>>| adapter.as_ref().is_some_and(|a| a.down.weight);
        let lora = trains.lora.as_ref().is_some_and(|Lora { q, v }| q.down || q.up || v.down || v.up);
        let prompt = trains.prompt.is_some_and(|prompt| prompt);
        let attention = before || either(&trains.norm1) || either(&trains.qkv) || lora || prompt;
        let x2 = attention || either(&trains.proj) || adapter(&trains.spatial);
        let n = x2 || either(&trains.norm2);
        let late = n || either(&trains.fc1) || either(&trains.fc2);
        let lean = lean && late;
        let n_values = lean || trains.fc1.weight || down(&trains.adapter);
        Self {
            input: before,
            any: late || adapter(&trains.adapter),
            attention,
            x2,
            n,
            mlp: late,
            act: trains.fc2.weight,
            adapter_pre: trains.adapter.is_some() && (n || adapter(&trains.adapter)),
            x2_values: n || n_values,
            n_values,
            fc1: either(&trains.fc1),
            spatial_pre: trains.spatial.is_some() && x2,
            h_values: down(&trains.spatial),
            proj: either(&trains.proj),
            mixed: trains.proj.weight,
            lora,
            lean,
            short: false,
        }
    }

    /// The same with GELU's slopes in 16 bits, off by at most 1.6e-5, where they are used without its input: for products
    /// of bf16, whose rounding is a hundred times that.
    #[must_use]
    pub fn with_short_slopes(self, short: bool) -> Self {
        Self { short, ..self }
    }

    /// What is kept of the MLP.
    pub(super) fn of_mlp(&self) -> OfMlp {
        match self {
            Self { mlp: false, .. } | Self { lean: true, .. } => OfMlp::Nothing,
            Self { act: true, .. } => OfMlp::Input,
            Self { short: false, .. } => OfMlp::Slope,
            Self { short: true, .. } => OfMlp::ShortSlope,
        }
    }

    /// `S.down`'s output is recomputed, from h.
    pub(super) fn spatial_again(&self) -> bool {
        self.spatial_pre && self.h_values
    }

    /// `M.down`'s output is recomputed, from n.
    pub(super) fn adapter_again(&self) -> bool {
        self.adapter_pre && self.n_values
    }

    /// x2 is recomputed, from x, h and the Spatial Adapter.
    pub(super) fn x2_again(&self) -> bool {
        self.x2_values && self.attention && self.spatial_again()
    }

    /// How many values of each tensor are saved of a block of this shape.
    pub fn lengths(&self, shape: &Shape, widths: Widths) -> Lengths {
        let (rows, d) = (shape.rows_out(), shape.hidden);
        let when = |kept: bool, values: usize| if kept { values } else { 0 };
        Lengths {
            x: when(self.attention, shape.rows_in() * d),
            qkv: when(self.attention, shape.batch * (shape.tokens + widths.prompts) * 3 * d),
            lse: when(self.attention, rows * shape.heads),
            mixed: when(self.mixed, rows * d),
            h: when(self.h_values, rows * d),
            spatial_pre: when(self.spatial_pre && !self.spatial_again(), rows * widths.spatial),
            x2: when(self.x2_values && !self.x2_again(), rows * d),
            pre: when(self.of_mlp() == OfMlp::Input, rows * widths.mlp),
            slope: when(self.of_mlp() == OfMlp::Slope, rows * widths.mlp),
            short_slope: when(self.of_mlp() == OfMlp::ShortSlope, rows * widths.mlp),
            adapter_pre: when(self.adapter_pre && !self.adapter_again(), rows * widths.adapter),
        }
    }
}

/// Sizes of a block beside those of its [`Shape`]; 0 for parts that it does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Widths {
    /// Prompt tokens.
    pub prompts: usize,
    /// Inner size of the MLP, H.
    pub mlp: usize,
    /// Inner size of the Spatial Adapter.
    pub spatial: usize,
    /// Inner size of the MLP Adapter.
    pub adapter: usize,
}

impl Widths {
    /// Those of a block of hidden size `d`.
    pub fn of(weights: &Block<&[f32]>, d: usize) -> Self {
        let inner = |adapter: &Option<Adapter<&[f32]>>| adapter.as_ref().map_or(0, |adapter| adapter.down.outputs());
        Self {
            prompts: weights.prompt.map_or(0, |prompt| prompt.len() / d),
            mlp: weights.fc1.outputs(),
            spatial: inner(&weights.spatial),
            adapter: inner(&weights.adapter),
        }
    }
}

/// Values saved in each buffer of a [`Tape`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lengths {
    pub(super) x: usize,
    pub(super) qkv: usize,
    pub(super) lse: usize,
    pub(super) mixed: usize,
    pub(super) h: usize,
    pub(super) spatial_pre: usize,
    pub(super) x2: usize,
    pub(super) pre: usize,
    pub(super) slope: usize,
    pub(super) short_slope: usize,
    pub(super) adapter_pre: usize,
}

impl Lengths {
    /// The larger length of each buffer, for buffers that serve both.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            x: self.x.max(other.x),
            qkv: self.qkv.max(other.qkv),
            lse: self.lse.max(other.lse),
            mixed: self.mixed.max(other.mixed),
            h: self.h.max(other.h),
            spatial_pre: self.spatial_pre.max(other.spatial_pre),
            x2: self.x2.max(other.x2),
            pre: self.pre.max(other.pre),
            slope: self.slope.max(other.slope),
            short_slope: self.short_slope.max(other.short_slope),
            adapter_pre: self.adapter_pre.max(other.adapter_pre),
        }
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> usize {
        let Self { x, qkv, lse, mixed, h, spatial_pre, x2, pre, slope, short_slope, adapter_pre } = self;
        (x + qkv + lse + mixed + h + spatial_pre + x2 + pre + slope + adapter_pre) * size_of::<f32>()
            + short_slope * size_of::<u16>()
    }
}

/// What forward saves of one block for backward, each buffer only where [`Needs`] requires it. Backward consumes it.
#[derive(Debug, Default)]
pub struct Tape {
    /// The input, (batch, tokens, D).
    pub(super) x: Buffer,
    /// Packed queries, keys and values, (batch, tokens + prompts, 3 D).
    pub(super) qkv: Buffer,
    /// Log-sum-exp of each softmax, (batch, heads, keep).
    pub(super) lse: Buffer,
    /// Attention's output, (batch, keep, D), for proj's weight.
    pub(super) mixed: Buffer,
    /// (batch, keep, D).
    pub(super) h: Buffer,
    /// (batch, keep, inner).
    pub(super) spatial_pre: Buffer,
    /// (batch, keep, D).
    pub(super) x2: Buffer,
    /// fc1's output, (batch, keep, H).
    pub(super) pre: Buffer,
    /// GELU's slope there, (batch, keep, H).
    pub(super) slope: Buffer,
    /// The same in 16 bits.
    pub(super) short_slope: Buffer<u16>,
    /// (batch, keep, inner).
    pub(super) adapter_pre: Buffer,
}

/// Where forward saves values for backward, and which ones.
#[derive(Debug)]
pub struct Saved<'a> {
    /// The buffers.
    pub tape: &'a mut Tape,
    /// Which of them are needed.
    pub needs: Needs,
}

impl Tape {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let Self { x, qkv, lse, mixed, h, spatial_pre, x2, pre, slope, short_slope, adapter_pre } = self;
        let buffers = [x, qkv, lse, mixed, h, spatial_pre, x2, pre, slope, adapter_pre];
        buffers.into_iter().map(Buffer::bytes).sum::<usize>() + short_slope.bytes()
    }
}
