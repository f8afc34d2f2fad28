//! `aat-tui eval`: how well a trained session does on a part of a data set.

use std::{ops::ControlFlow, path::Path, sync::Arc};

use serde::Serialize;

use super::{CliError, Interrupt, Output, run_args::Place};
use crate::{
    data::{self, DataError, Dataset, FeatureSet, Label, Loader, Loss, Metric, Recipe, Split},
    infer::{Classifier, Gains, Mix, Which},
    session::RunConfig,
    train::{Answers, ClassReport, Criterion},
};

/// Clips of a batch.
const BATCH: usize = 16;

/// Evaluate a trained session.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session: its name, its folder, or `last`; or a model that has labels, an exported one or an adapter, with --data.
    session: String,
    /// Another data set with the same classes; without it, the one that the session was trained on.
    #[arg(long, value_name = "D", env = "AAT_TUI_DATA")]
    data: Option<String>,
    /// The clips of this fold.
    #[arg(long, value_name = "K", env = "AAT_TUI_FOLD", conflicts_with = "split")]
    fold: Option<u32>,
    /// The clips of this part; without it test where the data set has one, else val.
    #[arg(long, env = "AAT_TUI_SPLIT", value_enum)]
    split: Option<Part>,
    /// Which of a session's weights: those of the best epoch (unless something is said), of the last checkpoint, or the
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
    per_class: Vec<ClassReport>,
    /// Clips by class held (rows) and class answered (columns).
    confusion: Vec<Vec<usize>>,
}

