//! The forward pass of one block.

use rayon::prelude::*;

use super::{
    Linear, LowRank, Needs, Saved, Shape, Squares, Tape, Weights, Widths, Workspace,
    layers::{Layer, Layers, OfGelu, add_adapter},
    saved::OfMlp,
};
use crate::ops::{
    attention, columns,
    layer_norm::{self, LayerNorm},
    mat::{Into, Mat, MatMut, product},
    packed::{Start, multiply},
    parallel::{Rows, tile_rows, tiles, with_scratch},
};

/// Rows that a core takes through a chain of kernels at a time: enough that packing a weight, once per tile, is a small
/// part of the product.
pub(super) const ROWS: usize = 640;

impl<'a> Linear<&'a [f32]> {
    /// As a LayerNorm.
    pub(super) fn norm(&self, eps: f32) -> LayerNorm<'a> {
        LayerNorm { weight: self.weight, bias: self.bias, eps }
    }

    /// The weight (out, in).
    pub(super) fn matrix(&self) -> Mat<'a> {
        Mat::new(self.weight, self.weight.len() / self.bias.len().max(1))
    }

    /// Number of outputs.
    pub(super) fn outputs(&self) -> usize {
        self.bias.len()
    }
}

impl<'a> LowRank<&'a [f32]> {
    /// Its inner size, in a model of this hidden size.
    pub(super) fn rank(&self, d: usize) -> usize {
        self.down.len() / d
    }

    /// `inner = scale x down^T`.
    pub(super) fn inside(&self, scale: f32, x: Mat<'_>, inner: MatMut<'_>) {
        product(inner, Into::Set, scale, x, Mat::new(self.down, x.columns()).t());
    }

    /// `up` (D, rank).
    pub(super) fn matrix(&self, d: usize) -> Mat<'a> {
        Mat::new(self.up, self.rank(d))
    }

    /// `out += scale x down^T up^T`.
    fn add(&self, scale: f32, x: Mat<'_>, out: MatMut<'_>) {
        let (d, rank) = (x.columns(), self.rank(x.columns()));
        with_scratch([x.rows() * rank], |[inner]| {
            self.inside(scale, x, MatMut::new(inner, rank));
            product(out, Into::Add, 1.0, Mat::new(inner, rank), self.matrix(d).t());
        });
    }
}

