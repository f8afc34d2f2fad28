//! The recording of an example.

use crate::audio::SAMPLE_RATE;

/// Seconds after which a recording stops growing, in case it was forgotten.
const LONGEST_S: usize = 600;
/// Sound before the key press that belongs to the recording: people react late. Milliseconds.
const REACTION_MS: usize = 250;
/// The shortest example; a shorter press is extended by the sound before it. Milliseconds.
const LEAST_MS: usize = 1000;

/// The newest second of sound.
#[derive(Debug, Default)]
pub(super) struct Recent(Vec<f32>);

impl Recent {
    /// Adds new samples.
    pub(super) fn push(&mut self, fresh: &[f32]) {
        let kept = samples(LEAST_MS).saturating_sub(fresh.len()).min(self.0.len());
        self.0.drain(..self.0.len() - kept);
        self.0.extend_from_slice(&fresh[fresh.len().saturating_sub(samples(LEAST_MS))..]);
    }
}

/// A recording in progress: 16 kHz, mono, as the listeners get it.
#[derive(Debug, Default)]
pub(super) struct Recording {
    begun: bool,
    before: Vec<f32>,
    samples: Vec<f32>,
}

impl Recording {
    /// Adds new samples and, at the beginning, those from before.
    pub(super) fn push(&mut self, recent: &Recent, fresh: &[f32]) {
        if !self.begun {
            self.begun = true;
            self.before.clone_from(&recent.0);
        }
        let room = (LONGEST_S * SAMPLE_RATE as usize).saturating_sub(self.samples.len());
        self.samples.extend(fresh.iter().take(room));
    }

    /// The recorded samples.
    pub(super) fn end(self) -> Vec<f32> {
        if self.samples.is_empty() {
            return Vec::new();
        }
        let lead = samples(REACTION_MS).max(samples(LEAST_MS).saturating_sub(self.samples.len()));
        let mut whole = self.before[self.before.len().saturating_sub(lead)..].to_vec();
        whole.extend(self.samples);
        whole
    }
}

fn samples(ms: usize) -> usize {
    ms * SAMPLE_RATE as usize / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(from: usize, to: usize) -> Vec<f32> {
        (from..to).map(|n| n as f32).collect()
    }

    #[test]
    fn a_short_press_becomes_a_second_and_a_long_one_keeps_its_beginning() {
        let mut recent = Recent::default();
        for n in 0..100 {
            recent.push(&heard(n * 400, (n + 1) * 400));
        }
        assert_eq!(recent.0, heard(24_000, 40_000));
        let record = |length: usize| {
            let mut recording = Recording::default();
            recording.push(&recent, &heard(40_000, 40_000 + length));
            recording.end()
        };
        assert_eq!(record(2_000), heard(26_000, 42_000));
        assert_eq!(record(32_000), heard(36_000, 72_000));
        assert_eq!(Recording::default().end(), [0.0; 0]);
    }

    #[test]
    fn sound_that_comes_in_large_pieces_is_kept_too() {
        let mut recent = Recent::default();
        recent.push(&heard(0, 50_000));
        assert_eq!(recent.0, heard(34_000, 50_000));
    }
}
