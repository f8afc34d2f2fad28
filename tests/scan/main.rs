//! `aat-tui scan`, with a session that was really trained.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod broken;
mod killed;
mod long_noise;
mod memory;
mod scores;
mod trained;
