//! A pre-norm Transformer block with its adapters and prompts: its parameters, and what its backward pass needs.
//!
//! With `S` and `M` the adapters (reference: AAT, arXiv 2401.10544) and x the tokens (batch, tokens, D):
//!
//! ```text
//! h  = proj(attention(qkv(norm1(x))))         queries and values with their low-rank updates, if any
//! x2 = x + h + S.up(GELU(S.down(h)))
//! n  = norm2(x2)
//! y  = x2 + fc2(GELU(fc1(n))) + M.up(GELU(M.down(n)))
//! ```
//!
//! Prompts serve attention as keys and values only, so they are projected once for the whole batch, and appended:
//! attention does not depend on the order of its keys. Only the first `keep` tokens continue after attention, which is
//! all of them except where only the class tokens are used afterwards.

mod attention_backward;
mod backward;
mod count;
mod forward;
mod gradients;
mod layers;
mod saved;
#[cfg(test)]
mod tests;

pub use backward::backward;
pub use count::Trained;
pub use forward::forward;
pub use saved::{Lengths, Needs, Saved, Tape, Widths};

use super::{packed::View, parallel::Buffer};

/// Sizes of a block and of its batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Clips.
    pub batch: usize,
    /// Tokens of each clip, without prompts.
    pub tokens: usize,
    /// Leading tokens of each clip that continue after attention.
    pub keep: usize,
    /// Hidden size D.
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// Epsilon of both LayerNorms.
    pub eps: f32,
    /// Factor of a low-rank update.
    pub lora_scale: f32,
}

impl Shape {
    /// Rows of the input.
    fn rows_in(&self) -> usize {
        self.batch * self.tokens
    }

    /// Rows of the output.
    fn rows_out(&self) -> usize {
        self.batch * self.keep
    }
}

/// A linear layer's weight (out, in) and bias (out), or values that correspond to them.
#[derive(Clone, Debug, Default)]
pub struct Linear<T> {
    /// For the weight.
    pub weight: T,
    /// For the bias.
    pub bias: T,
}

/// An adapter: down to its inner size, GELU, up again.
#[derive(Clone, Debug, Default)]
pub struct Adapter<T> {
    /// (inner, D).
    pub down: Linear<T>,
    /// (D, inner).
    pub up: Linear<T>,
}

/// A low-rank update (LoRA, arXiv 2106.09685): down to its rank and up again, without biases.
#[derive(Clone, Debug, Default)]
pub struct LowRank<T> {
    /// (rank, D).
    pub down: T,
    /// (D, rank).
    pub up: T,
}

/// The low-rank updates of a block's queries and values. Their input is norm1's output; prompts have none.
#[derive(Clone, Debug, Default)]
pub struct Lora<T> {
    /// Added to the queries.
    pub q: LowRank<T>,
    /// Added to the values.
    pub v: LowRank<T>,
}

/// One value of type `T` for each parameter of a block, such as its values or its gradient.
#[derive(Clone, Debug, Default)]
pub struct Block<T> {
    /// Prompt tokens, (prompts, D).
    pub prompt: Option<T>,
    /// LayerNorm before attention.
    pub norm1: Linear<T>,
    /// Packed projection to queries, keys and values, (3 D, D).
    pub qkv: Linear<T>,
    /// Projection after attention.
    pub proj: Linear<T>,
    /// Low-rank updates of queries and values.
    pub lora: Option<Lora<T>>,
    /// Spatial Adapter, after attention.
    pub spatial: Option<Adapter<T>>,
    /// LayerNorm before the MLP.
    pub norm2: Linear<T>,
    /// First layer of the MLP, (H, D).
    pub fc1: Linear<T>,
    /// Second layer of the MLP, (D, H).
    pub fc2: Linear<T>,
    /// MLP Adapter, beside the MLP.
    pub adapter: Option<Adapter<T>>,
}

impl<T> Linear<T> {
    /// The same arrangement of other values.
    ///
    /// # Errors
    /// The first error that `f` returns.
    pub fn try_map<'a, U, E>(&'a self, f: &mut impl FnMut(&'a T) -> Result<U, E>) -> Result<Linear<U>, E> {
        Ok(Linear { weight: f(&self.weight)?, bias: f(&self.bias)? })
    }

