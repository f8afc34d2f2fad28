//! What a backward pass has found, by parameter.

use std::collections::HashMap;

use candle_core::Tensor;

use super::{Result, weights::Weights};
use crate::{
    model::{ModelError, ParamStore},
    ops::fused::{Normed, column_sums, matrix_gradient, norm_sums},
};

/// Gradients of what trains; what does not is passed by.
#[derive(Default)]
pub(super) struct Gradients(HashMap<String, Tensor>);

impl Gradients {
    /// Takes a parameter's gradient, of any type, in the parameter's shape and type.
    pub fn put(&mut self, weights: &Weights<'_>, name: &str, gradient: &Tensor) -> Result<()> {
        if let Some((spec, var)) = weights.store.entry(name).filter(|(spec, _)| spec.trains) {
            let gradient = gradient.reshape(spec.shape.as_slice())?.to_dtype(var.dtype())?;
            self.0.insert(name.to_owned(), gradient);
        }
        Ok(())
    }

    /// Of a layer's matrix and bias, from its result's gradient (rows, out) and its input (rows, in).
    pub fn linear(&mut self, weights: &Weights<'_>, name: &str, grad: &Tensor, x: Option<&Tensor>) -> Result<()> {
        self.matrix(weights, &format!("{name}.weight"), grad, x)?;
        self.bias(weights, &format!("{name}.bias"), grad)
    }

    /// Of a matrix alone.
    pub fn matrix(&mut self, weights: &Weights<'_>, name: &str, grad: &Tensor, x: Option<&Tensor>) -> Result<()> {
        if !weights.trains(name) {
            return Ok(());
        }
        let x = x.ok_or_else(|| ModelError::Shape(format!("the input of {name} was not kept")))?;
        let gradient = matrix_gradient(grad, x, weights.get(name)?.dtype())?;
        self.put(weights, name, &gradient)
    }

    /// Of a bias (out) from its layer's result's gradient (rows, out).
    pub fn bias(&mut self, weights: &Weights<'_>, name: &str, grad: &Tensor) -> Result<()> {
        if !weights.trains(name) {
            return Ok(());
        }
        let sums = column_sums(grad, &weights.get(name)?)?;
        self.put(weights, name, &sums)
    }

    /// Of a LayerNorm's weight and bias, from its result's gradient.
    pub fn norm(&mut self, weights: &Weights<'_>, name: &str, through: &Tensor, normed: &Normed) -> Result<()> {
        let names = [format!("{name}.weight"), format!("{name}.bias")];
        if !names.iter().any(|name| weights.trains(name)) {
            return Ok(());
        }
        for (name, sums) in names.iter().zip(norm_sums(through, normed)?) {
            self.put(weights, name, &sums)?;
        }
        Ok(())
    }

    /// All of them, in the store's order.
    pub fn in_order(mut self, store: &ParamStore) -> Result<Vec<Tensor>> {
        let all = store.trainable().map(|(spec, _)| {
            self.0.remove(&spec.name).ok_or_else(|| ModelError::Shape(format!("{} received no gradient", spec.name)))
        });
        all.collect()
    }
}
