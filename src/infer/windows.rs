//! Classifies a whole recording, however long, by windows of the length that the model was trained on.

use std::path::Path;

use super::{Classifier, InferError, Score};
use crate::audio::{FRAME_SHIFT, LogMel, Note, SAMPLE_RATE, Streamed, Window};

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

/// The sum over windows of the probability of each class.
#[derive(Default)]
struct Sums {
    values: Vec<f64>,
    windows: usize,
}

impl Classifier {
    /// Scores a sound file: as one window if it fits, padded unless the model
    /// [takes any length](Classifier::takes_any_length); else in consecutive windows, the last one ending with the file; the
    /// score of a class is its mean over them. The file is decoded block by block, so memory does not depend on its length.
    /// Also returns what is odd about the file, though it is usable.
    ///
    /// # Errors
    /// When the file cannot be decoded to its end, or the arithmetic fails.
    pub fn classify_file(&mut self, path: &Path) -> Result<(Verdict, Vec<Note>), InferError> {
        let (mut windows, mut sums) = (Vec::new(), Sums::default());
        let mut streamed = Streamed::open(path, self.front_end(), self.frames(), self.window_hop())?;
        loop {
            let more = streamed.next(&mut windows)?;
            self.take(&mut windows, !more, &mut sums)?;
            if !more {
                return Ok((self.verdict(&sums, streamed.samples()), streamed.notes().to_vec()));
            }
        }
    }

    /// Samples from one window to the next: no frame is in two of them.
    fn window_hop(&self) -> u64 {
        (self.frames() * FRAME_SHIFT) as u64
    }

    /// Scores the windows that wait, in whole batches, or all of them at the end of a recording.
    fn take(&mut self, waiting: &mut Vec<Window>, end: bool, sums: &mut Sums) -> Result<(), InferError> {
        while waiting.len() >= AT_ONCE || end && !waiting.is_empty() {
            let count = AT_ONCE.min(waiting.len());
            let mels: Vec<LogMel> = waiting.drain(..count).map(|window| window.mel).collect();
            let only = end && sums.windows == 0 && mels.len() == 1;
            let probabilities = match mels.first() {
                Some(mel) if only && self.takes_any_length() => self.probabilities_as_is(mel)?,
                _ => self.probabilities(&mels)?,
            };
            sums.windows += mels.len();
            sums.values.resize(self.labels().len(), 0.0);
            for window in probabilities.chunks(sums.values.len().max(1)) {
                sums.values.iter_mut().zip(window).for_each(|(sum, p)| *sum += f64::from(*p));
            }
        }
        Ok(())
    }

    fn verdict(&self, sums: &Sums, samples: u64) -> Verdict {
        let means: Vec<f32> = sums.values.iter().map(|sum| (sum / sums.windows.max(1) as f64) as f32).collect();
        let end = samples as f64 / f64::from(SAMPLE_RATE);
        Verdict { scores: self.ranked_by(&means), span_s: [0.0, end], windows: sums.windows }
    }
}
