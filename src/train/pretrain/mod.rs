//! Pretraining: a backbone learns from sounds before anyone adapts it.
//!
//! It is a run like any other: events in a log, commands, checkpoints, a summary. At its end the session's folder holds
//! the backbone alone, ready for `--model`.

mod begin;
mod request;
mod run;
mod teacher;

pub(super) use begin::{begin, resume};
pub use request::PretrainRequest;
