//! The weights of one pass, as products take them.

use std::collections::HashMap;

use candle_core::{DType, Tensor, TensorId};

use super::Result;
use crate::{
    model::{ModelError, ParamStore},
    ops::fused::{LayerNorm, product_onto},
};

/// Matrices in the activations' type.
#[derive(Default)]
pub(super) struct Rounded {
    /// Rounded once, for they never change.
    frozen: HashMap<TensorId, Tensor>,
    /// Of the pass that goes on, there and back.
    training: HashMap<TensorId, Tensor>,
}

impl Rounded {
    /// A pass begins: what trains may have changed.
    pub fn begin(&mut self) {
        self.training.clear();
    }
}

/// A store during one pass.
pub(super) struct Weights<'a> {
    pub store: &'a ParamStore,
    /// Of activations and products.
    pub dtype: DType,
    pub rounded: &'a mut Rounded,
}

impl Weights<'_> {
    /// The parameter of this name as it is kept.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        self.store
            .get(name)
            .map(|var| var.as_detached_tensor())
            .ok_or_else(|| ModelError::Shape(format!("the model has no parameter {name}")))
    }

    /// Whether it trains.
    pub fn trains(&self, name: &str) -> bool {
        self.store.entry(name).is_some_and(|(spec, _)| spec.trains)
    }

    /// A matrix (out, in) of the activations' type.
    pub fn matrix(&mut self, name: &str) -> Result<Tensor> {
        let (spec, var) =
            self.store.entry(name).ok_or_else(|| ModelError::Shape(format!("the model has no parameter {name}")))?;
        if var.dtype() == self.dtype {
            return Ok(var.as_detached_tensor());
        }
        let known = if spec.trains { &mut self.rounded.training } else { &mut self.rounded.frozen };
        if let Some(rounded) = known.get(&var.id()) {
            return Ok(rounded.clone());
        }
        let rounded = var.as_detached_tensor().to_dtype(self.dtype)?;
        known.insert(var.id(), rounded.clone());
        Ok(rounded)
    }

    /// x (rows, in) times the layer's matrix, without its bias: (rows, out).
    pub fn product(&mut self, name: &str, x: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(&self.matrix(&format!("{name}.weight"))?.t()?)?)
    }

    /// The same added to what is there, (rows, out), which has to be the caller's alone.
    pub fn product_onto(&mut self, to: Tensor, name: &str, x: &Tensor) -> Result<Tensor> {
        Ok(product_onto(to, x, &self.matrix(&format!("{name}.weight"))?.t()?)?)
    }

    /// The gradient of x from that of the product, (rows, out).
    pub fn back(&mut self, name: &str, grad: &Tensor) -> Result<Tensor> {
        Ok(grad.matmul(&self.matrix(&format!("{name}.weight"))?)?)
    }

    /// The same added to what is there, (rows, in), which has to be the caller's alone.
    pub fn back_onto(&mut self, to: Tensor, name: &str, grad: &Tensor) -> Result<Tensor> {
        Ok(product_onto(to, grad, &self.matrix(&format!("{name}.weight"))?)?)
    }

    /// The bias of a layer.
    pub fn bias(&self, name: &str) -> Result<Tensor> {
        self.get(&format!("{name}.bias"))
    }

    /// The LayerNorm of this name.
    pub fn norm(&self, name: &str, eps: f64) -> Result<LayerNorm> {
        Ok(LayerNorm { weight: self.get(&format!("{name}.weight"))?, bias: self.bias(name)?, eps })
    }
}
