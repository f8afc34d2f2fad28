//! A block's linear layers as the forward pass uses them.

use super::{Adapter, Block, Linear};
use crate::ops::{
    Mat, MatMut, columns, gelu,
    mat::{Into, product},
    parallel::with_scratch,
};

/// `x weight + bias`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'a> {
    /// (in, out).
    pub weight: Mat<'a>,
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
    /// The layers of a block. Nothing is copied: packing a weight (out, in) takes as long as packing its transpose.
    pub fn of(weights: &Block<&'a [f32]>) -> Self {
        let pair = |adapter: &Adapter<&'a [f32]>| [Layer::of(&adapter.down), Layer::of(&adapter.up)];
        Self {
            qkv: Layer::of(&weights.qkv),
            proj: Layer::of(&weights.proj),
            spatial: weights.spatial.as_ref().map(pair),
            fc1: Layer::of(&weights.fc1),
            fc2: Layer::of(&weights.fc2),
            adapter: weights.adapter.as_ref().map(pair),
        }
    }
}

impl<'a> Layer<'a> {
    fn of(linear: &Linear<&'a [f32]>) -> Self {
        Self { weight: linear.matrix().t(), bias: linear.bias }
    }
}

impl Layer<'_> {
    fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `out = x weight + bias`.
    pub fn apply(&self, x: Mat<'_>, out: &mut [f32]) {
        columns::fill(out, self.bias);
        product(MatMut::new(out, self.outputs()), Into::Add, 1.0, x, self.weight);
    }

    /// `out += x weight + bias`.
    pub fn add(&self, x: Mat<'_>, out: &mut [f32]) {
        columns::add_to_rows(out, self.bias);
        product(MatMut::new(out, self.outputs()), Into::Add, 1.0, x, self.weight);
    }

    /// `out = GELU(x weight + bias)`; `pre`, the input of GELU, or `slope`, its slope there, may be saved: an empty
    /// slice is not.
    pub fn apply_gelu(&self, x: Mat<'_>, pre: &mut [f32], slope: &mut [f32], out: &mut [f32]) {
        let to = if pre.is_empty() { &mut *out } else { &mut *pre };
        product(MatMut::new(to, self.outputs()), Into::Set, 1.0, x, self.weight);
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
        product(MatMut::new(pre, self.outputs()), Into::Set, 1.0, x, self.weight);
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
