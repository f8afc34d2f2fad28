//! Any bytes as the pickle of a `.pth`, without the archive around it.
#![no_main]

use aat_tui::model::checkpoint::tensors_of_pickle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = tensors_of_pickle(bytes);
});
