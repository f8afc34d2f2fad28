//! Classifies a whole recording, however long, by windows of the length that the model was trained on.

use super::{Classifier, InferError, Score};
use crate::audio::{FRAME_SHIFT, SAMPLE_RATE};

/// Windows in a batch.
const AT_ONCE: usize = 8;

/// A classifier's scores of a recording, and of which part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// All classes, most likely first: of one window, or the mean over several.
    pub scores: Vec<Score>,
    /// Start and end of the scored part, in seconds.
    pub span_s: [f64; 2],
    /// Windows that the scores are averaged over.
    pub windows: usize,
}

/// Where windows of `window` frames begin, in frames, so that they cover `frames` frames: one after another, the last
/// one moved back so that it ends with the recording. A single window begins at 0.
fn starts(frames: usize, window: usize) -> Vec<usize> {
    let window = window.max(1);
    let count = frames.div_ceil(window).max(1);
    (0..count).map(|i| (i * window).min(frames.saturating_sub(window))).collect()
}

impl Classifier {
    /// Scores a recording, 16 kHz mono: as one window if it fits, padded unless the model
    /// [takes any length](Classifier::takes_any_length); else in consecutive windows, the last one ending with the
    /// recording; the score of a class is its mean over them.
    ///
    /// # Errors
    /// When the arithmetic fails.
    pub fn classify(&mut self, samples: &[f32]) -> Result<Verdict, InferError> {
        let (front_end, window) = (self.front_end(), self.frames());
        let starts = starts(front_end.frames_of(samples.len()), window);
        let size = if starts.len() > 1 { front_end.samples_of(window) } else { samples.len() };
        let classes = self.labels().len().max(1);
        let end = samples.len() as f64 / f64::from(SAMPLE_RATE);
        if starts.len() == 1 && self.takes_any_length() {
            let mel = self.log_mel(samples);
            let probabilities = self.probabilities_as_is(&mel)?;
            return Ok(Verdict { scores: self.ranked_by(&probabilities), span_s: [0.0, end], windows: 1 });
        }
        let mut sums = vec![0.0f64; classes];
        for some in starts.chunks(AT_ONCE) {
            let mut mels = Vec::with_capacity(some.len());
            for start in some {
                let from = start * FRAME_SHIFT;
                mels.push(self.log_mel(&samples[from..(from + size).min(samples.len())]));
            }
            for probabilities in self.probabilities(&mels)?.chunks(classes) {
                sums.iter_mut().zip(probabilities).for_each(|(sum, p)| *sum += f64::from(*p));
            }
        }
        let windows = starts.len();
        let means: Vec<f32> = sums.iter().map(|sum| (sum / windows as f64) as f32).collect();
        Ok(Verdict { scores: self.ranked_by(&means), span_s: [0.0, end], windows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_a_recording_without_gaps_and_end_with_it() {
        assert_eq!(starts(0, 512), [0]);
        assert_eq!(starts(300, 512), [0]);
        assert_eq!(starts(512, 512), [0]);
        assert_eq!(starts(513, 512), [0, 1]);
        assert_eq!(starts(1024, 512), [0, 512]);
        assert_eq!(starts(1300, 512), [0, 512, 788]);
    }
}
