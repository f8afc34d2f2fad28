//! CED and Dasheng from the waveform on: tokens after every block and logits, of the oracle and of every engine, against the
//! makers' own code (`tests/golden/make_ced.py`) at three lengths; and that each known mistake would show.

use std::path::{Path, PathBuf};

use aat_tui::{
    audio::{self, FrontEnd, LogMel},
    model::{
        self, Compute, Features, Inventory, MemoryOptions, Method, ModelConfig, Opened, ParamStore, Pooling, Request,
        Stem,
        checkpoint::{Checkpoint, Format, Tensors, open_tensors},
        engine_by, specs,
    },
};
use candle_core::{DType, Tensor};

use crate::{made::Folder, oracle::Oracle};

const TOLERANCE: f32 = 2e-4;
/// Samples of the sounds that the makers' code was given; the last fills the models' own length.
const LENGTHS: [usize; 3] = [160 * 31, 160 * 90 + 77, 160 * 163 + 11];
const FAMILIES: [&str; 2] = ["ced", "dasheng"];

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models")
}

/// As in make_ced.py: a chirp and noise, with pauses.
fn synthetic(samples: usize) -> Vec<f32> {
    let mut state = 1u32;
    let sample = |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from(state >> 8) / f64::from(1 << 23) - 1.0;
        let t = n as f64 / 16_000.0;
        let chirp = 0.3 * (std::f64::consts::TAU * (100.0 * t + 4_000.0 * t * t)).sin();
        let level = if (n / 1000) % 5 == 3 { 1e-4 } else { 1.0 };
        (level * (chirp + 0.01 * noise * t)) as f32
    };
    (0..samples).map(sample).collect()
}

/// As in make_ced.py: recorded speech, its samples taken at 16 kHz; none where ../shared is missing.
fn recording() -> Option<Vec<f32>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/digits/seven");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    }
    let load = |i| audio::decode(&folder.join(format!("george_nohash_{i}.flac"))).unwrap().samples;
    Some((0..12).flat_map(load).collect())
}

/// What the makers' code gives for `samples` of a `sound`: "expected" is the synthetic one, "recording" recorded speech.
fn expected(family: &str, sound: &str, samples: usize) -> Tensors {
    open_tensors(&models().join(format!("{family}-hf/{sound}-{samples}.safetensors"))).unwrap()
}

fn read(tensors: &Tensors, name: &str) -> Vec<f32> {
    let mut values = Vec::new();
    tensors.read(name, &mut values).unwrap();
    values
}

/// The features of a sound as the model takes them, nothing cut and nothing padded.
fn features(mel: LogMel) -> Features {
    Features { batch: 1, frames: mel.frames, bins: mel.bins, data: mel.data, valid: vec![mel.frames] }
}

/// A model of this file at the length of the synthetic sound, and that sound's features.
fn opened(file: &str, samples: usize, method: Option<Method>) -> (Opened, Features) {
    opened_for(file, &synthetic(samples), method)
}

