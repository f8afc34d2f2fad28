//! How a data set is trained on: every figure that a published recipe fixes.

use std::{ops::ControlFlow, path::Path};

use serde::{Deserialize, Serialize};

use super::{DataError, Dataset, RandomStart, Rates, Schedule, Source, nearest::did_you_mean};
use crate::{
    audio::{self, Normalisation},
    limits,
    model::Pooling,
    regular,
};

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Softmax cross entropy with soft labels.
    CrossEntropy,
    /// Sigmoid binary cross entropy over the annotated classes.
    Binary,
}

impl Dataset {
    /// The loss that fits the labels, and with it how logits become probabilities: cross entropy where clips have exactly
    /// one class, binary cross entropy where they have several.
    pub fn loss(&self) -> Loss {
        if self.is_multi_label() { Loss::Binary } else { Loss::CrossEntropy }
    }
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
    /// Of pretraining: the mean over its objectives of how well held-out sound is met, at most 1.
    Score,
}

impl Metric {
    /// The name for people and for JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MeanAveragePrecision => "mAP",
            Self::Score => "score",
        }
    }
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
    /// How tokens become one vector; `None`: as the backbone's maker does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Feature statistics; `None`: computed from the training split.
    pub normalisation: Option<Normalisation>,
    /// SpecAugment: widest frequency mask in mel bins (0: none).
    pub freq_mask: usize,
    /// SpecAugment: widest time mask in frames (0: none).
    pub time_mask: usize,
    /// Share of training clips that are mixed with another, lambda from Beta(10, 10).
    pub mixup: f32,
    /// Make training clips louder or softer by up to this many decibels (0: as they are).
    #[serde(default)]
    pub gain: f32,
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
    /// What those are multiplied by in each part of the model.
    #[serde(default)]
    pub rates: Rates,
    /// What is otherwise when the backbone has random weights; settled into the fields above before a run begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<RandomStart>,
    /// AdamW's decoupled weight decay, on every trainable parameter.
    pub weight_decay: f64,
    /// Learning rate over time, in epochs and steps of a run of `epochs` epochs.
    pub schedule: Schedule,
    /// Clips in a step.
    pub batch: usize,
    /// Passes over the training split.
    pub epochs: u32,
    /// Draw classes equally often instead of clips, where classes differ in size.
    #[serde(default)]
    pub balanced: bool,
    /// Evaluate the mean of the weights at the ends of this many last epochs too (0: no).
    #[serde(default)]
    pub average_last: u32,
    /// Scale gradients down to this norm over all parameters (0: never).
    #[serde(default)]
    pub clip_norm: f64,
    /// Stop after this many epochs without a better metric (0: never).
    #[serde(default)]
    pub patience: u32,
}

/// The recipe for what is taught at the microphone.
pub const LESSON: &str = "lesson";

/// The recipes inside the program, by name.
const EMBEDDED: &[(&str, &str)] = &[
    ("default", include_str!("recipes/default.toml")),
    ("demo", include_str!("recipes/demo.toml")),
    (LESSON, include_str!("recipes/lesson.toml")),
    ("few", include_str!("recipes/few.toml")),
    ("esc50", include_str!("recipes/esc50.toml")),
    ("urbansound8k", include_str!("recipes/urbansound8k.toml")),
    ("speech-commands-v1", include_str!("recipes/speech-commands-v1.toml")),
    ("speech-commands-v2", include_str!("recipes/speech-commands-v2.toml")),
    ("gtzan", include_str!("recipes/gtzan.toml")),
    ("openmic", include_str!("recipes/openmic.toml")),
];

/// The key of a recipe file that names the recipe it changes.
const BASE: &str = "base";

