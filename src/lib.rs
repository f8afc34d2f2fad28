//! A terminal workbench for adapting pretrained audio transformers to new sounds.
//!
//! The modules, from top to bottom; every arrow points down:
//!
//! ```text
//! tui  cli                 the workbench; the subcommands
//!  │    │
//! scan  export  findings  sweep   detections in recordings; models for other programs; wrong answers; tables of runs
//!  │    │       │  comparison     complete sessions against each other
//!  │    │       │         │
//! live  train ──┴─────────┘       the microphone pipeline; the trainer
//!  │    │
//! infer session            trained models as classifiers; runs as event logs
//!  │    │
//! data ─> model            labelled sounds, recipes, batches; backbones, methods, engines
//!  │    │
//! audio ops                clips and filter banks; differentiable kernels
//! ```
//!
//! A run *is* its event log: [`train`] emits [`session::Event`]s, [`session::RunState`] is a pure
//! fold over them, and the views in [`tui`] draw that state. A run that trains now, one resumed
//! after a crash and one opened a month later are drawn by the same code.

pub mod atomic;
pub mod audio;
pub mod cli;
pub mod clock;
pub mod comparison;
pub mod data;
pub mod digits;
mod dumb;
pub mod export;
pub mod findings;
pub mod infer;
pub mod limits;
pub mod live;
pub mod model;
pub mod npy;
pub mod ops;
mod panics;
pub mod plot;
pub mod printable;
mod random;
mod regular;
pub mod scan;
pub mod session;
pub mod shell;
pub mod stderr;
pub mod sweep;
pub mod train;
pub mod tui;
