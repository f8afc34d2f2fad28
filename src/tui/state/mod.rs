//! Everything on show, as plain values: views read it, [`update`](crate::tui::update()) alone changes it.

pub mod app;
pub mod bookmarks;
pub mod browser;
pub mod clip_panel;
pub mod command_line;
pub mod data;
pub mod data_view;
pub mod desk;
pub mod exporting;
pub mod known;
pub mod layers;
pub mod listening;
pub mod look;
pub mod parameters;
pub mod preferences;
pub mod results;
pub mod review;
pub mod run_slot;
pub mod scanning;
pub mod sessions;
pub mod sweep;
pub mod teaching;
pub mod ticket;
pub mod together;
