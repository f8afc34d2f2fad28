//! The final norm, pooling and the classification head.

use std::{collections::HashMap, ops::Range};

use super::{Result, weights::Weights};
use crate::{
    model::ModelConfig,
    ops::{
        Mat, MatMut,
        block::Shape,
        columns,
        layer_norm::{self, LayerNorm},
        mat::{Into, product},
    },
};

/// What the backward pass needs of the forward pass; small beside a block's.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// The pooled tokens before the final norm, (batch, pooled, D).
    tokens: Vec<f32>,
    /// Their place in the (batch, keep, D) they came from.
    shape: Option<(Shape, Range<usize>)>,
    /// After pooling, (batch, D).
    pooled: Vec<f32>,
    /// After the head's norm, (batch, D).
    normed: Vec<f32>,
    /// The gradient of what came in, (batch, keep, D).
    dtokens: Vec<f32>,
}

fn norm<'a>(weights: &Weights<'a>, name: &str, eps: f64) -> Result<LayerNorm<'a>> {
    let [weight, bias] = ["weight", "bias"].map(|part| weights.get(&format!("{name}.{part}")));
    Ok(LayerNorm { weight: weight?, bias: bias?, eps: eps as f32 })
}

impl Head {
    /// Logits (batch, classes) of tokens (batch, keep, D), of which those in `pooled` are averaged.
    pub(super) fn forward(
        &mut self,
        config: &ModelConfig,
        weights: &Weights<'_>,
        tokens: &[f32],
        shape: &Shape,
        pooled: Range<usize>,
    ) -> Result<Vec<f32>> {
        let d = shape.hidden;
        self.tokens.clear();
        for clip in tokens.chunks_exact(shape.keep * d) {
            self.tokens.extend_from_slice(&clip[pooled.start * d..pooled.end * d]);
        }
        let mut normed = vec![0.0; self.tokens.len()];
        layer_norm::forward(norm(weights, "norm", config.norm_eps)?, &self.tokens, &mut normed);
        self.pooled.clear();
        self.pooled.resize(shape.batch * d, 0.0);
        let share = 1.0 / pooled.len() as f32;
        for (mean, clip) in self.pooled.chunks_exact_mut(d).zip(normed.chunks_exact(pooled.len() * d)) {
            columns::add_sums(mean, Mat::new(clip, d), 0);
            mean.iter_mut().for_each(|mean| *mean *= share);
        }
        self.shape = Some((*shape, pooled));
        self.normed.resize(shape.batch * d, 0.0);
        layer_norm::forward(norm(weights, "head.norm", config.head_eps)?, &self.pooled, &mut self.normed);
        let mut logits = vec![0.0; shape.batch * config.classes];
        columns::fill(&mut logits, weights.get("head.linear.bias")?);
        let matrix = Mat::new(weights.get("head.linear.weight")?, d);
        product(MatMut::new(&mut logits, config.classes), Into::Add, 1.0, Mat::new(&self.normed, d), matrix.t());
        Ok(logits)
    }

    /// Adds the gradients of what trains here, and gives that of the tokens, (batch, keep, D).
    pub(super) fn backward(
        &mut self,
        config: &ModelConfig,
        weights: &Weights<'_>,
        dlogits: &[f32],
        gradients: &mut HashMap<&str, &mut [f32]>,
    ) -> Result<&[f32]> {
        let Some((shape, pooled)) = self.shape.take() else { return Ok(&[]) };
        let d = shape.hidden;
        let dlogits = Mat::new(dlogits, config.classes);
        if let Some(gradient) = gradients.get_mut("head.linear.bias") {
            columns::add_sums(gradient, dlogits, 0);
        }
        if let Some(gradient) = gradients.get_mut("head.linear.weight") {
            product(MatMut::new(gradient, d), Into::Add, 1.0, dlogits.t(), Mat::new(&self.normed, d));
        }
        let mut dnormed = vec![0.0; shape.batch * d];
        let matrix = Mat::new(weights.get("head.linear.weight")?, d);
        product(MatMut::new(&mut dnormed, d), Into::Set, 1.0, dlogits, matrix);
        let norm_of_head = norm(weights, "head.norm", config.head_eps)?;
        add_norm("head.norm", norm_of_head.eps, &self.pooled, &dnormed, gradients);
        let mut dpooled = vec![0.0; shape.batch * d];
        layer_norm::backward(norm_of_head, &self.pooled, &dnormed, &mut dpooled);

        // Every pooled token has an equal share of the mean's gradient.
        let share = 1.0 / pooled.len() as f32;
        dpooled.iter_mut().for_each(|gradient| *gradient *= share);
        let mut dmean = Vec::with_capacity(self.tokens.len());
        for clip in dpooled.chunks_exact(d) {
            (0..pooled.len()).for_each(|_| dmean.extend_from_slice(clip));
        }
        let final_norm = norm(weights, "norm", config.norm_eps)?;
        add_norm("norm", final_norm.eps, &self.tokens, &dmean, gradients);
        self.dtokens.clear();
        self.dtokens.resize(shape.batch * shape.keep * d, 0.0);
        let clips = self.dtokens.chunks_exact_mut(shape.keep * d);
        let length = pooled.len() * d;
        for ((clip, tokens), dmean) in clips.zip(self.tokens.chunks_exact(length)).zip(dmean.chunks_exact(length)) {
            layer_norm::backward(final_norm, tokens, dmean, &mut clip[pooled.start * d..pooled.end * d]);
        }
        Ok(&self.dtokens)
    }
}

/// Adds the gradients of a LayerNorm's weight and bias, where they train.
fn add_norm(name: &str, eps: f32, x: &[f32], dy: &[f32], gradients: &mut HashMap<&str, &mut [f32]>) {
    let names = [format!("{name}.weight"), format!("{name}.bias")];
    let Some(d) = names.iter().find_map(|name| gradients.get(name.as_str()).map(|gradient| gradient.len())) else {
        return;
    };
    let parts = [&mut vec![0.0; d], &mut vec![0.0; d]];
    let [weight, bias] = parts;
    layer_norm::backward_weights(eps, x, dy, weight, bias);
    for (name, part) in names.iter().zip([weight, bias]) {
        if let Some(gradient) = gradients.get_mut(name.as_str()) {
            columns::add(gradient, part);
        }
    }
}
