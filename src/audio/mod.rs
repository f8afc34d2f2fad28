//! Sound in: files and samples become mono 16 kHz clips, clips become log-mel frames.
//!
//! Knows nothing of data sets, models or terminals.

pub mod capture;
mod clip;
mod error;
mod fbank;
mod front_end;
mod mel;
mod ogg;
mod resample;
pub mod server;
mod stream;
mod tables;
pub mod tap;
mod whisper_mel;

pub use clip::{Sound, decode, load};
pub use error::AudioError;
pub use fbank::{FRAME_LENGTH, FRAME_SHIFT, Fbank, MEL_BINS, frames_of};
pub use front_end::{Extractor, FrontEnd};
pub use resample::{Resampler, resample};
pub use stream::{FbankStream, MonoStream};
pub use tables::Tables;
pub use whisper_mel::{WHISPER_BINS, WhisperMel};

/// Every model here hears 16 kHz mono.
pub const SAMPLE_RATE: u32 = 16_000;

/// A log-mel spectrogram before normalisation and padding, row-major (frames, bins), natural log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogMel {
    /// Number of 10 ms frames.
    pub frames: usize,
    /// Mel bins of each frame (128 for AST, 80 for Whisper).
    pub bins: usize,
    /// `frames * bins` values.
    pub data: Vec<f32>,
}

impl LogMel {
    /// One frame's mel bins; empty when `frame` is out of range.
    pub fn row(&self, frame: usize) -> &[f32] {
        self.data.get(frame * self.bins..(frame + 1) * self.bins).unwrap_or_default()
    }
}

/// Features are normalised as (x - mean) / (2 std).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Normalisation {
    /// Mean log-mel value.
    pub mean: f32,
    /// Standard deviation of log-mel values.
    pub std: f32,
}
