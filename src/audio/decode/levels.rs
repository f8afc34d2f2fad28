//! Checks decoded samples for plausibility: peaks, silence, channels that cancel.

use super::{super::level::dbfs, blocks::Note};

/// A peak that no recording at a full scale of 1 reaches: 12 dB above it.
const FAR_ABOVE: f32 = 4.0;
/// Below this peak, -90 dBFS, there is nothing to learn from.
const SILENCE: f32 = 3.162_277_6e-5;
/// How much quieter the mean of the channels may be than they are: 30 dB. Sixty-four uncorrelated ones lose 18 dB.
const CANCELS: f64 = 1e-3;

/// Statistics so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    /// The largest absolute value.
    peak: f32,
    /// Sum of squares of the mean of the channels.
    mean: f64,
    /// Mean over channels of the sum of squares of each.
    each: f64,
    /// Samples of a channel.
    frames: u64,
    /// Samples that are not numbers, and the frame of the first.
    bad: u64,
    first_bad: Option<u64>,
}

impl Levels {
    /// Adds interleaved samples; those that are not numbers are counted and become 0.
    pub(super) fn take(&mut self, interleaved: &mut [f32], channels: usize) {
        for (place, sample) in interleaved.iter_mut().enumerate() {
            if !sample.is_finite() {
                self.bad += 1;
                self.first_bad.get_or_insert(self.frames + (place / channels) as u64);
                *sample = 0.0;
            }
        }
        for frame in interleaved.chunks_exact(channels) {
            let (mut sum, mut squares) = (0.0f64, 0.0f64);
            for &sample in frame {
                self.peak = self.peak.max(sample.abs());
                sum += f64::from(sample);
                squares += f64::from(sample) * f64::from(sample);
            }
            let count = channels as f64;
            self.mean += (sum / count) * (sum / count);
            self.each += squares / count;
        }
        self.frames += (interleaved.len() / channels) as u64;
    }

    /// Samples that are not numbers, and the frame of the first.
    pub(super) fn bad(&self) -> Option<(u64, u64)> {
        self.first_bad.map(|first| (self.bad, first))
    }

    /// Notes about what is not plausible.
    pub(super) fn notes(&self, channels: usize) -> Vec<Note> {
        let mut notes = Vec::new();
        if self.peak > FAR_ABOVE {
            notes.push(Note::new(
                format!("its peak is {:.0}, and full scale is 1: are its samples scaled as integers?", self.peak),
                "divide its samples by their full scale (32768 for 16 bits) and save it again",
            ));
        }
        if self.peak == 0.0 && self.frames > 0 {
            notes.push(Note::new("every sample is zero", "leave it out, unless silence is meant"));
        } else if self.peak < SILENCE && self.frames > 0 {
            notes.push(Note::new(
                format!("it is silent: its peak is {:.0} dBFS", dbfs(self.peak)),
                "leave it out, unless silence is meant",
            ));
        } else if channels > 1 && self.mean < CANCELS * self.each {
            let below = if self.mean > 0.0 {
                format!("{:.0} dB below each", 10.0 * (self.each / self.mean).log10())
            } else {
                "zero throughout".to_owned()
            };
            notes.push(Note::new(
                format!("its {channels} channels cancel each other: their mean, which is used, is {below}"),
                "save one channel of it, or turn the polarity of one round",
            ));
        }
        notes
    }
}
