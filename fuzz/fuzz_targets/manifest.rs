//! Any bytes as a manifest: the first byte chooses the ending, the rest is the table. It is beside two sounds.
#![no_main]

use std::{fs, path::PathBuf};

use aat_tui::data;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, table)) = bytes.split_first() else { return };
    let folder: PathBuf = std::env::temp_dir().join(format!("aat-tui-fuzz-manifest-{}", std::process::id()));
    let ending = ["csv", "tsv", "jsonl"][usize::from(choice % 3)];
    let file = folder.join(format!("m.{ending}"));
    let made = fs::create_dir_all(folder.join("clips"))
        .and_then(|()| fs::write(folder.join("clips/1.wav"), "x"))
        .and_then(|()| fs::write(folder.join("2.wav"), "x"))
        .and_then(|()| fs::write(&file, table));
    if made.is_err() {
        return;
    }
    if let Some(spec) = file.to_str()
        && let Ok(reading) = data::read(spec)
    {
        // Whatever was read can be divided, counted and printed.
        let _ = reading.dataset.divide(None, 1);
        let _ = (reading.dataset.counts(), reading.dataset.found.to_string());
        reading.problems.iter().for_each(|problem| drop(problem.to_string()));
    }
    let _ = fs::remove_file(&file);
});
