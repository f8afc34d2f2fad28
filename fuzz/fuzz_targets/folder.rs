//! Any files as a checkpoint's folder: settings, an index of parts, an adapter beside a base, weights in any form.
//!
//! The bytes are a row of files, each a byte that says which name of the list it has, its length in four bytes,
//! little-endian, and its content. `base/` beside the folder holds a small AST for adapters to change.
#![no_main]

use std::{fs, path::PathBuf};

use aat_tui::model;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 12] = [
    "config.json",
    "preprocessor_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "weights.pth",
];

fuzz_target!(|bytes: &[u8]| {
    let root: PathBuf = std::env::temp_dir().join(format!("aat-tui-fuzz-folder-{}", std::process::id()));
    let folder = root.join("model");
    let _ = fs::remove_dir_all(&folder);
    if fs::create_dir_all(&folder).is_err() {
        return;
    }
    let mut rest = bytes;
    while let Some(([which, a, b, c, d], after)) = rest.split_first_chunk::<5>() {
        let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let (content, next) = after.split_at(length.min(after.len()));
        // What `base_model_name_or_path` names must not lead to the network.
        let name = NAMES[usize::from(*which) % NAMES.len()];
        let is_adapter = name == "adapter_config.json";
        if !(is_adapter && !content.windows(9).any(|window| window == b"\"../base\"")) && fs::write(folder.join(name), content).is_err() {
            return;
        }
        rest = next;
    }
    let base = root.join("base");
    if !base.is_dir() {
        let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/models/hf-ast");
        let _ = fs::create_dir_all(&base);
        for name in ["model.safetensors", "config.json", "preprocessor_config.json"] {
            let _ = fs::copy(from.join(name), base.join(name));
        }
    }
    let _ = model::check(&folder.to_string_lossy());
    let _ = model::describe(&folder.to_string_lossy());
});