/// Evaluates and tells.
///
/// # Errors
/// When session and data do not fit together, or a clip cannot be read.
pub fn run(args: &Args) -> Result<(), CliError> {
    let store = args.place.store();
    let (mut classifier, folder) = match store.find(&args.session) {
        Ok(folder) => (Classifier::of_session(&folder, args.weights.unwrap_or_default().into(), &args.device)?, folder),
        // It may be an exported model or an adapter; what it is not is said by whoever opens it.
        Err(_) if args.weights.is_none() => {
            (Classifier::open(&args.session, &store, &args.device)?, Path::new(&args.session).to_owned())
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(given) = &args.gains {
        let gains = gains(given, &folder, classifier.depth())?;
        classifier.set_gains(&gains)?;
    }
    let trained = classifier.session().map(|(config, _)| config.clone());
    let dataset = match (args.data.as_deref(), &trained) {
        (Some(data), _) => data::open(data)?,
        (None, Some(config)) => data::open(&config.data)?,
        (None, None) => {
            let problem = format!("{} is a model and not a session: name a data set with --data", args.session);
            return Err(CliError::Usage(problem));
        }
    };
    let subject = Subject::of(&classifier, trained, &dataset)?;
    let dataset = with_labels_of(&subject, dataset)?;
    let (split, items) = part(args, &subject, &dataset)?;
    let report = evaluate(&mut classifier, &subject, dataset, split, items)?;
    let mut output = Output::stdout(args.json);
    output.object(&report)?;
    for line in text(&report) {
        output.line(line)?;
    }
    Ok(())
}

/// What is evaluated, beside its weights.
struct Subject {
    name: String,
    labels: Vec<String>,
    recipe: Recipe,
    fold: Option<u32>,
    seed: u64,
}

impl Subject {
    /// A session's own recipe; for a model, the data set's, with the model's length and loss.
    fn of(classifier: &Classifier, trained: Option<RunConfig>, dataset: &Dataset) -> Result<Self, CliError> {
        if let Some(RunConfig { session, labels, recipe, fold, seed, .. }) = trained {
            return Ok(Self { name: session, labels, recipe, fold, seed });
        }
        let mut recipe = Recipe::for_dataset(dataset)?;
        (recipe.frames, recipe.loss) = (classifier.frames(), classifier.loss());
        recipe.metric = match recipe.loss {
            Loss::CrossEntropy => Metric::Accuracy,
            Loss::Binary => Metric::MeanAveragePrecision,
        };
        let (name, labels) = (classifier.name().to_owned(), classifier.labels().to_vec());
        Ok(Self { name, labels, recipe, fold: None, seed: 1 })
    }
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
fn with_labels_of(subject: &Subject, mut dataset: Dataset) -> Result<Dataset, CliError> {
    if dataset.classes == subject.labels {
        return Ok(dataset);
    }
    let place = |class: &String| {
        subject.labels.iter().position(|label| label == class).ok_or_else(|| {
            let near = data::nearest(class, subject.labels.iter().map(String::as_str));
            let hint = near.map_or_else(String::new, |near| format!(" (the nearest it knows is \"{near}\")"));
            CliError::Failed(format!(
                "{} has a class \"{class}\" that {} was not trained on{hint}; leave it out, or rename it",
                dataset.name, subject.name
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
    dataset.classes = subject.labels.clone();
    Ok(dataset)
}

/// The clips to evaluate, and what they are called.
fn part(args: &Args, subject: &Subject, dataset: &Dataset) -> Result<(String, Vec<usize>), CliError> {
    if let Some(fold) = args.fold {
        let held_out = dataset.divide(Some(fold), subject.seed)?.val;
        return Ok((format!("fold {fold}"), held_out));
    }
    let fold = if args.data.is_none() { subject.fold } else { None };
    if args.data.is_some() && args.split.is_none() {
        return Ok(("all".to_owned(), (0..dataset.items.len()).collect()));
    }
    let division = dataset.divide(fold, subject.seed)?;
    let split = match args.split {
        Some(Part::Train) => Split::Train,
        Some(Part::Val) => Split::Val,
        Some(Part::Test) => Split::Test,
        None if division.test.is_empty() => Split::Val,
        None => Split::Test,
    };
    let name = match split {
        Split::Train => "train",
        Split::Val => "val",
        Split::Test => "test",
    };
    match division.part(split) {
        [] => {
            Err(CliError::Failed(format!("{} has no clips in its {name} part; choose another --split", dataset.name)))
        }
        items => Ok((name.to_owned(), items.to_vec())),
    }
}

fn evaluate(
    classifier: &mut Classifier,
    subject: &Subject,
    dataset: Dataset,
    split: String,
    items: Vec<usize>,
) -> Result<Report, CliError> {
    let interrupt = Interrupt::watch()?;
    let set = Arc::new(FeatureSet::new(Arc::new(dataset), classifier.front_end(), classifier.frames()));
    let go_on = |_, _| if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    set.prepare(&items, &mut { go_on }).map_err(|error| match error {
        DataError::Cancelled => CliError::Interrupted,
        other => other.into(),
    })?;
    let loader = Loader::evaluation(set, items, &subject.recipe, classifier.normalisation(), BATCH);
    let mut answers = Answers::new(subject.labels.len());
    let (mut loss_sum, mut loss_weight) = (0.0, 0.0);
    for batch in loader.epoch(1, 0) {
        interrupt.check()?;
        let batch = batch?;
        let logits = classifier.logits(&batch.features)?;
        let criterion = Criterion::new(subject.recipe.loss, &batch.targets);
        let (loss, _) = criterion.share(0..batch.features.batch, &logits);
        answers.extend(&logits, &batch.targets);
        loss_sum += f64::from(loss) * criterion.terms();
        loss_weight += criterion.terms();
    }
    Ok(Report {
        session: subject.name.clone(),
        split,
        clips: answers.clips(),
        metric: subject.recipe.metric.name(),
        value: answers.value(subject.recipe.metric),
        loss: if loss_weight > 0.0 { loss_sum / loss_weight } else { 0.0 },
        mean_auc: answers.mean_auc(),
        d_prime: answers.d_prime(),
        per_class: answers.per_class(&subject.labels),
        confusion: answers.confusion().chunks(subject.labels.len().max(1)).map(<[usize]>::to_vec).collect(),
    })
}

fn text(report: &Report) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let mut lines = vec![
        format!(
            "{}, {}: {} {:.4} over {} clips, loss {:.4}",
            report.session, report.split, report.metric, report.value, report.clips, report.loss
        ),
        format!("mean AUC {}, d' {}", number(report.mean_auc), number(report.d_prime)),
        String::new(),
        format!("{:<28}{:>8}{:>10}{:>10}{:>10}", "class", "clips", "recall", "AP", "AUC"),
    ];
    lines.extend(report.per_class.iter().map(|class| {
        let (recall, precision, auc) = (number(class.recall), number(class.average_precision), number(class.auc));
        format!("{:<28}{:>8}{recall:>10}{precision:>10}{auc:>10}", class.label, class.clips)
    }));
    lines
}
