//! From a microphone (or a file played in real time) to predictions.
//!
//! ```text
//! device or file ──> RingWriter ──> RingReader ──> worker: resample, filter bank ──> LiveEvent::Sound ────┐
//!   (callback)        (audio::ring)                  │ a window each hop                                    ├─> Inbox ──> LiveState
//!                                                    └─────────────> scoring thread ──> LiveEvent::Prediction┘
//! ```
//!
//! As for runs, the pipeline sends [`LiveEvent`]s, [`LiveState`] folds them, views draw it. No stage blocks the one
//! before it: the callback counts samples that find no room, windows that arrive while the model is busy are skipped
//! and counted, and events that a slow screen did not fetch are merged.
//!
//! **Latency** of a prediction runs from the capture of the window's last sample, as the driver reports it, to the
//! prediction's arrival in the [`Inbox`]. **Time to prediction** of a sound is at most one hop more: the wait for the
//! next window.

mod bookmark;
mod classifier;
mod clip;
mod detect;
mod file;
mod listener;
mod outbox;
mod pipeline;
mod recording;
mod scoring;
mod source;
mod state;
mod teach;
mod windower;

pub use bookmark::{Bookmark, BookmarkList, BookmarkedPrediction};
pub use classifier::ClassifierListener;
pub use clip::ClipError;
pub use detect::{Change, Detection, Detector, Rule, audacity_label};
pub use file::{FileControl, FileOverview, FileSource, source};
pub use listener::{Listener, Prediction, Window};
pub use outbox::Inbox;
pub use pipeline::{Pipeline, Settings};
pub use scoring::Scored;
pub use source::{Line, MicrophoneSource, Source};
pub use state::{ListenerState, LiveEvent, LiveState, LiveStatus};
pub use teach::{BACKGROUND, EXAMPLE_S, Example, Lesson};
pub use windower::Windows;
