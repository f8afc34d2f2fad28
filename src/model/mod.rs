//! Backbones, what is added to them, and what trains.
//!
//! A model is a [`ModelConfig`] (its shape) and a [`Method`] (how it is adapted). Together they give
//! the list of parameters ([`specs`]), which alone decides counts, initialisation, what the
//! optimizer sees and what a checkpoint holds. An [`Engine`] does the arithmetic.

mod arch;
mod backend;
mod built_in;
mod catalogue;
pub mod checkpoint;
mod config;
mod convert;
mod describe;
mod device;
mod engine;
mod error;
pub mod export;
mod family;
mod glance;
pub mod hub;
mod init;
mod inventory;
mod memory_options;
mod method;
mod network;
mod open;
mod param;
mod precision;
pub mod pretrain;
mod select;
mod source;
mod spec;
mod stem;
mod store;
#[cfg(test)]
mod testing;
mod tokens;
mod variable;

pub use backend::Cost;
pub use built_in::{built_in, built_in_license};
pub use catalogue::{PUBLISHED, Published};
pub use config::{ModelConfig, Pooling, Stem};
pub use convert::convert;
pub use describe::{Description, Ignored, check, describe};
pub use device::{accelerator, describe_device, device, device_name};
pub use engine::{BlockNorms, Engine, Features, LossFn, StepOutput};
pub use error::ModelError;
pub use family::{Facts, Family, Positions};
pub use glance::{ModelGlance, glance, glance_at_name};
pub use init::{grid_sinusoids, initial_values, initialise};
pub use inventory::{GroupCount, Inventory};
pub use memory_options::{MemoryOptions, Recompute};
pub use method::{Extras, LowRank, METHODS, Method, Tuning};
pub use open::{Opened, Request, open, open_random, shape, shape_by_name, takes_raw_features};
pub use param::{Init, ParamSpec, Part};
pub use precision::Precision;
pub use select::{Compute, engine, engine_by};
pub use source::{SIZES, fetch, is_name, is_random, names, origin, repository_of};
pub use spec::{HEAD_BIAS, specs};
pub use store::ParamStore;
