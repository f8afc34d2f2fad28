//! The fast engine against the portable one: outputs and every gradient, for every method.
#![allow(clippy::unwrap_used, clippy::panic)]

use candle_core::{DType, Device, Var};

use super::*;
use crate::model::{Pooling, Portable, Stem, initialise};

fn config(frames: usize, stride: [usize; 2], depth: usize, pooling: Pooling) -> ModelConfig {
    ModelConfig {
        stem: Stem::Patches { mel_bins: 20, frames, patch: [6, 5], stride },
        hidden: 36,
        depth,
        heads: 3,
        mlp_hidden: 100,
        norm_eps: 1e-6,
        head_eps: 1e-5,
        head_norm: true,
        pooling,
        classes: 7,
    }
}

fn whisper(frames: usize, depth: usize) -> ModelConfig {
    let stem = Stem::Convolutions { mel_bins: 20, frames };
    ModelConfig { stem, ..config(frames, [1, 1], depth, Pooling::Mean) }
}

/// Clips of differing lengths, the first as long as there is room.
pub(in crate::model) fn features(config: &ModelConfig, batch: usize) -> Features {
    let (frames, bins) = (config.frames(), config.mel_bins());
    let data = (0..batch * frames * bins).map(|i| ((i as f32 + 1.0) * 12.9898).sin()).collect();
    let valid = (0..batch).map(|clip| frames.saturating_sub(5 * clip)).collect();
    Features { batch, frames, bins, data, valid }
}

/// Weights with nothing left at zero or one.
fn store(config: &ModelConfig, method: Method) -> ParamStore {
    moved(config, method, 0.2)
}

