//! Which clips are evaluated, and which of them the session was trained on.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{super::CliError, Args, Part};
use crate::{
    data::{self, ClipList, Dataset, Label, Split},
    digits::hex,
    session::{RunConfig, read_clips},
    train::same_clips,
};

/// The clips to evaluate: what they are called, those that the session was not trained on, and those that it was.
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) fresh: Vec<usize>,
    pub(super) trained: Vec<usize>,
    pub(super) notes: Vec<String>,
}

/// The data set with its labels in the order of the session's.
pub(super) fn with_labels_of(config: &RunConfig, mut dataset: Dataset) -> Result<Dataset, CliError> {
    if dataset.classes == config.labels {
        return Ok(dataset);
    }
    let place = |class: &String| {
        config.labels.iter().position(|label| label == class).ok_or_else(|| {
            let near = data::nearest(class, config.labels.iter().map(String::as_str));
            let hint = near.map_or_else(String::new, |near| format!(" (the nearest of its classes is \"{near}\")"));
            CliError::Failed(format!(
                "{} has a class \"{class}\" that {} was not trained on{hint}; leave it out, or rename it",
                dataset.name, config.session
            ))
        })
    };
    let places = dataset.classes.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    if let Some(marked) = &mut dataset.marks {
        let events = Arc::make_mut(marked).recordings.iter_mut().flat_map(|recording| &mut recording.events);
        events.for_each(|event| event.class = places[event.class]);
    }
    let filed = dataset.corrections.iter_mut().flat_map(|corrections| corrections.filed.values_mut());
    for label in dataset.items.iter_mut().map(|item| &mut item.label).chain(filed) {
        match label {
            Label::One(class) => *class = places[*class],
            Label::Not(classes) => classes.iter_mut().for_each(|class| *class = places[*class]),
            Label::Many(known) => known.iter_mut().for_each(|(class, _)| *class = places[*class]),
        }
    }
    dataset.classes = config.labels.clone();
    Ok(dataset)
}

/// What was asked for, divided into clips that the session was trained on and others. `then` is the data set with the
/// labels that it had when the session was trained, should they have been corrected since.
pub(super) fn choose(
    args: &Args,
    config: &RunConfig,
    folder: &Path,
    dataset: &Dataset,
    then: &Dataset,
    progress: data::Progress<'_>,
) -> Result<Chosen, CliError> {
    let known = read_clips(folder)?;
    let is_same = is_trained_set(args, config, folder, then, known.as_ref(), progress)?;
    let (name, items) = part(args, config, dataset, is_same)?;
    let mut notes = Vec::new();
    if let Some(corrections) = &dataset.corrections {
        notes.extend(corrections.summary.clone());
        let lines = |dataset: &Dataset| dataset.corrections.as_ref().map_or(0, |corrections| corrections.record.lines);
        match lines(dataset).saturating_sub(lines(then)) {
            0 => {}
            // Another data set has decisions of its own.
            _ if !is_same => {}
            since => notes.push(format!(
                "{} made since it was trained; these figures are by the corrected labels",
                if since == 1 { "one decision was".to_owned() } else { format!("{since} decisions were") }
            )),
        }
    }
    let trained: HashSet<usize> = match &known {
        Some(known) => {
            let trained = known.trained();
            let contents = dataset.files(&items, progress)?;
            let digests = contents.iter().map(hex);
            items
                .iter()
                .zip(digests)
                .filter(|(_, content)| trained.contains(content.as_str()))
                .map(|(&item, _)| item)
                .collect()
        }
        None if is_same => dataset.divide(config.fold, config.seed)?.train.into_iter().collect(),
        None if config.data.is_empty() => {
            notes.push(format!(
                "{} is a model without a list of the clips that it was trained on; some of these may be among them",
                config.session
            ));
            HashSet::new()
        }
        None => {
            notes.push(format!(
                "{} was trained by an earlier version and has no list of the clips that it was trained on; some of these may be among them",
                config.session
            ));
            HashSet::new()
        }
    };
    let (trained, fresh): (Vec<usize>, Vec<usize>) = items.into_iter().partition(|item| trained.contains(item));
    match (fresh.len(), trained.len()) {
        (_, 0) => {}
        (0, all) => notes.push(format!("all {all} clips were trained on: figures of other clips will be lower")),
        (others, some) => {
            notes.push(format!("{some} of {} clips were trained on and are reported apart", others + some))
        }
    }
    Ok(Chosen { name, fresh, trained, notes })
}

/// Whether the data set is the one that the session was trained on.
///
/// # Errors
/// When it must be and is not.
fn is_trained_set(
    args: &Args,
    config: &RunConfig,
    folder: &Path,
    dataset: &Dataset,
    known: Option<&ClipList>,
    progress: data::Progress<'_>,
) -> Result<bool, CliError> {
    let clips_of = |progress| -> Result<ClipList, CliError> {
        Ok(ClipList::of(dataset, &dataset.divide(config.fold, config.seed)?, progress)?)
    };
    match (&args.data, &config.dataset) {
        // Without --data it is the session's own, and another one in its place is refused.
        (None, Some(_)) => {
            same_clips(config, &clips_of(progress)?, folder)?;
            Ok(true)
        }
        (None, None) => Ok(true),
        (Some(_), Some(record)) => {
            let same_names = known.is_some_and(|known| known.names(dataset));
            Ok(same_names && clips_of(progress)?.digest() == record.digest)
        }
        (Some(given), None) => {
            let real = |path: &str| PathBuf::from(path).canonicalize().ok();
            Ok(*given == config.data || real(given).is_some_and(|path| real(&config.data) == Some(path)))
        }
    }
}

/// The clips that are asked for, and what they are called.
fn part(args: &Args, config: &RunConfig, dataset: &Dataset, is_same: bool) -> Result<(String, Vec<usize>), CliError> {
    if let Some(fold) = args.fold {
        let held_out = dataset.divide(Some(fold), config.seed)?.val;
        return Ok((format!("fold {fold}"), held_out));
    }
    if !is_same && args.split.is_none() {
        return Ok(("all".to_owned(), (0..dataset.items.len()).collect()));
    }
    let fold = if is_same { config.fold } else { None };
    let division = dataset.divide(fold, config.seed)?;
    let split = match args.split {
        Some(Part::Train) => Split::Train,
        Some(Part::Val) => Split::Val,
        Some(Part::Test) => Split::Test,
        None if division.test.is_empty() => Split::Val,
        None => Split::Test,
    };
    let name = split.name();
    match division.part(split) {
        [] => {
            Err(CliError::Failed(format!("{} has no clips in its {name} part; choose another --split", dataset.name)))
        }
        items => Ok((name.to_owned(), items.to_vec())),
    }
}
