//! A block's linear layers as the forward pass multiplies by them.
//!
//! A product packs its operands for each tile of rows, and is slow about a weight (out, in) that is to be multiplied
//! by (in, out): element by element. Where many tiles will ask for it, it is laid out so once.

use rayon::prelude::*;

use super::{Adapter, Block, Linear, forward::ROWS};
use crate::ops::{
    Mat, MatMut, columns, gelu,
    mat::{Into, product},
    parallel::{Buffer, with_scratch},
};

/// Fewest rows for which a weight is laid out anew: as many as make it be packed three times or more.
const WORTH: usize = 2 * ROWS + 1;
/// Inputs whose weights a core lays out at a time.
const INPUTS: usize = 64;

/// `x weight + bias`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'a> {
    /// (in, out).
    pub weight: Mat<'a>,
    /// (out).
    pub bias: &'a [f32],
}

/// Those of a block.
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
    /// The layers of a block through which `rows` go before attention, and after it.
    pub fn of(weights: &Block<&'a [f32]>, [before, after]: [usize; 2], memory: &'a mut Buffer) -> Self {
        let laid_out = |rows: usize| rows >= WORTH;
        let pair = |adapter: &Adapter<&'a [f32]>| [adapter.down.clone(), adapter.up.clone()];
        let spatial = weights.spatial.as_ref().map(pair);
        let adapter = weights.adapter.as_ref().map(pair);
        let main = [&weights.proj, &weights.fc1, &weights.fc2];
        let late = || main.into_iter().chain(spatial.iter().flatten()).chain(adapter.iter().flatten());
        let early = if laid_out(before) { weights.qkv.weight.len() } else { 0 };
        let total = early + if laid_out(after) { late().map(|linear| linear.weight.len()).sum() } else { 0 };
        let mut rest = memory.get(total);
        let mut work = Vec::new();
        let mut layer = |linear: &Linear<&'a [f32]>, rows: usize| {
            if !laid_out(rows) {
                return Place { linear: linear.clone(), across: None };
            }
            let (across, others) = std::mem::take(&mut rest).split_at_mut(linear.weight.len());
            rest = others;
            Place { linear: linear.clone(), across: Some(across) }
        };
        let mut qkv = layer(&weights.qkv, before);
        let mut proj = layer(&weights.proj, after);
        let mut fc1 = layer(&weights.fc1, after);
        let mut fc2 = layer(&weights.fc2, after);
        let mut spatial = spatial.as_ref().map(|pair| pair.each_ref().map(|linear| layer(linear, after)));
        let mut adapter = adapter.as_ref().map(|pair| pair.each_ref().map(|linear| layer(linear, after)));
        let others = spatial.iter_mut().flatten().chain(adapter.iter_mut().flatten());
        for place in [&mut qkv, &mut proj, &mut fc1, &mut fc2].into_iter().chain(others) {
            let (matrix, outputs) = (place.linear.matrix(), place.linear.outputs());
            for (i, across) in
                place.across.iter_mut().flat_map(|across| across.chunks_mut(INPUTS * outputs)).enumerate()
            {
                work.push((matrix.columns_at(i * INPUTS, across.len() / outputs), across));
            }
        }
        work.into_par_iter().for_each(|(matrix, across)| columns::transpose(matrix, across));
        Self {
            qkv: qkv.layer(),
            proj: proj.layer(),
            spatial: spatial.map(|pair| pair.map(Place::layer)),
            fc1: fc1.layer(),
            fc2: fc2.layer(),
            adapter: adapter.map(|pair| pair.map(Place::layer)),
        }
    }
}

/// A layer on its way: its weight, and where it is laid out anew, if it is.
struct Place<'a> {
    linear: Linear<&'a [f32]>,
    across: Option<&'a mut [f32]>,
}

impl<'a> Place<'a> {
    fn layer(self) -> Layer<'a> {
        let weight = match self.across {
            Some(across) => Mat::new(across, self.linear.outputs()),
            None => self.linear.matrix().t(),
        };
        Layer { weight, bias: self.linear.bias }
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

    /// `out = GELU(x weight + bias)`; `pre`, if not empty, receives what GELU is of.
    pub fn apply_gelu(&self, x: Mat<'_>, pre: &mut [f32], out: &mut [f32]) {
        let to = if pre.is_empty() { &mut *out } else { &mut *pre };
        product(MatMut::new(to, self.outputs()), Into::Set, 1.0, x, self.weight);
        if pre.is_empty() {
            gelu::bias_gelu_in_place(out, self.bias);
        } else {
            gelu::bias_gelu(pre, self.bias, out);
        }
    }
}

/// `out += up(GELU(down(x)))` of an adapter's two layers. Where asked, gives the sum of squares of what is added.
pub(super) fn add_adapter(
    [down, up]: &[Layer<'_>; 2],
    x: Mat<'_>,
    pre: &mut [f32],
    out: &mut [f32],
    measure: bool,
) -> f64 {
    let inner = down.outputs();
    with_scratch([x.rows() * inner, if measure { out.len() } else { 0 }], |[act, added]| {
        down.apply_gelu(x, pre, act);
        if !measure {
            up.add(Mat::new(act, inner), out);
            return 0.0;
        }
        up.apply(Mat::new(act, inner), added);
        columns::add(out, added);
        columns::squares(added).into()
    })
}
