//! Sound: files and samples become mono 16 kHz clips, clips become log-mel frames; clips are played.
//!
//! Does not depend on data sets, models or terminals.

pub mod capture;
mod ced_mel;
mod centred;
mod clip;
mod decode;
mod device;
mod downmix;
mod error;
mod fbank;
mod front_end;
mod level;
mod mel;
pub mod playback;
mod recorded;
mod resample;
pub mod ring;
pub mod server;
mod sliding;
mod speaker;
mod stream;
mod streamed;
mod tables;
#[cfg(test)]
pub(crate) mod testing;
mod voice;
mod whisper_mel;
mod whole_mel;

pub use ced_mel::{CED_BINS, ced_mel};
pub use centred::CentredMel;
pub use clip::{Clip, Sound, Whole, decode, each_block, load, load_beginning, load_noted};
pub use decode::{Note, SOUND_ENDINGS, SoundFile, VERSION as DECODING_VERSION};
pub use error::AudioError;
pub use fbank::{FRAME_LENGTH, FRAME_SHIFT, Fbank, MEL_BINS, frames_of};
pub use front_end::{Extractor, FrontEnd};
pub use level::{Level, LevelMeter, dbfs};
pub use recorded::{Began, Clock};
pub use resample::{Resampler, resample, resample_to};
pub use sliding::{Sliding, Window};
pub use stream::{FbankStream, MonoStream};
pub use streamed::Streamed;
pub use tables::Tables;
pub use whisper_mel::{WHISPER_128_BINS, WHISPER_BINS, whisper_mel};
pub use whole_mel::WholeMel;

/// Version of the output of resampling and the filter banks for the same samples: part of the key of cached features.
pub const COMPUTING_VERSION: u32 = 1;

/// Every model here takes 16 kHz mono.
pub const SAMPLE_RATE: u32 = 16_000;

/// A log-mel spectrogram before normalisation and padding, row-major (frames, bins), in its front end's own units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogMel {
    /// Number of 10 ms frames.
    pub frames: usize,
    /// Mel bins of each frame (128 for AST, 80 or 128 for Whisper, 64 for CED and Dasheng).
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

/// Normalisation of features: (x - mean) / (2 std).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Normalisation {
    /// Mean log-mel value.
    pub mean: f32,
    /// Standard deviation of log-mel values.
    pub std: f32,
}

impl Normalisation {
    /// The one that leaves features unchanged: (x - 0) / (2 * 0.5).
    pub const NONE: Self = Self { mean: 0.0, std: 0.5 };
    /// Statistics of AudioSet's log-mels (arXiv 2104.01778's code), for a checkpoint that does not store its own.
    pub const AUDIOSET: Self = Self { mean: -4.267_739_3, std: 4.568_997_4 };
}
