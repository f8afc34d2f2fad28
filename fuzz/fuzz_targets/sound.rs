//! Any bytes as a sound file: decoded to the end or refused, without a panic, without end, and without more memory
//! than a block needs.
#![no_main]

use std::{fs, panic, path::PathBuf};

use aat_tui::audio::SoundFile;
use libfuzzer_sys::fuzz_target;

/// Samples after which a file counts as decoded: small files that hold hours are real (silence in FLAC).
const ENOUGH: usize = 20_000_000;

/// Ends the fuzzer at a panic, but not at one in a decoder from a registry: the program catches those and refuses the file.
fn end_at_own_panics() {
    let end = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.location().is_some_and(|at| at.file().contains("/registry/src/")) {
            end(info);
        }
    }));
}

fuzz_target!(init: end_at_own_panics(), |bytes: &[u8]| {
    let path: PathBuf = std::env::temp_dir().join(format!("aat-tui-fuzz-sound-{}", std::process::id()));
    if fs::write(&path, bytes).is_err() {
        return;
    }
    let (mut block, mut samples) = (Vec::new(), 0);
    match SoundFile::open(&path) {
        Ok(mut sound) => {
            while samples < ENOUGH && matches!(sound.read(&mut block), Ok(true)) {
                assert!(block.iter().all(|sample| sample.is_finite()));
                samples += block.len();
                block.clear();
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
