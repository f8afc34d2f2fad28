//! A block's linear layers as the forward pass uses them.

use super::{Adapter, Linear, Pack, Weights};
use crate::ops::{
    Mat, MatMut, columns, gelu,
    packed::{Operand, Start, multiply},
    parallel::with_scratch,
};

/// `x weight + bias`.
#[derive(Clone, Debug)]
pub(super) struct Layer<'a> {
    /// (in, out).
    pub weight: Operand<'a>,
    /// (out).
    pub bias: &'a [f32],
}

/// The linear layers of a block.
#[derive(Debug)]
pub(super) struct Layers<'a> {
    pub qkv: Layer<'a>,
    pub proj: Layer<'a>,
    pub spatial: Option<[Layer<'a>; 2]>,
    pub fc1: Layer<'a>,
    pub fc2: Layer<'a>,
    pub adapter: Option<[Layer<'a>; 2]>,
}

impl<'a> Layers<'a> {
    /// The layers of a block. Nothing is copied: what is not packed is packed by each product, and a weight (out, in)
    /// takes as long as its transpose.
    pub fn of(weights: &Weights<'a>) -> Self {
        let pair = |adapter: &Adapter<&'a [f32]>| [Layer::of(&adapter.down, None), Layer::of(&adapter.up, None)];
        let packs = weights.packs;
        Self {
            qkv: Layer::of(&weights.qkv, packs.map(|packs| &packs.qkv)),
            proj: Layer::of(&weights.proj, packs.map(|packs| &packs.proj)),
            spatial: weights.spatial.as_ref().map(pair),
            fc1: Layer::of(&weights.fc1, packs.map(|packs| &packs.fc1)),
            fc2: Layer::of(&weights.fc2, packs.map(|packs| &packs.fc2)),
            adapter: weights.adapter.as_ref().map(pair),
        }
    }
}

impl<'a> Layer<'a> {
    fn of(linear: &Linear<&'a [f32]>, pack: Option<&'a Pack>) -> Self {
        let packed = pack.and_then(|pack| pack.forward.as_ref());
        Self { weight: Operand::of(packed, linear.matrix().t()), bias: linear.bias }
    }
}

/// A block's own matrices (out, in) as its backward pass uses them.
#[derive(Debug)]
pub(super) struct Backwards<'a> {
    pub qkv: Operand<'a>,
    pub proj: Operand<'a>,
    pub fc1: Operand<'a>,
    pub fc2: Operand<'a>,
}

impl<'a> Backwards<'a> {
    /// The matrices of a block.
    pub fn of(weights: &Weights<'a>) -> Self {
        let of = |linear: &Linear<&'a [f32]>, pack: Option<&'a Pack>| {
            Operand::of(pack.and_then(|pack| pack.backward.as_ref()), linear.matrix())
        };
        let packs = weights.packs;
        Self {
            qkv: of(&weights.qkv, packs.map(|packs| &packs.qkv)),
            proj: of(&weights.proj, packs.map(|packs| &packs.proj)),
            fc1: of(&weights.fc1, packs.map(|packs| &packs.fc1)),
            fc2: of(&weights.fc2, packs.map(|packs| &packs.fc2)),
        }
    }
}

impl Layer<'_> {
    fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `out = x weight + bias`.
    pub fn apply(&self, x: Mat<'_>, out: &mut [f32]) {
        multiply(MatMut::new(out, self.outputs()), Start::Row(self.bias), x, &self.weight);
    }

    /// `out += x weight + bias`.
    pub fn add(&self, x: Mat<'_>, out: &mut [f32]) {
        columns::add_to_rows(out, self.bias);
        multiply(MatMut::new(out, self.outputs()), Start::There, x, &self.weight);
    }

    /// `out = GELU(x weight + bias)`; `pre`, the input of GELU, or `slope`, its slope there, may be saved: an empty
    /// slice is not.
    pub fn apply_gelu(&self, x: Mat<'_>, pre: &mut [f32], slope: &mut [f32], out: &mut [f32]) {
        let to = if pre.is_empty() { &mut *out } else { &mut *pre };
        multiply(MatMut::new(to, self.outputs()), Start::Zeros, x, &self.weight);
        if !pre.is_empty() {
            gelu::bias_gelu(pre, self.bias, out);
        } else if !slope.is_empty() {
            gelu::bias_gelu_slope(out, self.bias, slope);
        } else {
            gelu::bias_gelu_in_place(out, self.bias);
        }
    }

    /// The input of GELU in [`apply_gelu`](Self::apply_gelu), to the bit.
    pub fn before_gelu(&self, x: Mat<'_>, pre: &mut [f32]) {
        multiply(MatMut::new(pre, self.outputs()), Start::Zeros, x, &self.weight);
        columns::add_to_rows(pre, self.bias);
    }
}

/// `out += up(GELU(down(x)))` of an adapter's two layers. If wanted, returns the sum of squares of what is added.
pub(super) fn add_adapter(
    [down, up]: &[Layer<'_>; 2],
    x: Mat<'_>,
    pre: &mut [f32],
    out: &mut [f32],
    measure: bool,
) -> f64 {
    let inner = down.outputs();
    with_scratch([x.rows() * inner, if measure { out.len() } else { 0 }], |[act, added]| {
        down.apply_gelu(x, pre, &mut [], act);
        if !measure {
            up.add(Mat::new(act, inner), out);
            return 0.0;
        }
        up.apply(Mat::new(act, inner), added);
        columns::add(out, added);
        columns::squares(added).into()
    })
}
