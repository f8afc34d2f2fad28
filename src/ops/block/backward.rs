//! The backward pass of one block.

use rayon::prelude::*;

use super::{
    Block, Gradients, Kept, Linear, Needs, Shape, Tape, Workspace,
    forward::{ROWS, groups},
};
use crate::ops::{
    attention, columns, gelu, layer_norm,
    mat::{Into, Mat, MatMut, product},
    parallel::{Rows, tile_rows, tiles, with_scratch},
};

/// From the gradient of the block's output, `dy` (batch, keep, D), adds each trainable parameter's gradient to
/// `gradients` and, if `needs.input`, overwrites `dx` (batch, tokens, D) with the input's. Uses up the tape.
pub fn backward(
    shape: &Shape,
    weights: &Block<&[f32]>,
    kept: Kept<'_>,
    work: &mut Workspace,
    dy: &[f32],
    dx: &mut [f32],
    gradients: &mut Gradients<'_>,
) {
    let Kept { tape, needs } = kept;
    if needs.any {
        after_attention(shape, weights, needs, tape, work, dy, gradients);
    }
    if needs.attention {
        through_attention(shape, weights, needs, tape, work, dx, gradients);
    }
}

/// MLP, both adapters, norm2 and proj. Leaves the gradients of x2 and of attention's output in the workspace.
fn after_attention(
    shape: &Shape,
    weights: &Block<&[f32]>,
    needs: Needs,
    tape: &mut Tape,
    work: &mut Workspace,
    dy: &[f32],
    gradients: &mut Gradients<'_>,
) {
    let (d, rows, mlp) = (shape.hidden, shape.rows_out(), weights.fc1.outputs());
    let spatial = weights.spatial.as_ref().map_or(0, |adapter| adapter.down.outputs());
    let adapter = weights.adapter.as_ref().map_or(0, |adapter| adapter.down.outputs());

    let pre = tape.pre.get_if(needs.pre, rows * mlp);
    let adapter_pre = tape.adapter_pre.get_if(needs.adapter_pre, rows * adapter);
    let spatial_pre = tape.spatial_pre.get_if(needs.spatial_pre, rows * spatial);
    let n = work.n.get_if(needs.n_values, rows * d);
    let dpre = work.dpre.get_if(needs.fc1, rows * mlp);
    let dadapter = work.dadapter.get_if(needs.adapter_pre, rows * adapter);
    let dspatial = work.dspatial.get_if(needs.spatial_pre, rows * spatial);
    let dx2 = work.dx2.get_if(needs.x2, rows * d);
    let dh = work.dh.get_if(needs.proj, rows * d);
    let dmixed = work.dmixed.get_if(needs.attention, rows * d);
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
        let x2 = tape.x2.kept(rows * d);
        let tiles: Vec<_> = tiles(rows, tile_rows(rows, ROWS))
            .map(|range| {
                let rows = range.len();
                Tile {
                    dy: &dy[range.start * d..range.end * d],
                    x2: if needs.x2_values { &x2[range.start * d..range.end * d] } else { &[] },
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
        let of_norm2: Vec<_> =
            tiles.into_par_iter().with_max_len(1).map(|tile| tile.backward(shape, weights, needs, norm2)).collect();
        add_norm(&mut gradients.norm2, &of_norm2);
    }

    let mut jobs = Jobs::default();
    let Gradients { proj, fc1, fc2, spatial: of_spatial, adapter: of_adapter, .. } = gradients;
    let [dy, n] = [dy, n].map(|rows| Mat::new(rows, d));
    jobs.push(fc2, dy, Mat::new(pre, mlp));
    jobs.push(fc1, Mat::new(dpre, mlp), n);
    if let Some(of) = of_adapter {
        jobs.push(&mut of.up, dy, Mat::new(adapter_pre, adapter));
        jobs.push(&mut of.down, Mat::new(dadapter, adapter), n);
    }
    if let Some(of) = of_spatial {
        jobs.push(&mut of.up, Mat::new(dx2, d), Mat::new(spatial_pre, spatial));
        jobs.push(&mut of.down, Mat::new(dspatial, spatial), Mat::new(tape.h.kept(rows * d), d));
    }
    let mixed = if needs.mixed { tape.mixed.kept(rows * d) } else { &[] };
    jobs.push(proj, Mat::new(dh, d), Mat::new(mixed, d));
    jobs.run();
}

/// One tile's rows; what is empty is not needed.
struct Tile<'a> {
    dy: &'a [f32],
    x2: &'a [f32],
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
    /// Returns the gradients of norm2's weight and bias, if asked.
    fn backward(mut self, shape: &Shape, weights: &Block<&[f32]>, needs: Needs, norm2: bool) -> NormGradient {
        let d = shape.hidden;
        let norm = weights.norm2.norm(shape.eps);
        let dy = Mat::new(self.dy, d);
        let unkept = if self.dpre.is_empty() { self.pre.len() } else { 0 };
        let of_norm2 = with_scratch([unkept, if needs.n { self.dy.len() } else { 0 }], |[dpre, dn]| {
            if needs.pre {
                let dpre = if self.dpre.is_empty() { dpre } else { &mut *self.dpre };
                back(dpre, Into::Set, dy, &weights.fc2);
                if needs.act {
                    gelu::backward_and_forward(dpre, self.pre);
                } else {
                    gelu::backward(dpre, self.pre);
                }
                if needs.n {
                    back(dn, Into::Set, Mat::new(dpre, weights.fc1.outputs()), &weights.fc1);
                }
            }
            if let (Some(adapter), true) = (&weights.adapter, needs.adapter_pre) {
                back(self.dadapter, Into::Set, dy, &adapter.up);
                gelu::backward_and_forward(self.dadapter, self.adapter_pre);
                if needs.n {
                    back(dn, Into::Add, Mat::new(self.dadapter, adapter.down.outputs()), &adapter.down);
                }
            }
            if needs.n_values {
                layer_norm::forward(norm, self.x2, self.n);
            }
            if needs.x2 {
                self.dx2.copy_from_slice(self.dy);
                layer_norm::backward(norm, self.x2, dn, self.dx2);
            }
            norm2.then(|| norm_gradient(shape, self.x2, dn))
        });
        if needs.x2 {
            self.before_x2(shape, weights, needs);
        }
        of_norm2
    }

    /// From the gradient of x2 to those of the Spatial Adapter's inside, h and attention's output.
    fn before_x2(&mut self, shape: &Shape, weights: &Block<&[f32]>, needs: Needs) {
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
                back(self.dmixed, Into::Set, Mat::new(dh, d), &weights.proj);
            }
        });
    }
}

