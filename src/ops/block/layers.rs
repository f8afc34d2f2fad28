//! A block's linear layers as the forward pass uses them.

use super::{Adapter, Linear, Views, Weights};
use crate::ops::{
    Mat, MatMut, columns, gelu,
    packed::{Operand, Start, View, multiply},
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
        let own = |linear, views: Views<'a>| Layer::of(linear, views.forward);
        let matrices = &weights.matrices;
        Self {
            qkv: own(&weights.qkv, matrices.qkv),
            proj: own(&weights.proj, matrices.proj),
            spatial: weights.spatial.as_ref().map(pair),
            fc1: own(&weights.fc1, matrices.fc1),
            fc2: own(&weights.fc2, matrices.fc2),
            adapter: weights.adapter.as_ref().map(pair),
        }
    }
}

impl<'a> Layer<'a> {
    fn of(linear: &Linear<&'a [f32]>, view: Option<View<'a>>) -> Self {
        Self { weight: Operand::of(view, linear.matrix().t()), bias: linear.bias }
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
        let of = |linear: &Linear<&'a [f32]>, views: Views<'a>| Operand::of(views.backward, linear.matrix());
        let matrices = &weights.matrices;
        Self {
            qkv: of(&weights.qkv, matrices.qkv),
            proj: of(&weights.proj, matrices.proj),
            fc1: of(&weights.fc1, matrices.fc1),
            fc2: of(&weights.fc2, matrices.fc2),
        }
    }
}

/// What is saved of GELU for its backward pass.
pub(super) enum OfGelu<'a> {
    Nothing,
    /// Its input.
    Input(&'a mut [f32]),
    /// Its slope there.
    Slope(&'a mut [f32]),
    /// The same in 16 bits.
    ShortSlope(&'a mut [u16]),
}

impl<'a> OfGelu<'a> {
    /// Its input, unless there is no room for it.
    pub fn input(pre: &'a mut [f32]) -> Self {
        if pre.is_empty() { Self::Nothing } else { Self::Input(pre) }
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

    /// `out = GELU(x weight + bias)`; what is wanted of GELU for its backward pass is saved.
    pub fn apply_gelu(&self, x: Mat<'_>, mut save: OfGelu<'_>, out: &mut [f32]) {
        let to = if let OfGelu::Input(pre) = &mut save { &mut **pre } else { &mut *out };
        multiply(MatMut::new(to, self.outputs()), Start::Zeros, x, &self.weight);
        match save {
            OfGelu::Nothing => gelu::bias_gelu_in_place(out, self.bias),
            OfGelu::Input(pre) => gelu::bias_gelu(pre, self.bias, out),
            OfGelu::Slope(slope) => gelu::bias_gelu_slope(out, self.bias, slope),
            OfGelu::ShortSlope(slope) => gelu::bias_gelu_short_slope(out, self.bias, slope),
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
        down.apply_gelu(x, OfGelu::input(pre), act);
        if !measure {
            up.add(Mat::new(act, inner), out);
            return 0.0;
        }
        up.apply(Mat::new(act, inner), added);
        columns::add(out, added);
        columns::squares(added).into()
    })
}
