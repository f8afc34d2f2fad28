//! Recordings with tables of marks as a data set.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod made;
mod samples;
mod sets;
mod trained;
