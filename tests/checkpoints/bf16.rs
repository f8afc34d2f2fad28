//! A model opened for passes in bf16 on the CPU: its blocks' frozen matrices are kept in bf16, and nothing else is.

use aat_tui::model::{
    self, Features, MemoryOptions, Method, Opened, ParamSpec, Precision, Request,
    checkpoint::{Card, save_adapter},
};
use candle_core::{DType, Tensor};

fn request(source: &str, method: Method, precision: Precision) -> Request {
    Request {
        frames: Some(48),
        stride: Some([16, 16]),
        classes: Some(3),
        method: Some(method),
        precision: Some(precision),
        seed: 5,
        ..Request::new(source)
    }
}

/// The same model in single precision and in bf16; what trains is moved away from where it began.
fn both(source: &str, method: Method) -> [Opened; 2] {
    [Precision::F32, Precision::Bf16].map(|precision| {
        let opened = model::open(&request(source, method, precision)).unwrap();
        for (_, var) in opened.store.trainable() {
            let wave = Tensor::arange(0f32, var.elem_count() as f32, var.device()).unwrap().sin().unwrap();
            let moved =
                (wave.affine(0.05, 0.01).unwrap().reshape(var.shape()).unwrap() + var.as_detached_tensor()).unwrap();
            var.set(&moved).unwrap();
        }
        opened
    })
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_dtype(DType::F32).unwrap().to_vec1().unwrap()
}

fn is_own_matrix(spec: &ParamSpec) -> bool {
    ["attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight"]
        .iter()
        .any(|name| spec.name.starts_with("blocks.") && spec.name.ends_with(name))
}

/// Every weight of one is that of the other, rounded where it is a block's frozen matrix.
fn rounded_where_frozen([single, half]: &[Opened; 2]) -> usize {
    let mut found = 0;
    for (spec, var) in half.store.iter() {
        let is_rounded = is_own_matrix(spec) && !spec.trains;
        found += usize::from(is_rounded);
        assert_eq!(var.dtype(), if is_rounded { DType::BF16 } else { DType::F32 }, "{}", spec.name);
        let mut expected = single.store.get(&spec.name).unwrap().as_detached_tensor();
        if is_rounded {
            expected = expected.to_dtype(DType::BF16).unwrap();
        }
        assert_eq!(values(var), values(&expected), "{}", spec.name);
    }
    found
}

fn input() -> Features {
    let data = (0..2 * 48 * 128).map(|i| (i as f32 * 0.37).sin()).collect();
    Features { batch: 2, frames: 48, bins: 128, data, valid: vec![48, 48] }
}

/// Passes in bf16 have the same bits whether the store keeps the matrices in bf16 or products round them.
#[test]
fn rounded_weights_give_the_bits_of_rounding_products() {
    let memory = MemoryOptions { precision: Precision::Bf16, training: true, ..MemoryOptions::default() };
    let mut loss = |range: std::ops::Range<usize>, logits: &[f32]| {
        (range.len() as f32, logits.iter().map(|logit| 0.3 + 0.1 * logit).collect::<Vec<f32>>())
    };
    for (name, frozen) in [("aat", 48), ("full", 0), ("partial", 24), ("lora", 48), ("bitfit", 48), ("head", 48)] {
        let both = both("tiny", name.parse().unwrap());
        assert_eq!(rounded_where_frozen(&both), frozen, "{name}");
        let [single, half] = both.each_ref().map(|opened| {
            let mut engine = opened.engine_with(memory);
            let logits = engine.logits(&opened.store, &input()).unwrap();
            let step = engine.step(&opened.store, &input(), &mut loss, false).unwrap();
            (logits, step.logits, step.gradients.iter().map(values).collect::<Vec<_>>())
        });
        assert!(single == half, "{name}");
    }
}

#[test]
fn a_pass_in_f32_refuses_them() {
    let [_, half] = both("tiny", Method::aat());
    let refusal = half.engine_with(MemoryOptions::default()).logits(&half.store, &input()).unwrap_err().to_string();
    assert!(refusal.contains("kept in bf16"), "{refusal}");
}

/// What a training left is added to the backbone before that is rounded.
#[test]
fn low_rank_updates_are_folded_before_rounding() {
    let folder = tempfile::tempdir().unwrap();
    let [trained, _] = both("tiny", "lora-r4-a2".parse().unwrap());
    let card = Card {
        base: "tiny".into(),
        base_fingerprint: trained.fingerprint.clone(),
        seed: 5,
        method: trained.method,
        shape: trained.config.clone(),
        labels: vec!["a".into(), "b".into(), "c".into()],
        front_end: "kaldi-fbank-128".into(),
        normalisation: None,
        multi_label: None,
    };
    save_adapter(folder.path(), &card, &trained.store).unwrap();
    let source = folder.path().to_str().unwrap();
    let again = [Precision::F32, Precision::Bf16]
        .map(|precision| model::open(&Request { precision: Some(precision), ..Request::new(source) }).unwrap());
    assert_eq!(rounded_where_frozen(&again), 48);
    let upon = both(source, Method::aat());
    assert_eq!(rounded_where_frozen(&upon), 48);
    assert_eq!(upon.map(|opened| opened.precision), [Precision::F32, Precision::Bf16]);
    let plain = both("tiny", Method::aat());
    let query = |opened: &Opened| values(opened.store.get("blocks.0.attn.qkv.weight").unwrap());
    assert_ne!(query(&both(source, Method::aat())[1]), query(&plain[1]), "nothing was folded");
}
