//! The portable engine is everybody's oracle, so it is held to finite differences itself.
#![allow(clippy::unwrap_used, clippy::panic)]

use candle_core::{Device, Var};

use super::*;
use crate::{
    model::{ParamSpec, Part, Pooling, Stem, initialise, specs},
    ops::portable::Multiplications,
};

const DOUBLE: DType = DType::F64;

fn patches(depth: usize) -> ModelConfig {
    ModelConfig {
        stem: Stem::Patches { mel_bins: 10, frames: 12, patch: [4, 4], stride: [3, 4] },
        hidden: 8,
        depth,
        heads: 2,
        mlp_hidden: 12,
        norm_eps: 1e-6,
        head_eps: 1e-5,
        head_norm: true,
        pooling: Pooling::ClassTokens,
        classes: 3,
    }
}

fn convolutions(frames: usize) -> ModelConfig {
    let stem = Stem::Convolutions { mel_bins: 5, frames };
    ModelConfig { stem, pooling: Pooling::Mean, ..patches(2) }
}

fn features(config: &ModelConfig, batch: usize) -> Features {
    let (frames, bins) = (config.frames(), config.mel_bins());
    let data = (0..batch * frames * bins).map(|i| ((i as f32 + 1.0) * 12.9898).sin()).collect();
    Features { batch, frames, bins, data, valid: vec![frames - 2; batch] }
}

/// Random weights, with everything that starts at zero or one moved away from it.
fn store(config: &ModelConfig, method: Method, dtype: DType) -> ParamStore {
    let specs = specs(config, method);
    let fresh = initialise(specs.clone(), 3, &Device::Cpu).unwrap();
    let vars = fresh.iter().map(|(spec, var)| moved(spec, var, dtype)).collect();
    ParamStore::new(specs, vars, Device::Cpu).unwrap()
}

fn moved(spec: &ParamSpec, var: &Var, dtype: DType) -> Var {
    let phase = spec.name.bytes().map(f64::from).sum::<f64>();
    let noise: Vec<f64> = (0..spec.count()).map(|i| 0.3 * ((i as f64) * 7.77 + phase).sin()).collect();
    let noise = Tensor::from_vec(noise, spec.shape.as_slice(), &Device::Cpu).unwrap();
    let value = (var.as_detached_tensor().to_dtype(DOUBLE).unwrap() + noise).unwrap();
    Var::from_tensor(&value.to_dtype(dtype).unwrap()).unwrap()
}

fn methods() -> Vec<Method> {
    Method::all().collect()
}

/// Every trainable parameter's gradient, a few values of each, against central differences in double precision.
fn gradients_are_right(config: &ModelConfig, method: Method) {
    let engine = Portable::new(config.clone(), method);
    let (store, input) = (store(config, method, DOUBLE), features(config, 2));
    let loss = |graph: bool| {
        let logits = engine.forward(&store, &input, graph, Watch::default()).unwrap().logits;
        let weights = Tensor::arange(1f64, 7.0, &Device::Cpu).unwrap().cos().unwrap().reshape((2, 3)).unwrap();
        (logits * weights).unwrap().sum_all().unwrap()
    };
    let found = loss(true).backward().unwrap();
    for (spec, var) in store.trainable() {
        let gradient = found.get(var).unwrap_or_else(|| panic!("{method}: {} has no gradient", spec.name));
        let gradient: Vec<f64> = gradient.flatten_all().unwrap().to_vec1().unwrap();
        let values: Vec<f64> = var.flatten_all().unwrap().to_vec1().unwrap();
        for i in [0, spec.count() / 2, spec.count() - 1] {
            let at = |step: f64| {
                let mut values = values.clone();
                values[i] += step;
                var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap()).unwrap();
                loss(false).to_scalar::<f64>().unwrap()
            };
            let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
            at(0.0);
            assert!(
                (gradient[i] - numeric).abs() < 1e-7 * (1.0 + numeric.abs()),
                "{method}: {}[{i}] is {} but differences say {numeric}",
                spec.name,
                gradient[i]
            );
        }
    }
}

#[test]
fn every_methods_gradients() {
    for method in methods() {
        gradients_are_right(&patches(2), method);
        gradients_are_right(&ModelConfig { pooling: Pooling::Mean, ..patches(1) }, method);
    }
}

#[test]
fn gradients_through_convolutions() {
    for method in methods() {
        gradients_are_right(&convolutions(8), method);
    }
    gradients_are_right(&convolutions(7), Method::full());
}

/// Fifty steps of plain descent on everything that trains leave everything else as it was, to the bit.
#[test]
fn what_is_frozen_stays() {
    let config = patches(3);
    let bits = |var: &Var| -> Vec<u32> {
        var.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    };
    for method in methods() {
        let store = store(&config, method, DType::F32);
        let before: Vec<_> = store.iter().map(|(_, var)| bits(var)).collect();
        let mut engine = Portable::new(config.clone(), method);
        let input = features(&config, 2);
        for _ in 0..50 {
            let output = engine.step(&store, &input, &mut |_, logits| (0.0, logits.to_vec()), false).unwrap();
            for ((_, var), gradient) in store.trainable().zip(output.gradients) {
                var.set(&(var.as_detached_tensor() - (gradient * 1e-2).unwrap()).unwrap()).unwrap();
            }
        }
        for ((spec, var), before) in store.iter().zip(before) {
            assert_eq!(bits(var) == before, !spec.trains, "{method}: {}", spec.name);
        }
    }
}

