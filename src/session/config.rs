//! Everything that decides a run's result, resolved and recorded in its first event.

use serde::{Deserialize, Serialize};

use crate::{
    audio::Normalisation,
    data::{Corrected, DataRecord, Recipe, marks},
    model::{Method, ModelConfig, Precision, Recompute, pretrain::Objectives},
};

/// What a run does about a training step whose loss or gradient is not a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNan {
    /// The run ends, and nothing more is written.
    #[default]
    Stop,
    /// The run skips the step's update and continues, for a few consecutive steps at most.
    Skip,
}

impl OnNan {
    /// Whether it is the default: what every run did before the setting existed.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
    fn is_stop(&self) -> bool {
        *self == Self::Stop
    }
}

/// A run's full configuration: enough to run it again, with the same bits on the same machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// The session's name, also its folder's.
    pub session: String,
    /// The data set as it was given: a path or `demo`.
    pub data: String,
    /// Its short name, for titles.
    pub data_name: String,
    /// Its location and its clips; `None` in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<Box<DataRecord>>,
    /// What was said of marks in recordings.
    #[serde(default, skip_serializing_if = "marks::Options::is_default")]
    pub marks: marks::Options,
    /// Class names, in label order.
    pub labels: Vec<String>,
    /// The fold held out for validation, if the data set has folds.
    pub fold: Option<u32>,
    /// The backbone as it was given: `tiny`, a path, ...
    pub model: String,
    /// Its shape, with head.
    pub shape: ModelConfig,
    /// How it is adapted.
    pub method: Method,
    /// The recipe with every override applied.
    pub recipe: Recipe,
    /// Feature statistics in use.
    pub normalisation: Normalisation,
    /// Learning rate in use.
    pub lr: f64,
    /// Seed of initial weights, batch order and augmentation. Paired runs share it.
    pub seed: u64,
    /// `cpu`, `cuda:0`, `metal`.
    pub device: String,
    /// The precision of the backbone's products.
    #[serde(default, skip_serializing_if = "Precision::is_single")]
    pub dtype: Precision,
    /// Clips of a step that are in memory at once; gradients accumulate over them.
    pub micro_batch: usize,
    /// Steps between two measurements of the adapters' norms (0: never).
    pub norms_every: u64,
    /// What the backward pass recomputes instead of saving it.
    #[serde(default, skip_serializing_if = "Recompute::is_nothing")]
    pub recompute: Recompute,
    /// What to do about a step that is not a number.
    #[serde(default, skip_serializing_if = "OnNan::is_stop")]
    pub on_nan: OnNan,
    /// The session this one is paired with and shares its batches with.
    pub paired_with: Option<String>,
    /// Settings of a pretraining.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrain: Option<Box<PretrainConfig>>,
}

impl RunConfig {
    /// The data set to open for this run again: its absolute path if known, else the given one.
    pub fn data_spec(&self) -> String {
        let path = self.dataset.as_ref().and_then(|dataset| dataset.path.as_ref());
        path.map_or_else(|| self.data.clone(), |path| path.to_string_lossy().into_owned())
    }

    /// Its data set's corrections that were in force: the first so many.
    pub fn corrected(&self) -> Corrected {
        let record = self.dataset.as_ref().and_then(|dataset| dataset.corrections.as_ref());
        Corrected::First(record.map_or(0, |record| record.lines))
    }

    /// What was said of marks when its data set was opened: with the same windows, of its recipe's length.
    pub fn marks(&self) -> marks::Options {
        marks::Options { frames: Some(self.recipe.frames).filter(|frames| *frames > 0), ..self.marks.clone() }
    }
}

/// Settings of a pretraining beside those of every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainConfig {
    /// The folders of the sounds.
    pub data: Vec<String>,
    /// The objectives.
    pub objectives: Objectives,
    /// The teacher as it was given.
    pub teacher: Option<String>,
    /// The numbers of its blocks whose features are learned.
    pub teacher_layers: Vec<usize>,
    /// Share of patches that the backbone gets.
    pub keep: f32,
    /// Share of those that are masked.
    pub hide: f32,
    /// Strength of augmentation, from 0 to 1.
    pub augment: f32,
    /// Sounds that could not be read and were left out.
    pub unreadable: usize,
}
