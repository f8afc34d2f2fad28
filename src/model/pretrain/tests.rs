#![allow(clippy::unwrap_used)]

use candle_core::Device;

use super::*;
use crate::model::{
    Engine, MemoryOptions, Pooling, Stem,
    backend::{Accel, Cpu},
    initial_values,
    network::Network,
    testing::difference,
};

const HEADS: Heads = Heads { classes: 3, teacher: 5 };

/// Two blocks of width 8 over a grid of 2 x 4 patches.
fn config() -> ModelConfig {
    ModelConfig {
        stem: Stem::Patches { mel_bins: 8, frames: 16, patch: [4, 4], stride: [4, 4] },
        hidden: 8,
        depth: 2,
        heads: 2,
        mlp_hidden: 16,
        norm_eps: 1e-6,
        head_eps: 1e-5,
        head_norm: true,
        family: None,
        pooling: Pooling::ClassTokens,
        classes: HEADS.classes,
    }
}

fn wave(count: usize, speed: f32) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * speed).sin()).collect()
}

/// Two sounds of three columns; the second one column of padding, begins at the second position, and has no label.
fn sounds() -> Sounds {
    let features = Features { batch: 2, frames: 12, bins: 8, data: wave(2 * 12 * 8, 0.7), valid: vec![12, 8] };
    let patches = [[0, 0], [1, 0], [0, 1], [1, 2]];
    let others = [[0, 0], [0, 1], [1, 1], [0, 2]];
    Sounds {
        features,
        selection: Selection {
            patches: [patches, others].concat(),
            hidden: vec![true, false, true, true, false, true, true, false],
            offsets: vec![0, 1],
        },
        labels: vec![Some(2), None],
        teacher: wave(2 * 3 * HEADS.teacher, 1.3),
        columns: vec![3, 2],
    }
}

fn store(objectives: Objectives) -> ParamStore {
    let specs = specs(&config(), objectives, HEADS);
    let store = initialise(specs, 3, &Device::Cpu).unwrap();
    // Weights large enough that no gradient drowns in rounding.
    for (spec, var) in store.iter() {
        let values: Vec<f32> = initial_values(&ParamSpec { init: Init::Uniform(0.5), ..spec.clone() }, 5);
        let base = if spec.name.contains("norm") && spec.name.ends_with("weight") { 1.0 } else { 0.0 };
        let values: Vec<f32> = values.into_iter().map(|value| base + value).collect();
        var.set(&Tensor::from_vec(values, spec.shape.as_slice(), &Device::Cpu).unwrap()).unwrap();
    }
    store
}

fn check(objectives: Objectives) {
    check_of(&config(), objectives);
}

fn check_of(config: &ModelConfig, objectives: Objectives) {
    let store = store(objectives);
    let mut pretrainer = Pretrainer::new(config.clone(), objectives, &Device::Cpu, Precision::F32);
    let mut sounds = sounds();
    if objectives.ssast == 0.0 {
        sounds.selection.hidden.fill(false);
    }
    let (loss, gradients, outcomes) = pretrainer.step(&store, &sounds).unwrap();
    assert_eq!(outcomes, pretrainer.outcomes(&store, &sounds).unwrap());
    let sum: f64 = objectives.named().zip(&outcomes).map(|((_, weight), outcome)| weight * outcome.loss).sum();
    assert!((f64::from(loss) - sum).abs() < 1e-6);
    for ((spec, var), gradient) in store.trainable().zip(&gradients) {
        let gradient = gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let values = var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let largest = gradient.iter().fold(0f32, |most, g| most.max(g.abs()));
        assert!(largest > 0.0, "{} gets no gradient", spec.name);
        // The entry that matters most, and one more.
        let strongest = gradient.iter().position(|g| g.abs() == largest).unwrap();
        for i in [strongest, values.len() / 2] {
            let mut moved = |by: f32| -> f64 {
                let mut values = values.clone();
                values[i] += by;
                var.set(&Tensor::from_vec(values, spec.shape.as_slice(), &Device::Cpu).unwrap()).unwrap();
                let outcomes = pretrainer.outcomes(&store, &sounds).unwrap();
                objectives.named().zip(&outcomes).map(|((_, weight), outcome)| weight * outcome.loss).sum()
            };
            let difference = (moved(4e-3) - moved(-4e-3)) / 8e-3;
            moved(0.0);
            let error = (difference - f64::from(gradient[i])).abs();
            let scale = f64::from(largest).max(1e-2);
            assert!(error < 2e-2 * scale, "{} {i}: {difference} {}", spec.name, gradient[i]);
        }
    }
}

#[test]
fn gradients_of_labels_are_what_finite_differences_say() {
    check(Objectives { labels: 1.0, ..Objectives::default() });
}

#[test]
fn gradients_of_distillation_are_what_finite_differences_say() {
    check(Objectives { distill: 0.7, ..Objectives::default() });
}

#[test]
fn gradients_of_masked_patches_are_what_finite_differences_say() {
    check(Objectives { ssast: 1.0, ..Objectives::default() });
}

#[test]
fn objectives_add_up() {
    check(Objectives { labels: 0.5, distill: 1.0, ssast: 0.25 });
}

#[test]
fn gradients_of_pooled_patches_are_what_finite_differences_say() {
    let config = ModelConfig { pooling: Pooling::Mean, ..config() };
    check_of(&config, Objectives { labels: 1.0, distill: 1.0, ..Objectives::default() });
}

