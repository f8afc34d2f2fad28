//! Sweeps: a table of runs as a TOML file, run on this machine, on a SLURM cluster, or by any engine that runs command
//! lines.
//!
//! A task is an ordinary `aat-tui train` in a process of its own (or `resume`, when its session is half done) that
//! writes an ordinary session, whose name ends in the digest of its configuration. What is done, running and missing is
//! read from the sessions' logs, so running a sweep again does only what is missing, failed or half done.
//!
//! Machines share nothing but a folder. A task is held by a claim file ([`Claim`]) while it runs: made with `O_EXCL`,
//! rewritten every few seconds, its age measured by the file server's clock alone.

mod child;
mod claim;
mod cluster;
mod counts;
mod digest;
mod error;
mod estimate;
mod expansion;
mod export;
mod file;
mod holder;
mod journal;
mod local;
mod naming;
mod observe;
mod pairs;
mod place;
mod plan;
mod print;
mod request;
mod results;
mod runner;
mod slurm;
mod standing;
mod statistics;
mod values;

pub use child::{PARENT, Program, Stop};
pub use claim::{Claim, Patience};
pub use cluster::Cluster;
pub use counts::{Counts, by_axis};
pub use error::SweepError;
pub use estimate::{Estimate, Paces, estimate, probe};
pub use expansion::MOST;
pub use export::{Export, export, markdown};
pub use file::File;
pub use holder::Holder;
pub use local::{Report, Share, work_off};
pub use observe::{Observer, Snapshot};
pub use pairs::{LeftOut, Paired, bases, pairs};
pub use place::Place;
pub use plan::{Plan, Task};
pub use print::lines;
pub use results::{Group, groups, metrics};
pub use runner::{Ended, run_task};
pub use slurm::{Queue, Queued, Submitted, cancel, requeue_this_task, submit};
pub use standing::{Standing, State};
pub use statistics::{Interval, interval, t_quantile};
