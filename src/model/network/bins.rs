//! The scale and shift of each mel bin, where a family has them: applied on the host before any backend sees the clips.

use std::borrow::Cow;

use super::{Backend, Features, Network, ParamStore, Result};
use crate::model::{ModelConfig, ModelError, arch::Names, stem, store::to_host};
use crate::ops::block::Linear;

impl<B: Backend> Network<B> {
    /// The input, checked, as the stem takes it.
    pub(super) fn taken<'f>(&self, store: &ParamStore, input: &'f Features) -> Result<Cow<'f, Features>> {
        stem::check(&self.config, input)?;
        match &self.names.bins {
            None => Ok(Cow::Borrowed(input)),
            Some(bins) => Ok(Cow::Owned(normalised(&self.config, bins, store, input)?)),
        }
    }
}

fn normalised(config: &ModelConfig, bins: &Linear<Names>, store: &ParamStore, input: &Features) -> Result<Features> {
    let read = |names: &Names| {
        let var = names.all().first().and_then(|name| store.get(name));
        let var = var.ok_or_else(|| ModelError::Shape(format!("the model has no parameter {:?}", names.all())))?;
        to_host(&var.as_detached_tensor())
    };
    let (scales, shifts) = (read(&bins.weight)?, read(&bins.bias)?);
    let mut taken = input.clone();
    for frame in taken.data.chunks_exact_mut(config.mel_bins()) {
        for ((value, scale), shift) in frame.iter_mut().zip(&scales).zip(&shifts) {
            *value = *value * scale + shift;
        }
    }
    Ok(taken)
}
