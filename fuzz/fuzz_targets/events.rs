//! Any bytes as `events.jsonl`: folded whole, listed in outline, and opened as the session that it says it is.
#![no_main]

use std::{fs, path::PathBuf};

use aat_tui::session::{self, LOG_FILE, Store};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let root: PathBuf = std::env::temp_dir().join(format!("aat-tui-fuzz-events-{}", std::process::id()));
    let folder = root.join("run");
    if fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(LOG_FILE), bytes)).is_err() {
        return;
    }
    if let Ok(state) = session::load(&folder) {
        let _ = (state.best(), state.last(), state.total_steps(), state.is_over());
        let _ = state.config.map(|config| (config.data_spec(), config.dataset));
    }
    let _ = session::outline(&folder);
    let _ = Store::at(&root).list();
});
