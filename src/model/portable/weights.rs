//! The weights as operations take them.

use candle_core::{DType, Device, Tensor};

use super::Result;
use crate::{
    model::{ModelError, ParamStore, Part, Precision},
    ops::portable::{gelu, layer_norm, linear, linear_in},
};

/// The weights as one pass sees them: the trainable ones in the graph, or none.
pub(in crate::model) struct Weights<'a> {
    pub(super) store: &'a ParamStore,
    pub(super) graph: bool,
    pub(super) precision: Precision,
}

impl<'a> Weights<'a> {
    /// A store's weights in single precision; with `graph` the trainable ones are in it.
    pub(in crate::model) fn new(store: &'a ParamStore, graph: bool) -> Self {
        Self { store, graph, precision: Precision::F32 }
    }
}

impl Weights<'_> {
    /// The weight of this name.
    pub(in crate::model) fn get(&self, name: &str) -> Result<Tensor> {
        let (spec, var) =
            self.store.entry(name).ok_or_else(|| ModelError::Shape(format!("the model has no parameter {name}")))?;
        Ok(if self.graph && spec.trains { var.as_tensor().clone() } else { var.as_detached_tensor() })
    }

    /// Whether there is one of this name.
    pub(in crate::model) fn has(&self, name: &str) -> bool {
        self.store.get(name).is_some()
    }

    /// The linear layer of this name applied to x (.., in).
    pub(in crate::model) fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        self.linear_with(name, x, &self.get(&format!("{name}.bias"))?)
    }

    /// The same with a bias of one's own.
    pub(super) fn linear_with(&self, name: &str, x: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let name = format!("{name}.weight");
        let of_block = self.store.entry(&name).is_some_and(|(spec, _)| spec.part == Part::Block);
        let product = match self.precision {
            Precision::Bf16 if of_block => DType::BF16,
            _ => x.dtype(),
        };
        Ok(linear_in(product, x, &self.get(&name)?, Some(bias))?)
    }

    /// The LayerNorm of this name.
    pub(super) fn norm(&self, name: &str, x: &Tensor, eps: f64) -> Result<Tensor> {
        let (weight, bias) = (self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?);
        Ok(layer_norm(x, &weight, &bias, eps)?)
    }

    /// up(GELU(down(x))): an adapter without any skip.
    pub(super) fn bottleneck(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let inner = gelu(&self.linear(&format!("{name}.down"), x)?)?;
        self.linear(&format!("{name}.up"), &inner)
    }

    /// up(down(x)), without biases.
    pub(super) fn low_rank(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let inner = linear(x, &self.get(&format!("{name}.down.weight"))?, None)?;
        Ok(linear(&inner, &self.get(&format!("{name}.up.weight"))?, None)?)
    }

    /// The type the weights have and computation is done in.
    pub(in crate::model) fn dtype(&self) -> DType {
        self.store.iter().next().map_or(DType::F32, |(_, var)| var.dtype())
    }

    /// Where they are.
    pub(in crate::model) fn device(&self) -> &Device {
        self.store.device()
    }
}