impl Recipe {
    /// Names of the recipes inside the program.
    pub fn names() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().map(|(name, _)| *name)
    }

    /// A recipe by its name, or from a TOML file by its path.
    ///
    /// # Errors
    /// When there is no such recipe, or the file is not one; the message offers the nearest valid name.
    pub fn find(spec: &str) -> Result<Self, DataError> {
        if spec.ends_with(".toml") || spec.contains(['/', '\\']) {
            Self::from_file(Path::new(spec))
        } else {
            Self::named(spec)
        }
    }

    /// A recipe inside the program.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn named(name: &str) -> Result<Self, DataError> {
        let table = embedded(name).ok_or_else(|| {
            let names: Vec<&str> = Self::names().collect();
            let hint = did_you_mean(name, names.iter().copied());
            DataError::Request(format!("there is no recipe `{name}`{hint}; there are {}", names.join(", ")))
        })?;
        table.try_into().map_err(|error| DataError::Request(format!("recipe `{name}`: {error}")))
    }

    /// A recipe from a TOML file. It may say only what differs from its `base` (`default` unless it says so). Where it
    /// gives another number of epochs, the base's schedule is stretched to it first; what the file itself says of the
    /// schedule counts in its own epochs.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown, or a value is of the wrong kind or out of range.
    pub fn from_file(path: &Path) -> Result<Self, DataError> {
        let unusable = |problem: String, remedy: String| DataError::Unusable { path: path.to_owned(), problem, remedy };
        let text = regular::text_up_to(path, limits::SETTINGS)
            .map_err(|source| DataError::Io { path: path.to_owned(), source })?;
        let mut own: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            unusable(error.to_string().trim_end().into(), "correct the file".into())
        })?;
        let base = match own.remove(BASE) {
            None => "default".to_owned(),
            Some(toml::Value::String(base)) => base,
            Some(other) => {
                return Err(unusable(
                    format!("`base` is {other}, not a recipe's name"),
                    "write base = \"esc50\"".into(),
                ));
            }
        };
        let mut table = embedded(&base).ok_or_else(|| {
            let hint = did_you_mean(&base, Self::names());
            unusable(format!("its base `{base}` is no recipe{hint}"), "name a recipe of this program".into())
        })?;
        own.entry("name").or_insert_with(|| {
            toml::Value::String(path.file_stem().map_or_else(|| base, |stem| stem.to_string_lossy().into_owned()))
        });
        if let Some(epochs) = own.get("epochs").and_then(toml::Value::as_integer).and_then(|n| u32::try_from(n).ok()) {
            stretch(&mut table, epochs).map_err(|problem| unusable(problem, "correct the value".into()))?;
        }
        own_words_for_random_weights(&own, &mut table);
        for (key, value) in own {
            overlay(&mut table, &key, value, "").map_err(|problem| unusable(problem, "correct the key".into()))?;
        }
        let recipe: Self = table
            .try_into()
            .map_err(|error: toml::de::Error| unusable(error.message().to_owned(), "correct the value".into()))?;
        recipe.check().map_err(|problem| unusable(problem, "correct the value".into()))?;
        Ok(recipe)
    }

    /// The recipe that fits a data set: its own where its layout has one, else `default`, with its length taken
    /// from the clips and its loss from their labels.
    ///
    /// # Errors
    /// When none of the clips looked at can be read.
    pub fn for_dataset(dataset: &Dataset) -> Result<Self, DataError> {
        let mut recipe = Self::named(dataset.recipe.unwrap_or("default"))?;
        recipe.fit(dataset)?;
        Ok(recipe)
    }

    /// Settles what a recipe leaves to the data: `frames = 0` becomes the length that nine clips of ten have at
    /// most, and several labels of one clip ask for the binary loss and mAP.
    ///
    /// # Errors
    /// When none of the clips looked at can be read.
    pub fn fit(&mut self, dataset: &Dataset) -> Result<(), DataError> {
        if self.frames == 0 {
            self.frames = typical_frames(dataset)?;
        }
        if dataset.is_multi_label() {
            self.loss = Loss::Binary;
            self.metric = Metric::MeanAveragePrecision;
        }
        Ok(())
    }

    /// Settles what a recipe says of backbones with random weights.
    pub fn settle_start(&mut self, is_random: bool) {
        if let Some(random) = self.random.take().filter(|_| is_random) {
            random.settle(self);
        }
    }

    /// Gives a run of this recipe another length, with the same shares of it for warm-up, full rate and each drop.
    pub fn set_epochs(&mut self, epochs: u32) {
        self.schedule = self.schedule.stretched(self.epochs, epochs);
        if let Some(random) = &mut self.random {
            random.stretch(self.epochs, epochs);
        }
        self.epochs = epochs;
    }

    /// Whether a clip to train on is another in every epoch: masked, mixed, louder or softer, or noisy.
    pub fn augments(&self) -> bool {
        self.freq_mask > 0 || self.time_mask > 0 || self.mixup > 0.0 || self.gain > 0.0 || self.noise
    }

    /// Whether every figure is in its range; a reason for people otherwise.
    ///
    /// # Errors
    /// The first figure that is not.
    pub fn check(&self) -> Result<(), String> {
        let rate = |name: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                Ok(())
            } else {
                Err(format!("{name} is {value} and must be above 0"))
            }
        };
        rate("lr", self.lr)?;
        rate("lr_full", self.lr_full)?;
        self.schedule.check()?;
        if let Some(random) = self.random {
            rate("random.lr", random.lr)?;
            rate("random.lr_full", random.lr_full)?;
        }
        let at_least_one = [
            ("batch", self.batch as u64),
            ("epochs", self.epochs.into()),
            ("stride along mel bins", self.stride[0] as u64),
            ("stride along frames", self.stride[1] as u64),
        ];
        if let Some((name, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("{name} is 0 and must be at least 1"));
        }
        if self.batch > limits::BATCH {
            return Err(format!("batch is {} and must be at most {}", self.batch, limits::BATCH));
        }
        if self.frames != 0 && self.frames < 16 {
            return Err(format!("frames is {} and must be at least 16, the width of one patch", self.frames));
        }
        if !(0.0..=1.0).contains(&self.mixup) {
            return Err(format!("mixup is {} and must be between 0 and 1", self.mixup));
        }
        if !self.weight_decay.is_finite() || self.weight_decay < 0.0 {
            return Err(format!("weight_decay is {} and must not be negative", self.weight_decay));
        }
        if !(0.0..=60.0).contains(&self.gain) {
            return Err(format!("gain is {} and must be between 0 and 60 decibels", self.gain));
        }
        if !self.clip_norm.is_finite() || self.clip_norm < 0.0 {
            return Err(format!("clip_norm is {} and must not be negative; 0 never clips", self.clip_norm));
        }
        if self.average_last > 0 && self.patience > 0 {
            return Err("average_last needs to know which epochs are the last: set patience to 0".into());
        }
        self.rates.check()?;
        if self.normalisation.is_some_and(|n| !n.mean.is_finite() || !n.std.is_finite() || n.std <= 0.0) {
            return Err("normalisation needs a mean and a std above 0".into());
        }
        Ok(())
    }
}

