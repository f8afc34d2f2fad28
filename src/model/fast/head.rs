//! The classification head: LayerNorm and a linear layer, on one vector for each clip.

use std::collections::HashMap;

use super::{Result, weights::Weights};
use crate::{
    model::ModelConfig,
    ops::{
        Mat, MatMut, columns, layer_norm,
        mat::{Into, product},
    },
};

/// What the backward pass needs of the forward pass.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// What the head answers to, (batch, D).
    pooled: Vec<f32>,
    /// After the head's norm, where it has one, (batch, D).
    normed: Vec<f32>,
}

impl Head {
    /// Where the pooled vectors of `batch` clips are to be written, (batch, D).
    pub(super) fn pooled(&mut self, batch: usize, hidden: usize) -> &mut [f32] {
        self.pooled.clear();
        self.pooled.resize(batch * hidden, 0.0);
        &mut self.pooled
    }

    /// The pooled vectors as they were written.
    pub(super) fn last(&self) -> &[f32] {
        &self.pooled
    }

    /// Logits (batch, classes) of the pooled vectors.
    pub(super) fn forward(&mut self, config: &ModelConfig, weights: &Weights<'_>) -> Result<Vec<f32>> {
        let d = config.hidden;
        let batch = self.pooled.len() / d;
        if config.head_norm {
            self.normed.resize(batch * d, 0.0);
            layer_norm::forward(weights.norm("head.norm", config.head_eps)?, &self.pooled, &mut self.normed);
        } else {
            self.normed.clone_from(&self.pooled);
        }
        let mut logits = vec![0.0; batch * config.classes];
        columns::fill(&mut logits, weights.get("head.linear.bias")?);
        let matrix = Mat::new(weights.get("head.linear.weight")?, d);
        product(MatMut::new(&mut logits, config.classes), Into::Add, 1.0, Mat::new(&self.normed, d), matrix.t());
        Ok(logits)
    }

    /// Adds the gradients of what trains here, and gives that of the pooled vectors, (batch, D), if it is wanted.
    pub(super) fn backward(
        &self,
        config: &ModelConfig,
        weights: &Weights<'_>,
        dlogits: &[f32],
        wanted: bool,
        gradients: &mut HashMap<&str, &mut [f32]>,
    ) -> Result<Vec<f32>> {
        let d = config.hidden;
        let dlogits = Mat::new(dlogits, config.classes);
        if let Some(gradient) = gradients.get_mut("head.linear.bias") {
            columns::add_sums(gradient, dlogits, 0);
        }
        if let Some(gradient) = gradients.get_mut("head.linear.weight") {
            product(MatMut::new(gradient, d), Into::Add, 1.0, dlogits.t(), Mat::new(&self.normed, d));
        }
        let mut dnormed = vec![0.0; self.pooled.len()];
        let matrix = Mat::new(weights.get("head.linear.weight")?, d);
        product(MatMut::new(&mut dnormed, d), Into::Set, 1.0, dlogits, matrix);
        if !config.head_norm {
            return Ok(if wanted { dnormed } else { Vec::new() });
        }
        let norm = weights.norm("head.norm", config.head_eps)?;
        let mut parts = [vec![0.0; d], vec![0.0; d]];
        let [weight, bias] = &mut parts;
        layer_norm::backward_weights(norm.eps, &self.pooled, &dnormed, weight, bias);
        add_norm("head.norm", &parts, gradients);
        if !wanted {
            return Ok(Vec::new());
        }
        let mut dpooled = vec![0.0; self.pooled.len()];
        layer_norm::backward(norm, &self.pooled, &dnormed, &mut dpooled);
        Ok(dpooled)
    }
}

/// Adds to the gradients of a LayerNorm's weight and bias, where they train.
pub(super) fn add_norm(name: &str, parts: &[Vec<f32>; 2], gradients: &mut HashMap<&str, &mut [f32]>) {
    for (kind, part) in ["weight", "bias"].into_iter().zip(parts) {
        if let Some(gradient) = gradients.get_mut(format!("{name}.{kind}").as_str()) {
            columns::add(gradient, part);
        }
    }
}
