//! The backward pass of one block.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    Gradients, Linear, Needs, Saved, Shape, Tape, Weights, Widths, Workspace,
    attention_backward::attention_backward,
    forward::{ROWS, copy_carried},
    gradients::{Jobs, NormGradient, add_norm, norm_gradient},
    layers::{Backwards, Layers, add_adapter},
    saved::OfMlp,
};
use crate::ops::{
    columns, gelu, layer_norm,
    mat::{Into, Mat, MatMut, product},
    packed::{Start, multiply},
    parallel::{Rows, tile_rows, tiles, with_scratch},
};

/// From the gradient of the block's output, `dy` (batch, keep, D), adds each trainable parameter's gradient to
/// `gradients` and, if `needs.input`, overwrites `dx` (batch, tokens, D) with the input's. Consumes the tape.
pub fn backward(
    shape: &Shape,
    weights: &Weights<'_>,
    kept: Saved<'_>,
    work: &mut Workspace,
    dy: &[f32],
    dx: &mut [f32],
    gradients: &mut Gradients<'_>,
) {
    let Saved { tape, needs } = kept;
    if needs.any {
        after_attention(shape, weights, needs, tape, work, dy, gradients);
    }
    if needs.attention {
        attention_backward(shape, weights, needs, tape, work, dx, gradients);
    }
}

/// MLP, both adapters, norm2 and proj. Leaves the gradients of x2 and of attention's output in the workspace.
fn after_attention(
    shape: &Shape,
    weights: &Weights<'_>,
    needs: Needs,
    tape: &mut Tape,
    work: &mut Workspace,
    dy: &[f32],
    gradients: &mut Gradients<'_>,
) {
    let (d, rows) = (shape.hidden, shape.rows_out());
    let widths = Widths::of(weights, d);
    let Widths { mlp, spatial, adapter, .. } = widths;
    let kept = needs.lengths(shape, widths);

    let pre = if needs.lean { work.pre.get(rows * mlp) } else { tape.pre.get(kept.pre) };
    let (slope, short_slope) = (tape.slope.kept(kept.slope), tape.short_slope.kept(kept.short_slope));
    let adapter_pre = if needs.adapter_again() { &mut work.adapter_pre } else { &mut tape.adapter_pre };
    let adapter_pre = adapter_pre.get_if(needs.adapter_pre, rows * adapter);
    let spatial_pre = if needs.spatial_again() { &mut work.spatial_pre } else { &mut tape.spatial_pre };
    let spatial_pre = spatial_pre.get_if(needs.spatial_pre, rows * spatial);
    let n = work.n.get_if(needs.n_values, rows * d);
    let dpre = work.dpre.get_if(needs.fc1, rows * mlp);
    let dadapter = work.dadapter.get_if(needs.adapter_pre, rows * adapter);
    let dspatial = work.dspatial.get_if(needs.spatial_pre, rows * spatial);
    let dx2 = work.dx2.get_if(needs.x2, rows * d);
    let dh = work.dh.get_if(needs.proj, rows * d);
    let dmixed = work.dmixed.get_if(needs.attention, rows * d);
    let [h, x2, x] = [(&tape.h, kept.h), (&tape.x2, kept.x2), (&tape.x, kept.x)].map(|(buffer, len)| buffer.kept(len));
    let norm2 = gradients.norm2.weight.is_some() || gradients.norm2.bias.is_some();
    {
        let mut pre = Rows::new(pre, mlp);
        let mut adapter_pre = Rows::new(adapter_pre, adapter);
        let mut spatial_pre = Rows::new(spatial_pre, spatial);
        let mut n = Rows::new(n, d);
        let mut dpre = Rows::new(dpre, mlp);
        let mut dadapter = Rows::new(dadapter, adapter);
        let mut dspatial = Rows::new(dspatial, spatial);
        let mut dx2 = Rows::new(dx2, d);
        let mut dh = Rows::new(dh, d);
        let mut dmixed = Rows::new(dmixed, d);
        let tiles: Vec<_> = tiles(rows, tile_rows(rows, ROWS))
            .map(|range| {
                let rows = range.len();
                Tile {
                    from: range.start,
                    dy: &dy[range.start * d..range.end * d],
                    x2: part(x2, &range, d),
                    h: part(h, &range, d),
                    slope: part(slope, &range, mlp),
                    short_slope: part(short_slope, &range, mlp),
                    pre: pre.take(rows),
                    adapter_pre: adapter_pre.take(rows),
                    spatial_pre: spatial_pre.take(rows),
                    n: n.take(rows),
                    dpre: dpre.take(rows),
                    dadapter: dadapter.take(rows),
                    dspatial: dspatial.take(rows),
                    dx2: dx2.take(rows),
                    dh: dh.take(rows),
                    dmixed: dmixed.take(rows),
                }
            })
            .collect();
        let layers = Layers::of(weights);
        let of_norm2: Vec<_> = tiles
            .into_par_iter()
            .with_max_len(1)
            .map(|tile| tile.backward(shape, weights, &layers, needs, x, norm2))
            .collect();
        add_norm(&mut gradients.norm2, &of_norm2);
    }

    let mut jobs = Jobs::default();
    let bf16 = weights.matrices.bf16;
    let Gradients { proj, fc1, fc2, spatial: of_spatial, adapter: of_adapter, .. } = gradients;
    let [dy, n] = [dy, n].map(|rows| Mat::new(rows, d));
    jobs.push_own(bf16, fc2, dy, Mat::new(pre, mlp));
    jobs.push_own(bf16, fc1, Mat::new(dpre, mlp), n);
    if let Some(of) = of_adapter {
        jobs.push(&mut of.up, dy, Mat::new(adapter_pre, adapter));
        jobs.push(&mut of.down, Mat::new(dadapter, adapter), n);
    }
    if let Some(of) = of_spatial {
        jobs.push(&mut of.up, Mat::new(dx2, d), Mat::new(spatial_pre, spatial));
        jobs.push(&mut of.down, Mat::new(dspatial, spatial), Mat::new(h, d));
    }
    let mixed = if needs.mixed { tape.mixed.kept(rows * d) } else { &[] };
    jobs.push_own(bf16, proj, Mat::new(dh, d), Mat::new(mixed, d));
    jobs.run();
}

