//! From a microphone (or a file played in real time) to predictions.
//!
//! The same habit as for runs: the pipeline sends [`LiveEvent`]s, [`LiveState`] folds them, views draw it.

mod state;

pub use crate::infer::Score;
pub use state::{Ear, LiveEvent, LiveState, LiveStatus};
