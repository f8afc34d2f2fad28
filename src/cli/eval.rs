//! `aat-tui eval`: how well a trained session does on a part of a data set.

use std::{
    collections::HashSet,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::{CliError, Interrupt, Output, output::column, run_args::Place};
use crate::{
    data::{self, ClipList, DataError, Dataset, FeatureSet, Label, Loader, Loss, Metric, Recipe, Split},
    digits::hex,
    infer::{Classifier, Gains, Mix, Which},
    model::{Precision, Recompute},
    printable::printable,
    session::{OnNan, RunConfig, read_clips},
    train::{Answers, ClassReport, Criterion, same_clips},
};

/// Clips of a batch.
const BATCH: usize = 16;

/// Evaluate a trained session.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session: its name, its folder, or `last`; or a model that has labels, an exported one or an adapter, with --data.
    session: String,
    /// Another data set with the same classes; without it, the one that the session was trained on. Clips that were
    /// trained on are recognised by their content, in any folder, and reported apart.
    #[arg(long, value_name = "D", env = "AAT_TUI_DATA")]
    data: Option<String>,
    /// The clips of this fold.
    #[arg(long, value_name = "K", env = "AAT_TUI_FOLD", conflicts_with = "split")]
    fold: Option<u32>,
    /// The clips of this part; without it test where the data set has one, else val. Of a data set that the session was not
    /// trained on, all clips.
    #[arg(long, env = "AAT_TUI_SPLIT", value_enum)]
    split: Option<Part>,
    /// Which of a session's weights: those of the best epoch (the default), of the last checkpoint, or the
    /// mean of the last epochs'.
    #[arg(long, env = "AAT_TUI_WEIGHTS", value_enum)]
    weights: Option<Weights>,
    /// Multiply adapters' outputs: `3.spatial=0,7.mlp=0.5` (blocks counted from 0), `spatial=0` for every block, a file
    /// of gains, or `saved`: the mixing desk that was saved with the session.
    #[arg(long, value_name = "GAINS", env = "AAT_TUI_GAINS")]
    gains: Option<String>,
    /// Where the arithmetic is done: auto, cpu, cuda, cuda:N, metal.
    #[arg(long, env = "AAT_TUI_DEVICE", default_value = "auto")]
    device: String,
    #[command(flatten)]
    place: Place,
    /// One JSON object instead of a table.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

/// A part of a data set, as on the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Part {
    Train,
    Val,
    Test,
}

/// Which weights, as on the command line.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(super) enum Weights {
    #[default]
    Best,
    Last,
    Averaged,
}

impl From<Weights> for Which {
    fn from(weights: Weights) -> Self {
        match weights {
            Weights::Best => Self::Best,
            Weights::Last => Self::Last,
            Weights::Averaged => Self::Averaged,
        }
    }
}

#[derive(Serialize)]
struct Report {
    session: String,
    split: String,
    clips: usize,
    metric: &'static str,
    value: f64,
    loss: f64,
    mean_auc: Option<f64>,
    d_prime: Option<f64>,
    /// Clips among all that were asked for that the session was trained on.
    trained_clips: usize,
    /// The same of these clips alone, where there are others.
    #[serde(skip_serializing_if = "Option::is_none")]
    trained_on: Option<Apart>,
    /// What should be known of these figures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    per_class: Vec<ClassReport>,
    /// Clips by class held (rows) and class answered (columns).
    confusion: Vec<Vec<usize>>,
}

/// What clips come to that are reported apart.
#[derive(Serialize)]
struct Apart {
    clips: usize,
    value: f64,
    loss: f64,
}

/// The clips to evaluate: what they are called, those that the session did not see in training, and those that it did.
struct Chosen {
    name: String,
    fresh: Vec<usize>,
    trained: Vec<usize>,
    notes: Vec<String>,
}

