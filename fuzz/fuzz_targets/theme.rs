//! Any text as a theme of the user's own: listed, or refused with a reason.
#![no_main]

use std::{fs, path::PathBuf};

use aat_tui::tui::theme::Theme;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder: PathBuf = std::env::temp_dir().join(format!("aat-tui-fuzz-theme-{}", std::process::id()));
    if fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("own.toml"), bytes)).is_err() {
        return;
    }
    let (themes, problems) = Theme::all(Some(&folder), false);
    // A theme may have the name of one of ours and takes its place.
    assert!(themes.len() >= 4 && problems.iter().all(|problem| !problem.is_empty()));
    for theme in themes {
        let _ = (theme.ramp(), theme.shade(0.3), theme.base());
    }
});
