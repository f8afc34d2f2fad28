//! Tiny checkpoints with random weights, made for each test in the forms that people have.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// A tensor: its name, shape and values.
pub type Named = (String, Vec<usize>, Vec<f32>);

/// What a pickle holds.
pub enum Tree {
    Tensor(Vec<usize>, Vec<f32>),
    Int(i32),
    Dict(Vec<(String, Tree)>),
}

struct Maker(ChaCha8Rng, Vec<Named>);

impl Maker {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed), Vec::new())
    }

    fn put(&mut self, name: impl Into<String>, shape: &[usize]) {
        let value = |rng: &mut ChaCha8Rng| (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
        let values = (0..shape.iter().product()).map(|_| value(&mut self.0)).collect();
        self.1.push((name.into(), shape.to_vec(), values));
    }

    fn pair(&mut self, name: &str, shape: &[usize]) {
        self.put(format!("{name}.weight"), shape);
        self.put(format!("{name}.bias"), &shape[..1]);
    }
}

pub const HIDDEN: usize = 8;
pub const LABELS: [&str; 3] = ["dog", "rain", "clock tick"];

/// ASTForAudioClassification: 64 frames, stride 10, two blocks of two heads, three classes.
pub fn ast(seed: u64) -> Vec<Named> {
    let mut made = Maker::new(seed);
    let (d, a) = (HIDDEN, "audio_spectrogram_transformer.");
    made.put(format!("{a}embeddings.cls_token"), &[1, 1, d]);
    made.put(format!("{a}embeddings.distillation_token"), &[1, 1, d]);
    made.put(format!("{a}embeddings.position_embeddings"), &[1, 2 + 12 * 5, d]);
    made.pair(&format!("{a}embeddings.patch_embeddings.projection"), &[d, 1, 16, 16]);
    for i in 0..2 {
        let layer = format!("{a}encoder.layer.{i}");
        for name in ["query", "key", "value"] {
            made.pair(&format!("{layer}.attention.attention.{name}"), &[d, d]);
        }
        made.pair(&format!("{layer}.attention.output.dense"), &[d, d]);
        made.pair(&format!("{layer}.intermediate.dense"), &[12, d]);
        made.pair(&format!("{layer}.output.dense"), &[d, 12]);
        made.pair(&format!("{layer}.layernorm_before"), &[d]);
        made.pair(&format!("{layer}.layernorm_after"), &[d]);
    }
    made.pair(&format!("{a}layernorm"), &[d]);
    made.pair("classifier.layernorm", &[d]);
    made.pair("classifier.dense", &[3, d]);
    made.1
}

pub fn ast_config() -> Value {
    let labels: serde_json::Map<String, Value> =
        LABELS.iter().enumerate().map(|(id, label)| (id.to_string(), json!(label))).collect();
    json!({
        "architectures": ["ASTForAudioClassification"], "model_type": "audio-spectrogram-transformer",
        "hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
        "hidden_act": "gelu", "layer_norm_eps": 1e-12, "patch_size": 16, "qkv_bias": true, "frequency_stride": 10,
        "time_stride": 10, "max_length": 64, "num_mel_bins": 128, "id2label": labels,
    })
}

pub fn ast_features() -> Value {
    json!({
        "feature_extractor_type": "ASTFeatureExtractor", "sampling_rate": 16000, "num_mel_bins": 128, "max_length": 64,
        "do_normalize": true, "mean": -4.25, "std": 4.5,
    })
}

/// Whisper's encoder in Hugging Face's form, 80 frames; with the head of WhisperForAudioClassification where `head`.
pub fn whisper(seed: u64, bins: usize, head: bool) -> Vec<Named> {
    let mut made = Maker::new(seed);
    let (d, e) = (HIDDEN, if head { "encoder." } else { "model.encoder." });
    made.pair(&format!("{e}conv1"), &[d, bins, 3]);
    made.pair(&format!("{e}conv2"), &[d, d, 3]);
    made.put(format!("{e}embed_positions.weight"), &[40, d]);
    for i in 0..2 {
        let layer = format!("{e}layers.{i}");
        made.put(format!("{layer}.self_attn.k_proj.weight"), &[d, d]);
        for name in ["self_attn.q_proj", "self_attn.v_proj", "self_attn.out_proj"] {
            made.pair(&format!("{layer}.{name}"), &[d, d]);
        }
        made.pair(&format!("{layer}.self_attn_layer_norm"), &[d]);
        made.pair(&format!("{layer}.final_layer_norm"), &[d]);
        made.pair(&format!("{layer}.fc1"), &[12, d]);
        made.pair(&format!("{layer}.fc2"), &[d, 12]);
    }
    made.pair(&format!("{e}layer_norm"), &[d]);
    if head {
        made.pair("projector", &[5, d]);
        made.pair("classifier", &[3, 5]);
    } else {
        made.put("model.decoder.layer_norm.weight", &[d]);
    }
    made.1
}

