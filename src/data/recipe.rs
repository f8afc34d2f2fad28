//! How a data set is trained on: every figure that a published recipe fixes.

use serde::{Deserialize, Serialize};

use crate::audio::Normalisation;

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Softmax cross entropy with soft labels.
    CrossEntropy,
    /// Sigmoid binary cross entropy over the annotated classes.
    Binary,
}

/// What is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of clips whose highest score is their class.
    Accuracy,
    /// Mean over classes of average precision.
    #[serde(rename = "mAP")]
    MeanAveragePrecision,
}

impl Metric {
    /// The name for people and for JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MeanAveragePrecision => "mAP",
        }
    }
}

/// Learning rate over time: linear warm-up over steps, constant to epoch `constant_until`, then a factor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Steps of linear warm-up from 0.
    pub warmup_steps: u64,
    /// Last epoch, counted from 1, at the full rate.
    pub constant_until: u32,
    /// Factor applied every `every` epochs after that.
    pub factor: f64,
    /// Epochs between two applications of the factor.
    pub every: u32,
}

/// Everything a run takes from a recipe, resolved: no field is looked up again later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Its name: `esc50`, `demo`, `default`.
    pub name: String,
    /// Frames of 10 ms a clip is cut or padded to.
    pub frames: usize,
    /// Stride of the patches along mel bins and frames.
    pub stride: [usize; 2],
    /// Feature statistics; `None`: computed from the training split.
    pub normalisation: Option<Normalisation>,
    /// SpecAugment: widest frequency mask in mel bins (0: none).
    pub freq_mask: usize,
    /// SpecAugment: widest time mask in frames (0: none).
    pub time_mask: usize,
    /// Share of training clips that are mixed with another, lambda from Beta(10, 10).
    pub mixup: f32,
    /// Add noise and roll time.
    pub noise: bool,
    /// What is minimised.
    pub loss: Loss,
    /// What is reported.
    pub metric: Metric,
    /// Learning rate when the whole backbone trains.
    pub lr_full: f64,
    /// Learning rate of adapters, prompts and heads.
    pub lr: f64,
    /// AdamW's decoupled weight decay, on every trainable parameter.
    pub weight_decay: f64,
    /// Learning rate over time.
    pub schedule: Schedule,
    /// Clips in a step.
    pub batch: usize,
    /// Passes over the training split.
    pub epochs: u32,
}
