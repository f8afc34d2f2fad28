//! A model that classifies sound.

use std::path::Path;

use super::{
    Calibration, InferError, Score,
    gains::{Gains, TrainedAdapters},
    probabilities::probabilities,
    short_clips::Short,
    trained::{Trained, Which},
    weights::{calibrate, restore},
};
use crate::{
    audio::{Extractor, FrontEnd, LogMel, Normalisation},
    data::Loss,
    model::{self, BlockNorms, Engine, Features, MemoryOptions, Method, ModelConfig, ModelError, Opened, ParamStore},
    ops::parallel,
    session::{Best, Checkpoint, RunConfig, SessionError, Store},
};

/// A model that is ready to classify: labels, front end, normalisation, weights.
pub struct Classifier {
    name: String,
    pub(super) labels: Vec<String>,
    pub(super) loss: Loss,
    pub(super) normalisation: Normalisation,
    pub(super) front_end: FrontEnd,
    extractor: Extractor,
    pub(super) engine: Box<dyn Engine>,
    pub(super) memory: MemoryOptions,
    /// The same model at the length of the last clip that was answered as it is.
    pub(super) short: Option<Short>,
    pub(super) method: Method,
    pub(super) store: ParamStore,
    fingerprint: String,
    /// The adapters as they were trained, once a gain has been set.
    trained_adapters: Option<TrainedAdapters>,
    pub(super) session: Option<(RunConfig, Option<Best>)>,
    /// Notes for the user about the weights in use.
    notes: Vec<String>,
    /// The session's calibration, of the weights in use or of others.
    calibration: Option<Calibration>,
    /// Whether it is of the weights in use.
    is_calibrated: bool,
}