/// A model of this file at the length of a sound, and that sound's features.
fn opened_for(file: &str, sound: &[f32], method: Option<Method>) -> (Opened, Features) {
    let mel = FrontEnd::Ced.extractor().compute(sound);
    let path = models().join(file);
    let has_head = Checkpoint::open(&path).unwrap().config.classes > 0;
    let classes = (!has_head).then_some(3);
    let request = Request { frames: Some(mel.frames), classes, method, ..Request::new(path.to_str().unwrap()) };
    (model::open(&request).unwrap(), features(mel))
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Tokens after every block, then logits, of the oracle and of each engine.
fn computed(
    config: &ModelConfig,
    method: Method,
    store: &ParamStore,
    input: &Features,
) -> Vec<(String, Vec<Vec<f32>>)> {
    let blocks: Vec<usize> = (1..=config.depth).collect();
    let pass = Oracle::new(config, method, store).forward(input).unwrap();
    let values = |t: &Tensor| t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let mut all = vec![("oracle".to_owned(), pass.states.iter().chain([&pass.logits]).map(values).collect())];
    for compute in [Compute::Cpu, Compute::Accelerator] {
        let mut engine = engine_by(compute, config, method, MemoryOptions::default()).unwrap();
        let mut got = engine.states(store, input, &blocks).unwrap();
        got.push(engine.logits(store, input).unwrap());
        all.push((format!("{compute:?}"), got));
    }
    all
}

fn agrees(sound: &str, samples: &[f32]) {
    for family in FAMILIES {
        for length in LENGTHS {
            let expected = expected(family, sound, length);
            for method in [None, Some(Method::aat())] {
                let (opened, input) = opened_for(&format!("{family}-hf"), &samples[..length], method);
                let depth = opened.config.depth;
                let mut wanted: Vec<_> = (0..depth).map(|block| read(&expected, &format!("hidden.{block}"))).collect();
                if family == "ced" {
                    wanted.push(read(&expected, "logits"));
                }
                for (name, got) in computed(&opened.config, opened.method, &opened.store, &input) {
                    for (at, (got, want)) in got.iter().zip(&wanted).enumerate() {
                        let apart = worst(got, want);
                        eprintln!("{family}, {sound}, {length} samples, {name}, {at}: {apart:.1e}");
                        assert!(
                            apart < TOLERANCE,
                            "{family}, {sound}, {length} samples, {name}: {at} is off by {apart}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn tokens_and_logits_are_the_makers() {
    agrees("expected", &synthetic(LENGTHS[2]));
}

#[test]
fn tokens_and_logits_of_recorded_speech_are_the_makers() {
    if let Some(speech) = recording() {
        agrees("recording", &speech);
    }
}

/// The logits of CED for the longest but one sound, with one thing done wrongly; how far they are from the makers'.
fn off_by(wrong: impl FnOnce(&mut Opened, &mut Features)) -> f32 {
    let samples = LENGTHS[1];
    let (mut opened, mut input) = opened("ced-hf", samples, None);
    wrong(&mut opened, &mut input);
    let mut engine = engine_by(Compute::Cpu, &opened.config, opened.method, MemoryOptions::default()).unwrap();
    worst(&engine.logits(&opened.store, &input).unwrap(), &read(&expected("ced", "expected", samples), "logits"))
}

fn set(opened: &Opened, name: &str, change: impl Fn(usize, f32) -> f32) {
    let var = opened.store.get(name).unwrap();
    let values: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
    let values: Vec<f32> = values.into_iter().enumerate().map(|(i, value)| change(i, value)).collect();
    var.set(&Tensor::from_vec(values, var.dims(), var.device()).unwrap()).unwrap();
}

/// Each mistake that others made with these models moves logits far beyond the tolerance of the test above.
#[test]
fn every_known_mistake_would_show() {
    let trap = |name: &str, apart: f32| {
        eprintln!("{name}: logits move by {apart:.1e}");
        assert!(apart > 10.0 * TOLERANCE, "{name} moves logits by {apart} only");
    };
    let right = off_by(|_, _| ());
    assert!(right < TOLERANCE, "{right}");
    trap(
        "batch norm left out",
        off_by(|opened, _| {
            set(opened, "bin_norm.weight", |_, _| 1.0);
            set(opened, "bin_norm.bias", |_, _| 0.0);
        }),
    );
    trap(
        "a data set's mean and deviation besides",
        off_by(|_, input| {
            input.data.iter_mut().for_each(|value| *value = (*value + 4.27) / (2.0 * 4.57));
        }),
    );
    trap(
        "natural logarithms for decibels",
        off_by(|_, input| {
            input.data.iter_mut().for_each(|value| *value *= std::f32::consts::LN_10 / 10.0);
        }),
    );
    trap(
        "Slaney's filters",
        off_by(|_, input| {
            let mel = FrontEnd::Whisper.extractor().compute(&synthetic(LENGTHS[1]));
            // Whisper's first 64 of 80 bins, as decibels.
            for (frame, row) in input.data.chunks_exact_mut(64).enumerate().filter(|(frame, _)| *frame < mel.frames) {
                row.iter_mut().zip(mel.row(frame)).for_each(|(to, from)| *to = 10.0 * (4.0 * from - 4.0));
            }
        }),
    );
    trap(
        "top_db over a batch with a sound 80 dB louder",
        off_by(|_, input| {
            let loudest = input.data.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            input.data.iter_mut().for_each(|value| *value = value.max(loudest + 80.0 - 120.0));
        }),
    );
    trap("silence behind the clip", {
        let samples = LENGTHS[1];
        let (_, input) = opened("ced-hf", samples, None);
        let (longer, _) = opened("ced-hf", LENGTHS[2], None);
        let frames = longer.config.frames();
        let mut padded = Features { frames, ..input };
        padded.data.resize(frames * 64, 0.0);
        let mut engine = engine_by(Compute::Cpu, &longer.config, longer.method, MemoryOptions::default()).unwrap();
        worst(&engine.logits(&longer.store, &padded).unwrap(), &read(&expected("ced", "expected", samples), "logits"))
    });
    // The own length has 10 columns and this sound 5: Gong's rule would take columns 3 to 7.
    let whole = opened("ced-hf", LENGTHS[2], None).0;
    let columns: Vec<f32> = whole.store.get("pos_embed.time").unwrap().flatten_all().unwrap().to_vec1().unwrap();
    trap(
        "positions from the middle",
        off_by(|opened, _| {
            let (count, d) = (opened.config.grid()[1], opened.config.hidden);
            let first = 10 / 2 - count / 2;
            set(opened, "pos_embed.time", |i, _| columns[first * d + i]);
        }),
    );
    trap("one head of 64 values for two of 8", off_by(|opened, _| opened.config.heads = 1));
    trap(
        "AST's epsilon in the head alone is not enough, a head without its norm is",
        off_by(|opened, _| {
            opened.config.head_norm = false;
        }),
    );
}

#[test]
fn both_forms_of_a_file_are_the_same_model() {
    let forms = [
        ("ced-hf", Format::HuggingFaceCed, 3),
        ("ced-raw/weights.pt", Format::RawCed, 3),
        ("dasheng-hf", Format::HuggingFaceDasheng, 0),
        ("dasheng-raw/weights.pt", Format::RawDasheng, 0),
    ];
    let mut fingerprints = Vec::new();
    for (file, format, classes) in forms {
        let checkpoint = Checkpoint::open(&models().join(file)).unwrap();
        assert_eq!((checkpoint.format, checkpoint.config.classes), (format, classes), "{file}");
        assert_eq!(checkpoint.config.front_end().unwrap(), FrontEnd::Ced, "{file}");
        assert_eq!(checkpoint.config.class_tokens(), 0, "{file}");
        let printed = checkpoint
            .ignored
            .iter()
            .all(|(name, _)| name.contains("front_end.") || name.ends_with("num_batches_tracked"));
        assert!(printed, "{file}: {:?}", checkpoint.ignored);
        fingerprints.push(opened(file, LENGTHS[1], None).0.fingerprint);
    }
    assert_eq!(fingerprints[0], fingerprints[1]);
    assert_eq!(fingerprints[2], fingerprints[3]);
    assert_ne!(fingerprints[0], fingerprints[2]);
    let ced = Checkpoint::open(&models().join("ced-hf")).unwrap();
    assert_eq!(ced.labels.unwrap(), ["dog", "rain", "clock tick"]);
    assert_eq!((ced.multi_label, ced.config.frames()), (Some(true), 164));
    // Heads of 8 values: neither 16 / 64 nor anything else that the tensors say.
    for file in ["ced-hf", "dasheng-hf", "dasheng-raw/weights.pt"] {
        assert_eq!(Checkpoint::open(&models().join(file)).unwrap().config.heads, 2, "{file}");
    }
    // A raw CED says no heads; the note names what is taken.
    let raw = Checkpoint::open(&models().join("ced-raw/weights.pt")).unwrap();
    assert!(raw.notes.iter().any(|note| note.contains("does not say its attention heads")), "{:?}", raw.notes);
}

/// Tensors of a Dasheng of these sizes, of the raw file's names, one block's worth of real shapes.
fn dasheng(hidden: usize, depth: usize) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let mut tensors = Vec::new();
    let mut put = |name: String, shape: &[usize]| {
        tensors.push((name, shape.to_vec(), vec![0.5; shape.iter().product()]));
    };
    for name in ["weight", "bias", "running_mean", "running_var"] {
        put(format!("init_bn.1.{name}"), &[64]);
    }
    put("patch_embed.proj.weight".into(), &[hidden, 1, 64, 4]);
    put("patch_embed.proj.bias".into(), &[hidden]);
    put("time_pos_embed".into(), &[1, hidden, 1, 252]);
    put("freq_pos_embed".into(), &[1, hidden, 1, 1]);
    for i in 0..depth {
        let layers = [
            ("attn.qkv", 3 * hidden, hidden),
            ("attn.proj", hidden, hidden),
            ("mlp.fc1", 2, hidden),
            ("mlp.fc2", hidden, 2),
        ];
        for (layer, out, input) in layers {
            put(format!("blocks.{i}.{layer}.weight"), &[out, input]);
            put(format!("blocks.{i}.{layer}.bias"), &[out]);
        }
        for norm in ["norm1", "norm2"] {
            put(format!("blocks.{i}.{norm}.weight"), &[hidden]);
            put(format!("blocks.{i}.{norm}.bias"), &[hidden]);
        }
    }
    put("norm.weight".into(), &[hidden]);
    put("norm.bias".into(), &[hidden]);
    tensors
}

/// A whole CED says its head's bins: the settings must be those that are computed, and belong to the weights.
#[test]
fn settings_of_other_models_are_refused_by_name() {
    let config = |changed: &dyn Fn(&mut serde_json::Value)| {
        let mut settings: serde_json::Value =
            serde_json::from_str(r#"{"model_type": "dasheng", "name": "dasheng-base", "encoder_kwargs":
                {"embed_dim": 32, "depth": 1, "num_heads": 4, "target_length": 1008, "patch_size": [64, 4], "patch_stride": [64, 4]}}"#)
            .unwrap();
        changed(&mut settings);
        let folder = Folder::new().safetensors("model.safetensors", &dasheng(32, 1)).json("config.json", &settings);
        Checkpoint::open(folder.root()).map(|checkpoint| checkpoint.config)
    };
    let right = config(&|_| ()).unwrap();
    assert_eq!((right.heads, right.frames()), (4, 1008));
    for (key, value, says) in [
        ("target_length", serde_json::json!(1012), "252 columns"),
        ("patch_stride", serde_json::json!([64, 2]), "64 x 4"),
        ("embed_dim", serde_json::json!(16), "the weights have 32"),
        ("pooling", serde_json::json!("token"), "mean"),
        ("qkv_bias", serde_json::json!(false), "true"),
        ("init_values", serde_json::json!(1e-5), "not computed"),
    ] {
        let why = config(&|settings| settings["encoder_kwargs"][key] = value.clone()).unwrap_err().to_string();
        assert!(why.contains(key) && why.contains(says), "{key}: {why}");
    }
}

/// What the published sizes count: `../shared/reference/backbones.md` has the table.
#[test]
fn counts_of_published_sizes() {
    let patches = |patch: [usize; 2], frames, hidden, depth, heads| ModelConfig {
        stem: Stem::Patches { mel_bins: 64, frames, patch, stride: patch },
        family: Some(model::Family::Ced),
        hidden,
        depth,
        heads,
        mlp_hidden: 4 * hidden,
        norm_eps: 1e-6,
        head_eps: 1e-5,
        head_norm: true,
        pooling: Pooling::Mean,
        classes: 50,
    };
    let ced = |hidden| patches([16, 16], 1012, hidden, 12, hidden / 64);
    let dasheng = |hidden, depth, heads| patches([64, 4], 1008, hidden, depth, heads);
    let whisper = |hidden: usize, depth, mel_bins| ModelConfig {
        stem: Stem::Convolutions { mel_bins, frames: 3000 },
        family: None,
        norm_eps: 1e-5,
        ..patches([16, 16], 1012, hidden, depth, hidden / 64)
    };
    // Backbone; then head, partial, prompt, aat-m and aat with 50 classes.
    let table: [(&str, ModelConfig, [usize; 6]); 14] = [
        ("CED-tiny", ced(192), [5_400_960, 10_034, 2_679_218, 37_682, 234_098, 458_162]),
        ("CED-mini", ced(256), [9_560_576, 13_362, 4_751_922, 50_226, 410_418, 807_474]),
        ("CED-small", ced(384), [21_418_752, 20_018, 10_666_802, 75_314, 910_514, 1_801_010]),
        ("CED-base", ced(768), [85_304_832, 39_986, 42_567_218, 150_578, 3_590_450, 7_140_914]),
        ("Dasheng-base", dasheng(768, 12, 12), [85_447_680, 39_986, 42_567_218, 150_578, 3_590_450, 7_140_914]),
        ("Dasheng-0.6B", dasheng(1280, 32, 16), [630_333_440, 66_610, 314_905_650, 558_130, 26_332_210, 52_597_810]),
        ("Dasheng-1.2B", dasheng(1536, 40, 24), [1_134_047_232, 79_922, 566_710_322, 817_202, 47_342_642, 94_605_362]),
        ("Whisper tiny", whisper(384, 4, 80), [7_632_384, 20_018, 3_568_178, 38_450, 316_850, 613_682]),
        ("Whisper base", whisper(512, 6, 80), [19_822_592, 26_674, 9_482_290, 63_538, 816_946, 1_607_218]),
        ("Whisper small", whisper(768, 12, 80), [87_002_112, 39_986, 42_562_610, 150_578, 3_590_450, 7_140_914]),
        ("Whisper medium", whisper(1024, 24, 80), [305_680_384, 53_298, 151_195_698, 348_210, 12_666_930, 25_280_562]),
        ("Whisper large", whisper(1280, 32, 80), [634_864_640, 66_610, 314_885_170, 558_130, 26_332_210, 52_597_810]),
        (
            "Whisper large-v3",
            whisper(1280, 32, 128),
            [635_048_960, 66_610, 314_885_170, 558_130, 26_332_210, 52_597_810],
        ),
        ("Whisper turbo", whisper(1280, 32, 128), [635_048_960, 66_610, 314_885_170, 558_130, 26_332_210, 52_597_810]),
    ];
    for (name, config, [backbone, head, rest @ ..]) in table {
        let trainable = |method: &str| Inventory::of(&specs(&config, method.parse().unwrap())).trainable;
        assert_eq!(trainable("full"), backbone + head, "{name}, full");
        assert_eq!(trainable("head"), head, "{name}, head");
        for (method, count) in ["partial", "prompt", "aat-m", "aat"].into_iter().zip(rest) {
            assert_eq!(trainable(method), count, "{name}, {method}");
        }
    }
}
