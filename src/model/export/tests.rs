//! Written files, run by rten, against the program's own engine on the CPU.
#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor};
use prost::Message;

use super::{proto::Model, *};
use crate::{
    audio::LogMel,
    model::{Family, Features, MemoryOptions, Pooling, Stem, engine, initialise, specs},
};

/// A model whose every weight counts: far from zero everywhere, so that whatever is left out shows.
struct Case {
    config: ModelConfig,
    method: Method,
    store: ParamStore,
    normalisation: Normalisation,
}

fn case(config: ModelConfig, method: &str) -> Case {
    let method: Method = method.parse().unwrap();
    let store = initialise(specs(&config, method), 3, &Device::Cpu).unwrap();
    for (at, (spec, var)) in store.iter().enumerate() {
        let fan_in = if spec.shape.len() > 1 { spec.shape[1..].iter().product() } else { 25 };
        let std = if spec.name.ends_with("prompt") { 1.0 } else { (fan_in as f64).powf(-0.5) };
        // Decibels come to the size of other features, as their batch norm brings them.
        let (mean, std) = match spec.name.as_str() {
            "bin_norm.weight" => (0.05, 0.004),
            "bin_norm.bias" => (2.0, 0.1),
            name if name.contains("norm") && name.ends_with("weight") => (1.0, std),
            _ => (0.0, std),
        };
        // A generator of our own: candle's cannot be seeded on the CPU.
        let mut state = 0x9e37_79b9_u64.wrapping_mul(at as u64 + 1);
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5
        };
        let values: Vec<f32> = (0..spec.count())
            .map(|_| (mean + std * 3.46 * uniform() * if mean > 0.0 { 0.5 } else { 1.0 }) as f32)
            .collect();
        var.set(&Tensor::from_vec(values, spec.shape.as_slice(), &Device::Cpu).unwrap()).unwrap();
    }
    Case { config, method, store, normalisation: Normalisation { mean: -6.6, std: 5.3 } }
}

impl Case {
    fn source(&self) -> OnnxSource<'_> {
        let Self { config, method, store, normalisation } = self;
        OnnxSource { config, method: *method, store, normalisation: *normalisation, scores: Scores::Softmax }
    }

    fn file(&self, options: &OnnxOptions) -> Vec<u8> {
        let metadata = vec![("labels".to_owned(), "[\"a \\\"quote\\\"\"]".to_owned())];
        let onnx = Onnx::new(self.source(), options, metadata).unwrap();
        let mut bytes = Vec::new();
        onnx.write(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, onnx.bytes());
        bytes
    }

    /// Logits and pooled vector of one sound, as the program computes them.
    fn program(&self, sound: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let front_end = self.config.front_end().unwrap();
        let Normalisation { mean, std } = front_end.normalisation().unwrap_or(self.normalisation);
        let mel: LogMel = front_end.extractor().compute(sound);
        let (frames, bins) = (self.config.frames(), self.config.mel_bins());
        let valid = mel.frames.min(frames);
        let mut data = vec![front_end.padding(&mel); frames * bins];
        data[..valid * bins].copy_from_slice(&mel.data[..valid * bins]);
        data.iter_mut().for_each(|value| *value = (*value - mean) / (2.0 * std));
        let features = Features { batch: 1, frames, bins, data, valid: vec![valid] };
        let mut engine = engine(&self.config, self.method, self.store.device(), MemoryOptions::default());
        (engine.logits(&self.store, &features).unwrap(), engine.pooled(&self.store, &features).unwrap())
    }
}

