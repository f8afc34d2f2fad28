//! What a person may ask of a pretraining.

use crate::model::pretrain::Objectives;

/// Everything a person may set.
#[derive(Clone, Debug, PartialEq)]
pub struct PretrainRequest {
    /// Folders of sounds, and `demo`.
    pub data: Vec<String>,
    /// What to begin with: `tiny`, `small`, `base`, or a checkpoint.
    pub model: String,
    /// What is learned, and how much each counts.
    pub objectives: Objectives,
    /// The model whose features are learned, for distillation.
    pub teacher: Option<String>,
    /// After how many of its blocks; several are learned side by side.
    pub teacher_layers: Vec<usize>,
    /// Frames of 10 ms of the longest crops.
    pub frames: usize,
    /// Longest crops in a step; shorter ones come in larger numbers.
    pub batch: usize,
    /// Passes over as much sound as there is.
    pub epochs: u32,
    /// Highest learning rate.
    pub lr: f64,
    /// Share of patches that are shown.
    pub keep: f32,
    /// Share of the shown patches that are hidden, for `ssast`.
    pub hide: f32,
    /// How far crops are changed in level, tilt, band and by what is heard behind them, from 0 to 1.
    pub augment: f32,
    /// Seed of weights, crops and everything else random.
    pub seed: u64,
    /// Where the arithmetic is done: `auto`, `cpu`, `cuda`, `cuda:N`, `metal`.
    pub device: String,
    /// In what numbers the backbone multiplies: `auto` (what suits the device), `f32`, `bf16`.
    pub dtype: String,
    /// The session's name.
    pub name: Option<String>,
}
