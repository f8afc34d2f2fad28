//! A run is its event log: events, the pure fold over them, and the folders they live in.
//!
//! Imports no candle type; weights pass through as files.

mod checkpoint;
mod clips;
mod config;
mod error;
mod event;
mod log;
mod state;
mod store;
#[cfg(test)]
pub(crate) mod testing;

pub use checkpoint::{BEST_FILE, Checkpoint, Checkpoints, Position, Tensor};
pub use clips::{CLIPS_FILE, read_clips, write_clips};
pub use config::{PretrainConfig, RunConfig};
pub use error::SessionError;
pub use event::{Averaged, Best, EpochRecord, Event, Record, StepRecord, Summary};
pub use log::{LOG_FILE, LogReader, LogWriter, outline};
pub use state::{NormsRecord, RunState, Status};
pub use store::{Lock, SessionInfo, Store, load};
