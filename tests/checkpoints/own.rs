//! Our own files: a whole model, and adapters alone.

use std::path::Path;

use aat_tui::model::{
    self, Method, Opened, Request,
    checkpoint::{AdapterCheckpoint, Card, save_adapter, save_model},
};
use candle_core::Tensor;

fn opened(source: &str, method: Method, seed: u64) -> Opened {
    let request = Request {
        frames: Some(48),
        stride: Some([16, 16]),
        classes: Some(2),
        method: Some(method),
        seed,
        ..Request::new(source)
    };
    let opened = model::open(&request).unwrap();
    // As if trained: everything that trains is moved away from where it began.
    for (_, var) in opened.store.trainable() {
        let moved = (var.as_detached_tensor() + 0.25).unwrap();
        var.set(&moved).unwrap();
    }
    opened
}

fn card(source: &str, seed: u64, opened: &Opened) -> Card {
    Card {
        base: source.into(),
        base_fingerprint: opened.fingerprint.clone(),
        seed,
        method: opened.method,
        shape: opened.config.clone(),
        labels: vec!["knock".into(), "bell".into()],
        front_end: "kaldi-fbank-128".into(),
        normalisation: Some(aat_tui::audio::Normalisation { mean: -4.5, std: 3.25 }),
        multi_label: None,
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn same_weights(a: &Opened, b: &Opened) {
    assert_eq!(a.config, b.config);
    for (spec, var) in a.store.iter() {
        assert_eq!(values(var), values(b.store.get(&spec.name).unwrap()), "{}", spec.name);
    }
}

#[test]
fn a_model_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for method in Method::all() {
        let before = opened("tiny", method, 5);
        save_model(folder.path(), &card("tiny", 5, &before), &before.store).unwrap();
        let after = model::open(&Request::new(folder.path().to_str().unwrap())).unwrap();
        same_weights(&before, &after);
        assert_eq!(after.method, method);
        assert_eq!(after.labels.unwrap(), ["knock", "bell"]);
        assert_eq!(after.normalisation.unwrap().std, 3.25);
    }
}

#[test]
fn adapters_come_back_on_their_backbone_and_on_no_other() {
    let folder = tempfile::tempdir().unwrap();
    for method in ["aat", "aat-m", "prompt", "lora", "lora-r4-a2", "bitfit", "head"] {
        let before = opened("tiny", method.parse().unwrap(), 5);
        save_adapter(folder.path(), &card("tiny", 5, &before), &before.store).unwrap();
        let after = model::open(&Request::new(folder.path().to_str().unwrap())).unwrap();
        same_weights(&before, &after);
        assert_eq!(after.labels.unwrap(), ["knock", "bell"]);
    }
    let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
    let before = opened("tiny", Method::aat(), 5);
    save_model(folder.path(), &card("tiny", 5, &before), &before.store).unwrap();
    save_adapter(folder.path(), &card("tiny", 5, &before), &before.store).unwrap();
    let share = size("adapter.safetensors") as f64 / size("model.safetensors") as f64;
    assert!(share < 0.09, "{share}");

    let wrong = Card { seed: 6, ..card("tiny", 5, &before) };
    save_adapter(folder.path(), &wrong, &before.store).unwrap();
    let refusal = model::open(&Request::new(folder.path().to_str().unwrap())).err().unwrap().to_string();
    assert!(refusal.contains("random:tiny:5") && refusal.contains("random:tiny:6"), "{refusal}");
}

#[test]
fn a_backbone_that_trained_is_no_adapter() {
    let folder = tempfile::tempdir().unwrap();
    for method in ["full", "partial"] {
        let before = opened("tiny", method.parse().unwrap(), 5);
        let refusal = save_adapter(folder.path(), &card("tiny", 5, &before), &before.store).unwrap_err().to_string();
        assert!(refusal.contains("export the whole model"), "{refusal}");
    }
    assert!(AdapterCheckpoint::find(folder.path()).unwrap().is_none());
}

#[test]
fn an_adapter_on_a_file_follows_the_files_weights() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models");
    let base = models.join("hf-ast");
    let folder = tempfile::tempdir().unwrap();
    let before = opened(base.to_str().unwrap(), Method::aat(), 5);
    save_adapter(folder.path(), &card(base.to_str().unwrap(), 5, &before), &before.store).unwrap();
    same_weights(&before, &model::open(&Request::new(folder.path().to_str().unwrap())).unwrap());

    let other = Card { base: models.join("hf-ssast").to_str().unwrap().into(), ..card("", 5, &before) };
    save_adapter(folder.path(), &other, &before.store).unwrap();
    let refusal = model::open(&Request::new(folder.path().to_str().unwrap())).err().unwrap().to_string();
    assert!(refusal.contains("were trained on the backbone"), "{refusal}");
}

/// Low-rank updates are merged into queries and values: the plain model that is written gives the adapted one's scores.
#[test]
fn low_rank_updates_are_folded_into_a_plain_model() {
    let folder = tempfile::tempdir().unwrap();
    let before = opened("tiny", "lora-r4-a2".parse().unwrap(), 5);
    save_model(&folder.path().join("own"), &card("tiny", 5, &before), &before.store).unwrap();
    let [own, plain] = ["own", "plain"].map(|name| folder.path().join(name));
    model::convert(own.to_str().unwrap(), &plain).unwrap();
    let after = model::open(&Request::new(plain.to_str().unwrap())).unwrap();
    assert!(after.store.specs().iter().all(|spec| !spec.name.contains("lora")));
    let data = (0..48 * 128).map(|i| (i as f32 * 0.37).sin()).collect();
    let input = model::Features { batch: 1, frames: 48, bins: 128, data, valid: vec![48] };
    let logits = |opened: &Opened| opened.engine().logits(&opened.store, &input).unwrap();
    for (a, b) in logits(&before).iter().zip(logits(&after)) {
        assert!((a - b).abs() < 1e-3 * (1.0 + b.abs()), "{a} {b}");
    }
}
