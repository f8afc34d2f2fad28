//! Terminals that show lines only: a serial line, an editor's shell, a log. They would print escape sequences as text.

use std::io::{IsTerminal, stderr};

/// Whether the terminal shows lines only (`TERM=dumb`).
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whether standard error is a terminal on which a progress bar can be drawn in place.
pub(crate) fn draws_bars() -> bool {
    stderr().is_terminal() && !is_dumb()
}
