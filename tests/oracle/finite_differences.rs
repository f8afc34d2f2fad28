//! Every engine's gradients, and the oracle's own, against differences of the oracle's loss in double precision.

use aat_tui::model::{Family, Features, MemoryOptions, Method, ModelConfig, ParamStore, Pooling, Stem};
use candle_core::{DType, Device, Tensor, Var};

use crate::{
    cases::{ENGINES, features, loss, moved, of_graph, precise, towards, values},
    model::Oracle,
};

/// A small model of patches.
fn patches(pooling: Pooling) -> ModelConfig {
    ModelConfig {
        stem: Stem::Patches { mel_bins: 10, frames: 12, patch: [4, 4], stride: [3, 4] },
        hidden: 8,
        depth: 2,
        heads: 2,
        mlp_hidden: 12,
        norm_eps: 1e-6,
        head_eps: 1e-5,
        head_norm: true,
        family: None,
        pooling,
        classes: 3,
    }
}

/// A small model of Whisper's convolutions.
fn convolutions(frames: usize) -> ModelConfig {
    ModelConfig { stem: Stem::Convolutions { mel_bins: 5, frames }, ..patches(Pooling::Mean) }
}

/// The loss of these weights.
fn loss_of(config: &ModelConfig, method: Method, store: &ParamStore, input: &Features) -> f64 {
    let logits = values(&Oracle::new(config, method, store).forward(input).unwrap().logits);
    logits.iter().zip(towards(0..logits.len())).map(|(l, t)| l * f64::from(t)).sum()
}

/// Slope of the loss along a direction of one parameter, by differences of fourth order.
fn slope(var: &Var, direction: &[f64], mut loss: impl FnMut() -> f64) -> f64 {
    const STEP: f64 = 1e-3;
    let start = values(var);
    let mut at = |by: f64| {
        let moved = start.iter().zip(direction).map(|(value, d)| value + by * d).collect();
        var.set(&Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap()).unwrap();
        loss()
    };
    let near = at(STEP) - at(-STEP);
    let far = at(2.0 * STEP) - at(-2.0 * STEP);
    at(0.0);
    (8.0 * near - far) / (12.0 * STEP)
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Two directions through every value of a parameter, and the value that matters most alone; each of length one.
fn directions(gradient: &[f64]) -> [Vec<f64>; 3] {
    let wave = |speed: f64| {
        let wave: Vec<f64> = (0..gradient.len()).map(|i| ((i as f64 + 1.0) * speed).sin()).collect();
        let length = norm(&wave);
        wave.into_iter().map(|x| x / length).collect()
    };
    let strongest = (0..gradient.len()).max_by(|a, b| gradient[*a].abs().total_cmp(&gradient[*b].abs())).unwrap();
    [wave(0.7311), wave(2.399), (0..gradient.len()).map(|i| f64::from(u8::from(i == strongest))).collect()]
}

/// Every method's gradients by every engine.
fn check(config: &ModelConfig) {
    let mut worst: Vec<(&str, f64)> = Vec::new();
    for method in Method::all() {
        let single = moved(config, method, 0.3);
        let (store, input) = (precise(&single, DType::F64), features(config, 2));
        let oracle = Oracle::new(config, method, &store);
        let (_, graph) = oracle.gradients(&input, &towards(0..2 * config.classes)).unwrap();
        let own = of_graph(&store, &graph);
        let mut sides = vec![("oracle", 1e-7, own.clone())];
        for (name, dtype, make) in ENGINES {
            // Single precision keeps seven digits of each value, of which a query's gradient loses some; in double
            // precision the head's gradients are still single.
            let bound = if dtype == DType::F32 { 1e-4 } else { 2e-6 };
            let mut engine = make(config, method, MemoryOptions::default());
            let step = engine.step(&precise(&single, dtype), &input, &mut loss(config.classes), false).unwrap();
            sides.push((name, bound, step.gradients.iter().map(values).collect()));
        }
        for (i, (spec, var)) in store.trainable().enumerate() {
            for direction in directions(&own[i]) {
                let differences = slope(var, &direction, || loss_of(config, method, &store, &input));
                for (name, bound, gradients) in &sides {
                    let along: f64 = gradients[i].iter().zip(&direction).map(|(g, d)| g * d).sum();
                    let error = (along - differences).abs() / (1e-3 + norm(&own[i]));
                    assert!(
                        error < *bound,
                        "{name}, {method}, {config:?}: {} is off by {error}: {along}, but differences say \
                         {differences}",
                        spec.name
                    );
                    match worst.iter_mut().find(|(known, _)| known == name) {
                        Some((_, worst)) => *worst = worst.max(error),
                        None => worst.push((*name, error)),
                    }
                }
            }
        }
    }
    for (name, error) in worst {
        eprintln!("{name}: gradients are off by at most {error:.1e} of their size");
    }
}

#[test]
fn gradients_with_class_tokens() {
    check(&patches(Pooling::ClassTokens));
}

#[test]
fn gradients_with_a_mean_of_patches() {
    check(&patches(Pooling::Mean));
}

#[test]
fn gradients_through_convolutions() {
    check(&convolutions(8));
}

/// Positions of rows and columns share their gradients out; scales and shifts of bins have none.
#[test]
fn gradients_through_positions_of_axes() {
    check(&ModelConfig { family: Some(Family::Ced), ..patches(Pooling::Mean) });
}

/// Of an odd number of frames the last has no second one beside it.
#[test]
fn gradients_through_convolutions_of_an_odd_length() {
    check(&convolutions(7));
}
