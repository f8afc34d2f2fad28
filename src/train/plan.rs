//! Turns a request into everything that decides a run's result.

use std::{ops::ControlFlow, sync::Arc};

use super::{Request, TrainError, memory, provenance::record, shared_features::SharedFeatures};
use crate::{
    audio::{FrontEnd, Normalisation},
    data::{self, ClipList, Dataset, Division, FeatureSet, Recipe, marks},
    model::{self, Method, ModelConfig, Part, Precision, Recompute},
    session::RunConfig,
};

/// Scalars of one layer's activations, clips x tokens x hidden size, that are in memory at once by default: 8 clips of
/// 10 s of a tiny model, 2 of a base one, some gigabytes in all. An accelerator, which is slow with small batches, gets
/// the whole batch, and halves it where it does not fit.
const IN_MEMORY: usize = 1 << 21;

/// A planned run; only its session's final name is open.
pub(super) struct Plan {
    /// Everything that decides its result.
    pub(super) config: RunConfig,
    /// Its clips' features.
    pub(super) features: Arc<FeatureSet>,
    /// Which clips train and which validate.
    pub(super) division: Division,
    /// The same clips by name, label and content.
    pub(super) clips: ClipList,
}

/// A request resolved as far as possible without decoding a clip.
struct Settled {
    dataset: Dataset,
    division: Division,
    /// Everything that decides the result but the features' statistics, which are computed from the clips.
    config: RunConfig,
}

/// Opens the data set, finds the recipe, applies the request. Statistics that the recipe does not have are left at 0
/// and 1.
fn settle(request: &Request) -> Result<Settled, TrainError> {
    let dataset = open(request)?;
    let (division, config) = settle_on(request, &dataset)?;
    Ok(Settled { dataset, division, config })
}

/// The same for a data set that is open already.
pub(super) fn settle_on(request: &Request, dataset: &Dataset) -> Result<(Division, RunConfig), TrainError> {
    if let [] | [_] = dataset.classes.as_slice() {
        return Err(TrainError::Request(too_few_classes(request, dataset)));
    }
    let recipe = recipe(request, dataset)?;
    let fold = request.fold.or_else(|| dataset.folds().first().copied());
    let division = dataset.divide(fold, request.seed)?;
    let device = model::device(&request.device)?;
    if !device.is_cpu() && request.recompute != Recompute::Nothing {
        let problem = format!("--recompute {} works on the CPU; leave it out, or give --device cpu", request.recompute);
        return Err(TrainError::Request(problem));
    }
    let shape = shape(request, &recipe, dataset.classes.len())?;
    let lr = request.lr.unwrap_or(if trains_backbone(&shape, request.method) { recipe.lr_full } else { recipe.lr });
    let fits = if device.is_cpu() { IN_MEMORY / (shape.hidden * shape.tokens()).max(1) } else { recipe.batch };
    let config = RunConfig {
        session: request.name.clone().unwrap_or_else(|| session_name(request, &dataset.name, fold)),
        data: request.data.clone(),
        data_name: dataset.name.clone(),
        dataset: None,
        marks: request.marks.clone(),
        labels: dataset.classes.clone(),
        fold,
        model: request.model.clone(),
        method: request.method,
        micro_batch: request.micro_batch.unwrap_or(fits).clamp(1, recipe.batch),
        normalisation: recipe.normalisation.unwrap_or(Normalisation { mean: 0.0, std: 1.0 }),
        shape,
        recipe,
        lr,
        seed: request.seed,
        device: model::device_name(&device),
        dtype: Precision::named(&request.dtype, &device)?,
        norms_every: request.norms_every,
        recompute: request.recompute,
        on_nan: request.on_nan,
        paired_with: request.paired_with.clone(),
        pretrain: None,
    };
    Ok((division, config))
}

/// The device and the precision that a request takes on this machine, by the names that a session's log has.
///
/// # Errors
/// When this machine or this build has no such device, or there is no such precision.
pub fn arithmetic(request: &Request) -> Result<(String, Precision), TrainError> {
    let device = model::device(&request.device)?;
    Ok((model::device_name(&device), Precision::named(&request.dtype, &device)?))
}

