//! Any text as a recipe: read whole or refused with a reason.
#![no_main]

use std::{fs, path::PathBuf};

use aat_tui::data::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path: PathBuf = std::env::temp_dir().join(format!("aat-tui-fuzz-recipe-{}.toml", std::process::id()));
    if fs::write(&path, bytes).is_err() {
        return;
    }
    match Recipe::from_file(&path) {
        Ok(mut recipe) => {
            recipe.set_epochs(7);
            assert!(recipe.check().is_ok());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
