//! The workbench: update(state, message) -> effects, view(state) -> frame.
//!
//! [`state`] holds everything on show, [`update()`] alone changes it, [`view`] draws it; [`input`] has the one table of
//! keys and the commands. `runtime` runs the event loop and performs effects, `terminal` is the screen. Views never
//! touch the disk, the model or the clock.

pub mod input;
pub(crate) mod runtime;
pub mod state;
mod terminal;
pub mod testing;
pub mod text;
pub mod theme;
pub mod update;
pub mod view;

pub use runtime::{Options, TuiError, run};
pub use terminal::graphics;
pub use update::update;
