//! Checkpoints as people have them: wrapped, in parts, beside settings that change the meaning, or no checkpoint at all.
//! Each row is opened with the right weights, or refused in one sentence that names the remedy. The file is long
//! because every kind is made here, in a few lines of its own; LoRA is in `lora`.

use std::{fs, path::Path};

use aat_tui::{
    audio::{FrontEnd, Normalisation},
    model::{self, Opened, Request, checkpoint::Format},
};
use serde_json::{Value, json};

use crate::made::{
    Folder, HIDDEN, LABELS, Named, Tree, ast, ast_config, ast_features, dict, nested, openai, renamed, whisper,
    whisper_config,
};

/// Before the names of Hugging Face's AST.
pub const A: &str = "audio_spectrogram_transformer.";

pub fn opened(path: &Path) -> Opened {
    model::open(&Request::new(path.to_str().unwrap())).unwrap_or_else(|why| panic!("{why}"))
}

fn backbone(path: &Path) -> Opened {
    let request = Request { classes: Some(2), ..Request::new(path.to_str().unwrap()) };
    model::open(&request).unwrap_or_else(|why| panic!("{why}"))
}

pub fn refused(path: &Path) -> String {
    let why = match model::open(&Request::new(path.to_str().unwrap())) {
        Ok(opened) => panic!("{} was opened: {:?}", path.display(), opened.notes),
        Err(why) => why.to_string(),
    };
    assert!(!why.contains("()"), "{why}");
    assert!(why.contains("; "), "it names no remedy: {why}");
    why
}

/// The value of every parameter.
fn weights(opened: &Opened) -> Vec<(String, Vec<f32>)> {
    let values = |var: &candle_core::Var| var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    opened.store.iter().map(|(spec, var)| (spec.name.clone(), values(var))).collect()
}

fn plain() -> Opened {
    opened(Folder::new().safetensors("model.safetensors", &ast(1)).for_ast().root())
}

/// Opens as the plain model does, with a note that says this.
fn as_plain(row: &str, path: &Path, says: &str) {
    let wrapped = opened(path);
    assert_eq!(weights(&wrapped), weights(&plain()), "{row}");
    assert_eq!(wrapped.labels.as_deref().unwrap(), LABELS, "{row}");
    assert!(wrapped.notes.iter().any(|note| note.contains(says)), "{row}: {:?} does not say {says}", wrapped.notes);
}

#[test]
fn names_with_a_wrapper_before_them_are_those_of_the_model() {
    type Renaming = dyn Fn(&str) -> String;
    let rows: [(&str, &Renaming, &str); 8] = [
        ("DataParallel", &|name| format!("module.{name}"), "\"module\""),
        ("torch.compile", &|name| format!("_orig_mod.{name}"), "_orig_mod"),
        ("both", &|name| format!("module._orig_mod.{name}"), "\"module\""),
        ("a block compiled by itself", &|name| name.replace("layer.0.", "layer.0._orig_mod."), "_orig_mod"),
        ("FSDP", &|name| format!("_fsdp_wrapped_module.{name}"), "_fsdp_wrapped_module"),
        ("Lightning", &|name| format!("model.{name}"), "\"model\""),
        ("PEFT, merged", &|name| format!("base_model.model.{name}"), "\"base_model.model\""),
        ("two of a script's own", &|name| format!("net.ast.{name}"), "\"net.ast\""),
    ];
    for (row, name, says) in rows {
        let folder = Folder::new().safetensors("model.safetensors", &renamed(&ast(1), name)).for_ast();
        as_plain(row, folder.root(), says);
    }
}