/// Adapters start as if they were not there: logits equal the backbone's exactly.
#[test]
fn untrained_adapters_change_nothing() {
    let config = patches(3);
    let input = features(&config, 2);
    let logits = |method: Method| {
        let store = initialise(specs(&config, method), 11, &Device::Cpu).unwrap();
        Portable::new(config.clone(), method).logits(&store, &input).unwrap()
    };
    let backbone = logits(Method::full());
    for method in ["aat", "aat-m", "head", "partial", "lora", "lora-r3-a1", "bitfit"] {
        assert_eq!(logits(method.parse().unwrap()), backbone, "{method}");
    }
    assert_ne!(logits("prompt".parse().unwrap()), backbone);
}

/// Multiplications of one step's linear layers, by what they are for.
fn multiplications(config: &ModelConfig, method: Method) -> Multiplications {
    let store = store(config, method, DType::F32);
    let input = features(config, 2);
    Multiplications::take();
    Portable::new(config.clone(), method).step(&store, &input, &mut |_, l| (0.0, l.to_vec()), false).unwrap();
    Multiplications::take()
}

/// The cost of a linear layer's rows, for two clips.
fn cost(spec: &ParamSpec, config: &ModelConfig) -> u64 {
    let rows = match spec.name.as_str() {
        "patch.weight" => config.tokens() - config.class_tokens(),
        "head.linear.weight" => 1,
        _ => config.tokens(),
    };
    (2 * rows * spec.count()) as u64
}

/// Frozen weights cost no gradient, and backpropagation ends at the first tensor that trains.
#[test]
fn frozen_weights_cost_no_gradient() {
    let config = patches(4);
    let sum = |method: Method, of: &dyn Fn(&ParamSpec) -> bool| -> u64 {
        let matrices = specs(&config, method).into_iter().filter(|s| s.shape.len() == 2);
        matrices.filter(|spec| of(spec)).map(|spec| cost(&spec, &config)).sum()
    };
    for method in methods() {
        let count = multiplications(&config, method);
        if method.extras(&config).prompts == 0 {
            assert_eq!(count.forward, sum(method, &|_| true), "{method} forward");
            assert_eq!(count.weight_gradient, sum(method, &|spec| spec.trains), "{method} weights");
        }
    }
    let head = multiplications(&config, "head".parse().unwrap());
    assert_eq!(head.input_gradient, sum(Method::aat(), &|spec| spec.name == "head.linear.weight"));

    // Partial: only blocks 2 and 3 and the head are gone through backwards.
    let partial = multiplications(&config, "partial".parse().unwrap());
    let behind = |spec: &ParamSpec| spec.part == Part::Head || spec.block.is_some_and(|block| block >= 2);
    assert_eq!(partial.input_gradient, sum("partial".parse().unwrap(), &behind));

    // AAT: nothing before block 0's Spatial Adapter, whose own `down` still passes nothing further back.
    let aat = multiplications(&config, Method::aat());
    let before = |spec: &ParamSpec| {
        spec.part == Part::Stem
            || (spec.block == Some(0) && (spec.name.contains("attn") || spec.name.ends_with("spatial.down.weight")))
    };
    assert_eq!(aat.input_gradient, sum(Method::aat(), &|spec| !before(spec)));

    let full = multiplications(&config, Method::full());
    assert!(aat.weight_gradient * 3 < full.weight_gradient);
}

#[test]
fn inference_keeps_no_graph_and_agrees_with_training() {
    let config = patches(2);
    let store = store(&config, Method::aat(), DType::F32);
    let mut engine = Portable::new(config.clone(), Method::aat());
    let input = features(&config, 2);
    let pass = engine.forward(&store, &input, false, Watch::default()).unwrap();
    assert!(!pass.logits.track_op());
    let step = engine.step(&store, &input, &mut |_, l| (1.5, vec![0.0; l.len()]), true).unwrap();
    assert_eq!(engine.logits(&store, &input).unwrap(), step.logits);
    assert_eq!(step.loss, 1.5);
    let norms = step.norms.unwrap();
    assert_eq!(norms.len(), 2);
    assert!(norms.iter().all(|n| n.spatial > 0.0 && n.mlp > 0.0 && n.spatial_ratio > 0.0 && n.mlp_ratio > 0.0));
}

#[test]
fn prompts_are_seen_and_leave_no_tokens_behind() {
    let config = patches(2);
    let method: Method = "prompt".parse().unwrap();
    let store = store(&config, method, DType::F32);
    let engine = Portable::new(config.clone(), method);
    let watch = Watch { norms: true, hidden: true };
    let pass = engine.forward(&store, &features(&config, 2), true, watch).unwrap();
    assert!(pass.norms.read().unwrap().is_empty());
    assert!(pass.hidden.iter().all(|x| x.dims() == [2, config.tokens(), config.hidden]));
}

#[test]
fn a_wrong_size_is_an_error() {
    let config = patches(1);
    let store = store(&config, Method::aat(), DType::F32);
    let mut input = features(&config, 2);
    input.frames = 11;
    let error = Portable::new(config, Method::aat()).logits(&store, &input).unwrap_err();
    assert!(error.to_string().contains("12 frames of 10 mel bins but was given 11"), "{error}");
}
