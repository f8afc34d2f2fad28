//! Pretraining: a backbone learns from sounds before anyone adapts it.
//!
//! A run like any other to everything around it: events in a log, commands, checkpoints, a summary. At its end the
//! backbone alone lies in the session's folder, ready for `--model`.

mod begin;
mod request;
mod run;
mod teacher;

pub(super) use begin::{begin, resume};
pub use request::PretrainRequest;
