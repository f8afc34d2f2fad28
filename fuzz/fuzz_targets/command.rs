//! Any text typed into the workbench's command line: carried out or refused with a reason, and completed.
#![no_main]

use aat_tui::tui::input::{commands, completion};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    if let Err(problem) = commands::parse(line) {
        // What is shown of it is cleaned where it is drawn.
        assert!(!problem.is_empty());
    }
    if let Some(wanted) = completion::wanted(line, &["dark".to_owned()]) {
        assert!(wanted.start + wanted.word.chars().count() == line.chars().count());
        assert!(wanted.fitting().iter().all(|word| word.starts_with(&wanted.word)));
    }
});
