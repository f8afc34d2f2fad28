//! A store's weights as plain memory, for as long as a step lasts.

use std::{collections::HashMap, ops::Deref};

use candle_core::{CpuStorage, Layout, Storage};

use super::Result;
use crate::{
    model::{ModelError, ParamStore},
    ops::layer_norm::LayerNorm,
};

/// The weights, held against writing.
pub(super) struct Held<'a, G>(Vec<(&'a str, G, &'a Layout)>);

/// The weights by name.
pub(in crate::model) struct Weights<'a>(HashMap<&'a str, &'a [f32]>);

impl Weights<'_> {
    /// Takes hold of a store's weights.
    pub(super) fn of(store: &ParamStore) -> Held<'_, impl Deref<Target = Storage>> {
        let held = store.iter().map(|(spec, var)| {
            let (storage, layout) = var.storage_and_layout();
            (spec.name.as_str(), storage, layout)
        });
        Held(held.collect())
    }
}

impl<G: Deref<Target = Storage>> Held<'_, G> {
    /// Their memory.
    ///
    /// # Errors
    /// When they are not contiguous single-precision numbers in main memory.
    pub(super) fn view(&self) -> Result<Weights<'_>> {
        let slices = self.0.iter().map(|(name, storage, layout)| {
            let slice = match (&**storage, layout.contiguous_offsets()) {
                (Storage::Cpu(CpuStorage::F32(values)), Some((from, to))) => values.get(from..to),
                _ => None,
            };
            let slice = slice.ok_or_else(|| {
                ModelError::Shape(format!("{name} is not in main memory as single-precision numbers"))
            })?;
            Ok((*name, slice))
        });
        Ok(Weights(slices.collect::<Result<_>>()?))
    }
}

impl<'a> Weights<'a> {
    /// Weights that lie elsewhere.
    pub(in crate::model) fn over(weights: impl Iterator<Item = (&'a str, &'a [f32])>) -> Self {
        Self(weights.collect())
    }

    /// The weight of this name.
    pub(in crate::model) fn get(&self, name: &str) -> Result<&'a [f32]> {
        self.0.get(name).copied().ok_or_else(|| ModelError::Shape(format!("the model has no parameter {name}")))
    }

    /// The LayerNorm of this name.
    pub(super) fn norm(&self, name: &str, eps: f64) -> Result<LayerNorm<'a>> {
        let [weight, bias] = ["weight", "bias"].map(|part| self.get(&format!("{name}.{part}")));
        Ok(LayerNorm { weight: weight?, bias: bias?, eps: eps as f32 })
    }
}