/// Evaluates and prints the result.
///
/// # Errors
/// When session and data do not fit together, or a clip cannot be read.
pub fn run(args: &Args) -> Result<(), CliError> {
    let store = args.place.store();
    let (mut classifier, folder) = match store.find(&args.session) {
        Ok(folder) => (Classifier::of_session(&folder, args.weights.unwrap_or_default().into(), &args.device)?, folder),
        // It may be an exported model or an adapter; what it is not is said by whoever opens it.
        Err(_) if args.weights.is_none() => {
            (Classifier::open(&args.session, &store, &args.device)?, PathBuf::from(&args.session))
        }
        Err(error) => return Err(error.into()),
    };
    let config = match classifier.session() {
        Some((config, _)) => config.clone(),
        None => of_model(args, &classifier)?,
    };
    if let Some(given) = &args.gains {
        let gains = gains(given, &folder, config.shape.depth)?;
        classifier.set_gains(&gains)?;
    }
    let interrupt = Interrupt::watch()?;
    let go_on = |_, _| if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let spec = args.data.clone().unwrap_or_else(|| config.data_spec());
    let dataset = with_labels_of(&config, data::open(&spec)?)?;
    let mut chosen = choose(args, &config, &folder, &dataset, &mut { go_on })?;
    chosen.notes.splice(0..0, classifier.notes().iter().cloned());
    let set = Arc::new(FeatureSet::new(Arc::new(dataset), classifier.front_end(), classifier.frames()));
    let report = evaluate(&mut classifier, &config, &set, chosen, &interrupt)?;
    let mut output = Output::stdout(args.json);
    output.object(&report)?;
    for line in text(&report) {
        output.line(line)?;
    }
    Ok(())
}

/// What a model that is no session is evaluated by: the data set's recipe, with the model's own length and loss.
fn of_model(args: &Args, classifier: &Classifier) -> Result<RunConfig, CliError> {
    let Some(data) = &args.data else {
        let problem = format!("{} is a model and not a session: name a data set with --data", args.session);
        return Err(CliError::Usage(problem));
    };
    let dataset = data::open(data)?;
    let mut recipe = Recipe::for_dataset(&dataset)?;
    (recipe.frames, recipe.loss) = (classifier.frames(), classifier.loss());
    recipe.metric = match recipe.loss {
        Loss::CrossEntropy => Metric::Accuracy,
        Loss::Binary => Metric::MeanAveragePrecision,
    };
    Ok(RunConfig {
        session: classifier.name().to_owned(),
        // No data set is known to be the one that it was trained on.
        data: String::new(),
        data_name: dataset.name,
        dataset: None,
        labels: classifier.labels().to_vec(),
        fold: None,
        model: classifier.name().to_owned(),
        shape: classifier.config().clone(),
        method: classifier.method(),
        normalisation: classifier.normalisation(),
        lr: recipe.lr,
        micro_batch: recipe.batch,
        recipe,
        seed: 1,
        device: args.device.clone(),
        dtype: Precision::default(),
        norms_every: 0,
        paired_with: None,
        recompute: Recompute::Nothing,
        on_nan: OnNan::default(),
        pretrain: None,
    })
}

/// The gains that are meant: the session's own desk, a file, or as they are written.
fn gains(given: &str, session: &Path, blocks: usize) -> Result<Gains, CliError> {
    let desk = Mix::path(session);
    if given == "saved" && !desk.is_file() {
        let name = session.file_name().unwrap_or(session.as_os_str()).to_string_lossy();
        let remedy = "turn its mixing desk (Live, d) and save it with w";
        return Err(CliError::Failed(format!("{name} has no mixing desk saved with it; {remedy}")));
    }
    let desk = desk.to_string_lossy();
    let given = if given == "saved" { &desk } else { given };
    Gains::read(given, blocks).map_err(|error| CliError::Usage(error.to_string()))
}

/// The data set with its labels in the order of the session's.
fn with_labels_of(config: &RunConfig, mut dataset: Dataset) -> Result<Dataset, CliError> {
    if dataset.classes == config.labels {
        return Ok(dataset);
    }
    let place = |class: &String| {
        config.labels.iter().position(|label| label == class).ok_or_else(|| {
            let near = data::nearest(class, config.labels.iter().map(String::as_str));
            let hint = near.map_or_else(String::new, |near| format!(" (the nearest it knows is \"{near}\")"));
            CliError::Failed(format!(
                "{} has a class \"{class}\" that {} was not trained on{hint}; leave it out, or rename it",
                dataset.name, config.session
            ))
        })
    };
    let places = dataset.classes.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    for item in &mut dataset.items {
        match &mut item.label {
            Label::One(class) => *class = places[*class],
            Label::Many(known) => known.iter_mut().for_each(|(class, _)| *class = places[*class]),
        }
    }
    dataset.classes = config.labels.clone();
    Ok(dataset)
}