#[test]
fn patches_beyond_the_clip_are_refused() {
    let objectives = Objectives { labels: 1.0, ..Objectives::default() };
    let mut sounds = sounds();
    sounds.selection.patches[3] = [0, 3];
    assert!(
        Pretrainer::new(config(), objectives, &Device::Cpu, Precision::F32)
            .outcomes(&store(objectives), &sounds)
            .is_err()
    );
}

#[test]
fn every_patch_in_place_gives_the_tokens_of_the_whole_model() {
    let objectives = Objectives { labels: 1.0, ..Objectives::default() };
    let store = store(objectives);
    let features = Features { batch: 2, frames: 16, bins: 8, data: wave(2 * 16 * 8, 0.7), valid: vec![16; 2] };
    let every: Vec<[usize; 2]> = (0..8).map(|i| [i / 4, i % 4]).collect();
    let selection =
        Selection { patches: [every.clone(), every].concat(), hidden: vec![false; 16], offsets: vec![0; 2] };
    let mut engine = Network::<Cpu>::new(config(), Method::full(), MemoryOptions::default());
    let both = engine.states(&store, &features, &[1, 2]).unwrap();
    let states = &both[1];
    assert_eq!(engine.states(&store, &features, &[1]).unwrap(), both[..1]);
    assert!(engine.states(&store, &features, &[3]).is_err());
    let mut tokens = Vec::new();
    engine
        .tokens(&store, &Places::new(&config(), &features, &selection).unwrap(), &mut |seen, _| {
            tokens = seen.to_vec();
            Ok(())
        })
        .unwrap();
    let values = |name: &str| store.get(name).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let mut normed = vec![0.0; states.len()];
    let (weight, bias) = (values("norm.weight"), values("norm.bias"));
    crate::ops::layer_norm::forward(
        crate::ops::layer_norm::LayerNorm { weight: &weight, bias: &bias, eps: 1e-6 },
        states,
        &mut normed,
    );
    assert!(tokens.iter().zip(&normed).all(|(a, b)| (a - b).abs() < 1e-5));
}

/// The engine for accelerators does what the CPU's kernels do, heads and stem included.
#[test]
fn both_engines_give_the_same_gradients() {
    let objectives = Objectives { labels: 0.5, distill: 1.0, ssast: 0.25 };
    for pooling in [Pooling::ClassTokens, Pooling::Mean] {
        let config = ModelConfig { pooling, ..config() };
        let (store, sounds) = (store(objectives), sounds());
        let engine: Box<dyn TokenEngine> =
            Box::new(Network::<Accel>::new(config.clone(), Method::full(), MemoryOptions::default()));
        let mut fused = Pretrainer { engine, objectives };
        let mut fast = Pretrainer::new(config, objectives, &Device::Cpu, Precision::F32);
        let (found, expected) = (fused.step(&store, &sounds).unwrap(), fast.step(&store, &sounds).unwrap());
        assert!((found.0 - expected.0).abs() < 1e-4, "{} {}", found.0, expected.0);
        for ((spec, _), (a, b)) in store.trainable().zip(found.1.iter().zip(&expected.1)) {
            let [a, b] = [a, b].map(|tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            let apart = difference(a.iter().zip(&b));
            assert!(apart < 1e-4, "{} differs by {apart}", spec.name);
        }
        let [a, b] = [fused.outcomes(&store, &sounds).unwrap(), fast.outcomes(&store, &sounds).unwrap()];
        assert!(a.iter().zip(&b).all(|(a, b)| (a.loss - b.loss).abs() < 1e-4 && a.terms == b.terms));
    }
}

/// A head that answers every patch alike fits all of a clip's hidden patches equally well: it finds one of each clip's by
/// chance, and not all of them.
#[test]
fn ties_among_hidden_patches_are_no_finds() {
    let objectives = Objectives { ssast: 1.0, ..Objectives::default() };
    let store = store(objectives);
    for name in ["ssast.find.1.weight", "ssast.find.1.bias"] {
        let var = store.get(name).unwrap();
        var.set(&var.zeros_like().unwrap()).unwrap();
    }
    let sounds = sounds();
    let hidden =
        |clip: usize| sounds.selection.hidden[clip * 4..(clip + 1) * 4].iter().filter(|hidden| **hidden).count();
    assert_eq!((hidden(0), hidden(1)), (3, 2));
    let mut pretrainer = Pretrainer::new(config(), objectives, &Device::Cpu, Precision::F32);
    let outcome = pretrainer.outcomes(&store, &sounds).unwrap()[0];
    assert_eq!((outcome.score, outcome.terms), (2.0 / 5.0, 5.0));
}

/// Silence hides nothing: such a clip, or a whole batch of them, counts for nothing and gives no gradient.
#[test]
fn clips_without_hidden_patches_count_for_nothing() {
    let objectives = Objectives { ssast: 1.0, ..Objectives::default() };
    let store = store(objectives);
    let mut pretrainer = Pretrainer::new(config(), objectives, &Device::Cpu, Precision::F32);
    let mut sounds = sounds();
    sounds.selection.hidden[4..].fill(false);
    assert_eq!(pretrainer.step(&store, &sounds).unwrap().2[0].terms, 3.0);
    sounds.selection.hidden.fill(false);
    let (loss, gradients, outcomes) = pretrainer.step(&store, &sounds).unwrap();
    assert_eq!((loss, outcomes[0].terms), (0.0, 0.0));
    for gradient in gradients {
        assert!(gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|value| *value == 0.0));
    }
}
