//! Any bytes as a table of marks beside a recording: the first byte chooses the ending.
#![no_main]

use std::{fs, path::PathBuf};

use aat_tui::data;
use libfuzzer_sys::fuzz_target;

/// A second of silence, 8 kHz and 8 bits.
fn recording() -> Vec<u8> {
    let header = *b"RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\x40\x1f\0\0";
    header.into_iter().chain([0x80; 8_000]).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, table)) = bytes.split_first() else { return };
    let folder: PathBuf = std::env::temp_dir().join(format!("aat-tui-fuzz-marks-{}", std::process::id()));
    let ending = ["txt", "csv", "tsv", "srt", "vtt", "selections.txt"][usize::from(choice % 6)];
    let file = folder.join(format!("a.{ending}"));
    let made = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("a.wav"), recording()));
    if made.and_then(|()| fs::write(&file, table)).is_err() {
        return;
    }
    // Beside the recording, and as a table of its own.
    for spec in [&folder, &file] {
        if let Some(spec) = spec.to_str()
            && let Ok(reading) = data::read(spec)
        {
            let _ = reading.dataset.divide(None, 1);
            let _ = (reading.dataset.counts(), reading.dataset.found.to_string());
            reading.problems.iter().for_each(|problem| drop(problem.to_string()));
        }
    }
    let _ = fs::remove_file(&file);
});