#[test]
fn dicts_around_a_state_dict_are_looked_into() {
    let (own, other) = (|| dict(&ast(1)), || dict(&ast(2)));
    let lightning = dict(&renamed(&ast(1), |name| format!("model.{name}")));
    let moments =
        || nested(vec![("state", nested(vec![("0", nested(vec![("exp_avg", Tree::Tensor(vec![2], vec![0.0; 2]))]))]))]);
    let rows = [
        ("model", nested(vec![("model", own()), ("epoch", Tree::Int(3))]), "\"model\""),
        ("state_dict", nested(vec![("state_dict", own())]), "\"state_dict\""),
        (
            "model_state_dict",
            nested(vec![("model_state_dict", own()), ("optimizer_state_dict", moments())]),
            "\"model_state_dict\"",
        ),
        ("Lightning", nested(vec![("epoch", Tree::Int(3)), ("state_dict", lightning)]), "\"state_dict.model\""),
        ("deeper", nested(vec![("state", nested(vec![("network", own())]))]), "\"state.network\""),
        ("ema first", nested(vec![("ema", other()), ("model", own())]), "\"model\" was taken, \"ema\" left out"),
        (
            "ema last",
            nested(vec![("model", own()), ("model_ema", other())]),
            "\"model\" was taken, \"model_ema\" left out",
        ),
        ("ema alone", nested(vec![("ema", own())]), "\"ema\""),
        (
            "teacher",
            nested(vec![("teacher", other()), ("student", own())]),
            "\"student\" was taken, \"teacher\" left out",
        ),
        ("usual", nested(vec![("model", own()), ("init", other())]), "\"model\" was taken, \"init\" left out"),
    ];
    for (row, tree, says) in rows {
        let folder = Folder::new().pth("pytorch_model.bin", &tree).for_ast();
        as_plain(row, folder.root(), says);
    }
    let two = nested(vec![("first", own()), ("second", other())]);
    let why = refused(Folder::new().pth("pytorch_model.bin", &two).for_ast().root());
    assert!(why.contains("2 models, under \"first\", \"second\"") && why.contains("torch.save("), "{why}");
}

fn halves() -> (Vec<Named>, Vec<Named>) {
    let mut first = ast(1);
    let second = first.split_off(first.len() / 2);
    (first, second)
}

fn index(parts: &[(&str, &[Named])]) -> Value {
    let map: serde_json::Map<String, Value> =
        parts.iter().flat_map(|(file, part)| part.iter().map(move |(name, ..)| (name.clone(), json!(file)))).collect();
    json!({"metadata": {}, "weight_map": map})
}

#[test]
fn weights_in_several_files_are_opened_together() {
    let (first, second) = halves();
    let (a, b) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    let both = || Folder::new().safetensors(a, &first).safetensors(b, &second).for_ast();
    let listed = both().json("model.safetensors.index.json", &index(&[(a, &first), (b, &second)]));
    let (plain, of) = (weights(&plain()), |path: &Path| weights(&opened(path)));
    assert_eq!(of(listed.root()), plain, "the folder");
    assert_eq!(of(&listed.path("model.safetensors.index.json")), plain, "the index");
    assert_eq!(of(&listed.path(b)), plain, "one part beside the index");
    assert_eq!(of(&both().path(a)), plain, "one part without an index");

    let (a, b) = ("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin");
    let index_of = index(&[(a, &first), (b, &second)]);
    let pickled = Folder::new().pth(a, &dict(&first)).pth(b, &dict(&second)).for_ast();
    assert_eq!(of(pickled.json("pytorch_model.bin.index.json", &index_of).root()), plain, ".bin");

    let lacking = Folder::new().pth(a, &dict(&first)).json("pytorch_model.bin.index.json", &index_of);
    let why = refused(lacking.root());
    assert!(why.contains("1 of its 2 parts are not there: pytorch_model-00002"), "{why}");
    let wrong =
        Folder::new().pth(a, &dict(&second)).pth(b, &dict(&second)).json("pytorch_model.bin.index.json", &index_of);
    assert!(refused(wrong.root()).contains("which it does not"));
    let outside = json!({"weight_map": {"x": "../../secret.bin"}});
    let why = refused(Folder::new().json("model.safetensors.index.json", &outside).root());
    assert!(why.contains("no file of its own folder"), "{why}");
    let why = refused(
        &Folder::new().safetensors("model-00001-of-00003.safetensors", &first).path("model-00001-of-00003.safetensors"),
    );
    assert!(why.contains("2 of its 3 parts are not there"), "{why}");
}

