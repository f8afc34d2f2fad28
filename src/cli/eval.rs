//! `aat-tui eval`: how well a trained session does on a part of a data set.

mod calibrate;
mod clips;
mod errors;
mod figures;
mod marks;
mod review;
mod text;
mod thresholds;

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use clips::{choose, with_labels_of};
use figures::evaluate;
use review::how;
use thresholds::Goal;

use super::{
    CliError, Interrupt, Output,
    run_args::{Marks, Place},
};
use crate::{
    data::{self, Corrected, Dataset, FeatureSet, Loss, Metric, Recipe, marks::Options},
    infer::{Classifier, Gains, Mix, Which},
    model::{Precision, Recompute},
    session::{OnNan, RunConfig},
};

/// Evaluate a trained session.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session: its name, its folder, or `last`; or a model that has labels, an exported one or an adapter, with --data.
    session: String,
    /// Another data set with the same classes; without it, the one that the session was trained on. Clips that were
    /// trained on are recognised by their content, in any folder, and reported apart.
    #[arg(long, value_name = "D", env = "AAT_TUI_DATA")]
    data: Option<String>,
    #[command(flatten)]
    marks: Marks,
    /// The clips of this fold.
    #[arg(long, value_name = "K", env = "AAT_TUI_FOLD", conflicts_with = "split")]
    fold: Option<u32>,
    /// The clips of this part; without it test where the data set has one, else val. Of a data set that the session was not
    /// trained on, all clips.
    #[arg(long, env = "AAT_TUI_SPLIT", value_enum)]
    split: Option<Part>,
    /// Which of a session's weights: those of the best epoch (the default; of a lesson those of its last checkpoint), of the
    /// last checkpoint, or the mean of the last epochs'.
    #[arg(long, env = "AAT_TUI_WEIGHTS", value_enum)]
    weights: Option<WeightsArg>,
    /// Multiply adapters' outputs: `3.spatial=0,7.mlp=0.5` (blocks counted from 0), `spatial=0` for every block, a file
    /// of gains, or `saved`: the mixing desk that was saved with the session.
    #[arg(long, value_name = "GAINS", env = "AAT_TUI_GAINS")]
    gains: Option<String>,
    /// Where the arithmetic is done: auto, cpu, cuda, cuda:N, metal.
    #[arg(long, env = "AAT_TUI_DEVICE", default_value = "auto")]
    device: String,
    /// Of recordings with marks: seconds from one window of the scan to the next; 1, or half a window where that is less.
    #[arg(long, value_name = "S", env = "AAT_TUI_HOP")]
    hop: Option<f64>,
    /// Of recordings with marks: seconds by which a detection may be off, beside DCASE's 0.2; half a window if left out.
    #[arg(long, value_name = "S", env = "AAT_TUI_COLLAR")]
    collar: Option<f64>,
    /// Of recordings with marks: draw precision and recall by threshold, for all classes and for each (.svg or .png).
    #[arg(long, value_name = "FILE", env = "AAT_TUI_PLOT")]
    plot: Option<PathBuf>,
    /// Choose for each class the lowest threshold whose detections are right at least so often (0 to 1); without it, of
    /// recordings with marks, the threshold with the best F1.
    #[arg(long, value_name = "P", env = "AAT_TUI_PRECISION")]
    precision: Option<f64>,
    /// How sure that precision must be, by Wilson's bound: few detections show little. 0.5 takes the share as it was seen.
    #[arg(long, value_name = "C", env = "AAT_TUI_CONFIDENCE", default_value_t = 0.95)]
    confidence: f64,
    /// Choose by decisions made on Review (reviewed.jsonl), or by a scan's table (scan.csv, clips.csv) to which a person added
    /// a column `right` with yes and no.
    #[arg(long, value_name = "FILE", env = "AAT_TUI_REVIEWED", requires = "precision", conflicts_with = "data")]
    reviewed: Option<PathBuf>,
    /// Fit a calibration to the session's validation clips and keep it beside the session: from then on eval, classify,
    /// listen, scan and export use it, and print that they do. `--calibrate=off` removes it.
    #[arg(long, env = "AAT_TUI_CALIBRATE", value_enum, num_args = 0..=1, require_equals = true,
          default_missing_value = "fit", conflicts_with = "data")]
    calibrate: Option<Calibrate>,
    /// Write every clip with its label, answer, probabilities and loss, worst first.
    #[arg(long, value_name = "FILE.csv", env = "AAT_TUI_ERRORS")]
    errors: Option<PathBuf>,
    /// Write the chosen thresholds beside the session, where `scan` looks for them.
    #[arg(long, env = "AAT_TUI_SAVE_THRESHOLDS")]
    save_thresholds: bool,
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