    /// The same for mutable values.
    pub fn map_mut<'a, U>(&'a mut self, f: &mut impl FnMut(&'a mut T) -> U) -> Linear<U> {
        Linear { weight: f(&mut self.weight), bias: f(&mut self.bias) }
    }
}

impl<T> Adapter<T> {
    fn try_map<'a, U, E>(&'a self, f: &mut impl FnMut(&'a T) -> Result<U, E>) -> Result<Adapter<U>, E> {
        Ok(Adapter { down: self.down.try_map(f)?, up: self.up.try_map(f)? })
    }

    fn map_mut<'a, U>(&'a mut self, f: &mut impl FnMut(&'a mut T) -> U) -> Adapter<U> {
        Adapter { down: self.down.map_mut(f), up: self.up.map_mut(f) }
    }
}

impl<T> LowRank<T> {
    fn try_map<'a, U, E>(&'a self, f: &mut impl FnMut(&'a T) -> Result<U, E>) -> Result<LowRank<U>, E> {
        Ok(LowRank { down: f(&self.down)?, up: f(&self.up)? })
    }

    fn map_mut<'a, U>(&'a mut self, f: &mut impl FnMut(&'a mut T) -> U) -> LowRank<U> {
        LowRank { down: f(&mut self.down), up: f(&mut self.up) }
    }
}

impl<T> Lora<T> {
    fn try_map<'a, U, E>(&'a self, f: &mut impl FnMut(&'a T) -> Result<U, E>) -> Result<Lora<U>, E> {
        Ok(Lora { q: self.q.try_map(f)?, v: self.v.try_map(f)? })
    }

    fn map_mut<'a, U>(&'a mut self, f: &mut impl FnMut(&'a mut T) -> U) -> Lora<U> {
        Lora { q: self.q.map_mut(f), v: self.v.map_mut(f) }
    }
}

impl<T> Block<T> {
    /// The same arrangement of other values.
    ///
    /// # Errors
    /// The first error that `f` returns.
    pub fn try_map<'a, U, E>(&'a self, f: &mut impl FnMut(&'a T) -> Result<U, E>) -> Result<Block<U>, E> {
        Ok(Block {
            prompt: self.prompt.as_ref().map(&mut *f).transpose()?,
            norm1: self.norm1.try_map(f)?,
            qkv: self.qkv.try_map(f)?,
            proj: self.proj.try_map(f)?,
            lora: self.lora.as_ref().map(|lora| lora.try_map(f)).transpose()?,
            spatial: self.spatial.as_ref().map(|adapter| adapter.try_map(f)).transpose()?,
            norm2: self.norm2.try_map(f)?,
            fc1: self.fc1.try_map(f)?,
            fc2: self.fc2.try_map(f)?,
            adapter: self.adapter.as_ref().map(|adapter| adapter.try_map(f)).transpose()?,
        })
    }

    /// The same for an `f` that cannot fail.
    pub fn map<'a, U>(&'a self, mut f: impl FnMut(&'a T) -> U) -> Block<U> {
        let Ok(mapped) = self.try_map(&mut |one| Ok::<_, std::convert::Infallible>(f(one)));
        mapped
    }

    /// Its own matrices' layers: qkv, proj, fc1, fc2.
    pub fn own(&self) -> [&Linear<T>; 4] {
        [&self.qkv, &self.proj, &self.fc1, &self.fc2]
    }

    /// All values in order.
    pub fn list(&self) -> Vec<&T> {
        let mut all = Vec::new();
        self.map(|one| all.push(one));
        all
    }

    /// The same for mutable values.
    pub fn map_mut<'a, U>(&'a mut self, mut f: impl FnMut(&'a mut T) -> U) -> Block<U> {
        let f = &mut f;
        Block {
            prompt: self.prompt.as_mut().map(&mut *f),
            norm1: self.norm1.map_mut(f),
            qkv: self.qkv.map_mut(f),
            proj: self.proj.map_mut(f),
            lora: self.lora.as_mut().map(|lora| lora.map_mut(f)),
            spatial: self.spatial.as_mut().map(|adapter| adapter.map_mut(f)),
            norm2: self.norm2.map_mut(f),
            fc1: self.fc1.map_mut(f),
            fc2: self.fc2.map_mut(f),
            adapter: self.adapter.as_mut().map(|adapter| adapter.map_mut(f)),
        }
    }
}

