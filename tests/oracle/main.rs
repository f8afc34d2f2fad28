//! The engines against the plainly written method ([`model`]), and against finite differences of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod agreement;
mod cases;
mod finite_differences;
mod model;
mod training;
