//! States to draw without a run, snapshots of every screen, and the timing of a frame.

#[cfg(test)]
pub mod browser_fixture;
pub mod data_fixture;
pub mod draw_bench;
pub mod findings;
pub mod fixture;
#[cfg(test)]
mod moved_keys;
#[cfg(test)]
mod snapshots;
pub mod sweep_fixture;
