//! Models, weights and sounds that unit tests share. Engines as a whole are held to the oracle in `tests/oracle`.
#![allow(clippy::unwrap_used)]

use std::ops::Range;

use candle_core::{Device, Tensor, Var};

use super::{Features, Method, ModelConfig, ParamStore, initialise, specs};

/// Clips of differing lengths, the first as long as there is room.
pub(super) fn features(config: &ModelConfig, batch: usize) -> Features {
    let (frames, bins) = (config.frames(), config.mel_bins());
    let data = (0..batch * frames * bins).map(|i| ((i as f32 + 1.0) * 12.9898).sin()).collect();
    let valid = (0..batch).map(|clip| frames.saturating_sub(5 * clip)).collect();
    Features { batch, frames, bins, data, valid }
}

/// Fresh weights, each moved by at most so much, so that nothing is left at zero or one.
pub(super) fn moved(config: &ModelConfig, method: Method, by: f32) -> ParamStore {
    let specs = specs(config, method);
    let fresh = initialise(specs.clone(), 5, &Device::Cpu).unwrap();
    let vars = fresh
        .iter()
        .map(|(spec, var)| {
            let phase = spec.name.bytes().map(f32::from).sum::<f32>();
            let noise = (0..spec.count()).map(|i| by * ((i as f32) * 7.77 + phase).sin()).collect::<Vec<_>>();
            let noise = Tensor::from_vec(noise, spec.shape.as_slice(), &Device::Cpu).unwrap();
            Var::from_tensor(&(var.as_detached_tensor() + noise).unwrap()).unwrap()
        })
        .collect();
    ParamStore::new(specs, vars, Device::Cpu).unwrap()
}

/// A loss with another weight for each logit of a range's clips.
pub(super) fn loss(range: Range<usize>, logits: &[f32]) -> (f32, Vec<f32>) {
    let classes = logits.len() / range.len().max(1);
    let gradient: Vec<f32> = (0..logits.len()).map(|i| ((i + range.start * classes) as f32 * 1.7).cos()).collect();
    (logits.iter().zip(&gradient).map(|(l, g)| l * g).sum(), gradient)
}

/// The Euclidean norm of what is between, over the second's: what rounding at random adds up to.
pub(super) fn difference<'a>(pairs: impl Iterator<Item = (&'a f32, &'a f32)>) -> f64 {
    let (mut between, mut all) = (0.0, 1e-30);
    for (a, b) in pairs {
        between += (f64::from(*a) - f64::from(*b)).powi(2);
        all += f64::from(*b).powi(2);
    }
    f64::sqrt(between / all)
}