/// Attention, qkv, its low-rank updates, norm1 and prompts.
fn through_attention(
    shape: &Shape,
    weights: &Block<&[f32]>,
    needs: Needs,
    tape: &mut Tape,
    work: &mut Workspace,
    dx: &mut [f32],
    gradients: &mut Gradients<'_>,
) {
    let (d, rows) = (shape.hidden, shape.rows_in());
    let prompts = weights.prompt.map_or(0, |prompt| prompt.len() / d);
    let keys = shape.tokens + prompts;
    let dmixed = work.dmixed.kept(shape.rows_out() * d);
    let lse = tape.lse.kept(shape.rows_out() * shape.heads);
    let qkv = tape.qkv.get(shape.batch * keys * 3 * d);
    attend_back(shape, qkv, dmixed, lse);
    let dqkv = qkv;
    if let (Some(gradient), Some(prompt)) = (gradients.prompt.as_mut().and_then(Option::as_deref_mut), weights.prompt) {
        prompt_back(shape, weights, prompt, dqkv, gradient);
    }

    if needs.lora || gradients.qkv.weight.is_some() || gradients.qkv.bias.is_some() {
        // Tokens that are not carried on have no query.
        for clip in dqkv.chunks_exact_mut(keys * 3 * d) {
            for token in clip.chunks_exact_mut(3 * d).skip(shape.keep) {
                token[..d].fill(0.0);
            }
        }
    }
    let weights_train = gradients.qkv.weight.is_some() || needs.lora;
    let norm1 = gradients.norm1.weight.is_some() || gradients.norm1.bias.is_some();
    let n = work.n.get_if(weights_train, rows * d);
    let rank = weights.lora.as_ref().map_or(0, |lora| lora.q.rank(d));
    let [inner, dinner] = work.lora.each_mut().map(|buffer| buffer.get_if(needs.lora, rows * 2 * rank));
    if needs.input || norm1 || weights_train {
        let dx2 = work.dx2.kept(shape.rows_out() * d);
        let x = tape.x.kept(rows * d);
        let (clips, tokens, keep) = groups(shape, prompts);
        let height = tile_rows(tokens, ROWS);
        let mut n = Rows::new(n, d);
        let mut dx = Rows::new(if needs.input { dx } else { &mut [] }, d);
        let [mut inner, mut dinner] = [&mut *inner, &mut *dinner].map(|rows| Rows::new(rows, 2 * rank));
        let mut tasks = Vec::new();
        for clip in 0..clips {
            for range in tiles(tokens, height) {
                let (count, from) = (range.len(), clip * tokens + range.start);
                let packed = clip * (tokens + prompts) + range.start;
                let queries = keep.saturating_sub(range.start).min(count);
                let kept = (clip * keep + range.start.min(keep)) * d;
                tasks.push(InputTile {
                    x: &x[from * d..(from + count) * d],
                    dqkv: Mat::new(&dqkv[packed * 3 * d..(packed + count) * 3 * d], 3 * d),
                    dx2: &dx2[kept..kept + queries * d],
                    n: n.take(count),
                    dx: dx.take(count),
                    inner: inner.take(count),
                    dinner: dinner.take(count),
                });
            }
        }
        let of_norm1: Vec<_> =
            tasks.into_par_iter().with_max_len(1).map(|tile| tile.backward(shape, weights, norm1)).collect();
        add_norm(&mut gradients.norm1, &of_norm1);
    }
    let mut jobs = Jobs::default();
    let (dqkv, n) = (Mat::new(dqkv, 3 * d), Mat::new(n, d));
    jobs.push(&mut gradients.qkv, dqkv, n);
    if let (Some(of), true) = (&mut gradients.lora, needs.lora) {
        let (inner, dinner) = (Mat::new(inner, 2 * rank), Mat::new(dinner, 2 * rank));
        for (of, at, place) in [(&mut of.q, 0, 0), (&mut of.v, rank, 2 * d)] {
            jobs.push_weight(of.up.as_deref_mut(), dqkv.columns_at(place, d), inner.columns_at(at, rank));
            jobs.push_weight(of.down.as_deref_mut(), dinner.columns_at(at, rank), n);
        }
    }
    jobs.run();
}

