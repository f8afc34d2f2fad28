//! Labelled sounds: what a data set is, the layouts it comes in, recipes, splits and batches.
//!
//! One file for each layout. Knows nothing of models' arithmetic or terminals.

mod augment;
mod cache;
mod check;
mod content;
mod corrections;
mod crops;
mod dataset;
mod derived;
mod error;
mod excerpt;
mod features;
mod found;
mod identity;
mod kept;
mod layout;
mod length;
mod loader;
pub mod marks;
mod nearest;
mod parallel;
mod parts;
mod problem;
mod random_start;
mod rates;
mod recipe;
mod reviewed;
mod schedule;
mod split;
mod synth;

pub use check::{Facts, Report, Seen, check, check_reading, check_with};
pub use corrections::{
    CORRECTIONS, Corrected, Correction, CorrectionsFile, CorrectionsPlace, CorrectionsRecord, Decision, REVIEWED,
};
pub use crops::{Crops, Cut, PATCH, Stream, Teaching, divide_corpus};
pub use dataset::{Corrections, Dataset, Item, Label, Part, Source, Split};
pub use derived::MissingTable;
pub use error::DataError;
pub use excerpt::{Excerpt, excerpt};
pub use features::FeatureSet;
pub use found::{FileCount, LeftOut, Reason};
pub use identity::{ClipList, ClipRecord, DataRecord};
pub use layout::{
    Glance, LAYOUTS, Layout, Listing, Reading, glance, open, open_corpus, open_corrected, open_with, read, read_with,
};
pub use loader::{Batch, Batches, Labels, Loader, Targets};
pub use nearest::nearest;
pub use parallel::Progress;
pub use problem::{Problem, Severity};
pub use random_start::RandomStart;
pub use rates::Rates;
pub use recipe::{LESSON, Loss, Metric, Recipe};
pub use reviewed::{Chosen, Reviews, Sighting, SightingKey, SightingReview, holds_reviews, reviews};
pub use schedule::Schedule;
pub use split::Division;
