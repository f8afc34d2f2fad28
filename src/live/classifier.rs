//! A classifier that listens.

use super::{Listener, Window};
use crate::{
    audio::MEL_BINS,
    infer::{Classifier, Gains, Score},
};

/// A [`Classifier`] and its name. One that hears this pipeline's 128 mel bins takes the frames as they came, computed
/// once for all; one with another front end (Whisper's) computes its own from the samples.
pub struct ClassifierListener {
    name: String,
    classifier: Classifier,
}

impl ClassifierListener {
    /// Gives the classifier a name for people.
    pub fn new(name: impl Into<String>, classifier: Classifier) -> Self {
        Self { name: name.into(), classifier }
    }
}

impl Listener for ClassifierListener {
    fn name(&self) -> &str {
        &self.name
    }

    fn frames(&self) -> usize {
        self.classifier.frames()
    }

    fn score(&mut self, window: &Window) -> Result<Vec<Score>, String> {
        let frames = self.classifier.frames();
        let scores = if self.classifier.mel_bins() == MEL_BINS {
            self.classifier.scores_of(&window.log_mel(frames))
        } else {
            self.classifier.scores(window.sound(frames))
        };
        scores.map_err(|error| error.to_string())
    }

    fn set_gains(&mut self, gains: &Gains) -> Result<(), String> {
        self.classifier.set_gains(gains).map_err(|error| error.to_string())
    }
}
