//! A listener: something that scores a window of sound.

use std::{sync::Arc, time::Instant};

use crate::{
    audio::{FRAME_LENGTH, FRAME_SHIFT, LogMel, MEL_BINS},
    infer::{Gains, Score},
    model::BlockNorms,
};

/// The newest stretch of a stream, the same for every listener. Shorter than a listener wants while the stream has just
/// begun.
#[derive(Clone, Debug)]
pub struct Window {
    /// Its end, seconds since the stream was opened.
    pub end_s: f64,
    /// When its last sample was captured.
    pub captured: Instant,
    /// 16 kHz mono: the samples under `frames`.
    pub samples: Arc<[f32]>,
    /// Log-mel frames, oldest first, row-major (frames, 128): those of [`Fbank::compute`](crate::audio::Fbank::compute)
    /// over `samples`, to the bit.
    pub frames: Arc<[f32]>,
}

impl Window {
    /// Number of frames.
    pub fn len(&self) -> usize {
        self.frames.len() / MEL_BINS
    }

    /// Whether it holds no frame.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The newest `frames` of them.
    pub fn log_mel(&self, frames: usize) -> LogMel {
        let first = self.len().saturating_sub(frames);
        LogMel { frames: self.len() - first, bins: MEL_BINS, data: self.frames[first * MEL_BINS..].to_vec() }
    }

    /// The samples under the newest `frames` frames.
    pub fn sound(&self, frames: usize) -> &[f32] {
        let kept = frames.min(self.len());
        let samples = if kept == 0 { 0 } else { (kept - 1) * FRAME_SHIFT + FRAME_LENGTH };
        &self.samples[self.samples.len().saturating_sub(samples)..]
    }
}

/// A listener's scores of a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prediction {
    /// All classes, most likely first.
    pub scores: Vec<Score>,
    /// The scores with every gain at 1, while some gain is not.
    pub untouched: Option<Vec<Score>>,
    /// What the adapters add inside each block, gains included; nothing without adapters.
    pub norms: Vec<BlockNorms>,
}

impl From<Vec<Score>> for Prediction {
    fn from(scores: Vec<Score>) -> Self {
        Self { scores, ..Self::default() }
    }
}

/// Something that scores windows, on the scoring thread.
pub trait Listener: Send {
    /// Name to show: a session or a model.
    fn name(&self) -> &str;

    /// Frames of 10 ms that it scores at once; it gets that many or, while the stream has just begun, fewer.
    fn frames(&self) -> usize;

    /// Scores a window.
    ///
    /// # Errors
    /// A message to show.
    fn score(&mut self, window: &Window) -> Result<Prediction, String>;

    /// Multiplies its adapters' outputs from now on.
    ///
    /// # Errors
    /// A message to show, when it has no adapters.
    fn set_gains(&mut self, _gains: &Gains) -> Result<(), String> {
        Err("it has no adapters".into())
    }
}
