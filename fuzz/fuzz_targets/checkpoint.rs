//! Any bytes as a checkpoint: safetensors, zip `.pth` and GGML. Whatever opens must also read, without a panic and
//! without more memory than the file is large.
#![no_main]

use std::{fs, path::PathBuf};

use aat_tui::model::checkpoint::{Checkpoint, open_tensors};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path: PathBuf = std::env::temp_dir().join(format!("aat-tui-fuzz-{}", std::process::id()));
    if fs::write(&path, bytes).is_err() {
        return;
    }
    if let Ok(tensors) = open_tensors(&path) {
        for (name, _) in tensors.iter() {
            let mut values = Vec::new();
            let _ = tensors.read(name, &mut values);
        }
    }
    if let Ok(checkpoint) = Checkpoint::open(&path) {
        for name in checkpoint.names() {
            let _ = checkpoint.read(name);
        }
    }
});
