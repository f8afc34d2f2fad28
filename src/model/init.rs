//! How parameters begin: each from the seed and its own name alone.
//!
//! So two runs of one seed share backbone and head whatever else their methods add, and the order in
//! which parameters are made, or on how many threads, changes nothing.

use std::collections::HashSet;

use candle_core::Device;
use rayon::prelude::*;

use super::{Init, ModelError, ParamSpec, ParamStore, variable::variable};
use crate::random::KeyedRng;

/// A store of fresh parameters.
///
/// # Errors
/// When the device cannot hold them.
pub fn initialise(specs: Vec<ParamSpec>, seed: u64, device: &Device) -> Result<ParamStore, ModelError> {
    initialise_rounded(specs, seed, device, &HashSet::new())
}

/// The same with those of these names rounded to bf16.
pub(super) fn initialise_rounded(
    specs: Vec<ParamSpec>,
    seed: u64,
    device: &Device,
    rounded: &HashSet<String>,
) -> Result<ParamStore, ModelError> {
    let fresh = |spec: &ParamSpec| variable(spec, initial_values(spec, seed), device, rounded.contains(&spec.name));
    let vars = specs.par_iter().map(fresh).collect::<Result<_, _>>()?;
    ParamStore::new(specs, vars, device.clone())
}

/// The values that this parameter starts with, row-major.
pub fn initial_values(spec: &ParamSpec, seed: u64) -> Vec<f32> {
    let count = spec.count();
    match spec.init {
        Init::Zeros => vec![0.0; count],
        Init::Ones => vec![1.0; count],
        Init::Uniform(bound) => {
            let mut rng = KeyedRng::named(seed, &spec.name);
            (0..count).map(|_| (2.0 * rng.unit() - 1.0) * bound).collect()
        }
        Init::TruncatedNormal(std) => truncated_normal(&mut KeyedRng::named(seed, &spec.name), std, count),
        Init::Sinusoids => {
            let hidden = spec.shape.last().copied().unwrap_or(1);
            sinusoids(count / hidden.max(1), hidden)
        }
    }
}

/// Box and Muller's pairs, those beyond two standard deviations drawn again.
fn truncated_normal(rng: &mut KeyedRng, std: f32, count: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = (-2.0 * (1.0 - rng.unit()).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * rng.unit()).sin_cos();
        values.extend([radius * cos, radius * sin].into_iter().filter(|z| z.abs() <= 2.0).map(|z| z * std));
    }
    values.truncate(count);
    values
}

/// Whisper's positions (openai/whisper, `sinusoids`): sines in the first half of a row, cosines in the second.
pub(super) fn sinusoids(positions: usize, hidden: usize) -> Vec<f32> {
    let half = hidden / 2;
    let step = 10_000f64.ln() / half.saturating_sub(1).max(1) as f64;
    let angle = |position: usize, i: usize| (position as f64) * (-step * i as f64).exp();
    (0..positions)
        .flat_map(|position| {
            let sines = (0..half).map(move |i| angle(position, i).sin() as f32);
            let cosines = (0..hidden - half).map(move |i| angle(position, i).cos() as f32);
            sines.chain(cosines)
        })
        .collect()
}

/// Positions of a grid of patches, (rows x columns, hidden): sines and cosines of the row in the first half of the
/// features and of the column in the second (as MAE's, arXiv 2111.06377), of periods from 2 pi to 200 pi patches,
/// scaled to the size of a random patch's embedding. They vary smoothly, so they stretch to grids of other strides.
pub fn grid_sinusoids(rows: usize, columns: usize, hidden: usize) -> Vec<f32> {
    const SCALE: f32 = 0.42;
    const SLOWEST: f32 = 100.0;
    let quarter = hidden / 4;
    let mut table = vec![0.0; rows * columns * hidden];
    for (patch, out) in table.chunks_exact_mut(hidden).enumerate() {
        for (half, place) in [patch / columns, patch % columns].into_iter().enumerate() {
            for i in 0..quarter {
                let angle = place as f32 * SLOWEST.powf(-(i as f32) / quarter as f32);
                out[half * hidden / 2 + i] = SCALE * angle.sin();
                out[half * hidden / 2 + quarter + i] = SCALE * angle.cos();
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashMap;

    use super::*;
    use crate::model::{ModelConfig, spec::specs};

    fn values(method: &str, seed: u64) -> HashMap<String, Vec<f32>> {
        let config = ModelConfig::ast("tiny", 128, [16, 16], 10).unwrap();
        specs(&config, method.parse().unwrap())
            .iter()
            .map(|spec| (spec.name.clone(), initial_values(spec, seed)))
            .collect()
    }

    #[test]
    fn paired_methods_share_what_they_share() {
        let (aat, full, other) = (values("aat", 7), values("full", 7), values("full", 8));
        for (name, start) in &full {
            assert_eq!(start, &aat[name], "{name}");
        }
        assert_ne!(full["blocks.0.attn.qkv.weight"], other["blocks.0.attn.qkv.weight"]);
        assert_ne!(full["blocks.0.attn.qkv.weight"], full["blocks.1.attn.qkv.weight"]);
    }

    #[test]
    fn adapters_start_at_nothing_and_the_spread_is_right() {
        let aat = values("aat", 1);
        assert!(aat["blocks.5.spatial.up.weight"].iter().all(|&v| v == 0.0));
        let std = |values: &[f32]| (values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32).sqrt();
        // A normal truncated at two deviations keeps 0.8796 of its own.
        let down = &aat["blocks.5.spatial.down.weight"];
        assert!((std(down) / 0.02 - 0.8796).abs() < 0.02, "{}", std(down));
        assert!(down.iter().all(|v| v.abs() <= 0.04));
        assert!((std(&aat["head.linear.weight"]) / 0.01 - 0.8796).abs() < 0.03);
        assert!((std(&aat["patch.weight"]) * 16.0 * 3f32.sqrt() - 1.0).abs() < 0.02);
    }

    #[test]
    fn sinusoids_begin_as_whispers() {
        let table = sinusoids(3, 4);
        let expected = [0.0, 0.0, 1.0, 1.0, 1f32.sin(), 1e-4f32.sin(), 1f32.cos(), 1e-4f32.cos()];
        for (got, want) in table.iter().zip(expected) {
            assert!((got - want).abs() < 1e-6);
        }
    }
}