/// What was asked for, divided into clips that the session was trained on and others.
fn choose(
    args: &Args,
    config: &RunConfig,
    folder: &Path,
    dataset: &Dataset,
    progress: data::Progress<'_>,
) -> Result<Chosen, CliError> {
    let known = read_clips(folder)?;
    let is_same = is_trained_set(args, config, folder, dataset, known.as_ref(), progress)?;
    let (name, items) = part(args, config, dataset, is_same)?;
    let mut notes = Vec::new();
    let trained: HashSet<usize> = match &known {
        Some(known) => {
            let trained = known.trained();
            let contents = dataset.contents(&items, progress)?;
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
                "{} is a model that does not say on which clips it was trained; some of these may be among them",
                config.session
            ));
            HashSet::new()
        }
        None => {
            notes.push(format!(
                "{} was trained by an earlier version and does not say on which clips; some of these may be among them",
                config.session
            ));
            HashSet::new()
        }
    };
    let (trained, fresh): (Vec<usize>, Vec<usize>) = items.into_iter().partition(|item| trained.contains(item));
    match (fresh.len(), trained.len()) {
        (_, 0) => {}
        (0, all) => notes.push(format!("all {all} clips were trained on: this says nothing of others")),
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
        // Without a word it is the session's own, and another one in its place is refused.
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

fn evaluate(
    classifier: &mut Classifier,
    config: &RunConfig,
    set: &Arc<FeatureSet>,
    chosen: Chosen,
    interrupt: &Interrupt,
) -> Result<Report, CliError> {
    let go_on = |_, _| if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let Chosen { name, fresh, trained, mut notes } = chosen;
    let mut of = |items: &[usize]| -> Result<(Answers, f64), CliError> {
        set.prepare(items, &mut { go_on }).map_err(|error| match error {
            DataError::Cancelled => CliError::Interrupted,
            other => other.into(),
        })?;
        let normalisation = classifier.normalisation();
        let loader = Loader::evaluation(Arc::clone(set), items.to_vec(), &config.recipe, normalisation, BATCH);
        let mut answers = Answers::new(config.labels.len());
        let (mut loss_sum, mut loss_weight) = (0.0, 0.0);
        for batch in loader.epoch(1, 0) {
            interrupt.check()?;
            let batch = batch?;
            let logits = classifier.logits(&batch.features)?;
            let criterion = Criterion::new(config.recipe.loss, &batch.targets);
            let (loss, _) = criterion.share(0..batch.features.batch, &logits);
            answers.extend(&logits, &batch.targets);
            loss_sum += f64::from(loss) * criterion.terms();
            loss_weight += criterion.terms();
        }
        Ok((answers, if loss_weight > 0.0 { loss_sum / loss_weight } else { 0.0 }))
    };
    let metric = config.recipe.metric;
    let (answers, loss) = of(if fresh.is_empty() { &trained } else { &fresh })?;
    let trained_on = if fresh.is_empty() || trained.is_empty() {
        None
    } else {
        let (answers, loss) = of(&trained)?;
        Some(Apart { clips: answers.clips(), value: answers.value(metric), loss })
    };
    notes.extend(set.odd(&[fresh.as_slice(), &trained].concat()));
    Ok(Report {
        session: config.session.clone(),
        split: name,
        clips: answers.clips(),
        metric: metric.name(),
        value: answers.value(metric),
        loss,
        mean_auc: answers.mean_auc(),
        d_prime: answers.d_prime(),
        trained_clips: trained.len(),
        trained_on,
        notes,
        per_class: answers.per_class(&config.labels),
        confusion: answers.confusion().chunks(config.labels.len().max(1)).map(<[usize]>::to_vec).collect(),
    })
}

/// Cells of the column of class names: as wide as the widest, within these bounds.
const NAMES: (usize, usize) = (28, 48);

fn text(report: &Report) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let mut lines = vec![format!(
        "{}, {}: {} {:.4} over {} clips, loss {:.4}",
        report.session, report.split, report.metric, report.value, report.clips, report.loss
    )];
    lines.extend(report.notes.iter().cloned());
    if let Some(Apart { clips, value, loss }) = &report.trained_on {
        lines.push(format!("trained on: {} {value:.4} over {clips} clips, loss {loss:.4}", report.metric));
    }
    lines.push(format!("mean AUC {}, d' {}", number(report.mean_auc), number(report.d_prime)));
    lines.push(String::new());
    let widest = report.per_class.iter().map(|class| printable(&class.label).width() + 2).max().unwrap_or(0);
    let cells = widest.clamp(NAMES.0, NAMES.1);
    lines.push(format!("{}{:>8}{:>10}{:>10}{:>10}", column("class", cells), "clips", "recall", "AP", "AUC"));
    lines.extend(report.per_class.iter().map(|class| {
        let (recall, precision, auc) = (number(class.recall), number(class.average_precision), number(class.auc));
        format!("{}{:>8}{recall:>10}{precision:>10}{auc:>10}", column(&class.label, cells), class.clips)
    }));
    lines
}