/// Fresh weights, each moved by at most so much.
pub(in crate::model) fn moved(config: &ModelConfig, method: Method, by: f32) -> ParamStore {
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

/// The same weights in double precision, for an oracle without rounding.
pub(in crate::model) fn double(store: &ParamStore) -> ParamStore {
    let vars = store
        .iter()
        .map(|(_, var)| Var::from_tensor(&var.as_detached_tensor().to_dtype(DType::F64).unwrap()).unwrap())
        .collect();
    ParamStore::new(store.specs().to_vec(), vars, Device::Cpu).unwrap()
}

pub(in crate::model) fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference, relative to the largest value.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let most = b.iter().fold(1e-6f32, |most, x| most.max(x.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / most
}

pub(in crate::model) fn loss(range: Range<usize>, logits: &[f32]) -> (f32, Vec<f32>) {
    let towards = |i: usize| ((i + range.start * 7) as f32 * 1.7).cos();
    let gradient: Vec<f32> = (0..logits.len()).map(towards).collect();
    (logits.iter().zip(&gradient).map(|(l, g)| l * g).sum(), gradient)
}

fn check(config: &ModelConfig, method: Method, batch: usize, thrift: Thrift) {
    let (store, input) = (store(config, method), features(config, batch));
    let what = format!("{method}, {config:?}, batch {batch}, {thrift:?}");
    let mut portable = Portable::new(config.clone(), method);
    let mut fast = Fast::new(config.clone(), method, thrift).unwrap();
    let exact = double(&store);
    for norms in [false, true] {
        let expected = portable.step(&exact, &input, &mut loss, norms).unwrap();
        let found = fast.step(&store, &input, &mut loss, norms).unwrap();
        assert!(difference(&found.logits, &expected.logits) < 1e-5, "logits of {what}");
        assert!((found.loss - expected.loss).abs() < 1e-4 * expected.loss.abs().max(1.0), "loss of {what}");
        assert_eq!(found.gradients.len(), expected.gradients.len());
        for (((spec, _), a), b) in store.trainable().zip(&found.gradients).zip(&expected.gradients) {
            assert_eq!((a.dims(), a.dtype()), (spec.shape.as_slice(), DType::F32));
            let difference = difference(&values(a), &values(b));
            // A query's gradient is the little that softmax leaves of large terms. Elsewhere it is seen beside those
            // of values, a low-rank update has it alone.
            let most = if spec.name.contains("lora_q") { 1e-4 } else { 2e-5 };
            assert!(difference < most, "{} differs by {difference} in {what}", spec.name);
        }
        match (found.norms, expected.norms) {
            (None, None) => {}
            (Some(found), Some(expected)) => {
                for (a, b) in found.iter().zip(&expected) {
                    let [a, b] = [a, b].map(|n| [n.spatial, n.spatial_ratio, n.mlp, n.mlp_ratio]);
                    assert!(difference(&a, &b) < 1e-5, "norms of {what}: {a:?} {b:?}");
                }
            }
            (found, expected) => panic!("norms of {what}: {found:?} {expected:?}"),
        }
        let logits = fast.logits(&store, &input).unwrap();
        assert!(difference(&logits, &expected.logits) < 1e-5, "inference of {what}");
        let (logits, seen) = fast.observe(&store, &input).unwrap();
        let (_, all) = portable.observe(&store, &input).unwrap();
        assert!(difference(&logits, &expected.logits) < 1e-5 && seen.len() == all.len(), "observation of {what}");
        // Of the last block only the tokens that are pooled are looked at.
        let same = if config.pooling == Pooling::Mean { seen.len() } else { seen.len().saturating_sub(1) };
        for (a, b) in seen.iter().zip(&all).take(same) {
            let [a, b] = [a, b].map(|n| [n.spatial, n.spatial_ratio, n.mlp, n.mlp_ratio]);
            assert!(difference(&a, &b) < 1e-5, "observed norms of {what}: {a:?} {b:?}");
        }
    }
}

#[test]
fn agrees_with_the_portable_engine() {
    for method in Method::all().filter(|&method| Fast::supports(&config(20, [5, 5], 2, Pooling::ClassTokens), method)) {
        check(&config(43, [3, 4], 3, Pooling::ClassTokens), method, 3, Thrift::default());
        check(&config(20, [7, 5], 2, Pooling::Mean), method, 2, Thrift::default());
        // One patch, one clip.
        check(&config(5, [20, 20], 2, Pooling::ClassTokens), method, 1, Thrift::default());
    }
}

#[test]
fn agrees_with_the_portable_engine_on_whisper() {
    for method in Method::all() {
        assert!(Fast::supports(&whisper(8, 2), method), "{method}");
        check(&whisper(12, 3), method, 3, Thrift::default());
        // An odd number of frames, more tokens than a tile, and enough for weights to be laid out anew.
        check(&whisper(281, 2), method, 3, Thrift::default());
        // One token, one clip.
        check(&whisper(1, 2), method, 1, Thrift::default());
    }
}

/// No clip fills its room: of the last block the tokens of the longest are computed and no more.
#[test]
fn short_clips_agree_too() {
    short_clips_agree(whisper(30, 2));
    short_clips_agree(config(30, [7, 5], 2, Pooling::Mean));
}

fn short_clips_agree(config: ModelConfig) {
    let (store, mut input) = (store(&config, Method::full()), features(&config, 3));
    input.valid = vec![9, 0, 14];
    let mut portable = Portable::new(config.clone(), Method::full());
    let mut fast = Fast::new(config, Method::full(), Thrift::default()).unwrap();
    let [found, expected] = [&mut fast as &mut dyn Engine, &mut portable]
        .map(|engine| engine.step(&store, &input, &mut loss, false).unwrap());
    assert!(difference(&found.logits, &expected.logits) < 1e-5);
    for (a, b) in found.gradients.iter().zip(&expected.gradients) {
        let [a, b] = [a, b].map(values);
        assert!(difference(&a, &b) < 2e-5);
    }
}

/// A clip's vector depends on that clip alone, to the bit, and leads to the same step and the same answers.
#[test]
fn what_a_frozen_backbone_makes_of_a_clip_may_be_kept() {
    let method: Method = "head".parse().unwrap();
    for config in [config(43, [3, 4], 2, Pooling::ClassTokens), whisper(30, 2)] {
        let (store, input) = (store(&config, method), features(&config, 5));
        let mut fast = Fast::new(config.clone(), method, Thrift::default()).unwrap();
        let mut portable = Portable::new(config.clone(), method);
        let pooled = fast.pooled(&store, &input).unwrap();
        for (clip, kept) in pooled.chunks(config.hidden).enumerate() {
            assert_eq!(fast.pooled(&store, &input.part(clip..clip + 1)).unwrap(), kept);
        }
        assert!(difference(&pooled, &portable.pooled(&store, &input).unwrap()) < 1e-5);

        let whole = fast.step(&store, &input, &mut loss, true).unwrap();
        let logits = fast.logits(&store, &input).unwrap();
        let head = fast.head_step(&store, &pooled, &mut loss).unwrap();
        assert_eq!((&whole.logits, whole.loss), (&head.logits, head.loss));
        assert_eq!(whole.logits, logits);
        assert_eq!(fast.head_logits(&store, &pooled).unwrap(), logits);
        let theirs = portable.head_step(&store, &pooled, &mut loss).unwrap();
        assert!(difference(&portable.head_logits(&store, &pooled).unwrap(), &logits) < 1e-5);
        for ((a, b), c) in whole.gradients.iter().zip(&head.gradients).zip(&theirs.gradients) {
            let [a, b, c] = [a, b, c].map(values);
            assert_eq!(a, b);
            assert!(difference(&a, &c) < 1e-5);
        }
    }
    let config = config(43, [3, 4], 2, Pooling::ClassTokens);
    let (aat, input) = (store(&config, Method::aat()), features(&config, 1));
    let mut fast = Fast::new(config, Method::aat(), Thrift::default()).unwrap();
    let pooled = fast.pooled(&aat, &input).unwrap();
    assert!(fast.head_step(&aat, &pooled, &mut loss).is_err());
}

#[test]
fn thrift_changes_nothing() {
    for config in [config(23, [5, 4], 3, Pooling::ClassTokens), whisper(23, 3)] {
        for method in Method::all().filter(|&method| Fast::supports(&config, method)) {
            check(&config, method, 5, Thrift { micro_batch: Some(2), checkpoint: true, ..Thrift::default() });
            check(&config, method, 3, Thrift { micro_batch: Some(1), ..Thrift::default() });
        }
    }
}

/// The same model with another number of clips, up and down: memory from before must not show.
#[test]
fn batches_of_different_sizes_follow_one_another() {
    let config = config(23, [5, 4], 2, Pooling::ClassTokens);
    let store = store(&config, Method::aat());
    let mut fast = Fast::new(config.clone(), Method::aat(), Thrift::default()).unwrap();
    let fresh = || Fast::new(config.clone(), Method::aat(), Thrift::default()).unwrap();
    for batch in [3, 5, 1, 4] {
        let input = features(&config, batch);
        let (a, b) = (
            fast.step(&store, &input, &mut loss, batch == 1).unwrap(),
            fresh().step(&store, &input, &mut loss, false).unwrap(),
        );
        for (a, b) in a.gradients.iter().zip(&b.gradients) {
            let [a, b] = [a, b].map(values);
            assert!(difference(&a, &b) < 1e-5);
        }
    }
}