/// A recipe of the program as a table, with every key of `rates` there to be changed.
fn embedded(name: &str) -> Option<toml::Table> {
    let mut table: toml::Table = EMBEDDED.iter().find(|(known, _)| *known == name)?.1.parse().ok()?;
    if !table.contains_key("rates") {
        table.insert("rates".to_owned(), toml::Value::try_from(Rates::default()).ok()?);
    }
    Some(table)
}

/// Stretches the schedule of a recipe of the program to another number of epochs.
fn stretch(table: &mut toml::Table, epochs: u32) -> Result<(), String> {
    let mut recipe: Recipe = table.clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
    recipe.set_epochs(epochs);
    let schedule = toml::Value::try_from(recipe.schedule).map_err(|error| error.to_string())?;
    table.insert("schedule".to_owned(), schedule);
    if let Some(random) = recipe.random {
        table.insert("random".to_owned(), toml::Value::try_from(random).map_err(|error| error.to_string())?);
    }
    Ok(())
}

/// What a file says of `lr` and its like holds for random weights too, whatever its base says of them.
fn own_words_for_random_weights(own: &toml::Table, table: &mut toml::Table) {
    let Some(toml::Value::Table(random)) = table.get_mut("random") else { return };
    let schedule = own.get("schedule").and_then(toml::Value::as_table);
    for (key, value) in random.iter_mut() {
        if let Some(own) = own.get(key).or_else(|| schedule?.get(key)) {
            *value = own.clone();
        }
    }
}

/// Keys that a recipe may have and the embedded files may leave out.
const OPTIONAL: &[&str] =
    &["normalisation", "pooling", "random", "gain", "balanced", "average_last", "clip_norm", "patience"];

/// Replaces one value of a recipe; tables are merged key by key. The error names the nearest valid key.
fn overlay(table: &mut toml::Table, key: &str, value: toml::Value, within: &str) -> Result<(), String> {
    let optional = if within.is_empty() { OPTIONAL } else { &[] };
    if !table.contains_key(key) && !optional.contains(&key) {
        let known = table.keys().map(String::as_str).chain(optional.iter().copied());
        return Err(format!("there is no key `{within}{key}`{}", did_you_mean(key, known)));
    }
    match (table.get_mut(key), value) {
        (Some(toml::Value::Table(inner)), toml::Value::Table(own)) => {
            for (inner_key, value) in own {
                overlay(inner, &inner_key, value, &format!("{key}."))?;
            }
        }
        (_, value) => {
            table.insert(key.to_owned(), value);
        }
    }
    Ok(())
}

/// Frames that nine of ten clips have at most, from a sample of the clips, rounded up to whole patches.
fn typical_frames(dataset: &Dataset) -> Result<usize, DataError> {
    /// Clips looked at.
    const SAMPLE: usize = 24;
    /// Bounds of what is proposed: a third of a second and AudioSet's ten seconds.
    const BOUNDS: (usize, usize) = (32, 1024);
    let step = dataset.items.len().div_ceil(SAMPLE).max(1);
    let (mut lengths, mut fault) = (Vec::new(), None);
    for item in dataset.items.iter().step_by(step) {
        match &item.source {
            Source::Part(part) => lengths.push(audio::frames_of(part.samples as usize)),
            Source::Demo { class, index } => lengths.push(audio::frames_of(super::synth::clip(*class, *index).len())),
            // Decoded to its end and not held: a clip that cannot be read has no length.
            Source::File(path) => match audio::each_block(path, &mut |_| ControlFlow::Continue(())) {
                Ok(whole) => lengths.push(audio::frames_of(whole.map_or(0, |whole| whole.samples as usize))),
                Err(error) => fault = Some(error),
            },
        }
    }
    lengths.sort_unstable();
    let ninth = lengths.len().saturating_sub(1) * 9 / 10;
    match (lengths.get(ninth), fault) {
        (Some(frames), _) => Ok(frames.next_multiple_of(16).clamp(BOUNDS.0, BOUNDS.1)),
        (None, Some(error)) => Err(error.into()),
        (None, None) => Err(DataError::Request(format!("{} has no clips", dataset.name))),
    }
}