/// Plans a run: decodes every clip that trains or validates, so that one that cannot be read is known before anything
/// else, computes feature statistics where the recipe has none, and records which data these are. `progress` gets the
/// number of decoded clips (done, in all) and may cancel.
///
/// # Errors
/// When data, recipe, model and settings do not fit together; the message says what to change.
pub(super) fn plan(
    request: &Request,
    shared: &SharedFeatures,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Plan, TrainError> {
    let Settled { dataset, division, mut config } = settle(request)?;
    let front_end = front_end(&config.shape)?;
    memory::check(&config, division.train.len().max(division.val.len()))?;
    let features = shared.take(dataset, front_end, config.recipe.frames);
    features.prepare(&[division.train.as_slice(), &division.val].concat(), progress)?;
    let clips = ClipList::of(features.dataset(), &division, progress)?;
    config.dataset = Some(Box::new(record(&config.data, features.dataset(), &clips)));
    config.normalisation = normalisation(&config, front_end, &features, &division, progress)?;
    Ok(Plan { config, features, division, clips })
}

/// The configuration of a run on all clips of a data set, and their features, without any of them decoded but those that
/// feature statistics need.
///
/// # Errors
/// As [`plan`].
pub(super) fn to_embed(
    request: &Request,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<(RunConfig, FeatureSet), TrainError> {
    let Settled { dataset, division, mut config } = settle(request)?;
    let front_end = front_end(&config.shape)?;
    let features = FeatureSet::new(Arc::new(dataset), front_end, config.recipe.frames);
    config.normalisation = normalisation(&config, front_end, &features, &division, progress)?;
    Ok((config, features))
}

/// Feature statistics: those of the backbone or of the recipe, else those of the clips that train.
fn normalisation(
    config: &RunConfig,
    front_end: FrontEnd,
    features: &FeatureSet,
    division: &Division,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Normalisation, TrainError> {
    let raw = model::takes_raw_features(&config.model)?.then_some(Normalisation::NONE);
    Ok(match front_end.normalisation().or(raw).or(config.recipe.normalisation) {
        Some(given) => given,
        None => {
            features.prepare(&division.train, progress)?;
            features.statistics(&division.train)?
        }
    })
}

/// A resolved request, to be compared with sessions.
pub(super) struct Asked {
    config: RunConfig,
    clips: (usize, usize),
    dataset: Dataset,
    division: Division,
}

impl Asked {
    /// Resolves a request.
    ///
    /// # Errors
    /// As [`plan`].
    pub(super) fn of(request: &Request) -> Result<Self, TrainError> {
        let Settled { dataset, division, config } = settle(request)?;
        Ok(Self { config, clips: (division.train.len(), division.val.len()), dataset, division })
    }

    /// The preferred name of its session.
    pub(super) fn name(&self) -> &str {
        &self.config.session
    }

    /// Everything that decides its result but the features' statistics.
    #[cfg(test)]
    pub(super) fn config(&self) -> &RunConfig {
        &self.config
    }

    /// Clips that train and clips that validate.
    #[cfg(test)]
    pub(super) fn clips(&self) -> (usize, usize) {
        self.clips
    }

    /// Whether a run with this configuration over this many clips to train and validate on is the requested run.
    /// Settings of progress reports may differ, and the contents of its clips are not compared.
    pub(super) fn is(&self, other: &RunConfig, clips: (usize, usize)) -> bool {
        let same_place = self.is_at(other);
        let asked = RunConfig {
            session: other.session.clone(),
            data: if same_place { other.data.clone() } else { self.config.data.clone() },
            dataset: other.dataset.clone(),
            normalisation: other.normalisation,
            norms_every: other.norms_every,
            paired_with: other.paired_with.clone(),
            ..self.config.clone()
        };
        asked == *other && self.clips == clips
    }

    /// Whether a run is of the same data set by path, method, backbone, fold and seed: a user who asks for one expects
    /// to find the other.
    pub(super) fn resembles(&self, other: &RunConfig) -> bool {
        let same = |a: &RunConfig, b: &RunConfig| {
            a.method == b.method && a.model == b.model && a.fold == b.fold && a.seed == b.seed
        };
        self.is_at(other) && same(&self.config, other)
    }

    /// Whether a run's data set has the path of the requested one.
    fn is_at(&self, other: &RunConfig) -> bool {
        match other.dataset.as_ref().and_then(|dataset| dataset.path.as_ref()) {
            Some(path) => self.dataset.absolute_path(&self.config.data).as_ref() == Some(path),
            None => other.data == self.config.data,
        }
    }

    /// The requested clips, each read unless it was read before.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) fn clip_list(&self) -> Result<ClipList, TrainError> {
        Ok(ClipList::of(&self.dataset, &self.division, &mut |_, _| ControlFlow::Continue(()))?)
    }
}

/// The shape of the model that a request would train: the data set is listed, nothing is decoded.
///
/// # Errors
/// When data, recipe and model do not fit together.
pub fn preview(request: &Request) -> Result<ModelConfig, TrainError> {
    let dataset = open(request)?;
    let recipe = recipe(request, &dataset)?;
    Ok(model::shape_by_name(&wanted(request, &recipe, dataset.classes.len()))?)
}

/// Opens the data set. Windows of marked recordings are as long as the clips that the recipe asks for, where it does.
pub(super) fn open(request: &Request) -> Result<Dataset, TrainError> {
    let frames = match (request.frames, &request.recipe) {
        (Some(frames), _) => Some(frames),
        (None, Some(given)) => Some(Recipe::find(given)?.frames).filter(|frames| *frames > 0),
        (None, None) => None,
    };
    Ok(data::open_with(&request.data, &marks::Options { frames, ..request.marks.clone() })?)
}

/// The recipe with every setting of the request applied.
fn recipe(request: &Request, dataset: &Dataset) -> Result<Recipe, TrainError> {
    let mut recipe = match &request.recipe {
        Some(given) => {
            let mut recipe = Recipe::find(given)?;
            recipe.fit(dataset)?;
            recipe
        }
        None => Recipe::for_dataset(dataset)?,
    };
    recipe.settle_start(model::is_random(&request.model));
    if let Some(epochs) = request.epochs {
        recipe.set_epochs(epochs);
    }
    recipe.batch = request.batch.unwrap_or(recipe.batch);
    recipe.frames = request.frames.unwrap_or(recipe.frames);
    recipe.stride = request.stride.map_or(recipe.stride, |stride| [stride; 2]);
    recipe.check().map_err(TrainError::Request)?;
    if let Some(lr) = request.lr.filter(|lr| !lr.is_finite() || *lr <= 0.0) {
        return Err(TrainError::Request(format!("the learning rate is {lr} and must be above 0")));
    }
    Ok(recipe)
}

fn shape(request: &Request, recipe: &Recipe, classes: usize) -> Result<ModelConfig, TrainError> {
    Ok(model::shape(&wanted(request, recipe, classes))?)
}

/// What is asked of the model.
fn wanted(request: &Request, recipe: &Recipe, classes: usize) -> model::Request {
    model::Request {
        frames: Some(recipe.frames),
        stride: Some(recipe.stride),
        pooling: recipe.pooling,
        classes: Some(classes),
        method: Some(request.method),
        seed: request.seed,
        ..model::Request::new(request.model.as_str())
    }
}

/// Whether a method trains the backbone's matrices, which need a lower rate than added parameters or biases alone.
fn trains_backbone(shape: &ModelConfig, method: Method) -> bool {
    model::specs(shape, method).iter().any(|spec| spec.trains && spec.part == Part::Block && spec.shape.len() > 1)
}

/// The log-mel that a model of this shape takes.
pub(super) fn front_end(shape: &ModelConfig) -> Result<FrontEnd, TrainError> {
    Ok(shape.front_end()?)
}

fn session_name(request: &Request, data_name: &str, fold: Option<u32>) -> String {
    let fold = fold.map_or_else(String::new, |fold| format!("-f{fold}"));
    // Runs on several named backbones may be in the same folder.
    let model = request.model.as_str();
    let named = model::built_in().iter().any(|(name, _)| *name == model) || model::Published::find(model).is_some();
    let other = model != Request::default().model && named;
    let backbone = if other { format!("-{model}") } else { String::new() };
    format!("{data_name}{fold}-{}{backbone}", request.method)
}

/// Why one class is not enough, and which one it is.
fn too_few_classes(request: &Request, dataset: &Dataset) -> String {
    let there = match dataset.classes.first() {
        Some(class) => format!("only the class \"{class}\""),
        None => "no class".to_owned(),
    };
    format!("{} has {there}; a classifier needs at least two classes: add a folder or label for another", request.data)
}
