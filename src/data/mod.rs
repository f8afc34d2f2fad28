//! Labelled sounds: what a data set is, the layouts it comes in, recipes, splits and batches.
//!
//! One file for each layout. Knows nothing of models' arithmetic or terminals.

mod dataset;
mod error;
mod recipe;

pub use dataset::{Dataset, Item, Label, Source, Split};
pub use error::DataError;
pub use recipe::{Loss, Metric, Recipe, Schedule};