/// `y` (batch, keep, D) from `x` (batch, tokens, D). With `kept`, saves there what backward needs; with `squares`,
/// measures the adapters' outputs.
pub fn forward(
    shape: &Shape,
    weights: &Weights<'_>,
    x: &[f32],
    y: &mut [f32],
    work: &mut Workspace,
    kept: Option<Saved<'_>>,
    squares: Option<&mut Squares>,
) {
    let mut nothing = Tape::default();
    let Saved { tape, needs } = kept.unwrap_or(Saved { tape: &mut nothing, needs: Needs::default() });
    let (d, rows) = (shape.hidden, shape.rows_out());
    let widths = Widths::of(weights, d);
    let (prompts, keys) = (widths.prompts, shape.tokens + widths.prompts);
    let kept = needs.lengths(shape, widths);

    let layers = Layers::of(weights);
    let qkv = if needs.attention { &mut tape.qkv } else { &mut work.qkv };
    let qkv = qkv.get(shape.batch * keys * 3 * d);
    project(shape, weights, &layers.qkv, x, tape.x.get(kept.x), qkv);
    if let Some(prompt) = weights.prompt {
        let [n, projected] = &mut work.prompts;
        let (n, projected) = (n.get(prompts * d), projected.get(prompts * 3 * d));
        layer_norm::forward(weights.norm1.norm(shape.eps), prompt, n);
        layers.qkv.apply(Mat::new(n, d), projected);
        for clip in qkv.chunks_exact_mut(keys * 3 * d) {
            clip[shape.tokens * 3 * d..].copy_from_slice(projected);
        }
    }
    let mixed = if needs.mixed { &mut tape.mixed } else { &mut work.mixed };
    let mixed = mixed.get(rows * d);
    attend(shape, qkv, mixed, tape.lse.get(kept.lse));

    // From here on rows are independent, and a tile of them goes all the way.
    let mut y = Rows::new(y, d);
    let mut h = Rows::new(tape.h.get(kept.h), d);
    let mut spatial_pre = Rows::new(tape.spatial_pre.get(kept.spatial_pre), widths.spatial);
    let mut x2 = Rows::new(tape.x2.get(kept.x2), d);
    let mut pre = Rows::new(tape.pre.get(kept.pre), widths.mlp);
    let mut slope = Rows::new(tape.slope.get(kept.slope), widths.mlp);
    let mut short_slope = Rows::new(tape.short_slope.get(kept.short_slope), widths.mlp);
    let mut adapter_pre = Rows::new(tape.adapter_pre.get(kept.adapter_pre), widths.adapter);
    let mixed = Mat::new(mixed, d);
    let measure = squares.is_some();
    let work: Vec<_> = tiles(rows, tile_rows(rows, ROWS))
        .map(|range| {
            let n = range.len();
            Tile {
                from: range.start,
                mixed: mixed.rows_at(range.start, n),
                y: y.take(n),
                h: h.take(n),
                spatial_pre: spatial_pre.take(n),
                x2: x2.take(n),
                mlp: match needs.of_mlp() {
                    OfMlp::Nothing => OfGelu::Nothing,
                    OfMlp::Input => OfGelu::Input(pre.take(n)),
                    OfMlp::Slope => OfGelu::Slope(slope.take(n)),
                    OfMlp::ShortSlope => OfGelu::ShortSlope(short_slope.take(n)),
                },
                adapter_pre: adapter_pre.take(n),
            }
        })
        .collect();
    let measured: Vec<Squares> =
        work.into_par_iter().with_max_len(1).map(|tile| tile.forward(shape, weights, &layers, x, measure)).collect();
    if let Some(squares) = squares {
        measured.into_iter().for_each(|tile| *squares += tile);
    }
}

/// Rows of a block's input that are cut into tiles together: those of one clip where clips are not contiguous (not
/// every row is kept, or prompts lie between), else all of them as if they were one clip.
pub(super) fn groups(shape: &Shape, prompts: usize) -> (usize, usize, usize) {
    if shape.keep == shape.tokens && prompts == 0 {
        (1, shape.rows_in(), shape.rows_in())
    } else {
        (shape.batch, shape.tokens, shape.keep)
    }
}

/// `qkv` of norm1(x): keys and values of every token, queries of the first `keep` of each clip.
fn project(shape: &Shape, weights: &Weights<'_>, layer: &Layer<'_>, x: &[f32], kept: &mut [f32], qkv: &mut [f32]) {
    let d = shape.hidden;
    let prompts = weights.prompt.map_or(0, |prompt| prompt.len() / d);
    let (clips, tokens, keep) = groups(shape, prompts);
    let height = tile_rows(tokens, ROWS);
    let mut kept = Rows::new(kept, d);
    let mut qkv = Rows::new(qkv, 3 * d);
    let mut work = Vec::new();
    for clip in 0..clips {
        for range in tiles(tokens, height) {
            let from = clip * tokens + range.start;
            let queries = keep.saturating_sub(range.start).min(range.len());
            let rows = range.len();
            work.push((&x[from * d..(from + rows) * d], kept.take(rows), qkv.take(rows), queries));
        }
        qkv.take(prompts);
    }
    work.into_par_iter().with_max_len(1).for_each(|(x, kept, qkv, queries)| {
        if !kept.is_empty() {
            kept.copy_from_slice(x);
        }
        with_scratch([x.len()], |[n]| {
            layer_norm::forward(weights.norm1.norm(shape.eps), x, n);
            let rows = x.len() / d;
            let n = Mat::new(n, d);
            if queries == rows {
                layer.apply(n, qkv);
            } else {
                let (q, kv) = MatMut::new(qkv, 3 * d).split_columns(d);
                multiply(kv, Start::Row(&layer.bias[d..]), n, &layer.weight.columns_at(d, 2 * d));
                let (q, n) = (q.split_rows(queries).0, n.rows_at(0, queries));
                multiply(q, Start::Row(&layer.bias[..d]), n, &layer.weight.columns_at(0, d));
            }
            if let Some(lora) = &weights.lora {
                let (q, kv) = MatMut::new(qkv, 3 * d).split_columns(d);
                lora.q.add(shape.lora_scale, n.rows_at(0, queries), q.split_rows(queries).0);
                lora.v.add(shape.lora_scale, n, kv.split_columns(d).1);
            }
        });
    });
}