/// What is done about a calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Calibrate {
    Fit,
    Off,
}

/// Which weights, as on the command line.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(super) enum WeightsArg {
    #[default]
    Best,
    Last,
    Averaged,
}

impl From<WeightsArg> for Which {
    fn from(weights: WeightsArg) -> Self {
        match weights {
            WeightsArg::Best => Self::Best,
            WeightsArg::Last => Self::Last,
            WeightsArg::Averaged => Self::Averaged,
        }
    }
}

/// Evaluates and prints the result.
///
/// # Errors
/// When session and data do not fit together, or a clip cannot be read.
pub fn run(args: &Args) -> Result<(), CliError> {
    let goal = goal(args)?;
    let store = args.place.store();
    let (calibrated, (mut classifier, folder)) = match store.find(&args.session) {
        Ok(folder) => {
            // One choice for both: a calibration of other weights would not be used.
            let which = args.weights.map_or_else(|| Which::usual(&folder), |weights| Ok(weights.into()))?;
            let calibrated = match args.calibrate {
                Some(what) => calibrate::change(what, &folder, which)?,
                None => Vec::new(),
            };
            (calibrated, (Classifier::of_session(&folder, which, &args.device)?, folder))
        }
        // It may be an exported model or an adapter; the one who opens it reports what it is not.
        Err(_) if args.weights.is_none() && args.calibrate.is_none() => {
            (Vec::new(), (Classifier::open(&args.session, &store, &args.device)?, PathBuf::from(&args.session)))
        }
        Err(error) => return Err(error.into()),
    };
    let (config, known) = match classifier.session() {
        Some((config, _)) => (config.clone(), None),
        None => of_model(args, &classifier).map(|(config, dataset)| (config, Some(dataset)))?,
    };
    if let Some(given) = &args.gains {
        let gains = gains(given, &folder, config.shape.depth)?;
        classifier.set_gains(&gains)?;
    }
    if let Some(file) = &args.reviewed {
        return review::evaluate(args, file, &classifier, &folder, goal);
    }
    let interrupt = Interrupt::watch()?;
    let go_on = |_, _| if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let spec = args.data.clone().unwrap_or_else(|| config.data_spec());
    let dataset = known.map_or_else(|| data::open_with(&spec, &options(args, &config)), Ok)?;
    let dataset = with_labels_of(&config, dataset)?;
    let then = as_trained(&config, &dataset)?;
    let then = then.as_ref().unwrap_or(&dataset);
    let mut chosen = choose(args, &config, &folder, &dataset, then, &mut { go_on })?;
    chosen.notes.splice(0..0, calibrated.into_iter().chain(classifier.notes().iter().cloned()));
    let set = Arc::new(FeatureSet::new(Arc::new(dataset), classifier.front_end(), classifier.frames()));
    if args.plot.is_some() && set.dataset().marks.is_none() {
        return Err(CliError::Usage("--plot draws detections in recordings with marks, and these are clips".into()));
    }
    let judged = if chosen.fresh.is_empty() { chosen.trained.clone() } else { chosen.fresh.clone() };
    let options = marks::ScanOptions { hop_s: args.hop, collar_s: args.collar, goal };
    let (mut report, rows) = evaluate(&mut classifier, &config, &set, chosen, goal, &interrupt)?;
    report.marks = marks::evaluate(&mut classifier, &folder, set.dataset(), &judged, options, &interrupt)?;
    let choices = report.marks.as_ref().map_or(report.chosen.as_slice(), |marks| marks.chosen());
    let mut extra = Vec::new();
    if let Some(path) = &args.errors {
        extra.push(errors::write(path, &rows)?);
    }
    if args.save_thresholds {
        if choices.is_empty() {
            let problem =
                "--save-thresholds of clips needs a --precision; of recordings with marks the best F1 will do";
            return Err(CliError::Usage(problem.to_owned()));
        }
        let how = how(args, goal, &format!("{} of {}", report.split, set.dataset().name));
        extra.extend(thresholds::save(&folder, choices, goal, &how)?.1);
    }
    if let (Some(path), Some(marks)) = (&args.plot, &report.marks) {
        let without = marks.draw(path)?;
        extra.push(format!("drawn: {}", path.display()));
        if without > 0 {
            extra.push(format!("{without} classes found no room in the picture; --json has their curves"));
        }
    }
    report.notes.extend(extra.iter().cloned());
    let mut output = Output::stdout(args.json);
    output.object(&report)?;
    for line in text::lines(&report, goal) {
        output.line(line)?;
    }
    Ok(())
}

