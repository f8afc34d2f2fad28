//! Everything on show, as plain values: views read it, [`update`](crate::tui::update()) alone changes it.

pub mod app;
pub mod bookmarks;
pub mod command_line;
pub mod desk;
pub mod exporting;
pub mod known;
pub mod layers;
pub mod listening;
pub mod parameters;
pub mod run_slot;
pub mod sessions;
pub mod sweep;
pub mod teaching;
pub mod ticket;