/// A matrix (out, in) as kernels read it, where they do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Views<'a> {
    /// Its transpose (in, out), which inputs are multiplied by.
    pub forward: Option<View<'a>>,
    /// As it is, which gradients are multiplied by.
    pub backward: Option<View<'a>>,
}

/// A block's own matrices as kernels read them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Matrices<'a> {
    /// The packed projection to queries, keys and values.
    pub qkv: Views<'a>,
    /// The projection after attention.
    pub proj: Views<'a>,
    /// The MLP's first layer.
    pub fc1: Views<'a>,
    /// The MLP's second layer.
    pub fc2: Views<'a>,
    /// Whether they are bf16: then the gradients of these matrices are products of rounded values too.
    pub bf16: bool,
}

/// A block's weights as a pass reads them.
#[derive(Clone, Debug)]
pub struct Weights<'a> {
    /// Every parameter's values; of a matrix that is kept in bf16 none.
    pub values: Block<&'a [f32]>,
    /// Its own matrices, where kernels do not read the values.
    pub matrices: Matrices<'a>,
}

impl<'a> From<Block<&'a [f32]>> for Weights<'a> {
    fn from(values: Block<&'a [f32]>) -> Self {
        Self { values, matrices: Matrices::default() }
    }
}

impl<'a> std::ops::Deref for Weights<'a> {
    type Target = Block<&'a [f32]>;

    fn deref(&self) -> &Self::Target {
        &self.values
    }
}

/// Gradients of a block's parameters: a buffer for each that trains. Backward adds to them.
pub type Gradients<'a> = Block<Option<&'a mut [f32]>>;

/// Scratch memory that all blocks share.
#[derive(Debug, Default)]
pub struct Workspace {
    /// The contents of a tape, for blocks that need not save it.
    qkv: Buffer,
    mixed: Buffer,
    /// norm1 or norm2 of all rows, for weight gradients.
    n: Buffer,
    /// Prompts after norm1, and their packed projection.
    prompts: [Buffer; 2],
    /// Gradients of x2, of h, of attention's output, of fc1's output and of the adapters' inner pre-activations.
    dx2: Buffer,
    dh: Buffer,
    dmixed: Buffer,
    dpre: Buffer,
    dadapter: Buffer,
    dspatial: Buffer,
    /// The inputs of GELU in the MLP and in the adapters, recomputed.
    pre: Buffer,
    spatial_pre: Buffer,
    adapter_pre: Buffer,
    /// The inner values of both low-rank updates, scaled, (batch, tokens, 2 rank), and their gradient.
    lora: [Buffer; 2],
}

impl Workspace {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let Self {
            qkv,
            mixed,
            n,
            prompts,
            dx2,
            dh,
            dmixed,
            dpre,
            dadapter,
            dspatial,
            pre,
            spatial_pre,
            adapter_pre,
            lora,
        } = self;
        let buffers = [qkv, mixed, n, dx2, dh, dmixed, dpre, dadapter, dspatial, pre, spatial_pre, adapter_pre];
        buffers.into_iter().chain(prompts).chain(lora).map(Buffer::bytes).sum()
    }
}

/// Sums of squares over the rows of one block, from which norms are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Squares {
    /// The Spatial Adapter's output.
    pub spatial: f64,
    /// The residual stream before attention's output is added.
    pub x: f64,
    /// The MLP Adapter's output.
    pub adapter: f64,
    /// The residual stream before the MLP's output is added.
    pub x2: f64,
}

impl std::ops::AddAssign for Squares {
    fn add_assign(&mut self, more: Self) {
        self.spatial += more.spatial;
        self.x += more.x;
        self.adapter += more.adapter;
        self.x2 += more.x2;
    }
}