impl Classifier {
    /// Opens a session (its best weights; those of a lesson are its last), or a model whose checkpoint has labels. `device` as in
    /// [`model::device`].
    ///
    /// # Errors
    /// When there is neither, or its weights cannot be used.
    pub fn open(source: &str, store: &Store, device: &str) -> Result<Self, InferError> {
        match store.find(source) {
            Ok(folder) => Self::of_session(&folder, Which::usual(&folder)?, device),
            Err(absent @ SessionError::Unknown { .. }) => match Self::of_model(source, device) {
                // It is not a model either: the nearest session's name is the more helpful error.
                Err(InferError::Model(ModelError::Unknown { .. })) => Err(absent.into()),
                other => other,
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a trained session.
    ///
    /// # Errors
    /// When it has no weights yet, or they do not fit its model.
    pub fn of_session(folder: &Path, which: Which, device: &str) -> Result<Self, InferError> {
        Self::of_trained(Trained::open(folder, which, device)?)
    }

    /// Makes a classifier of a session's model.
    ///
    /// # Errors
    /// When no front end here fits the model.
    pub fn of_trained(trained: Trained) -> Result<Self, InferError> {
        let Trained { opened, config, reached, notes, calibration, is_calibrated } = trained;
        let ready =
            Ready { labels: config.labels.clone(), loss: config.recipe.loss, normalisation: config.normalisation };
        let mut classifier = Self::assemble(config.session.clone(), opened, ready, Some((config, reached)))?;
        (classifier.notes, classifier.calibration, classifier.is_calibrated) = (notes, calibration, is_calibrated);
        Ok(classifier)
    }

    fn of_model(source: &str, device: &str) -> Result<Self, InferError> {
        let opened = model::open(&model::Request { device: model::device(device)?, ..model::Request::new(source) })?;
        let labels = opened.labels.clone().ok_or_else(|| {
            InferError::Unusable(format!("{source} has no class names; train it on labelled sounds first"))
        })?;
        let normalisation = opened.normalisation.unwrap_or(Normalisation::AUDIOSET);
        // AudioSet's classes occur together, so each is scored by itself.
        let together = opened.multi_label.unwrap_or(labels.len() == 527);
        let loss = if together { Loss::Binary } else { Loss::CrossEntropy };
        Self::assemble(source.to_owned(), opened, Ready { labels, loss, normalisation }, None)
    }

    fn assemble(
        name: String,
        opened: Opened,
        ready: Ready,
        session: Option<(RunConfig, Option<Best>)>,
    ) -> Result<Self, InferError> {
        let front_end = opened.config.front_end()?;
        Ok(Self {
            name,
            labels: ready.labels,
            loss: ready.loss,
            normalisation: front_end.normalisation().unwrap_or(ready.normalisation),
            front_end,
            extractor: front_end.extractor(),
            engine: opened.engine(),
            memory: MemoryOptions { precision: opened.precision, ..MemoryOptions::default() },
            short: None,
            method: opened.method,
            store: opened.store,
            fingerprint: opened.fingerprint,
            trained_adapters: None,
            session,
            notes: Vec::new(),
            calibration: None,
            is_calibrated: false,
        })
    }

    /// The same model over the same weights, with an engine of its own: both can compute at the same time.
    pub fn twin(&self) -> Self {
        Self {
            name: self.name.clone(),
            labels: self.labels.clone(),
            loss: self.loss,
            normalisation: self.normalisation,
            front_end: self.front_end,
            extractor: self.front_end.extractor(),
            engine: model::engine(self.config(), self.method, self.store.device(), self.memory),
            memory: self.memory,
            short: None,
            method: self.method,
            store: self.store.shared(),
            fingerprint: self.fingerprint.clone(),
            trained_adapters: None,
            session: self.session.clone(),
            notes: self.notes.clone(),
            calibration: self.calibration.clone(),
            is_calibrated: self.is_calibrated,
        }
    }

    /// The session's name, or the model as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Notes for the user about its weights: that other weights than those asked for are in use, and why.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The calibration that is in its head's weights.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref().filter(|_| self.is_calibrated)
    }

    /// Class names, in label order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The log-mel settings that it takes.
    pub fn front_end(&self) -> FrontEnd {
        self.front_end
    }

    /// Frames of 10 ms in one prediction.
    pub fn frames(&self) -> usize {
        self.engine.config().frames()
    }

    /// Mel bins of a frame: 128 for AST, 80 or 128 for Whisper, 64 for CED and Dasheng.
    pub fn mel_bins(&self) -> usize {
        self.engine.config().mel_bins()
    }

    /// Feature statistics in use.
    pub fn normalisation(&self) -> Normalisation {
        self.normalisation
    }

    /// What a session was trained on, and the epoch that these weights are of.
    pub fn session(&self) -> Option<(&RunConfig, Option<Best>)> {
        self.session.as_ref().map(|(config, reached)| (config, *reached))
    }

    /// Loads another checkpoint of the same session, with every gain at 1, and calibrated if the calibration is of it.
    ///
    /// # Errors
    /// When it does not fit the model.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), InferError> {
        restore(&self.store, checkpoint)?;
        (self.trained_adapters, self.short) = (None, None);
        let known = self.calibration.as_ref();
        self.is_calibrated = calibrate(&self.store, &self.labels, known, checkpoint, false)?;
        if let Some((_, reached)) = &mut self.session {
            *reached = checkpoint.position.last;
        }
        Ok(())
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        self.engine.config()
    }

    /// How the model was adapted.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The model's weights.
    pub fn store(&self) -> &ParamStore {
        &self.store
    }

    /// What it was trained to minimise, which decides how logits become scores.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// Names the backbone's weights.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Number of blocks.
    pub fn depth(&self) -> usize {
        self.engine.config().depth
    }

    /// Multiplies the adapters' outputs from now on; neutral gains restore the trained weights.
    ///
    /// # Errors
    /// When the model has no adapters, or the arithmetic fails.
    pub fn set_gains(&mut self, gains: &Gains) -> Result<(), InferError> {
        if self.trained_adapters.is_none() {
            self.trained_adapters = TrainedAdapters::new(&self.store)?;
        }
        match &self.trained_adapters {
            Some(trained_adapters) => Ok(trained_adapters.apply(gains, &self.store)?),
            None if gains.are_neutral() => Ok(()),
            None => Err(InferError::Unusable(format!("{} has no adapters whose gain could be set", self.name))),
        }
    }

    /// The probability of each class, in label order, for the first window of 16 kHz mono samples.
    ///
    /// # Errors
    /// When the arithmetic fails.
    pub fn answers(&mut self, samples: &[f32]) -> Result<Vec<f32>, InferError> {
        Ok(probabilities(self.loss, &self.logits_of(samples)?))
    }

    /// The logits behind them, in label order.
    ///
    /// # Errors
    /// When the arithmetic fails.
    pub fn logits_of(&mut self, samples: &[f32]) -> Result<Vec<f32>, InferError> {
        let mel = self.log_mel(samples);
        let features = self.features(&mel)?;
        self.logits(&features)
    }

    /// 16 kHz mono samples as this model's input, computed on the threads that the model computes on.
    pub fn log_mel(&mut self, samples: &[f32]) -> LogMel {
        parallel::install(|| self.extractor.compute_wide(samples))
    }

    /// The newest window of 16 kHz mono samples, as many as there are up to the model's frames, as this model takes them.
    pub fn log_mel_of_end(&mut self, samples: &[f32]) -> LogMel {
        let window = self.front_end.samples_of(self.frames());
        self.log_mel(&samples[samples.len().saturating_sub(window)..])
    }

    /// All classes, most likely first, for log-mel frames; cut or padded to the model's window.
    ///
    /// # Errors
    /// When the frames have another number of mel bins, or the arithmetic fails.
    pub fn scores_of(&mut self, mel: &LogMel) -> Result<Vec<Score>, InferError> {
        let features = self.features(mel)?;
        let logits = self.logits(&features)?;
        Ok(self.ranked(&logits))
    }

    /// As [`Classifier::scores_of`], with the norms of what the adapters add inside each block: none without adapters.
    ///
    /// # Errors
    /// As [`Classifier::scores_of`].
    pub fn observe(&mut self, mel: &LogMel) -> Result<(Vec<Score>, Vec<BlockNorms>), InferError> {
        let features = self.features(mel)?;
        let (logits, norms) = self.engine.observe(&self.store, &features)?;
        Ok((self.ranked(&logits), norms))
    }

    /// The probability of each class, in label order, for log-mels of windows: (windows, classes).
    ///
    /// # Errors
    /// As [`Classifier::scores_of`].
    pub fn probabilities(&mut self, windows: &[LogMel]) -> Result<Vec<f32>, InferError> {
        let all = self.batch(windows)?;
        let logits = self.logits(&all)?;
        Ok(self.sure(&logits))
    }

    /// The backbone's vector for each window, (windows, D), and the probability of each class, (windows, classes). The
    /// vectors are the head's input, before its norm.
    ///
    /// # Errors
    /// As [`Classifier::scores_of`].
    pub fn embed(&mut self, windows: &[LogMel]) -> Result<(Vec<f32>, Vec<f32>), InferError> {
        let all = self.batch(windows)?;
        let pooled = self.engine.pooled(&self.store, &all)?;
        let logits = self.engine.head_logits(&self.store, &pooled)?;
        let probabilities = self.sure(&logits);
        Ok((pooled, probabilities))
    }

    /// Values in one vector of [`Classifier::embed`].
    pub fn width(&self) -> usize {
        self.engine.config().hidden
    }

    /// Whether classes occur together, each scored by itself (sigmoid), or exclude one another (softmax).
    pub fn is_multi_label(&self) -> bool {
        self.loss == Loss::Binary
    }

    /// Windows as one batch.
    fn batch(&self, windows: &[LogMel]) -> Result<Features, InferError> {
        let mut all = Features { frames: self.frames(), bins: self.mel_bins(), ..Features::default() };
        for mel in windows {
            let one = self.features(mel)?;
            all.batch += 1;
            all.data.extend(one.data);
            all.valid.extend(one.valid);
        }
        Ok(all)
    }

    /// Logits (batch, classes) of normalised features.
    ///
    /// # Errors
    /// When their size is not the model's, or the arithmetic fails.
    pub fn logits(&mut self, features: &Features) -> Result<Vec<f32>, InferError> {
        Ok(self.engine.logits(&self.store, features)?)
    }

    /// One clip as the model's input: cut or padded, then normalised as (x - mean) / (2 std).
    fn features(&self, mel: &LogMel) -> Result<Features, InferError> {
        self.features_of(mel, self.frames())
    }

    /// The same for another number of frames.
    pub(super) fn features_of(&self, mel: &LogMel, frames: usize) -> Result<Features, InferError> {
        let bins = self.mel_bins();
        if mel.bins != bins {
            return Err(InferError::Unusable(format!("{} mel bins for a model that takes {bins}", mel.bins)));
        }
        let kept = mel.frames.min(frames);
        let mut data = vec![self.front_end.padding(mel); frames * bins];
        data[..kept * bins].copy_from_slice(&mel.data[..kept * bins]);
        let Normalisation { mean, std } = self.normalisation;
        data.iter_mut().for_each(|value| *value = (*value - mean) / (2.0 * std));
        Ok(Features { batch: 1, frames, bins, data, valid: vec![kept] })
    }
}

/// What an opened model needs to classify.
struct Ready {
    labels: Vec<String>,
    loss: Loss,
    normalisation: Normalisation,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A scan's tables do not depend on how its windows were put into batches.
    #[test]
    fn a_window_scores_the_same_to_the_bit_in_any_batch() {
        for method in [model::Method::aat(), model::Method::full()] {
            let opened = model::open(&model::Request {
                frames: Some(64),
                classes: Some(5),
                method: Some(method),
                ..model::Request::new("tiny")
            })
            .unwrap();
            let labels = (0..5).map(|class| class.to_string()).collect();
            let ready = Ready { labels, loss: Loss::CrossEntropy, normalisation: Normalisation::AUDIOSET };
            let mut classifier = Classifier::assemble("tiny".into(), opened, ready, None).unwrap();
            let mel = |k: usize| LogMel {
                frames: 64,
                bins: 128,
                data: (0..64 * 128).map(|i| -5.0 + 3.0 * ((i * (k + 3)) as f32 * 0.37).sin()).collect(),
            };
            let windows: Vec<LogMel> = (0..11).map(mel).collect();
            let alone: Vec<f32> =
                windows.iter().flat_map(|one| classifier.probabilities(std::slice::from_ref(one)).unwrap()).collect();
            for size in [2, 3, 8, 11] {
                let together: Vec<f32> =
                    windows.chunks(size).flat_map(|some| classifier.probabilities(some).unwrap()).collect();
                assert_eq!(together, alone, "{method}: batches of {size}");
            }
            let (vectors, scores) = classifier.embed(&windows).unwrap();
            assert_eq!(vectors.len(), 11 * classifier.width());
            let worst = scores.iter().zip(&alone).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
            assert!(worst < 1e-6, "{worst}");
        }
    }
}
