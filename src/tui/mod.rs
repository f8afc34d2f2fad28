//! The workbench: update(state, action) -> effects, view(state) -> frame.
//!
//! Views never touch the disk, the model or the clock.
