//! The weights of one step, as products take them.

use std::collections::HashMap;

use candle_core::{DType, Tensor, TensorId};

use super::Result;
use crate::{
    model::{
        ModelError, ParamStore,
        arch::{Backbone, Names},
    },
    ops::{
        block::Linear,
        fused::{LayerNorm, product_onto, rounded},
    },
};

/// One tensor of the network.
pub(in crate::model) struct Weight {
    /// As it is kept.
    pub kept: Tensor,
    /// Of the activations' type, if it is a block's matrix.
    product: Tensor,
    pub trains: bool,
}

/// Those of a backbone.
pub(in crate::model) struct Weights {
    pub backbone: Backbone<Weight>,
    /// Of activations and products.
    pub dtype: DType,
}

/// Frozen matrices in the activations' type: rounded once, for they never change.
#[derive(Default)]
pub(super) struct Rounded(HashMap<TensorId, Tensor>);

impl Weights {
    /// A store's, with blocks' matrices of the type `dtype`.
    pub(super) fn of(names: &Backbone<Names>, store: &ParamStore, dtype: DType, frozen: &mut Rounded) -> Result<Self> {
        let mut backbone = names.try_map(|names| Weight::of(names, store))?;
        let mut trained = Vec::new();
        for (block, names) in backbone.blocks.iter_mut().zip(&names.blocks) {
            let mut names = names.list().into_iter();
            let mut failed = None;
            block.map_mut(|weight| {
                let id = names.next().and_then(|names| store.get(names.all().first()?)).map(|var| var.id());
                if weight.trains {
                    trained.extend(weight.is_rounded_to(dtype).then(|| weight.kept.clone()));
                } else {
                    failed = failed.take().or(weight.round(dtype, id, frozen).err());
                }
            });
            failed.map_or(Ok(()), Err)?;
        }
        let mut rounded = rounded(&trained, dtype)?.into_iter();
        for block in &mut backbone.blocks {
            block.map_mut(|weight| {
                if weight.trains && weight.is_rounded_to(dtype) {
                    weight.product = rounded.next().unwrap_or_else(|| weight.kept.clone());
                }
            });
        }
        Ok(Self { backbone, dtype })
    }
}

impl Weight {
    fn of(names: &Names, store: &ParamStore) -> Result<Self> {
        let entry = |name: &str| {
            let (spec, var) =
                store.entry(name).ok_or_else(|| ModelError::Shape(format!("the model has no parameter {name}")))?;
            Ok::<_, ModelError>((spec.trains, var.as_detached_tensor()))
        };
        let (trains, parts): (Vec<bool>, Vec<Tensor>) =
            names.all().iter().map(|name| entry(name)).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let (trains, kept) = (trains.contains(&true), names.pack_tensors(&parts)?);
        Ok(Self { product: kept.clone(), kept, trains })
    }

    /// Whether products take it in this other type.
    fn is_rounded_to(&self, dtype: DType) -> bool {
        self.kept.rank() == 2 && self.kept.dtype() != dtype
    }

    /// Gives a frozen matrix its form for products.
    fn round(&mut self, dtype: DType, id: Option<TensorId>, frozen: &mut Rounded) -> Result<()> {
        if !self.is_rounded_to(dtype) {
            return Ok(());
        }
        if let Some(rounded) = id.and_then(|id| frozen.0.get(&id)) {
            self.product = rounded.clone();
            return Ok(());
        }
        self.product = self.kept.to_dtype(dtype)?;
        if let Some(id) = id {
            frozen.0.insert(id, self.product.clone());
        }
        Ok(())
    }

    /// x (rows, in) times this matrix (out, in): (rows, out).
    pub fn times(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(&self.product.t()?)?)
    }

    /// The same added to what is there, (rows, out), which has to be the caller's alone.
    pub fn times_onto(&self, to: Tensor, x: &Tensor) -> Result<Tensor> {
        Ok(product_onto(to, x, &self.product.t()?)?)
    }

    /// The gradient of x from that of the product, (rows, out).
    pub fn back(&self, grad: &Tensor) -> Result<Tensor> {
        Ok(grad.matmul(&self.product)?)
    }

    /// The same added to what is there, (rows, in), which has to be the caller's alone.
    pub fn back_onto(&self, to: Tensor, grad: &Tensor) -> Result<Tensor> {
        Ok(product_onto(to, grad, &self.product)?)
    }
}

/// A LayerNorm's parameters.
pub(super) fn norm(layer: &Linear<Weight>, eps: f64) -> LayerNorm {
    LayerNorm { weight: layer.weight.kept.clone(), bias: layer.bias.kept.clone(), eps }
}