/// Turns queries, keys and values into their gradients, head by head.
fn attend_back(shape: &Shape, qkv: &mut [f32], dmixed: &[f32], lse: &[f32]) {
    let (d, size) = (shape.hidden, shape.hidden / shape.heads);
    let mut lse = lse.chunks_exact(shape.keep);
    let mut work = Vec::with_capacity(shape.batch * shape.heads);
    let clip_len = qkv.len() / shape.batch.max(1);
    for (qkv, dmixed) in qkv.chunks_exact_mut(clip_len).zip(dmixed.chunks_exact(shape.keep * d)) {
        let dmixed = Mat::new(dmixed, d);
        let (mut q, kv) = MatMut::new(qkv, 3 * d).split_columns(d);
        let (mut k, mut v) = kv.split_columns(d);
        for head in 0..shape.heads {
            let [of_q, of_k, of_v] = [&mut q, &mut k, &mut v].map(|part| part.take_columns(size));
            let of_q = of_q.split_rows(shape.keep).0;
            work.push((of_q, of_k, of_v, dmixed.columns_at(head * size, size), lse.next().unwrap_or_default()));
        }
    }
    work.into_par_iter().with_max_len(1).for_each(|(q, k, v, dout, lse)| {
        with_scratch([attention::backward_scratch(q.rows(), k.rows(), size)], |[scratch]| {
            attention::backward(q, k, v, dout, lse, scratch);
        });
    });
}

