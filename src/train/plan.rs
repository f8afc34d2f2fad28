//! From what was asked to everything that decides a run's result.

use std::{ops::ControlFlow, sync::Arc};

use super::{Request, TrainError, batches::Shelf};
use crate::{
    audio::FrontEnd,
    data::{self, Dataset, Division, FeatureSet, Recipe},
    model::{self, Method, ModelConfig, Part},
    session::RunConfig,
};

/// Scalars of one layer's activations, clips x tokens x hidden size, that are in memory at once unless someone says
/// otherwise: 8 clips of 10 s of a tiny model, 2 of a base one, some gigabytes in all.
const IN_MEMORY: usize = 1 << 21;

/// A run that is settled but for its session's final name.
pub(super) struct Plan {
    /// Everything that decides its result.
    pub(super) config: RunConfig,
    /// Its clips' features.
    pub(super) features: Arc<FeatureSet>,
    /// Who trains and who chooses.
    pub(super) division: Division,
}

/// Settles a request: opens the data set, finds the recipe, applies what was asked for, computes feature
/// statistics where the recipe has none. `progress` hears of clips decoded for these (done, in all) and may break off.
///
/// # Errors
/// When data, recipe, model and wishes do not fit together; the message says what to change.
pub(super) fn plan(
    request: &Request,
    shelf: &Shelf,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Plan, TrainError> {
    let dataset = data::open(&request.data)?;
    if dataset.classes.len() < 2 {
        return Err(TrainError::Request(format!(
            "{} has {} class; a classifier needs at least two: add a folder or label for another",
            request.data,
            dataset.classes.len()
        )));
    }
    let recipe = recipe(request, &dataset)?;
    let fold = request.fold.or_else(|| dataset.folds().first().copied());
    let division = dataset.divide(fold, request.seed)?;
    let device = model::device(&request.device)?;
    let shape = shape(request, &recipe, dataset.classes.len())?;
    let (data_name, labels) = (dataset.name.clone(), dataset.classes.clone());
    let session = request.name.clone().unwrap_or_else(|| session_name(request, &data_name, fold));
    let front_end = front_end(&shape)?;
    let features = shelf.take(dataset, front_end, recipe.frames);
    let normalisation = match front_end.normalisation().or(recipe.normalisation) {
        Some(given) => given,
        None => {
            features.prepare(&division.train, progress)?;
            features.statistics(&division.train)?
        }
    };
    let lr = request.lr.unwrap_or(if trains_backbone(&shape, request.method) { recipe.lr_full } else { recipe.lr });
    let fits = IN_MEMORY / (shape.hidden * shape.tokens()).max(1);
    let micro_batch = request.micro_batch.unwrap_or(fits).clamp(1, recipe.batch);
    let config = RunConfig {
        session,
        data: request.data.clone(),
        data_name,
        labels,
        fold,
        model: request.model.clone(),
        shape,
        method: request.method,
        micro_batch,
        recipe,
        normalisation,
        lr,
        seed: request.seed,
        device: model::device_name(&device),
        norms_every: request.norms_every,
        paired_with: request.paired_with.clone(),
    };
    Ok(Plan { config, features, division })
}

/// The shape of the model that a request would train: its data set is listed, nothing is decoded.
///
/// # Errors
/// When data, recipe and model do not fit together.
pub fn preview(request: &Request) -> Result<ModelConfig, TrainError> {
    let dataset = data::open(&request.data)?;
    let recipe = recipe(request, &dataset)?;
    shape(request, &recipe, dataset.classes.len())
}

/// The recipe with every wish applied.
fn recipe(request: &Request, dataset: &Dataset) -> Result<Recipe, TrainError> {
    let mut recipe = match &request.recipe {
        Some(given) => {
            let mut recipe = Recipe::find(given)?;
            recipe.fit(dataset)?;
            recipe
        }
        None => Recipe::for_dataset(dataset)?,
    };
    recipe.epochs = request.epochs.unwrap_or(recipe.epochs);
    recipe.batch = request.batch.unwrap_or(recipe.batch);
    recipe.frames = request.frames.unwrap_or(recipe.frames);
    recipe.check().map_err(TrainError::Request)?;
    if recipe.average_last > 0 {
        let problem = "average_last: this version does not average the weights of several epochs; set it to 0";
        return Err(TrainError::Request(problem.to_owned()));
    }
    if let Some(lr) = request.lr.filter(|lr| !lr.is_finite() || *lr <= 0.0) {
        return Err(TrainError::Request(format!("the learning rate is {lr} and must be above 0")));
    }
    Ok(recipe)
}

fn shape(request: &Request, recipe: &Recipe, classes: usize) -> Result<ModelConfig, TrainError> {
    let wanted = model::Request {
        frames: Some(recipe.frames),
        stride: Some(recipe.stride),
        classes: Some(classes),
        method: Some(request.method),
        seed: request.seed,
        ..model::Request::new(request.model.as_str())
    };
    Ok(model::shape(&wanted)?)
}

/// Whether a method trains the backbone's matrices, which takes a lower rate than what is added beside them, or than
/// biases alone.
fn trains_backbone(shape: &ModelConfig, method: Method) -> bool {
    model::specs(shape, method).iter().any(|spec| spec.trains && spec.part == Part::Block && spec.shape.len() > 1)
}

/// The log-mel that a model of this shape hears.
pub(super) fn front_end(shape: &ModelConfig) -> Result<FrontEnd, TrainError> {
    let bins = shape.mel_bins();
    FrontEnd::for_bins(bins)
        .ok_or_else(|| TrainError::Request(format!("no filter bank here has {bins} mel bins; known: 128 and 80")))
}

fn session_name(request: &Request, data_name: &str, fold: Option<u32>) -> String {
    let fold = fold.map_or_else(String::new, |fold| format!("-f{fold}"));
    format!("{data_name}{fold}-{}", request.method)
}
