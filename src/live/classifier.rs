//! A classifier as a listener.

use super::{Listener, Prediction, Window};
use crate::{
    audio::FrontEnd,
    infer::{Classifier, Gains, InferError},
    ops::parallel,
};

/// A [`Classifier`] and its name. One with this pipeline's filter bank, Kaldi's, takes the shared frames, computed
/// once; one with another front end (Whisper's, of 128 bins too, or CED's) computes its own from the samples.
pub struct ClassifierListener {
    name: String,
    classifier: Classifier,
    gains: Gains,
}

impl ClassifierListener {
    /// Gives the classifier a name for people.
    pub fn new(name: impl Into<String>, classifier: Classifier) -> Self {
        Self { name: name.into(), classifier, gains: Gains::default() }
    }

    fn prediction(&mut self, window: &Window) -> Result<Prediction, InferError> {
        let frames = self.classifier.frames();
        let mel = match self.classifier.front_end() {
            FrontEnd::Kaldi => window.log_mel(frames),
            _ => self.classifier.log_mel_of_end(window.sound(frames)),
        };
        let untouched = if self.gains.are_neutral() {
            None
        } else {
            self.classifier.set_gains(&Gains::default())?;
            let untouched = self.classifier.scores_of(&mel)?;
            self.classifier.set_gains(&self.gains)?;
            Some(untouched)
        };
        let (scores, norms) = self.classifier.observe(&mel)?;
        Ok(Prediction { scores, untouched, norms })
    }
}

impl Listener for ClassifierListener {
    fn name(&self) -> &str {
        &self.name
    }

    fn frames(&self) -> usize {
        self.classifier.frames()
    }

    fn score(&mut self, window: &Window) -> Result<Prediction, String> {
        parallel::install_apart(|| self.prediction(window)).map_err(|error| error.to_string())
    }

    fn set_gains(&mut self, gains: &Gains) -> Result<(), String> {
        self.classifier.set_gains(gains).map_err(|error| error.to_string())?;
        self.gains = gains.clone();
        Ok(())
    }
}
