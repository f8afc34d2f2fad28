//! The classification head: a linear layer, after a LayerNorm in most models, on one vector for each clip. It is small, and the loss is on the
//! host anyway, so it is computed there whatever the device.

use super::Result;
use crate::{
    model::{
        ModelError, ParamStore,
        arch::{self, Head, Names},
        store::to_host,
    },
    ops::{
        Mat, MatMut,
        block::Linear,
        columns,
        layer_norm::{self, LayerNorm},
        mat::{Into, product},
    },
};

/// Gradients of what trains of a head.
pub(super) type HeadGradients = Head<Option<Vec<f32>>>;

/// A head's weights in main memory, and what of them trains.
pub(super) struct HostHead {
    weights: Head<Vec<f32>>,
    trains: Head<bool>,
    eps: f32,
}

impl HostHead {
    /// Reads them.
    pub fn of(names: &Head<Names>, store: &ParamStore, eps: f64) -> Result<Self> {
        let weights = names.try_map(&mut |names| {
            let var = names.all().first().and_then(|name| store.get(name));
            let var = var.ok_or_else(|| ModelError::Shape(format!("the model has no parameter {:?}", names.all())))?;
            to_host(&var.as_detached_tensor())
        })?;
        Ok(Self { weights, trains: names.map(arch::trains(store)), eps: eps as f32 })
    }

    fn norm(&self) -> Option<LayerNorm<'_>> {
        let norm = self.weights.norm.as_ref()?;
        Some(LayerNorm { weight: &norm.weight, bias: &norm.bias, eps: self.eps })
    }

    /// The linear layer's matrix (classes, D).
    fn matrix(&self) -> Mat<'_> {
        Mat::new(&self.weights.linear.weight, self.weights.linear.weight.len() / self.weights.linear.bias.len())
    }

    /// Logits (batch, classes) of pooled vectors (batch, D), and these after the head's norm, if it has one, which
    /// [`backward`](Self::backward) needs.
    pub fn forward(&self, pooled: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (bias, matrix) = (&self.weights.linear.bias, self.matrix());
        let d = matrix.columns();
        let mut normed = pooled.to_vec();
        if let Some(norm) = self.norm() {
            layer_norm::forward(norm, pooled, &mut normed);
        }
        let mut logits = vec![0.0; pooled.len() / d * bias.len()];
        columns::fill(&mut logits, bias);
        product(MatMut::new(&mut logits, bias.len()), Into::Add, 1.0, Mat::new(&normed, d), matrix.t());
        (logits, normed)
    }

    /// Room for the gradients of what trains.
    pub fn gradients(&self) -> HeadGradients {
        let mut trains = self.trains.list().into_iter();
        self.weights.map(|values| trains.next().is_some_and(|trains| *trains).then(|| vec![0.0; values.len()]))
    }

    /// The gradients of what trains here, and that of the pooled vectors, (batch, D), if it is wanted.
    pub fn backward(
        &self,
        pooled: &[f32],
        normed: &[f32],
        dlogits: &[f32],
        wanted: bool,
    ) -> (HeadGradients, Option<Vec<f32>>) {
        let (mut gradients, matrix) = (self.gradients(), self.matrix());
        let (d, dlogits) = (matrix.columns(), Mat::new(dlogits, matrix.rows()));
        if let Some(gradient) = &mut gradients.linear.bias {
            columns::add_sums(gradient, dlogits, 0);
        }
        if let Some(gradient) = &mut gradients.linear.weight {
            product(MatMut::new(gradient, d), Into::Add, 1.0, dlogits.t(), Mat::new(normed, d));
        }
        let mut dnormed = vec![0.0; pooled.len()];
        product(MatMut::new(&mut dnormed, d), Into::Set, 1.0, dlogits, matrix);
        let (Some(norm), Some(of_norm)) = (self.norm(), &mut gradients.norm) else {
            return (gradients, wanted.then_some(dnormed));
        };
        let [mut weight, mut bias] = [vec![0.0; d], vec![0.0; d]];
        layer_norm::backward_weights(norm.eps, pooled, &dnormed, &mut weight, &mut bias);
        add_layer(of_norm, &Linear { weight: Some(weight), bias: Some(bias) });
        let towards = wanted.then(|| {
            let mut dpooled = vec![0.0; pooled.len()];
            layer_norm::backward(norm, pooled, &dnormed, &mut dpooled);
            dpooled
        });
        (gradients, towards)
    }
}

/// Adds a part's gradients to those of the parts before it.
pub(super) fn add(sum: &mut HeadGradients, part: &HeadGradients) {
    if let (Some(sum), Some(part)) = (&mut sum.norm, &part.norm) {
        add_layer(sum, part);
    }
    add_layer(&mut sum.linear, &part.linear);
}

fn add_layer(sum: &mut Linear<Option<Vec<f32>>>, part: &Linear<Option<Vec<f32>>>) {
    for (sum, part) in [(&mut sum.weight, &part.weight), (&mut sum.bias, &part.bias)] {
        if let (Some(sum), Some(part)) = (sum, part) {
            columns::add(sum, part);
        }
    }
}
