//! The trainer: its thread, its optimizer, its losses and metrics.
//!
//! Emits [`session::Event`](crate::session::Event)s, obeys [`Command`]s, never prints, does not depend on terminals.

mod average;
mod batches;
mod bootstrap;
mod command;
mod diverged;
mod embedding;
mod error;
mod evaluation;
mod existing_run;
mod feed;
mod frozen;
mod head_start;
mod job;
mod journal;
mod launch;
mod loss;
mod memory;
mod metrics;
mod optim;
mod parts;
mod plan;
mod pretrain;
mod probe;
mod prospect;
mod provenance;
mod request;
mod run;
mod schedule;
mod session_writer;
mod settings;
mod shared_features;
mod snapshot;
#[cfg(test)]
mod testing;
mod trainer;
mod wilson;

pub use bootstrap::{Difference, paired_difference};
pub use command::Command;
pub use embedding::{Embeddings, embed};
pub use error::TrainError;
pub use existing_run::ExistingRun;
pub use feed::{Feed, News, Update};
pub use loss::Criterion;
pub use memory::{MEMORY, available as available_memory, peak_rss_bytes};
pub use metrics::{Predictions, mean, median, normal_quantile, top, verdict};
pub use optim::AdamW;
pub use plan::{arithmetic, preview};
pub use pretrain::PretrainRequest;
pub use probe::{Probe, probe};
pub use prospect::{Prospect, Prospects};
pub use provenance::same_clips;
pub use request::{Launch, Request};
pub use schedule::factor as lr_factor;
pub use settings::{OF_THE_MACHINE, SETTINGS, SWITCHES};
pub use snapshot::{predictions_in, predictions_of_averaged, predictions_of_best, predictions_of_last};
pub use trainer::Trainer;
pub use wilson::{Interval, wilson};
