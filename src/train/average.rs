//! The mean of the weights at the ends of a run's last epochs (Izmailov et al., arXiv 1803.05407).

use candle_core::{Tensor, Var};

use super::snapshot::{self, TensorData};
use crate::{
    infer::find,
    model::{ModelError, ParamSpec, ParamStore},
    session::Checkpoint,
};

/// Prefix of a parameter's name under which a checkpoint stores its mean.
const PREFIX: &str = "average.";

/// A running mean of the trainable weights. Only the mean is kept, not each epoch's weights.
#[derive(Default)]
pub(super) struct Average {
    /// Epochs in the mean.
    epochs: u32,
    /// One for each trainable parameter, in the store's order; empty before the first epoch.
    means: Vec<Vec<f32>>,
}

impl Average {
    /// Adds the weights at the end of an epoch.
    pub(super) fn add(&mut self, store: &ParamStore) -> Result<(), ModelError> {
        let now = store.trainable().map(|(_, var)| Ok(var.flatten_all()?.to_vec1::<f32>()?));
        let now = now.collect::<Result<Vec<_>, ModelError>>()?;
        self.epochs += 1;
        if self.epochs == 1 {
            self.means = now;
            return Ok(());
        }
        let share = 1.0 / self.epochs as f32;
        for (means, now) in self.means.iter_mut().zip(now) {
            means.iter_mut().zip(now).for_each(|(mean, value)| *mean += (value - *mean) * share);
        }
        Ok(())
    }

    /// Epochs in the mean.
    pub(super) fn epochs(&self) -> u32 {
        self.epochs
    }

    /// The model with the averaged weights; what is frozen is shared with `store`, not copied.
    pub(super) fn store(&self, store: &ParamStore) -> Result<ParamStore, ModelError> {
        let mut means = self.means.iter();
        let var = |(spec, var): (&ParamSpec, &Var)| match spec.trains.then(|| means.next()).flatten() {
            Some(values) => {
                let mean = Tensor::from_slice(values, spec.shape.as_slice(), store.device())?;
                Ok(Var::from_tensor(&mean)?)
            }
            None => Ok(var.clone()),
        };
        let vars = store.iter().map(var).collect::<Result<_, ModelError>>()?;
        ParamStore::new(store.specs().to_vec(), vars, store.device().clone())
    }

    /// The mean as a checkpoint stores it beside the weights; nothing before the first epoch.
    pub(super) fn parts<'a>(&'a self, store: &'a ParamStore) -> impl Iterator<Item = (String, TensorData<'a>)> {
        let part = |((spec, _), values): ((&ParamSpec, _), &'a Vec<f32>)| {
            (format!("{PREFIX}{}", spec.name), snapshot::part(&spec.shape, values))
        };
        store.trainable().zip(&self.means).map(part)
    }

    /// The mean over this many epochs, from a checkpoint.
    ///
    /// # Errors
    /// When a part of it is missing or of another shape.
    pub(super) fn restore(store: &ParamStore, checkpoint: &Checkpoint, epochs: u32) -> Result<Self, ModelError> {
        if epochs == 0 {
            return Ok(Self::default());
        }
        let kept = |(spec, _): (&ParamSpec, _)| {
            Ok(find(checkpoint, &format!("{PREFIX}{}", spec.name), &spec.shape)?.data.clone())
        };
        Ok(Self { epochs, means: store.trainable().map(kept).collect::<Result<_, ModelError>>()? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use candle_core::Device;

    use super::*;
    use crate::model::{Method, ModelConfig, initialise, specs};

    #[test]
    fn the_mean_is_of_what_trains_and_shares_the_rest() {
        let config = ModelConfig::ast("tiny", 32, [16, 16], 2).unwrap();
        let store = initialise(specs(&config, Method::aat()), 1, &Device::Cpu).unwrap();
        let name = "head.linear.bias";
        let set = |value: f32| store.get(name).unwrap().set(&Tensor::new(&[value, -value], &Device::Cpu).unwrap());
        let mut average = Average::default();
        for value in [1.0, 2.0, 6.0] {
            set(value).unwrap();
            average.add(&store).unwrap();
        }
        assert_eq!(average.epochs(), 3);
        let mean = average.store(&store).unwrap();
        assert_eq!(mean.get(name).unwrap().to_vec1::<f32>().unwrap(), [3.0, -3.0]);
        assert_eq!(store.get(name).unwrap().to_vec1::<f32>().unwrap(), [6.0, -6.0]);
        let frozen = |store: &ParamStore| store.get("blocks.0.norm1.weight").unwrap().id();
        assert_eq!(frozen(&mean), frozen(&store));
    }
}
