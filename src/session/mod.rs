//! A run is its event log: events, the pure fold over them, and the folders they live in.
//!
//! Imports no candle type; weights pass through as files.

mod config;
mod event;
mod state;

pub use config::RunConfig;
pub use event::{Best, EpochRecord, Event, Record, StepRecord, Summary};
pub use state::{NormsRecord, RunState, Status};
