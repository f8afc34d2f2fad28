//! What a model gets wrong, and which labels of a data set are likely wrong.
//!
//! Computed from predictions that sessions keep of their validation clips, and from vectors of a frozen backbone. Does
//! not depend on terminals.

mod calibrate;
mod classes;
mod clips;
mod detections;
mod kept;
mod label_errors;
mod logistic;
mod neighbours;
mod overview;
mod picks;
mod sample;
mod simulate;
mod table;

pub use calibrate::{BINS, Bin, Reliability, calibration_of, fit, reliability};
pub use classes::{ClassFigures, accuracy, by_class};
pub use clips::{ClipFinding, Order, Outcome, disagreement, findings, ordered};
pub use detections::{Detected, detections_to_review};
pub use kept::{KeptAnswers, calibrate, is_trained_on, remove_calibration, same_clips, trained_on_these_labels};
pub use label_errors::{FOLDS, LabelErrors, Suspect, label_errors};
pub use logistic::{Logistic, Penalty};
pub use neighbours::{Neighbours, Pair, most_like, neighbours};
pub use overview::{Against, SessionFindings};
pub use picks::{Candidate, Strategy, pick};
pub use sample::with_random_share;
pub use simulate::{Curve, Point, Pool, simulate};
pub use table::{ClipRow, write_table};
