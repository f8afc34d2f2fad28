//! Kernels of the CPU backend: forward and hand-written backward on plain `f32` memory. [`fused`] holds the same
//! operations for tensors on any device.
//!
//! No graph and no tensors: each file is one operation that documents what its backward needs. Why they are fast:
//!
//! - Work goes to cores by tiles of rows (tokens), so that what one kernel wrote is still in the
//!   core's cache when the next reads it; matrix products are single-threaded inside a tile.
//! - Elementwise loops are compiled for the widest vectors and chosen at run time ([`pulp`]).
//! - Memory is kept between steps; nothing is allocated once shapes are stable.
// Loops over equal indices of several rows read as their formulas and vectorise.
#![allow(clippy::needless_range_loop)]

pub mod adamw;
pub mod attention;
pub mod block;
pub mod columns;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod fused;
pub mod gelu;
pub mod layer_norm;
pub mod mat;
pub mod packed;
pub mod parallel;
mod simd;
pub mod softmax;
pub mod stack;

pub use mat::{Mat, MatMut};
