//! Models, weights and sounds that the tests here share, and the engines they are put to.

use aat_tui::model::{
    Compute, Engine, Family, Features, MemoryOptions, Method, ModelConfig, ParamStore, Pooling, Stem, engine_by,
    initialise, specs,
};
use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// An engine for a model of this shape and method.
pub type Make = fn(&ModelConfig, Method, MemoryOptions) -> Box<dyn Engine>;

/// Every engine by name, in which precision it is exact, and how to make one.
pub const ENGINES: [(&str, DType, Make); 2] = [
    ("cpu", DType::F32, |config, method, memory| engine_by(Compute::Cpu, config, method, memory).unwrap()),
    ("accelerator", DType::F64, |config, method, memory| {
        engine_by(Compute::Accelerator, config, method, memory).unwrap()
    }),
];

/// Patches with odd sizes.
pub fn patches(frames: usize, stride: [usize; 2], depth: usize, pooling: Pooling) -> ModelConfig {
    ModelConfig {
        stem: Stem::Patches { mel_bins: 20, frames, patch: [6, 5], stride },
        hidden: 36,
        depth,
        heads: 3,
        mlp_hidden: 100,
        norm_eps: 1e-6,
        head_eps: 1e-5,
        head_norm: true,
        family: None,
        pooling,
        classes: 7,
    }
}

/// Whisper's convolutions.
pub fn convolutions(frames: usize, depth: usize) -> ModelConfig {
    let stem = Stem::Convolutions { mel_bins: 20, frames };
    ModelConfig { stem, ..patches(frames, [1, 1], depth, Pooling::Mean) }
}

/// CED's patches: no class tokens, positions of rows and columns, each bin scaled and shifted.
pub fn ced(frames: usize, depth: usize) -> ModelConfig {
    let config = patches(frames, [6, 5], depth, Pooling::Mean);
    ModelConfig { family: Some(Family::Ced), ..config }
}

/// Clips of differing lengths, the first as long as there is room.
pub fn features(config: &ModelConfig, batch: usize) -> Features {
    let (frames, bins) = (config.frames(), config.mel_bins());
    let data = (0..batch * frames * bins).map(|i| ((i as f32 + 1.0) * 12.9898).sin()).collect();
    let valid = (0..batch).map(|clip| frames.saturating_sub(5 * clip)).collect();
    Features { batch, frames, bins, data, valid }
}

/// Uniform in [0, 1).
fn unit(rng: &mut ChaCha8Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1u32 << 24) as f32
}

/// Fresh weights, each moved by at most so much at random, so that nothing is left at zero or one. A wave instead of
/// random numbers would repeat with some widths: rows become alike, scores tower and gradients cancel.
pub fn moved(config: &ModelConfig, method: Method, by: f32) -> ParamStore {
    let specs = specs(config, method);
    let fresh = initialise(specs.clone(), 5, &Device::Cpu).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let vars = fresh
        .iter()
        .map(|(spec, var)| {
            let noise = (0..spec.count()).map(|_| by * (2.0 * unit(&mut rng) - 1.0)).collect::<Vec<_>>();
            let noise = Tensor::from_vec(noise, spec.shape.as_slice(), &Device::Cpu).unwrap();
            Var::from_tensor(&(var.as_detached_tensor() + noise).unwrap()).unwrap()
        })
        .collect();
    ParamStore::new(specs, vars, Device::Cpu).unwrap()
}

/// The same weights in another precision.
pub fn precise(store: &ParamStore, dtype: DType) -> ParamStore {
    let vars = store
        .iter()
        .map(|(_, var)| Var::from_tensor(&var.as_detached_tensor().to_dtype(dtype).unwrap()).unwrap())
        .collect();
    ParamStore::new(store.specs().to_vec(), vars, Device::Cpu).unwrap()
}

/// The gradient of a loss of everybody's: another weight for each logit.
pub fn towards(logits: std::ops::Range<usize>) -> Vec<f32> {
    logits.map(|i| (i as f32 * 1.7).cos()).collect()
}

/// That loss, as engines are given it, for a model of `classes`.
pub fn loss(classes: usize) -> impl FnMut(std::ops::Range<usize>, &[f32]) -> (f32, Vec<f32>) {
    move |range, logits| {
        let gradient = towards(range.start * classes..range.end * classes);
        (logits.iter().zip(&gradient).map(|(l, g)| l * g).sum(), gradient)
    }
}

/// A tensor's values, row-major.
pub fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Gradients of what trains, in the store's order.
pub fn of_graph(store: &ParamStore, gradients: &GradStore) -> Vec<Vec<f64>> {
    let of = |var: &Var| gradients.get(var).map(values).unwrap_or_default();
    store.trainable().map(|(_, var)| of(var)).collect()
}

/// Values as double precision.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// The Euclidean norm of what lies between, over the second's: what rounding at random adds up to. What is all but zero
/// (the gradient of a query where there is one token alone) is taken as it is.
pub fn difference(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let between: f64 = found.iter().zip(expected).map(|(a, b)| (a - b).powi(2)).sum();
    let all: f64 = expected.iter().map(|b| b.powi(2)).sum();
    (between / all.max(1e-6)).sqrt()
}
