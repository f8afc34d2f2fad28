//! The backward pass of a block's first half: attention, qkv, its low-rank updates, norm1 and prompts.

use rayon::prelude::*;

use super::{
    Gradients, Needs, Shape, Tape, Weights, Workspace,
    forward::{ROWS, groups},
    gradients::{Jobs, NormGradient, add_norm, norm_gradient},
    layers::Backwards,
};
use crate::ops::{
    attention, columns, layer_norm,
    mat::{Into, Mat, MatMut, product},
    packed::{Start, multiply},
    parallel::{Rows, tile_rows, tiles, with_scratch},
};

/// From the gradient of attention's output, in the workspace, to that of the block's input.
pub(super) fn attention_backward(
    shape: &Shape,
    weights: &Weights<'_>,
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
    heads_backward(shape, qkv, dmixed, lse);
    let dqkv = qkv;
    if let (Some(gradient), Some(prompt)) = (gradients.prompt.as_mut().and_then(Option::as_deref_mut), weights.prompt) {
        prompt_backward(shape, weights, prompt, dqkv, gradient);
    }

    if needs.lora || gradients.qkv.weight.is_some() || gradients.qkv.bias.is_some() {
        // Tokens that are dropped after attention have no query.
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
    jobs.push_own(weights.matrices.bf16, &mut gradients.qkv, dqkv, n);
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
fn heads_backward(shape: &Shape, qkv: &mut [f32], dmixed: &[f32], lse: &[f32]) {
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

/// Prompts are shared by the whole batch: the gradients of their keys and values are summed over the clips first.
fn prompt_backward(shape: &Shape, weights: &Weights<'_>, prompt: &[f32], dqkv: &[f32], gradient: &mut [f32]) {
    let (d, prompts) = (shape.hidden, prompt.len() / shape.hidden);
    with_scratch([prompts * 3 * d, prompts * d], |[sum, dn]| {
        sum.fill(0.0);
        for clip in dqkv.chunks_exact((shape.tokens + prompts) * 3 * d) {
            columns::add(sum, &clip[shape.tokens * 3 * d..]);
        }
        let kv = Mat::new(sum, 3 * d).columns_at(d, 2 * d);
        multiply(MatMut::new(dn, d), Start::Zeros, kv, &Backwards::of(weights).qkv.rows_at(d, 2 * d));
        layer_norm::backward(weights.norm1.norm(shape.eps), prompt, dn, gradient);
    });
}

/// One tile of rows from the gradient of packed queries, keys and values to that of the input.
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
    fn backward(self, shape: &Shape, weights: &Weights<'_>, norm1: bool) -> NormGradient {
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
            let matrix = Backwards::of(weights).qkv;
            if queries == rows {
                multiply(MatMut::new(dn, d), Start::Zeros, self.dqkv, &matrix);
            } else {
                let dkv = self.dqkv.columns_at(d, 2 * d);
                multiply(MatMut::new(dn, d), Start::Zeros, dkv, &matrix.rows_at(d, 2 * d));
                let dq = self.dqkv.columns_at(0, d).rows_at(0, queries);
                multiply(MatMut::new(&mut dn[..queries * d], d), Start::There, dq, &matrix.rows_at(0, d));
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
