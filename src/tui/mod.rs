//! The workbench: update(state, message) -> effects, view(state) -> frame.
//!
//! [`app`] holds everything on show, [`update()`] alone changes it, [`view`] draws it with the
//! [`screens`] and [`widgets`]; [`keymap`] is the one table of keys. Views never touch the disk, the
//! model or the clock.

mod ability;
pub mod action;
pub mod app;
pub mod bench;
pub mod bookmarks;
pub mod commands;
pub mod desk;
mod effect;
pub mod exporting;
pub mod fixture;
pub mod frame;
pub mod graphics;
mod header;
mod hearing;
mod inbox;
mod keeping;
pub mod keymap;
mod known;
pub mod layers;
pub mod listening;
#[cfg(test)]
mod looks;
mod outlet;
pub mod parameters;
pub mod picture;
mod run;
pub mod screens;
pub mod sessions;
mod signals;
pub mod slot;
pub mod teaching;
mod terminal;
pub mod text;
pub mod theme;
pub mod ticket;
mod update;
pub mod view;
pub mod widgets;
mod world;

pub use effect::{Effect, Task};
pub use run::{Options, TuiError, run};
pub use update::update;