pub fn whisper_config(bins: usize) -> Value {
    json!({"model_type": "whisper", "encoder_attention_heads": 2, "num_mel_bins": bins, "d_model": HIDDEN, "encoder_layers": 2})
}

/// The same encoder under OpenAI's names.
pub fn openai(tensors: &[Named]) -> Vec<Named> {
    let modules = [
        ("self_attn_layer_norm", "attn_ln"),
        ("self_attn.q_proj", "attn.query"),
        ("self_attn.k_proj", "attn.key"),
        ("self_attn.v_proj", "attn.value"),
        ("self_attn.out_proj", "attn.out"),
        ("final_layer_norm", "mlp_ln"),
        ("fc1", "mlp.0"),
        ("fc2", "mlp.2"),
        ("encoder.layer_norm", "encoder.ln_post"),
        ("embed_positions.weight", "positional_embedding"),
        ("layers.", "blocks."),
        ("model.", ""),
    ];
    renamed(tensors, |name| modules.iter().fold(name.to_owned(), |name, (theirs, own)| name.replace(theirs, own)))
}

pub fn renamed(tensors: &[Named], name: impl Fn(&str) -> String) -> Vec<Named> {
    tensors.iter().map(|(old, shape, values)| (name(old), shape.clone(), values.clone())).collect()
}

pub fn dict(tensors: &[Named]) -> Tree {
    Tree::Dict(
        tensors
            .iter()
            .map(|(name, shape, values)| (name.clone(), Tree::Tensor(shape.clone(), values.clone())))
            .collect(),
    )
}

pub fn nested(entries: Vec<(&str, Tree)>) -> Tree {
    Tree::Dict(entries.into_iter().map(|(name, tree)| (name.to_owned(), tree)).collect())
}

pub fn write_safetensors(path: &Path, tensors: &[Named]) {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, shape, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        header.insert(name.clone(), json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}));
    }
    let header = Value::Object(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(data);
    fs::write(path, bytes).unwrap();
}

/// As torch.save writes it.
pub fn write_pth(path: &Path, tree: &Tree) {
    let (mut pickle, mut storages) = (b"\x80\x02".to_vec(), Vec::new());
    emit(tree, &mut pickle, &mut storages);
    pickle.push(b'.');
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let mut entry = |name: String, content: &[u8]| {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    };
    entry("archive/data.pkl".to_owned(), &pickle);
    for (key, storage) in storages.iter().enumerate() {
        entry(format!("archive/data/{key}"), storage);
    }
    archive.finish().unwrap();
}

fn emit(tree: &Tree, to: &mut Vec<u8>, storages: &mut Vec<Vec<u8>>) {
    fn text(text: &str, to: &mut Vec<u8>) {
        to.push(b'X');
        to.extend((text.len() as u32).to_le_bytes());
        to.extend(text.as_bytes());
    }
    fn int(value: i32, to: &mut Vec<u8>) {
        to.push(b'J');
        to.extend(value.to_le_bytes());
    }
    match tree {
        Tree::Int(value) => int(*value, to),
        Tree::Dict(entries) => {
            to.extend(b"}(");
            for (key, value) in entries {
                text(key, to);
                emit(value, to, storages);
            }
            to.push(b'u');
        }
        Tree::Tensor(shape, values) => {
            to.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
            text("storage", to);
            to.extend(b"ctorch\nFloatStorage\n");
            text(&storages.len().to_string(), to);
            text("cpu", to);
            int(values.len() as i32, to);
            to.extend(b"tQ");
            int(0, to);
            to.push(b'(');
            shape.iter().for_each(|&size| int(size as i32, to));
            to.extend(b"t(");
            for axis in 0..shape.len() {
                int(shape[axis + 1..].iter().product::<usize>() as i32, to);
            }
            to.extend(b"t\x89ccollections\nOrderedDict\n)RtR");
            storages.push(values.iter().flat_map(|value| value.to_le_bytes()).collect());
        }
    }
}

/// A folder to put a checkpoint into.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn json(self, name: &str, value: &Value) -> Self {
        fs::write(self.path(name), value.to_string()).unwrap();
        self
    }

    pub fn bytes(self, name: &str, bytes: &[u8]) -> Self {
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    pub fn safetensors(self, name: &str, tensors: &[Named]) -> Self {
        write_safetensors(&self.path(name), tensors);
        self
    }

    pub fn pth(self, name: &str, tree: &Tree) -> Self {
        write_pth(&self.path(name), tree);
        self
    }

    /// With the settings of [`ast`].
    pub fn for_ast(self) -> Self {
        self.json("config.json", &ast_config()).json("preprocessor_config.json", &ast_features())
    }
}
