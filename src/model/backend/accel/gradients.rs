//! What a backward pass has found, where it trains.

use candle_core::Tensor;

use super::{Result, weights::Weight};
use crate::{
    model::{ModelError, arch::Backbone},
    ops::{
        block::Linear,
        fused::{Normed, Pending, column_sums, matrix_gradient, norm_sums},
    },
};

/// Gradients of a part of a batch, and the sums of those of the parts before it in the arrangement's order.
pub(in crate::model) struct Found {
    pub part: Backbone<Option<Tensor>>,
    /// Sums in it that nothing may read before the part ends.
    pub pending: Pending,
    sums: Vec<Option<Tensor>>,
}

impl Found {
    /// Nothing yet.
    pub fn new(part: Backbone<Option<Tensor>>) -> Self {
        Self { part, pending: Pending::default(), sums: Vec::new() }
    }

    /// What was found of the part so far, which is forgotten.
    fn take(&mut self) -> Vec<Option<Tensor>> {
        let mut all = Vec::new();
        self.part.map_mut(|gradient| all.push(gradient.take()));
        all
    }

    /// A part begins.
    pub fn begin(&mut self) {
        self.pending.clear();
        self.take();
    }

    /// A part is done.
    pub fn end(&mut self) -> Result<()> {
        self.pending.finish()?;
        let part = self.take();
        if self.sums.is_empty() {
            self.sums = part;
            return Ok(());
        }
        for (sum, part) in self.sums.iter_mut().zip(part) {
            *sum = match (sum.take(), part) {
                (Some(sum), Some(part)) => Some((sum + part)?),
                (sum, part) => sum.or(part),
            };
        }
        Ok(())
    }

    /// All of them.
    pub fn sums(self) -> Vec<Option<Tensor>> {
        self.sums
    }
}

/// A parameter's gradient, if it trains.
pub(super) fn put(to: &mut Option<Tensor>, weight: &Weight, gradient: impl FnOnce() -> Result<Tensor>) -> Result<()> {
    if weight.trains {
        *to = Some(gradient()?.to_dtype(weight.kept.dtype())?);
    }
    Ok(())
}

/// Of a layer's matrix and bias, from its result's gradient (rows, out) and its input (rows, in).
pub(super) fn layer(
    to: &mut Linear<Option<Tensor>>,
    layer: &Linear<Weight>,
    grad: &Tensor,
    x: Option<&Tensor>,
    pending: &mut Pending,
) -> Result<()> {
    matrix(&mut to.weight, &layer.weight, grad, x)?;
    bias(&mut to.bias, &layer.bias, grad, pending)
}

/// Of a matrix alone.
pub(super) fn matrix(to: &mut Option<Tensor>, weight: &Weight, grad: &Tensor, x: Option<&Tensor>) -> Result<()> {
    put(to, weight, || {
        let x = x.ok_or_else(|| ModelError::Shape("the input of a layer that trains was not kept".to_owned()))?;
        Ok(matrix_gradient(grad, x, weight.kept.dtype())?)
    })
}

/// Of a bias (out) from its layer's result's gradient (rows, out).
pub(super) fn bias(to: &mut Option<Tensor>, weight: &Weight, grad: &Tensor, pending: &mut Pending) -> Result<()> {
    put(to, weight, || Ok(column_sums(grad, &weight.kept, pending)?))
}

/// Of a LayerNorm's weight and bias, from its result's gradient.
pub(super) fn norm(
    to: &mut Linear<Option<Tensor>>,
    layer: &Linear<Weight>,
    through: &Tensor,
    normed: &Normed,
    pending: &mut Pending,
) -> Result<()> {
    if !layer.weight.trains && !layer.bias.trains {
        return Ok(());
    }
    let [of_weight, of_bias] = norm_sums(through, normed, pending)?;
    put(&mut to.weight, &layer.weight, || Ok(of_weight))?;
    put(&mut to.bias, &layer.bias, || Ok(of_bias))
}
