//! Any bytes as Hugging Face's metadata: the first byte chooses CSV or JSONL, and whether it is above or within the parts.
#![no_main]

use std::{fs, path::PathBuf};

use aat_tui::data;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, table)) = bytes.split_first() else { return };
    let folder: PathBuf = std::env::temp_dir().join(format!("aat-tui-fuzz-audiofolder-{}", std::process::id()));
    let ending = if choice & 1 == 0 { "csv" } else { "jsonl" };
    let at = if choice & 2 == 0 { folder.clone() } else { folder.join("train") };
    let file = at.join(format!("metadata.{ending}"));
    let made = ["train/1.wav", "train/2.wav", "test/3.wav"].iter().try_for_each(|name| {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, "x")
    });
    if made.and_then(|()| fs::write(&file, table)).is_err() {
        return;
    }
    if let Some(spec) = folder.to_str()
        && let Ok(reading) = data::read(spec)
    {
        let _ = reading.dataset.divide(None, 1);
        let _ = (reading.dataset.counts(), reading.dataset.found.to_string());
    }
    let _ = fs::remove_file(&file);
});
