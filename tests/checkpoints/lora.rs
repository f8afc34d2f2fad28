//! LoRA as `peft` leaves it: beside its base, inside a state dict, or alone.

use serde_json::{Value, json};

use aat_tui::model::Opened;

use crate::{
    awkward::{A, opened, refused, without_a_network},
    made::{Folder, HIDDEN, Named, ast, dict, renamed},
};

/// LoRA of rank 2 for the queries of block 1, and the same as settings.
fn lora(prefix: &str) -> Vec<Named> {
    let value = |i: usize| (i as f32 * 0.7).sin();
    let make = |name: &str, shape: [usize; 2]| {
        (format!("{prefix}{name}"), shape.to_vec(), (0..shape[0] * shape[1]).map(value).collect())
    };
    vec![make(".lora_A.weight", [2, HIDDEN]), make(".lora_B.weight", [HIDDEN, 2])]
}

fn lora_config(base: &str) -> Value {
    json!({"peft_type": "LORA", "base_model_name_or_path": base, "r": 2, "lora_alpha": 6, "target_modules": ["query"]})
}

/// W + scale * B A for the queries of block 1.
fn by_hand(scale: f32) -> Vec<f32> {
    let name = format!("{A}encoder.layer.1.attention.attention.query");
    let (tensors, update) = (ast(1), lora(""));
    let (_, _, weight) = tensors.iter().find(|(theirs, ..)| *theirs == format!("{name}.weight")).unwrap();
    let (a, b) = (&update[0].2, &update[1].2);
    let product = |row: usize, column: usize| (0..2).map(|k| b[2 * row + k] * a[HIDDEN * k + column]).sum::<f32>();
    (0..HIDDEN * HIDDEN).map(|i| weight[i] + scale * product(i / HIDDEN, i % HIDDEN)).collect()
}

fn queries_are(row: &str, opened: &Opened, expected: &[f32]) {
    let weight = opened.store.get("blocks.1.attn.qkv.weight").unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (got, want) in weight.iter().zip(expected) {
        assert!((got - want).abs() < 1e-5, "{row}: {got} is not {want}");
    }
}

#[test]
fn lora_is_merged_into_its_base() {
    let base = Folder::new().safetensors("model.safetensors", &ast(1)).for_ast();
    let at = base.root().to_str().unwrap();
    let published = format!("base_model.model.{A}encoder.layer.1.attention.attention.query");
    let in_memory = format!("base_model.model.{A}layers.1.attention.q_proj");
    let changed = |key: &str, value: Value| {
        let mut config = lora_config(at);
        config[key] = value;
        config
    };
    let rows = [
        ("published names", &published, lora_config(at), 3.0),
        ("names in memory", &in_memory, lora_config(at), 3.0),
        ("scaled by the root", &published, changed("use_rslora", json!(true)), 6.0 / 2f32.sqrt()),
        ("alpha of its own", &published, changed("alpha_pattern", json!({"attention.query": 5})), 2.5),
        ("alpha by name in memory", &in_memory, changed("alpha_pattern", json!({"layers.1.attention.q_proj": 5})), 2.5),
    ];
    for (row, name, config, scale) in rows {
        let adapter =
            Folder::new().safetensors("adapter_model.safetensors", &lora(name)).json("adapter_config.json", &config);
        let merged = opened(adapter.root());
        queries_are(row, &merged, &by_hand(scale));
        assert!(merged.notes.iter().any(|note| note.contains("LoRA was merged into 1 weights")), "{:?}", merged.notes);
        queries_are(row, &opened(&adapter.path("adapter_model.safetensors")), &by_hand(scale));
    }
    // The pickled form, and a classifier of its own with another number of classes.
    let mut own = lora(&published);
    own.push(("base_model.model.classifier.dense.weight".into(), vec![2, HIDDEN], vec![0.25; 2 * HIDDEN]));
    own.push(("base_model.model.classifier.dense.bias".into(), vec![2], vec![0.5; 2]));
    let adapter = Folder::new().pth("adapter_model.bin", &dict(&own)).json("adapter_config.json", &lora_config(at));
    let merged = opened(adapter.root());
    queries_are("pickled", &merged, &by_hand(3.0));
    assert_eq!((merged.config.classes, merged.labels), (2, None));
}

#[test]
fn lora_that_cannot_be_merged_says_what_to_do() {
    let base = Folder::new().safetensors("model.safetensors", &ast(1)).for_ast();
    let name = format!("base_model.model.{A}encoder.layer.1.attention.attention.query");
    let refusal = |key: &str, value: Value, tensors: &[Named]| {
        let mut config = lora_config(base.root().to_str().unwrap());
        config[key] = value;
        refused(
            Folder::new().safetensors("adapter_model.safetensors", tensors).json("adapter_config.json", &config).root(),
        )
    };
    let good = lora(&name);
    for (key, value, says) in [
        ("base_model_name_or_path", json!("nowhere/to be found"), "merge_and_unload"),
        ("base_model_name_or_path", json!(null), "which base model"),
        ("peft_type", json!("IA3"), "only LORA"),
        ("use_dora", json!(true), "only false"),
        ("init_lora_weights", json!("pissa"), "gaussian"),
        ("alpha_pattern", json!({"^layers.[01]": 2}), "regular expression"),
    ] {
        let why = refusal(key, value.clone(), &good);
        assert!(why.contains(says), "{key} {value}: {why}");
    }
    let half = refusal("r", json!(2), &good[..1]);
    assert!(half.contains("one half"), "{half}");
    let other = refusal("r", json!(2), &lora("base_model.model.encoder.layer.9.query"));
    assert!(other.contains("the base model does not have"), "{other}");
    let mut wide = good.clone();
    wide[0].1 = vec![4, HIDDEN / 2];
    assert!(refusal("r", json!(2), &wide).contains("does not fit"));
}

#[test]
fn adapters_still_inside_a_state_dict_are_merged_where_their_scale_is_known() {
    let query = format!("{A}encoder.layer.1.attention.attention.query");
    let mut whole = renamed(&ast(1), |name| {
        let name = name.replace(&query, &format!("{query}.base_layer"));
        format!("base_model.model.{name}")
    });
    whole.extend(
        lora(&format!("base_model.model.{query}"))
            .into_iter()
            .map(|(name, shape, values)| (name.replace(".weight", ".default.weight"), shape, values)),
    );
    let folder = || Folder::new().pth("pytorch_model.bin", &dict(&whole)).for_ast();
    let why = refused(folder().root());
    assert!(why.contains("adapter_config.json") && why.contains("merge_and_unload"), "{why}");
    let merged = opened(folder().json("adapter_config.json", &lora_config("x")).root());
    queries_are("inside", &merged, &by_hand(3.0));
}

#[test]
fn lora_without_its_base_says_how_to_name_one() {
    let name = format!("base_model.model.{A}encoder.layer.1.attention.attention.query");
    let folder = Folder::new()
        .safetensors("adapter_model.safetensors", &lora(&name))
        .json("adapter_config.json", &lora_config("MIT/ast-finetuned-audioset-10-10-0.4593"));
    let why = without_a_network(folder.root());
    assert!(why.contains("LoRA weights for MIT/ast") && why.contains("adapter_config.json"), "{why}");
}