#[test]
fn a_folder_with_one_file_of_weights_means_that_file() {
    let folder = Folder::new().pth("best.ckpt", &dict(&ast(1))).bytes("training_args.bin", b"x").for_ast();
    as_plain("best.ckpt", folder.root(), "best.ckpt is the only file of weights");
    let folder = folder.pth("last.ckpt", &dict(&ast(2)));
    let why = refused(folder.root());
    assert!(why.contains("best.ckpt, last.ckpt") && why.contains("name the file"), "{why}");
    let why = refused(Folder::new().bytes("tf_model.h5", b"\x89HDF\r\n\x1a\n").for_ast().root());
    assert!(why.contains("TensorFlow's form alone"), "{why}");
}

#[test]
fn files_that_are_no_weights_are_named() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:aaaa\nsize 346397608\n";
    let page = b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title>";
    let rows: [(&[u8], &[&str]); 11] = [
        (pointer, &["Git LFS pointer", "346 MB", "git lfs pull"]),
        (page, &["web page", "download it again"]),
        (b"\xef\xbb\xbf<html>", &["web page"]),
        (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>", &["web page"]),
        (b"{\"error\": \"Repository not found\"}", &["JSON"]),
        // Byte 8 is a brace, as in safetensors.
        (b"{\"abcd\":{\"x\": 1}}", &["JSON"]),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", &["gzip", "unpack"]),
        (b"\x89HDF\r\n\x1a\n\0\0", &["HDF5", "safetensors"]),
        (b"GGUF\x03\0\0\0", &["GGUF"]),
        (b"RIFF\x24\0\0\0WAVEfmt ", &["sound in WAV"]),
        (b"", &["0 bytes"]),
    ];
    for (bytes, says) in rows {
        let folder = Folder::new().bytes("model.safetensors", bytes).for_ast();
        let why = refused(folder.root());
        assert!(why.contains("model.safetensors") && says.iter().all(|says| why.contains(says)), "{says:?}: {why}");
    }
    for (bytes, says) in [(&pointer[..], "git lfs pull"), (page, "web page")] {
        for settings in ["config.json", "preprocessor_config.json"] {
            let folder = Folder::new().safetensors("model.safetensors", &ast(1)).for_ast().bytes(settings, bytes);
            let why = refused(folder.root());
            assert!(why.contains(settings) && why.contains(says), "{settings}: {why}");
        }
    }
    let why = refused(Folder::new().safetensors("model.safetensors", &[]).root());
    assert!(why.contains("no tensors at all"), "{why}");
    let why = refused(Folder::new().pth("pytorch_model.bin", &nested(vec![("epoch", Tree::Int(3))])).root());
    assert!(why.contains("there is no tensor in it"), "{why}");
}

