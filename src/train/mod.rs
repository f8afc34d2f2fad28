//! The trainer: its thread, its optimizer, its losses and metrics.
//!
//! Emits [`session::Event`](crate::session::Event)s, obeys [`Command`]s, never prints, knows nothing of terminals.

mod command;
mod error;
mod feed;
#[allow(dead_code)] // until the run lands
mod journal;
mod request;
mod run;
#[allow(dead_code)] // until the run lands
mod trainer;

pub use command::Command;
pub use error::TrainError;
pub use feed::{Feed, Update};
pub use request::{Launch, Request};
pub use trainer::Trainer;