/// Prompts are one for the whole batch: the gradients of their keys and values are summed over the clips first.
fn prompt_back(shape: &Shape, weights: &Block<&[f32]>, prompt: &[f32], dqkv: &[f32], gradient: &mut [f32]) {
    let (d, prompts) = (shape.hidden, prompt.len() / shape.hidden);
    with_scratch([prompts * 3 * d, prompts * d], |[sum, dn]| {
        sum.fill(0.0);
        for clip in dqkv.chunks_exact((shape.tokens + prompts) * 3 * d) {
            columns::add(sum, &clip[shape.tokens * 3 * d..]);
        }
        let kv = Mat::new(sum, 3 * d).columns_at(d, 2 * d);
        product(MatMut::new(dn, d), Into::Set, 1.0, kv, weights.qkv.matrix().rows_at(d, 2 * d));
        layer_norm::backward(weights.norm1.norm(shape.eps), prompt, dn, gradient);
    });
}

/// One tile's rows from the gradient of packed queries, keys and values to the input's.
struct InputTile<'a> {
    x: &'a [f32],
    dqkv: Mat<'a>,
    /// For as many rows as have a query.
    dx2: &'a [f32],
    n: &'a mut [f32],
    dx: &'a mut [f32],
    /// Of both low-rank updates, if they train.
    inner: &'a mut [f32],
    dinner: &'a mut [f32],
}

impl InputTile<'_> {
    fn backward(self, shape: &Shape, weights: &Block<&[f32]>, norm1: bool) -> NormGradient {
        let d = shape.hidden;
        let norm = weights.norm1.norm(shape.eps);
        if !self.n.is_empty() {
            layer_norm::forward(norm, self.x, self.n);
        }
        let (rows, queries) = (self.dqkv.rows(), self.dx2.len() / d);
        let rank = weights.lora.as_ref().map_or(0, |lora| lora.q.rank(d));
        let unkept = if self.dinner.is_empty() { rows * 2 * rank } else { 0 };
        with_scratch([unkept, self.x.len()], |[dinner, dn]| {
            let dinner = if self.dinner.is_empty() { dinner } else { self.dinner };
            if let Some(lora) = &weights.lora {
                if !self.inner.is_empty() {
                    let (q, v) = MatMut::new(self.inner, 2 * rank).split_columns(rank);
                    lora.q.inside(shape.lora_scale, Mat::new(self.n, d), q);
                    lora.v.inside(shape.lora_scale, Mat::new(self.n, d), v);
                }
                dinner.fill(0.0);
                let (q, v) = MatMut::new(dinner, 2 * rank).split_columns(rank);
                let (dq, dv) = (self.dqkv.columns_at(0, d).rows_at(0, queries), self.dqkv.columns_at(2 * d, d));
                product(q.split_rows(queries).0, Into::Set, shape.lora_scale, dq, lora.q.matrix(d));
                product(v, Into::Set, shape.lora_scale, dv, lora.v.matrix(d));
            }
            if self.dx.is_empty() && !norm1 {
                return None;
            }
            let matrix = weights.qkv.matrix();
            if queries == rows {
                product(MatMut::new(dn, d), Into::Set, 1.0, self.dqkv, matrix);
            } else {
                let dkv = self.dqkv.columns_at(d, 2 * d);
                product(MatMut::new(dn, d), Into::Set, 1.0, dkv, matrix.rows_at(d, 2 * d));
                let dq = self.dqkv.columns_at(0, d).rows_at(0, queries);
                product(MatMut::new(&mut dn[..queries * d], d), Into::Add, 1.0, dq, matrix.rows_at(0, d));
            }
            if let Some(lora) = &weights.lora {
                let dinner = Mat::new(dinner, 2 * rank);
                for (update, at) in [(&lora.q, 0), (&lora.v, rank)] {
                    let down = Mat::new(update.down, d);
                    product(MatMut::new(dn, d), Into::Add, 1.0, dinner.columns_at(at, rank), down);
                }
            }
            if !self.dx.is_empty() {
                let (kept, rest) = self.dx.split_at_mut(self.dx2.len());
                kept.copy_from_slice(self.dx2);
                rest.fill(0.0);
                layer_norm::backward(norm, self.x, dn, self.dx);
            }
            norm1.then(|| norm_gradient(shape, self.x, dn))
        })
    }
}