/// A range of rows of `width` values from a buffer; empty if the buffer is.
fn part<'a, T>(rows: &'a [T], range: &Range<usize>, width: usize) -> &'a [T] {
    if rows.is_empty() { rows } else { &rows[range.start * width..range.end * width] }
}

/// One tile of rows; an empty slice is not needed.
struct Tile<'a> {
    from: usize,
    dy: &'a [f32],
    x2: &'a [f32],
    h: &'a [f32],
    slope: &'a [f32],
    short_slope: &'a [u16],
    pre: &'a mut [f32],
    adapter_pre: &'a mut [f32],
    spatial_pre: &'a mut [f32],
    n: &'a mut [f32],
    dpre: &'a mut [f32],
    dadapter: &'a mut [f32],
    dspatial: &'a mut [f32],
    dx2: &'a mut [f32],
    dh: &'a mut [f32],
    dmixed: &'a mut [f32],
}

impl Tile<'_> {
    /// From the block's input `x`. Returns the gradients of norm2's weight and bias, if wanted.
    fn backward(
        mut self,
        shape: &Shape,
        weights: &Weights<'_>,
        layers: &Layers<'_>,
        needs: Needs,
        x: &[f32],
        norm2: bool,
    ) -> NormGradient {
        let (d, mlp) = (shape.hidden, weights.fc1.outputs());
        let (norm, backwards) = (weights.norm2.norm(shape.eps), Backwards::of(weights));
        let dy = Mat::new(self.dy, d);
        let rows_of = |wanted: bool, width: usize| if wanted { dy.rows() * width } else { 0 };
        let lengths =
            [rows_of(needs.mlp && self.dpre.is_empty(), mlp), rows_of(needs.n, d), rows_of(needs.x2_again(), d)];
        let of_norm2 = with_scratch(lengths, |[dpre, dn, again]| {
            // The same operations in the same order as the forward pass, so that the bits are the same.
            let x2 = match &layers.spatial {
                Some(spatial) if needs.x2_again() => {
                    copy_carried(shape, self.from, x, again);
                    columns::add(again, self.h);
                    add_adapter(spatial, Mat::new(self.h, d), self.spatial_pre, again, false);
                    &*again
                }
                Some([down, _]) if needs.spatial_again() => {
                    down.before_gelu(Mat::new(self.h, d), self.spatial_pre);
                    self.x2
                }
                _ => self.x2,
            };
            if needs.n_values {
                layer_norm::forward(norm, x2, self.n);
            }
            if let (Some([down, _]), true) = (&layers.adapter, needs.adapter_again()) {
                down.before_gelu(Mat::new(self.n, d), self.adapter_pre);
            }
            if needs.mlp {
                let dpre = if self.dpre.is_empty() { dpre } else { &mut *self.dpre };
                multiply(MatMut::new(dpre, mlp), Start::Zeros, dy, &backwards.fc2);
                if needs.lean {
                    layers.fc1.before_gelu(Mat::new(self.n, d), self.pre);
                }
                match needs.of_mlp() {
                    OfMlp::Slope => gelu::backward_slope(dpre, self.slope),
                    OfMlp::ShortSlope => gelu::backward_short_slope(dpre, self.short_slope),
                    _ if needs.act => gelu::backward_and_forward(dpre, self.pre),
                    // Recomputed, with the same bits.
                    _ if needs.short => gelu::backward_shortened(dpre, self.pre),
                    _ => gelu::backward(dpre, self.pre),
                }
                if needs.n {
                    multiply(MatMut::new(dn, d), Start::Zeros, Mat::new(dpre, mlp), &backwards.fc1);
                }
            }
            if let (Some(adapter), true) = (&weights.adapter, needs.adapter_pre) {
                back(self.dadapter, Into::Set, dy, &adapter.up);
                gelu::backward_and_forward(self.dadapter, self.adapter_pre);
                if needs.n {
                    back(dn, Into::Add, Mat::new(self.dadapter, adapter.down.outputs()), &adapter.down);
                }
            }
            if needs.x2 {
                self.dx2.copy_from_slice(self.dy);
                layer_norm::backward(norm, x2, dn, self.dx2);
            }
            norm2.then(|| norm_gradient(shape, x2, dn))
        });
        if needs.x2 {
            self.before_x2(shape, weights, &backwards, needs);
        }
        of_norm2
    }

    /// From the gradient of x2 to those of the Spatial Adapter's inner values, h and attention's output.
    fn before_x2(&mut self, shape: &Shape, weights: &Weights<'_>, backwards: &Backwards<'_>, needs: Needs) {
        let d = shape.hidden;
        if let (Some(spatial), true) = (&weights.spatial, needs.spatial_pre) {
            back(self.dspatial, Into::Set, Mat::new(self.dx2, d), &spatial.up);
            gelu::backward_and_forward(self.dspatial, self.spatial_pre);
        }
        if !needs.proj && !needs.attention {
            return;
        }
        with_scratch([if needs.proj { 0 } else { self.dx2.len() }], |[dh]| {
            let dh = if needs.proj { &mut *self.dh } else { dh };
            dh.copy_from_slice(self.dx2);
            if let Some(spatial) = &weights.spatial {
                back(dh, Into::Add, Mat::new(self.dspatial, spatial.down.outputs()), &spatial.down);
            }
            if needs.attention {
                multiply(MatMut::new(self.dmixed, d), Start::Zeros, Mat::new(dh, d), &backwards.proj);
            }
        });
    }
}

/// `dx = dy weight`, or `dx += dy weight`.
fn back(dx: &mut [f32], into: Into, dy: Mat<'_>, linear: &Linear<&[f32]>) {
    let matrix = linear.matrix();
    product(MatMut::new(dx, matrix.columns()), into, 1.0, dy, matrix);
}
