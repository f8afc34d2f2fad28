//! The trainer: its thread, its optimizer, its losses and metrics.
//!
//! Emits [`session::Event`](crate::session::Event)s, obeys [`Command`]s, never prints, knows nothing of terminals.

mod command;

pub use command::Command;
