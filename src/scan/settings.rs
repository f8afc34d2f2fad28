//! What scores depend on, and the key under which they are kept.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Recording, files::absolute};
use crate::{
    audio::{COMPUTING_VERSION, DECODING_VERSION, FRAME_SHIFT, SAMPLE_RATE},
    digits::hex,
};

/// Counts changes to how windows are placed and scores are kept.
const VERSION: u32 = 1;

/// Where windows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Frames of 10 ms of a window.
    pub frames: usize,
    /// Samples at 16 kHz from one window's beginning to the next.
    pub hop: u64,
}

impl Grid {
    /// Windows of `window_s` seconds, one every `hop_s`: by default as long as the model's, `frames` frames, and one after
    /// another. Both become whole frames and samples.
    ///
    /// # Errors
    /// A reason for people: a window longer than the model's, or a hop of nothing.
    pub fn new(frames: usize, window_s: Option<f64>, hop_s: Option<f64>) -> Result<Self, String> {
        let per_second = f64::from(SAMPLE_RATE) / FRAME_SHIFT as f64;
        let longest = frames as f64 / per_second;
        let frames = match window_s {
            None => frames,
            Some(seconds) if !(seconds.is_finite() && seconds > 0.0) => {
                return Err("--window must be more than 0 seconds".into());
            }
            Some(seconds) if seconds > longest + 0.5 / per_second => {
                return Err(format!(
                    "--window {seconds} is longer than the {longest} s that this model takes; give at most {longest}"
                ));
            }
            Some(seconds) => ((seconds * per_second).round() as usize).clamp(1, frames),
        };
        let hop = match hop_s {
            None => (frames * FRAME_SHIFT) as u64,
            Some(seconds) => (seconds * f64::from(SAMPLE_RATE)).round().max(0.0) as u64,
        };
        if hop == 0 || hop > 1 << 40 || hop_s.is_some_and(|hop| !hop.is_finite()) {
            return Err("--hop must be more than 0 seconds".into());
        }
        Ok(Self { frames, hop })
    }

    /// Samples of a window, counted as whole frames of 10 ms.
    pub fn size(&self) -> u64 {
        (self.frames * FRAME_SHIFT) as u64
    }

    /// Seconds of a window.
    pub fn window_s(&self) -> f64 {
        seconds(self.size())
    }

    /// Seconds from one window to the next.
    pub fn hop_s(&self) -> f64 {
        seconds(self.hop)
    }
}

/// Seconds of so many samples at 16 kHz.
pub(super) fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

/// Names everything that changes scores but the recording: the weights, the windows, how sound is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key of a classifier's fingerprint and a grid; `width` values of an embedding are kept with each window's scores.
    pub fn new(fingerprint: &str, grid: Grid, width: usize) -> Self {
        let parts = (VERSION, DECODING_VERSION, COMPUTING_VERSION, fingerprint, grid.frames, grid.hop, width);
        Self(digest(format!("{parts:?}").as_bytes()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the part of one recording: of its path, size and time of change under this key.
    pub(super) fn part(&self, recording: &Recording) -> String {
        let mut bytes = self.0.clone().into_bytes();
        bytes.extend(format!("|{}|{}|", recording.bytes, recording.modified_ns).into_bytes());
        bytes.extend(absolute(&recording.path).as_os_str().as_encoded_bytes());
        digest(&bytes)
    }
}

/// Thirty-two hexadecimal digits.
fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..16])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_grid_is_whole_frames_and_samples() {
        assert_eq!(Grid::new(512, None, None).unwrap(), Grid { frames: 512, hop: 81_920 });
        assert_eq!(Grid::new(512, Some(3.0), None).unwrap(), Grid { frames: 300, hop: 48_000 });
        // BirdNET-Analyzer's 0.1 s, added up, came out seconds off after hours.
        assert_eq!(Grid::new(300, Some(3.0), Some(0.1)).unwrap(), Grid { frames: 300, hop: 1_600 });
        for (window, hop) in [(Some(5.13), None), (Some(0.0), None), (Some(f64::NAN), None), (None, Some(0.0))] {
            assert!(Grid::new(512, window, hop).is_err(), "{window:?} {hop:?}");
        }
        assert!(Grid::new(512, None, Some(f64::NAN)).is_err() && Grid::new(512, None, Some(-1.0)).is_err());
    }

    #[test]
    fn a_part_is_of_one_state_of_a_file_and_one_state_of_the_settings() {
        let recording = Recording { path: "a.wav".into(), place: "a.wav".into(), bytes: 10, modified_ns: 5 };
        let grid = Grid { frames: 300, hop: 48_000 };
        let key = Key::new("weights", grid, 0);
        let name = key.part(&recording);
        assert_eq!(name, key.part(&Recording { place: "elsewhere".into(), ..recording.clone() }));
        for other in [
            Recording { path: "b.wav".into(), ..recording.clone() },
            Recording { bytes: 11, ..recording.clone() },
            Recording { modified_ns: 6, ..recording.clone() },
        ] {
            assert_ne!(name, key.part(&other));
        }
        for other in [
            Key::new("others", grid, 0),
            Key::new("weights", Grid { hop: 1, ..grid }, 0),
            Key::new("weights", grid, 192),
        ] {
            assert_ne!(name, other.part(&recording));
        }
    }
}