/// How thresholds are chosen.
fn goal(args: &Args) -> Result<Goal, CliError> {
    if let Some(precision) = args.precision.filter(|precision| !(*precision > 0.0 && *precision < 1.0)) {
        return Err(CliError::Usage(format!("--precision {precision} is no share; give more than 0 and less than 1")));
    }
    if !(0.5..1.0).contains(&args.confidence) {
        return Err(CliError::Usage(format!("--confidence {} is not from 0.5 to below 1", args.confidence)));
    }
    for (name, seconds) in [("hop", args.hop), ("collar", args.collar)] {
        if seconds.is_some_and(|seconds| !(seconds.is_finite() && seconds >= 0.0)) {
            return Err(CliError::Usage(format!("--{name} is a number of seconds")));
        }
    }
    Ok(Goal { precision: args.precision, confidence: args.confidence })
}

/// How marks are read: as this command asks, else, for the session's own data, as when it was trained.
fn options(args: &Args, config: &RunConfig) -> Options {
    let given = args.marks.options();
    let own = if args.data.is_none() && given.is_default() { config.marks.clone() } else { given };
    Options { frames: config.marks().frames, ..own }
}

/// The data set with the labels that it had when the session was trained, if a person corrected some since.
fn as_trained(config: &RunConfig, dataset: &Dataset) -> Result<Option<Dataset>, CliError> {
    let now = dataset.corrections.as_ref().map_or(0, |corrections| corrections.record.lines);
    if config.data.is_empty() || config.corrected() == Corrected::First(now) {
        return Ok(None);
    }
    Ok(Some(dataset.corrected_as(config.corrected())?))
}

/// What a model that is no session is evaluated by: the data set's recipe, with the model's own length and loss; and the
/// data set.
fn of_model(args: &Args, classifier: &Classifier) -> Result<(RunConfig, Dataset), CliError> {
    let Some(data) = &args.data else {
        let problem = format!("{} is a model and not a session: name a data set with --data", args.session);
        return Err(CliError::Usage(problem));
    };
    let marks = Options { frames: Some(classifier.frames()), ..args.marks.options() };
    let dataset = data::open_with(data, &marks)?;
    let mut recipe = Recipe::for_dataset(&dataset)?;
    (recipe.frames, recipe.loss) = (classifier.frames(), classifier.loss());
    recipe.metric = match recipe.loss {
        Loss::CrossEntropy => Metric::Accuracy,
        Loss::Binary => Metric::MeanAveragePrecision,
    };
    let config = RunConfig {
        session: classifier.name().to_owned(),
        // No data set is known to be the one that it was trained on.
        data: String::new(),
        data_name: dataset.name.clone(),
        dataset: None,
        marks: args.marks.options(),
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
    };
    Ok((config, dataset))
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
