//! The settings of a pretraining.

use crate::model::pretrain::Objectives;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct PretrainRequest {
    /// Folders of sounds, and `demo`.
    pub data: Vec<String>,
    /// The initial backbone: `tiny`, `small`, `base`, or a checkpoint.
    pub model: String,
    /// The objectives and their weights.
    pub objectives: Objectives,
    /// The teacher, for distillation.
    pub teacher: Option<String>,
    /// The numbers of its blocks whose features are learned.
    pub teacher_layers: Vec<usize>,
    /// Frames of 10 ms of the longest crops.
    pub frames: usize,
    /// Longest crops in a step; shorter ones come in larger numbers.
    pub batch: usize,
    /// Passes over the amount of sound in the corpus.
    pub epochs: u32,
    /// Highest learning rate.
    pub lr: f64,
    /// Share of patches that the backbone gets.
    pub keep: f32,
    /// Share of those that are masked, for `ssast`.
    pub hide: f32,
    /// Strength of augmentation in level, tilt, band and background sound, from 0 to 1.
    pub augment: f32,
    /// Seed of weights, crops and everything else random.
    pub seed: u64,
    /// Where the arithmetic is done: `auto`, `cpu`, `cuda`, `cuda:N`, `metal`.
    pub device: String,
    /// The precision of the backbone's products: `auto` (what suits the device), `f32`, `bf16`.
    pub dtype: String,
    /// The session's name.
    pub name: Option<String>,
}
