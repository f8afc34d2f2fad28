//! The settings of a run.

use std::path::PathBuf;

use super::PretrainRequest;
use crate::{
    data::{Recipe, marks},
    model::{Method, Recompute},
    session::{OnNan, RunConfig},
};

/// Everything that can be set. `None` leaves it to the recipe, the data set or the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// A folder, a manifest, or `demo`.
    pub data: String,
    /// What is said of marks, where the data set is recordings with tables of them.
    pub marks: marks::Options,
    /// `box`, `tiny`, `small`, `base`, a checkpoint, `hf:ORG/NAME`.
    pub model: String,
    /// How the model is adapted.
    pub method: Method,
    /// A recipe by name or file, instead of the one that fits the data set.
    pub recipe: Option<String>,
    /// The fold held out for validation.
    pub fold: Option<u32>,
    /// Passes over the training split.
    pub epochs: Option<u32>,
    /// Clips in a step.
    pub batch: Option<usize>,
    /// Clips of a step in memory at once; gradients accumulate over them.
    pub micro_batch: Option<usize>,
    /// Learning rate.
    pub lr: Option<f64>,
    /// Frames of 10 ms a clip is cut or padded to.
    pub frames: Option<usize>,
    /// Stride of the patches, along mel bins and frames alike.
    pub stride: Option<usize>,
    /// Seed of initial weights, batch order and augmentation.
    pub seed: u64,
    /// `auto`, `cpu`, `cuda`, `cuda:0`, `metal`.
    pub device: String,
    /// The precision of the backbone's products: `auto` (what suits the device), `f32`, `bf16`.
    pub dtype: String,
    /// Steps between two measurements of the adapters' norms (0: never).
    pub norms_every: u64,
    /// What the backward pass recomputes instead of saving it, on the CPU.
    pub recompute: Recompute,
    /// What to do about a step whose loss is not a number.
    pub on_nan: OnNan,
    /// The session's name, instead of one made from data, method and fold.
    pub name: Option<String>,
    /// The session this one is paired with.
    pub paired_with: Option<String>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            data: "demo".to_owned(),
            marks: marks::Options::default(),
            model: "box".to_owned(),
            method: Method::aat(),
            recipe: None,
            fold: None,
            epochs: None,
            batch: None,
            micro_batch: None,
            lr: None,
            frames: None,
            stride: None,
            seed: 1,
            device: "auto".to_owned(),
            dtype: "auto".to_owned(),
            norms_every: 10,
            recompute: Recompute::Nothing,
            on_nan: OnNan::Stop,
            name: None,
            paired_with: None,
        }
    }
}

/// The request that begins the run of a configuration again, from new weights: the same data set, held-out clips, settings
/// and machine. The recipe is named as it was; one from a file may not be found any more.
impl From<&RunConfig> for Request {
    fn from(config: &RunConfig) -> Self {
        let recipe = &config.recipe;
        let [bins, frames] = recipe.stride;
        Self {
            data: config.data_spec(),
            marks: config.marks.clone(),
            model: config.model.clone(),
            method: config.method,
            recipe: Some(recipe.name.clone()),
            fold: config.fold,
            epochs: Some(recipe.epochs),
            batch: Some(recipe.batch),
            micro_batch: Some(config.micro_batch),
            lr: Some(config.lr),
            frames: Some(recipe.frames).filter(|frames| *frames > 0),
            // A setting has one stride for both directions; two are those of the recipe.
            stride: Some(bins).filter(|_| bins == frames),
            seed: config.seed,
            device: config.device.clone(),
            dtype: config.dtype.name().to_owned(),
            norms_every: config.norms_every,
            recompute: config.recompute,
            on_nan: config.on_nan,
            name: None,
            paired_with: None,
        }
    }
}

impl Request {
    /// The request that begins the run of a configuration again by a method, which may be another; and a note where its
    /// recipe is not found any more.
    pub fn again(config: &RunConfig, method: Method) -> (Self, Option<String>) {
        let mut request = Self::from(config);
        if method != config.method {
            (request.method, request.lr) = (method, None);
        }
        let (name, session) = (&config.recipe.name, &config.session);
        let note = Recipe::find(name).err().map(|_| {
            request.recipe = None;
            format!("the recipe {name} of {session} is not found any more: the one that fits the data is used")
        });
        (request, note)
    }
}

/// A run to start: a new one, or one to resume.
#[derive(Clone, Debug, PartialEq)]
pub enum Launch {
    /// Begins a session.
    New(Box<Request>),
    /// Begins a session that pretrains a backbone.
    Pretrain(Box<PretrainRequest>),
    /// Resumes the session in this folder from its last checkpoint.
    Resume {
        /// The folder.
        session: PathBuf,
        /// When the session began, ms since the Unix epoch: another one that now has its name is refused. `None`: any
        /// session.
        began_ms: Option<u64>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Precision, session};

    #[test]
    fn a_configuration_becomes_the_request_of_the_same_run() {
        let mut config = session::testing::config();
        (config.recipe.stride, config.micro_batch, config.dtype) = ([6, 6], 3, Precision::Bf16);
        (config.device, config.norms_every) = ("cuda:1".to_owned(), 77);
        (config.recompute, config.on_nan) = (Recompute::Block, OnNan::Skip);
        let request = Request::from(&config);
        assert_eq!((request.stride, request.micro_batch, request.norms_every), (Some(6), Some(3), 77));
        assert_eq!((request.device.as_str(), request.dtype.as_str()), ("cuda:1", "bf16"));
        assert_eq!((request.recompute, request.on_nan), (Recompute::Block, OnNan::Skip));
        assert_eq!((request.lr, request.recipe.as_deref()), (Some(config.lr), Some(config.recipe.name.as_str())));
        config.recipe.stride = [10, 6];
        assert_eq!(Request::from(&config).stride, None);
    }
}