/// `dx = dy weight`, or `dx += dy weight`.
fn back(dx: &mut [f32], into: Into, dy: Mat<'_>, linear: &Linear<&[f32]>) {
    let matrix = linear.matrix();
    product(MatMut::new(dx, matrix.columns()), into, 1.0, dy, matrix);
}

/// Gradients of a LayerNorm's weight and bias from one tile of rows.
type NormGradient = Option<[Vec<f32>; 2]>;

fn norm_gradient(shape: &Shape, x: &[f32], dy: &[f32]) -> [Vec<f32>; 2] {
    let [mut weight, mut bias] = [vec![0.0; shape.hidden], vec![0.0; shape.hidden]];
    layer_norm::backward_weights(shape.eps, x, dy, &mut weight, &mut bias);
    [weight, bias]
}

/// Adds the tiles' parts in their order, so that the sum does not depend on which core was first.
fn add_norm(gradient: &mut Linear<Option<&mut [f32]>>, parts: &[NormGradient]) {
    for [weight, bias] in parts.iter().flatten() {
        if let Some(gradient) = &mut gradient.weight {
            columns::add(gradient, weight);
        }
        if let Some(gradient) = &mut gradient.bias {
            columns::add(gradient, bias);
        }
    }
}

/// Weight gradients waiting to be computed, cut by output so that cores share them without sharing a sum.
#[derive(Default)]
pub struct Jobs<'a>(Vec<Job<'a>>);

struct Job<'a> {
    /// (rows, outputs), of which those from `first` on, as many as there are gradients.
    dy: Mat<'a>,
    x: Mat<'a>,
    first: usize,
    weight: Option<&'a mut [f32]>,
    bias: Option<&'a mut [f32]>,
}

/// Outputs that a job takes: a multiple of every kernel's tile.
const OUTPUTS: usize = 96;

impl<'a> Jobs<'a> {
    /// Adds `dy^T x` to the weight's gradient and the column sums of `dy` to the bias's, where they train.
    pub fn push(&mut self, of: &'a mut Linear<Option<&mut [f32]>>, dy: Mat<'a>, x: Mat<'a>) {
        let Linear { weight, bias } = of;
        self.cut(weight.as_deref_mut(), bias.as_deref_mut(), dy, x);
    }

    /// The same for a layer without bias.
    pub fn push_weight(&mut self, weight: Option<&'a mut [f32]>, dy: Mat<'a>, x: Mat<'a>) {
        self.cut(weight, None, dy, x);
    }

    fn cut(&mut self, weight: Option<&'a mut [f32]>, bias: Option<&'a mut [f32]>, dy: Mat<'a>, x: Mat<'a>) {
        if weight.is_none() && bias.is_none() {
            return;
        }
        let (outputs, inputs) = (dy.columns(), x.columns());
        let step = outputs.div_ceil(rayon::current_num_threads().max(1)).next_multiple_of(OUTPUTS);
        let mut weight = weight.map(|weight| weight.chunks_mut(step * inputs));
        let mut bias = bias.map(|bias| bias.chunks_mut(step));
        for first in (0..outputs).step_by(step) {
            let weight = weight.as_mut().and_then(Iterator::next);
            let bias = bias.as_mut().and_then(Iterator::next);
            self.0.push(Job { dy, x, first, weight, bias });
        }
    }

    /// Computes them all.
    pub fn run(self) {
        self.0.into_par_iter().with_max_len(1).for_each(|job| {
            if let Some(bias) = job.bias {
                columns::add_sums(bias, job.dy, job.first);
            }
            if let Some(weight) = job.weight {
                let inputs = job.x.columns();
                let dy = job.dy.columns_at(job.first, weight.len() / inputs);
                product(MatMut::new(weight, inputs), Into::Add, 1.0, dy.t(), job.x);
            }
        });
    }
}
