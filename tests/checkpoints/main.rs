//! Checkpoints of every maker, our own among them, and files that are not checkpoints.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod awkward;
mod bad;
mod bf16;
mod ced;
mod golden;
mod lora;
mod made;
mod mutation;
#[path = "../oracle/model.rs"]
#[allow(dead_code, reason = "shared with the tests of gradients")]
mod oracle;
mod own;