fn shapes() -> Vec<(&'static str, ModelConfig)> {
    let small = |config: ModelConfig| ModelConfig { depth: 3, hidden: 48, heads: 3, mlp_hidden: 96, ..config };
    let ast = |stride| small(ModelConfig::ast("tiny", 64, stride, 5).unwrap());
    let narrow = Stem::Patches { mel_bins: 128, frames: 64, patch: [128, 2], stride: [128, 2] };
    let whisper = |mel_bins| Stem::Convolutions { mel_bins, frames: 65 };
    let ced = |patch: [usize; 2]| {
        let stem = Stem::Patches { mel_bins: 64, frames: 64, patch, stride: patch };
        ModelConfig { stem, family: Some(Family::Ced), ..ast([16, 16]) }
    };
    let mean = |config: ModelConfig| ModelConfig { pooling: Pooling::Mean, ..config };
    vec![
        ("stride 10, class tokens", ast([10, 10])),
        ("stride 16, class tokens", ast([16, 16])),
        ("stride 10, mean", mean(ast([10, 10]))),
        ("stride 16, mean", mean(ast([16, 16]))),
        ("frames as patches", ModelConfig { stem: narrow, ..ast([10, 10]) }),
        ("CED", mean(ced([16, 16]))),
        ("Dasheng", mean(ced([64, 4]))),
        ("Whisper", mean(ModelConfig { stem: whisper(80), ..ast([10, 10]) })),
        ("Whisper large-v3", mean(ModelConfig { stem: whisper(128), ..ast([10, 10]) })),
        (
            "Whisper's own head",
            ModelConfig { stem: whisper(80), pooling: Pooling::All, head_norm: false, ..ast([10, 10]) },
        ),
    ]
}

/// A decaying tone and noise beside it; the second of a batch differs from the first.
fn sound(samples: usize, which: usize) -> Vec<f32> {
    let tone = [900.0, 5000.0][which % 2];
    let mut state = 17u32 + which as u32;
    (0..samples)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let time = n as f32 / 16_000.0;
            let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
            (tone * std::f32::consts::TAU * time).sin() * (-3.0 * time).exp() * 0.5 + 0.02 * noise
        })
        .collect()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let apart = |(a, b): (&f32, &f32)| if (a - b).is_nan() { f32::INFINITY } else { (a - b).abs() };
    a.iter().zip(b).map(apart).fold(0.0, f32::max)
}

/// Shorter than the window, as long, and longer; two at once.
const LENGTHS: [usize; 3] = [5_000, 400 + 160 * 63, 16_001];

fn agrees(title: &str, case: &Case, options: &OnnxOptions, tolerance: f32) {
    let runtime = Runtime::of(case.file(options)).unwrap();
    for samples in LENGTHS {
        // One of them so soft that its floor is the lowest value that the front end has.
        let soft = if samples == LENGTHS[0] { 1e-4 } else { 1.0 };
        let sounds = [sound(samples, 0), sound(samples, 1).into_iter().map(|value| value * soft).collect()];
        let both = sounds.concat();
        let logits = runtime.run(&both, 2, "logits").unwrap();
        let scores = runtime.run(&both, 2, "scores").unwrap();
        let pooled = runtime.run(&both, 2, "embeddings").unwrap();
        for (at, sound) in sounds.iter().enumerate() {
            let (expected, vector) = case.program(sound);
            let exps: Vec<f32> = expected.iter().map(|value| value.exp()).collect();
            let shares: Vec<f32> = exps.iter().map(|value| value / exps.iter().sum::<f32>()).collect();
            let (n, d) = (expected.len(), vector.len());
            let found = [
                apart(&expected, &logits[at * n..(at + 1) * n]),
                apart(&shares, &scores[at * n..(at + 1) * n]),
                apart(&vector, &pooled[at * d..(at + 1) * d]),
            ];
            assert!(found.iter().all(|apart| *apart < tolerance), "{title}, {samples} samples: {found:?}");
        }
    }
}

const ALL: OnnxOptions = OnnxOptions { samples: None, half: false, logits: true, embeddings: true };

#[test]
fn every_method_on_every_stem_answers_as_the_program_does() {
    for (title, config) in shapes() {
        for method in Method::all().map(|method| method.to_string()).chain(["lora-r4-a2".to_owned()]) {
            agrees(&format!("{title}, {method}"), &case(config.clone(), &method), &ALL, 1e-4);
        }
    }
}

