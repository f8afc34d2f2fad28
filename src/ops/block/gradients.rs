//! Gradients of weights: sums over rows, cut so that each sum belongs to one core.

use rayon::prelude::*;

use super::{Linear, Shape};
use crate::ops::{
    columns, layer_norm,
    mat::{Into, Mat, MatMut, product},
    packed::round_row,
    parallel::with_scratch,
};

/// Gradients of a LayerNorm's weight and bias from one tile of rows.
pub(super) type NormGradient = Option<[Vec<f32>; 2]>;

pub(super) fn norm_gradient(shape: &Shape, x: &[f32], dy: &[f32]) -> [Vec<f32>; 2] {
    let [mut weight, mut bias] = [vec![0.0; shape.hidden], vec![0.0; shape.hidden]];
    layer_norm::backward_weights(shape.eps, x, dy, &mut weight, &mut bias);
    [weight, bias]
}

/// Adds the tiles' parts in order, so that the sum does not depend on which core was first.
pub(super) fn add_norm(gradient: &mut Linear<Option<&mut [f32]>>, parts: &[NormGradient]) {
    for [weight, bias] in parts.iter().flatten() {
        if let Some(gradient) = &mut gradient.weight {
            columns::add(gradient, weight);
        }
        if let Some(gradient) = &mut gradient.bias {
            columns::add(gradient, bias);
        }
    }
}

/// Weight gradients to compute, cut by output.
#[derive(Default)]
pub(super) struct Jobs<'a>(Vec<Job<'a>>);

struct Job<'a> {
    /// (rows, outputs), of which those from `first` on, as many as there are gradients.
    dy: Mat<'a>,
    x: Mat<'a>,
    first: usize,
    weight: Option<&'a mut [f32]>,
    bias: Option<&'a mut [f32]>,
    /// Whether the factors of the weight's gradient are rounded to bf16.
    bf16: bool,
}

/// Outputs that a job takes: a multiple of every kernel's tile.
const OUTPUTS: usize = 96;

impl<'a> Jobs<'a> {
    /// Adds `dy^T x` to the weight's gradient and the column sums of `dy` to the bias's, where they train.
    pub fn push(&mut self, of: &'a mut Linear<Option<&mut [f32]>>, dy: Mat<'a>, x: Mat<'a>) {
        self.push_own(false, of, dy, x);
    }

    /// The same for one of a block's own matrices, from factors rounded to bf16 if `bf16`.
    pub fn push_own(&mut self, bf16: bool, of: &'a mut Linear<Option<&mut [f32]>>, dy: Mat<'a>, x: Mat<'a>) {
        let Linear { weight, bias } = of;
        self.cut(weight.as_deref_mut(), bias.as_deref_mut(), dy, x, bf16);
    }

    /// The same for a layer without bias.
    pub fn push_weight(&mut self, weight: Option<&'a mut [f32]>, dy: Mat<'a>, x: Mat<'a>) {
        self.cut(weight, None, dy, x, false);
    }

    fn cut(&mut self, weight: Option<&'a mut [f32]>, bias: Option<&'a mut [f32]>, dy: Mat<'a>, x: Mat<'a>, bf16: bool) {
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
            self.0.push(Job { dy, x, first, weight, bias, bf16 });
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
                if job.bf16 {
                    add_rounded(MatMut::new(weight, inputs), dy, job.x);
                } else {
                    product(MatMut::new(weight, inputs), Into::Add, 1.0, dy.t(), job.x);
                }
            }
        });
    }
}

/// `out += dy^T x` of values rounded to bf16.
fn add_rounded(out: MatMut<'_>, dy: Mat<'_>, x: Mat<'_>) {
    with_scratch([dy.rows() * dy.columns(), x.rows() * x.columns()], |[rounded_dy, rounded_x]| {
        for (from, to) in [(dy, &mut *rounded_dy), (x, &mut *rounded_x)] {
            for (row, to) in to.chunks_exact_mut(from.columns().max(1)).enumerate() {
                round_row(from.row(row), to);
            }
        }
        let (dy, x) = (Mat::new(rounded_dy, dy.columns()), Mat::new(rounded_x, x.columns()));
        product(out, Into::Add, 1.0, dy.t(), x);
    });
}