#[test]
fn other_families_are_named() {
    for (tensor, says) in [("local_encoder.proj.weight", "EAT"), ("post_extract_proj.weight", "BEATs")] {
        let vision = ["cls_token", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", tensor];
        let tensors: Vec<Named> = vision.map(|name| (name.to_owned(), vec![1], vec![0.0])).to_vec();
        let why = refused(Folder::new().safetensors("model.safetensors", &tensors).root());
        assert!(why.contains(says) && why.contains("not read here"), "{why}");
    }
}

/// The plain AST with one of its settings changed.
fn with(file: &str, key: &str, value: &Value) -> Folder {
    let mut settings = if file == "config.json" { ast_config() } else { ast_features() };
    settings[key] = value.clone();
    Folder::new().safetensors("model.safetensors", &ast(1)).for_ast().json(file, &settings)
}

#[test]
fn settings_that_are_not_computed_here_are_refused_by_name() {
    let config = [
        ("model_type", json!("vit"), "audio-spectrogram-transformer"),
        ("hidden_act", json!("relu"), "only gelu"),
        ("hidden_act", json!("gelu_new"), "only gelu"),
        ("hidden_act", json!("gelu_pytorch_tanh"), "only gelu"),
        ("num_hidden_layers", json!(12), "the weights have 2"),
        ("num_hidden_layers", json!(1), "the weights have 2"),
        ("hidden_size", json!(768), "the weights have 8"),
        ("intermediate_size", json!(3072), "the weights have 12"),
        ("patch_size", json!(8), "the weights have 16"),
        ("qkv_bias", json!(false), "the weights have these biases"),
        ("num_mel_bins", json!(64), "128"),
        ("num_attention_heads", json!("two"), "a whole number"),
        ("layer_norm_eps", json!(0), "above 0"),
        ("id2label", json!({"0": "dog", "1": "rain"}), "2 classes and the head has 3"),
        ("id2label", json!({"1": "dog", "2": "rain", "3": "tick"}), "0 to 2"),
        ("problem_type", json!("regression"), "single_label_classification"),
        ("quantization_config", json!({"bits": 4}), "not computed"),
        ("pruned_heads", json!({"0": [1]}), "not computed"),
    ];
    let features = [
        ("sampling_rate", json!(8000), "only 16000"),
        ("sampling_rate", json!(44100), "only 16000"),
        ("feature_extractor_type", json!("WhisperFeatureExtractor"), "ASTFeatureExtractor"),
        ("num_mel_bins", json!(64), "128"),
        ("max_length", json!(1024), "64"),
        ("std", json!(0.0), "above 0"),
        ("mean", json!("-4.2"), "a number"),
        ("do_normalize", json!("no"), "true or false"),
        ("padding_value", json!(-1.0), "only 0"),
        ("padding_side", json!("left"), "right"),
    ];
    let rows = config.into_iter().map(|row| ("config.json", row));
    for (file, (key, value, says)) in rows.chain(features.into_iter().map(|row| ("preprocessor_config.json", row))) {
        let why = refused(with(file, key, &value).root());
        assert!(why.contains(file) && why.contains(key) && why.contains(says), "{key} {value}: {why}");
    }
    let mut config = ast_config();
    config.as_object_mut().unwrap().remove("id2label");
    config["num_labels"] = json!(7);
    let folder = Folder::new().safetensors("model.safetensors", &ast(1)).for_ast().json("config.json", &config);
    assert!(refused(folder.root()).contains("num_labels is 7"));
}

#[test]
fn settings_are_obeyed() {
    let of = |file: &str, key: &str, value: Value| opened(with(file, key, &value).root());
    let features = "preprocessor_config.json";
    assert_eq!(of(features, "mean", json!(-3.5)).normalisation, Some(Normalisation { mean: -3.5, std: 4.5 }));
    let raw = of(features, "do_normalize", json!(false));
    assert_eq!(raw.normalisation, Some(Normalisation::NONE));
    assert!(raw.notes.iter().any(|note| note.contains("do_normalize is false")), "{:?}", raw.notes);
    assert!(model::takes_raw_features(with(features, "do_normalize", &json!(false)).root().to_str().unwrap()).unwrap());
    assert_eq!(of("config.json", "num_attention_heads", json!(4)).config.heads, 4);
    assert_eq!(of("config.json", "layer_norm_eps", json!(1e-6)).config.norm_eps, 1e-6);
    assert_eq!(of("config.json", "hidden_act", json!("gelu_python")).config.depth, 2);
    assert_eq!(of("config.json", "problem_type", json!("multi_label_classification")).multi_label, Some(true));
    assert_eq!(of("config.json", "problem_type", json!(null)).multi_label, None);
    let printed = of("config.json", "window_attention", json!(true));
    assert!(printed.notes.iter().any(|note| note.contains("not known here: window_attention")), "{:?}", printed.notes);
    let twice = of("config.json", "id2label", json!({"0": "dog", "1": "dog", "2": "rain"}));
    assert!(twice.notes.iter().any(|note| note.contains("the same name: dog")), "{:?}", twice.notes);
    // Settings that published models have and that change nothing.
    assert!(plain().notes.is_empty(), "{:?}", plain().notes);
}

#[test]
fn attention_without_biases_has_zeros() {
    let tensors: Vec<Named> = ast(1)
        .into_iter()
        .filter(|(name, ..)| !(name.contains("attention.attention") && name.ends_with("bias")))
        .collect();
    let folder = |said: bool| {
        let mut config = ast_config();
        config["qkv_bias"] = json!(said);
        Folder::new().safetensors("model.safetensors", &tensors).for_ast().json("config.json", &config)
    };
    let without = opened(folder(false).root());
    assert!(without.notes.iter().any(|note| note.contains("no biases")), "{:?}", without.notes);
    let biases = without.store.get("blocks.1.attn.qkv.bias").unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(biases, vec![0.0; 3 * HIDDEN]);
    assert!(refused(folder(true).root()).contains("the weights lack these biases"));
}

#[test]
fn weights_without_settings_say_what_is_missing() {
    let why = refused(Folder::new().safetensors("model.safetensors", &ast(1)).root());
    assert!(why.contains("no config.json beside it") && why.contains("62 positions"), "{why}");
    let folder = Folder::new().safetensors("model.safetensors", &ast(1)).json("config.json", &ast_config());
    let notes = opened(folder.root()).notes;
    assert!(notes.iter().any(|note| note.contains("no preprocessor_config.json")), "{notes:?}");
}

#[test]
fn a_whisper_takes_its_own_filter_bank_with_either_number_of_bins() {
    for (bins, front_end) in [(80, FrontEnd::Whisper), (128, FrontEnd::Whisper128)] {
        let folder = Folder::new()
            .safetensors("model.safetensors", &whisper(1, bins, false))
            .json("config.json", &whisper_config(bins))
            .json("preprocessor_config.json", &json!({"feature_size": bins, "sampling_rate": 16000, "n_fft": 400}));
        assert_eq!(backbone(folder.root()).config.front_end().unwrap(), front_end);
    }
    let why = refused(
        Folder::new()
            .safetensors("model.safetensors", &whisper(1, 96, false))
            .json("config.json", &whisper_config(96))
            .root(),
    );
    assert!(why.contains("96 mel bins") && why.contains("80 and 128"), "{why}");
}

#[test]
fn whispers_settings_are_held_against_its_weights() {
    let folder = |file: &str, key: &str, value: Value| {
        let mut config = whisper_config(80);
        let mut features = json!({"feature_size": 80});
        if file == "config.json" {
            config[key] = value
        } else {
            features[key] = value
        }
        Folder::new()
            .safetensors("model.safetensors", &whisper(1, 80, true))
            .json("config.json", &config)
            .json("preprocessor_config.json", &features)
    };
    for (file, key, value, says) in [
        ("config.json", "encoder_layers", json!(4), "the weights have 2"),
        ("config.json", "d_model", json!(384), "the weights have 8"),
        ("config.json", "num_mel_bins", json!(128), "the weights have 80"),
        ("config.json", "max_source_positions", json!(1500), "the weights have 40"),
        ("config.json", "classifier_proj_size", json!(256), "the weights have 5"),
        ("config.json", "activation_function", json!("relu"), "only gelu"),
        ("config.json", "use_weighted_layer_sum", json!(true), "only false"),
        ("config.json", "id2label", json!({"0": "dog"}), "1 classes and the head has 3"),
        ("preprocessor_config.json", "feature_size", json!(128), "the weights have 80"),
        ("preprocessor_config.json", "sampling_rate", json!(8000), "only 16000"),
        ("preprocessor_config.json", "hop_length", json!(320), "only 160"),
        ("preprocessor_config.json", "dither", json!(0.5), "only 0"),
    ] {
        let why = refused(folder(file, key, value.clone()).root());
        assert!(why.contains(file) && why.contains(key) && why.contains(says), "{key} {value}: {why}");
    }
}

#[test]
fn whisper_for_classification_answers_with_its_own_head() {
    let mut config = whisper_config(80);
    config["id2label"] = json!({"0": "dog", "1": "rain", "2": "clock tick"});
    let folder = Folder::new().safetensors("model.safetensors", &whisper(1, 80, true)).json("config.json", &config);
    let own = opened(folder.root());
    assert_eq!(own.labels.as_deref().unwrap(), LABELS);
    assert!(!own.config.head_norm && own.store.get("head.norm.weight").is_none());
    assert_eq!(own.store.get("head.linear.weight").unwrap().dims(), [3, HIDDEN]);
    // A new head is as every other.
    let fresh = backbone(folder.root());
    assert!(fresh.config.head_norm && fresh.config.pooling == model::Pooling::Mean);
}

#[test]
fn openais_own_whisper_is_the_same_encoder() {
    let tensors = whisper(1, 80, false);
    let hugging_face =
        Folder::new().safetensors("model.safetensors", &tensors).json("config.json", &whisper_config(80));
    let dims = nested(vec![("n_mels", Tree::Int(80)), ("n_audio_head", Tree::Int(2))]);
    let published = nested(vec![("dims", dims), ("model_state_dict", dict(&openai(&tensors)))]);
    let own = backbone(Folder::new().pth("tiny.pt", &published).root());
    let expected = backbone(hugging_face.root());
    assert_eq!(own.config, expected.config);
    assert_eq!((weights(&own), &own.fingerprint), (weights(&expected), &expected.fingerprint));
    let described = model::describe(Folder::new().pth("tiny.pt", &published).root().to_str().unwrap()).unwrap();
    assert_eq!(described.format, Format::OpenAiWhisper.to_string());
    // The tensors alone do not say how many heads there are.
    let bare = backbone(Folder::new().safetensors("tiny.safetensors", &openai(&tensors)).root());
    assert!(bare.notes.iter().any(|note| note.contains("attention heads")), "{:?}", bare.notes);
}

/// A base that is only named is looked for in the hub's cache; a test shall not download it.
pub fn without_a_network(path: &Path) -> String {
    let cache = tempfile::tempdir().unwrap();
    let mut command = assert_cmd::Command::cargo_bin("aat-tui").unwrap();
    command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", cache.path()).args(["models", "show"]).arg(path);
    String::from_utf8(command.assert().code(1).get_output().stderr.clone()).unwrap()
}

/// Every row of the collection of awkward models, where it is at hand.
#[test]
fn the_collection_of_awkward_models() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/awkward/models");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    }
    let at = |row: &str| folder.join(row);
    for row in ["module", "orig_mod", "sharded_bin", "nonorm"] {
        assert_eq!(opened(&at(row)).labels.as_deref().unwrap(), LABELS, "{row}");
    }
    assert_eq!(opened(&at("nonorm")).normalisation, Some(Normalisation::NONE));
    for path in [at("wrap_ema"), at("wrap_ema/ckpt.pth")] {
        let notes = opened(&path).notes;
        assert!(notes.iter().any(|note| note.contains("\"model\" was taken, \"ema\" left out")), "{notes:?}");
    }
    for path in [at("openai"), at("openai/tiny.pt")] {
        assert_eq!((backbone(&path).config.heads, backbone(&path).config.depth), (4, 2));
    }
    assert_eq!(backbone(&at("whisper128")).config.front_end().unwrap(), FrontEnd::Whisper128);
    let own = opened(&at("whisper_cls"));
    assert_eq!((own.labels.as_deref().unwrap(), own.config.head_norm), (&LABELS.map(str::to_owned)[..], false));
    for (row, says) in [
        ("relu", &["config.json", "hidden_act is \"relu\"", "gelu"][..]),
        ("layers12", &["config.json", "num_hidden_layers is 12", "the weights have 2"]),
        ("lfs", &["Git LFS pointer", "346 MB", "git lfs pull"]),
        ("nocfg", &["no config.json beside it"]),
    ] {
        let why = refused(&at(row));
        assert!(says.iter().all(|says| why.contains(says)), "{row}: {why}");
    }
    let why = without_a_network(&at("peft"));
    for says in
        ["LoRA weights for MIT/ast-finetuned-audioset-10-10-0.4593", "base_model_name_or_path", "merge_and_unload"]
    {
        assert!(why.contains(says), "{why}");
    }
}

#[test]
fn nothing_outside_the_folder_is_read() {
    let secret = Folder::new().safetensors("model.safetensors", &ast(1));
    let name = format!("../{}/model.safetensors", secret.root().file_name().unwrap().to_str().unwrap());
    let folder = Folder::new().json("model.safetensors.index.json", &json!({"weight_map": {"x": name}}));
    assert!(refused(folder.root()).contains("no file of its own folder"));
    assert!(fs::metadata(secret.path("model.safetensors")).is_ok());
}
