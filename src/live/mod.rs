//! From a microphone (or a file played in real time) to predictions.
//!
//! ```text
//! device or file ──Feed──> ring ──Tap──> worker: resample, filter bank ──> LiveEvent::Sound ──┐
//!   (callback)            (audio::tap)        │ a window each hop                              ├─> Inbox ──> LiveState
//!                                             └──────────> scoring thread ──> LiveEvent::Prediction┘
//! ```
//!
//! The same habit as for runs: the pipeline sends [`LiveEvent`]s, [`LiveState`] folds them, views draw it. No stage can
//! hold up the one before it: the callback counts what finds no room, windows that a busy model could not take are
//! skipped and counted, and what a slow screen did not fetch is joined together.
//!
//! **Latency** of an answer runs from the capture of the window's last sample, as the driver tells it, to the answer's
//! arrival in the [`Inbox`]. **Time to answer** of a sound adds at most one hop to it: the wait for the next window.

mod bookmark;
mod classifier;
mod clip;
mod detect;
mod listener;
mod outbox;
mod pipeline;
mod recording;
mod scoring;
mod source;
mod state;
mod teach;
mod windower;

pub use bookmark::{Bookmark, BookmarkedPrediction};
pub use classifier::ClassifierListener;
pub use clip::ClipError;
pub use detect::{Change, Detection, Detector, Rule, audacity_label};
pub use listener::{Listener, Prediction, Window};
pub use outbox::Inbox;
pub use pipeline::{Pipeline, Settings};
pub use scoring::Scored;
pub use source::{FileSource, Line, MicrophoneSource, Source, source};
pub use state::{ListenerState, LiveEvent, LiveState, LiveStatus};
pub use teach::{BACKGROUND, EXAMPLE_S, Example, Lesson};
pub use windower::Windows;