/// Attention of every head of every clip.
fn attend(shape: &Shape, qkv: &[f32], mixed: &mut [f32], lse: &mut [f32]) {
    let (d, size) = (shape.hidden, shape.hidden / shape.heads);
    let mut lse = Rows::new(lse, shape.keep);
    let mut work = Vec::with_capacity(shape.batch * shape.heads);
    let clips = qkv.chunks_exact(qkv.len() / shape.batch.max(1));
    for (qkv, mixed) in clips.zip(mixed.chunks_exact_mut(shape.keep * d)) {
        let qkv = Mat::new(qkv, 3 * d);
        let mut mixed = MatMut::new(mixed, d);
        for head in 0..shape.heads {
            let (out, rest) = mixed.split_columns(size);
            mixed = rest;
            let [q, k, v] = [0, 1, 2].map(|part| qkv.columns_at(part * d + head * size, size));
            work.push((q.rows_at(0, shape.keep), k, v, out, lse.take(1)));
        }
    }
    work.into_par_iter().with_max_len(1).for_each(|(q, k, v, out, lse)| {
        with_scratch([attention::forward_scratch(q.rows(), k.rows(), size)], |[scratch]| {
            attention::forward(q, k, v, out, lse, scratch);
        });
    });
}

/// One tile of rows of everything after attention; an empty slice is not saved.
struct Tile<'a> {
    from: usize,
    mixed: Mat<'a>,
    y: &'a mut [f32],
    h: &'a mut [f32],
    spatial_pre: &'a mut [f32],
    x2: &'a mut [f32],
    mlp: OfGelu<'a>,
    adapter_pre: &'a mut [f32],
}

impl Tile<'_> {
    fn forward(self, shape: &Shape, weights: &Weights<'_>, layers: &Layers<'_>, x: &[f32], measure: bool) -> Squares {
        let Tile { from, mixed, y, h, spatial_pre, x2, mlp, adapter_pre } = self;
        let (d, rows) = (shape.hidden, mixed.rows());
        let mut squares = Squares::default();
        // y holds the residual stream throughout.
        copy_carried(shape, from, x, y);
        let unkept = if h.is_empty() { rows * d } else { 0 };
        with_scratch([unkept, rows * d, rows * weights.fc1.outputs()], |[scratch, n, act]| {
            let h = if h.is_empty() { scratch } else { h };
            layers.proj.apply(mixed, h);
            if measure {
                squares.x = columns::squares(y).into();
            }
            columns::add(y, h);
            if let Some(spatial) = &layers.spatial {
                squares.spatial = add_adapter(spatial, Mat::new(h, d), spatial_pre, y, measure);
            }
            if !x2.is_empty() {
                x2.copy_from_slice(y);
            }
            if measure {
                squares.x2 = columns::squares(y).into();
            }
            layer_norm::forward(weights.norm2.norm(shape.eps), y, n);
            let n = Mat::new(n, d);
            layers.fc1.apply_gelu(n, mlp, act);
            layers.fc2.add(Mat::new(act, weights.fc1.outputs()), y);
            if let Some(adapter) = &layers.adapter {
                squares.adapter = add_adapter(adapter, n, adapter_pre, y, measure);
            }
        });
        squares
    }
}

/// Copies to `to` the rows of `x` (batch, tokens, D) that correspond to the rows from `from` on after attention.
pub(super) fn copy_carried(shape: &Shape, from: usize, x: &[f32], to: &mut [f32]) {
    let d = shape.hidden;
    for (row, to) in to.chunks_exact_mut(d).enumerate() {
        let (clip, token) = ((from + row) / shape.keep, (from + row) % shape.keep);
        let at = (clip * shape.tokens + token) * d;
        to.copy_from_slice(&x[at..at + d]);
    }
}
