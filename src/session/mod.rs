//! A run is its event log: events, the pure fold over them, and their folders.
//!
//! Imports no candle type; weights are read and written as files.

mod checkpoint;
mod checkpoints;
mod clips;
mod config;
mod error;
mod event;
mod history;
mod log;
mod log_reader;
mod norms;
mod notes;
mod patience;
mod recover;
mod removal;
mod seal;
mod series;
mod state;
mod store;
#[cfg(test)]
pub(crate) mod testing;
mod trace;

pub use checkpoint::{BEST_FILE, Checkpoint, Position, Tensor};
pub use checkpoints::Checkpoints;
pub use clips::{CLIPS_FILE, read_clips, write_clips};
pub use config::{OnNan, PretrainConfig, RunConfig};
pub use error::SessionError;
pub use event::{Averaged, Best, EpochRecord, Event, Record, StepRecord, Summary};
pub use history::History;
pub use log::{LOG_FILE, LogWriter};
pub use log_reader::{LogReader, outline};
pub use norms::{Norms, NormsBucket};
pub use notes::{NOTES_FILE, Notes, NotesChange};
pub use recover::first_line;
pub use state::{RunState, Status};
pub use store::{Lock, SessionInfo, Store, folder_name, load};
pub use trace::{BUCKETS, Bucket, Trace};