/// Any weight that the graph left out would show: each, set to nothing, moves the answer.
#[test]
fn every_parameter_counts() {
    for (title, config) in
        shapes().into_iter().filter(|(title, _)| ["stride 16, mean", "Whisper", "CED"].contains(title))
    {
        let config = ModelConfig { depth: 1, ..config };
        for method in ["aat", "lora", "prompt"] {
            let case = case(config.clone(), method);
            let clip = sound(8_000, 0);
            let answer = || Runtime::of(case.file(&ALL)).unwrap().run(&clip, 1, "logits").unwrap();
            let whole = answer();
            for (spec, var) in case.store.iter() {
                // A key's bias adds the same to every score of a query, which softmax takes away again.
                let kept = var.as_tensor().copy().unwrap();
                var.set(&kept.zeros_like().unwrap()).unwrap();
                let moved = apart(&whole, &answer());
                var.set(&kept).unwrap();
                // Mean pooling leaves class tokens out, but the patches attend to them.
                assert!(moved > 1e-5, "{title}, {method}: without {} logits move by {moved}", spec.name);
            }
        }
    }
}

#[test]
fn half_precision_halves_the_matrices_and_hardly_moves_scores() {
    for (title, config) in shapes() {
        let case = case(config, "aat");
        let half = OnnxOptions { half: true, ..ALL };
        let model = Model::decode(case.file(&half).as_slice()).unwrap();
        let constants = model.graph.unwrap().initializer;
        let is_half = |constant: &proto::Tensor| constant.data_type == Some(proto::F16);
        assert!(
            constants.iter().all(|constant| !(constant.name().starts_with("front") && is_half(constant))),
            "{title}"
        );
        assert!(constants.iter().any(|constant| constant.name() == "blocks.0.mlp.fc1.weight" && is_half(constant)));
        agrees(title, &case, &half, 0.05);
    }
}

#[test]
fn a_fixed_length_is_in_the_file() {
    for (_, config) in shapes() {
        let case = case(config, "prompt");
        let fixed = OnnxOptions { samples: Some(10_480), ..ALL };
        let bytes = case.file(&fixed);
        let model = Model::decode(bytes.as_slice()).unwrap();
        let input = model.graph.unwrap().input.remove(0);
        let axes = input.r#type.unwrap().tensor.unwrap().shape.unwrap().dim;
        assert_eq!((axes[0].name(), axes[1].value()), ("batch", 10_480));
        let clip = sound(10_480, 1);
        let logits = Runtime::of(bytes).unwrap().run(&clip, 1, "logits").unwrap();
        assert!(apart(&logits, &case.program(&clip).0) < 1e-4);
    }
    let case = case(shapes().remove(0).1, "head");
    let error = Onnx::new(case.source(), &OnnxOptions { samples: Some(399), ..ALL }, Vec::new()).err().unwrap();
    assert!(error.to_string().contains("at least 400"), "{error}");
}

#[test]
fn the_same_model_gives_the_same_bytes_and_the_metadata_are_there() {
    let case = case(shapes().remove(0).1, "aat");
    let bytes = case.file(&ALL);
    assert_eq!(bytes, case.file(&ALL));
    assert_eq!(Runtime::of(bytes).unwrap().metadata("labels"), Some("[\"a \\\"quote\\\"\"]"));
}

/// Classes that occur together are answered one by one.
#[test]
fn sigmoids_stand_alone() {
    let case = case(shapes().remove(1).1, "head");
    let mut bytes = Vec::new();
    let source = OnnxSource { scores: Scores::Sigmoid, ..case.source() };
    Onnx::new(source, &ALL, Vec::new()).unwrap().write(&mut bytes).unwrap();
    let clip = sound(8_000, 0);
    let scores = Runtime::of(bytes).unwrap().run(&clip, 1, "scores").unwrap();
    let expected: Vec<f32> = case.program(&clip).0.iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect();
    assert!(apart(&scores, &expected) < 1e-5);
}

#[test]
fn more_than_the_format_allows_is_refused_before_anything_is_written() {
    let error = fits(2_600_000_000, false).unwrap_err().to_string();
    assert!(error.contains("2.6 GB") && error.contains("--dtype f16"), "{error}");
    assert!(!fits(2_600_000_000, true).unwrap_err().to_string().contains("--dtype f16"));
    assert!(fits(2_000_000_000, false).is_ok());
}
