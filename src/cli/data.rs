//! `aat-tui data`: lists layouts and recipes, checks a data set, measures it, finds likely wrong labels.

mod embed_args;
mod errors;
mod export;
mod review;

use std::{ops::ControlFlow, sync::Arc};

use serde::Serialize;

use super::{CliError, Output, interrupt::Interrupt, run_args::Marks};
use crate::{
    audio::FrontEnd,
    data::{self, Dataset, FeatureSet, FileCount, Problem, Recipe, Severity, marks},
    digits::{counted, thousands},
    dumb::draws_bars,
};

/// List, check, measure or correct data sets.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the layouts that are recognised and the recipes that are built in.
    List {
        /// Print JSON instead of text.
        #[arg(long, env = "AAT_TUI_JSON")]
        json: bool,
    },
    /// List everything that is wrong with a data set; exit code 1 when training would be refused, or its
    /// result worth nothing.
    Check {
        /// A folder, a CSV manifest, or `demo`.
        #[arg(value_name = "DATA")]
        data: String,
        #[command(flatten)]
        marks: Marks,
        /// One JSON object for each problem, then a summary.
        #[arg(long, env = "AAT_TUI_JSON")]
        json: bool,
    },
    /// Rank labels by how likely they are wrong; also print clips that are nearly the same, and clips unlike all others.
    Errors(errors::Args),
    /// Write the labels with a person's corrections as a manifest; the data set's own files are never changed.
    Export(export::Args),
    /// Measure how many labels a review needs: labels are hidden and asked for a few at a time, by several strategies. Clips
    /// need exactly one class.
    Review(review::Args),
    /// Print clips of each class, the split, and mean and standard deviation of the features.
    Stats {
        /// A folder, a CSV manifest, or `demo`.
        #[arg(value_name = "DATA")]
        data: String,
        #[command(flatten)]
        marks: Marks,
        /// The fold held out; the statistics are those of the other folds.
        #[arg(long, env = "AAT_TUI_FOLD")]
        fold: Option<u32>,
        /// Seed of the split, where the data set has none of its own.
        #[arg(long, env = "AAT_TUI_SEED", default_value_t = 1)]
        seed: u64,
        /// Frames of 10 ms that a clip is cut to [default: the recipe's].
        #[arg(long, env = "AAT_TUI_FRAMES")]
        frames: Option<usize>,
        /// Print JSON instead of text.
        #[arg(long, env = "AAT_TUI_JSON")]
        json: bool,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// When the data set cannot be read or, for `check`, when it has an error.
pub fn run(args: Args) -> Result<(), CliError> {
    match args.command {
        Command::List { json } => list(Output::stdout(json)),
        Command::Check { data, marks, json } => check(&data, &marks.options(), Output::stdout(json)),
        Command::Errors(args) => errors::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Review(args) => review::run(&args),
        Command::Stats { data, marks, fold, seed, frames, json } => {
            let options = marks::Options { frames, ..marks.options() };
            stats(&data, &options, fold, seed, frames, Output::stdout(json))
        }
    }
}

fn list(mut output: Output) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Entry<'a> {
        kind: &'a str,
        name: &'a str,
        about: &'a str,
    }
    output.line("data sets that --data takes:")?;
    let demo = ("demo", "sounds synthesised by the program: no file, no network");
    let layouts = data::LAYOUTS.iter().map(|layout| (layout.name, layout.about));
    for (name, about) in [demo].into_iter().chain(layouts) {
        output.line(format!("  {name:<16} {about}"))?;
        output.object(&Entry { kind: "layout", name, about })?;
    }
    output.line("recipes that --recipe takes, beside a TOML file of your own:")?;
    for name in Recipe::names() {
        let recipe = Recipe::named(name)?;
        let length =
            if recipe.frames == 0 { "as long as the clips".into() } else { format!("{} frames", recipe.frames) };
        let about = format!("{length}, batch {}, {} epochs, {}", recipe.batch, recipe.epochs, recipe.metric.name());
        output.line(format!("  {name:<20} {about}"))?;
        output.object(&Entry { kind: "recipe", name, about: &about })?;
    }
    Ok(())
}

/// A progress bar on a terminal's standard error, nothing elsewhere; Ctrl-C cancels.
fn bar(what: &'static str) -> Result<impl FnMut(usize, usize) -> ControlFlow<()>, CliError> {
    let interrupt = Interrupt::watch()?;
    let style = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    let bar = indicatif::ProgressBar::new(0).with_message(what);
    if !draws_bars() {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    if let Ok(style) = style {
        bar.set_style(style);
    }
    Ok(move |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        if done == total {
            bar.finish_and_clear();
        }
        if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

/// A remark on a data set, as JSON.
#[derive(Serialize)]
struct Note<'a> {
    note: &'a str,
}

/// A class of marks in recordings.
#[derive(Serialize)]
struct MarkedClass<'a> {
    marked_class: &'a str,
    marks: usize,
    /// Seconds in which it sounds, overlaps counted once.
    seconds: f64,
}

/// What marks come to, as JSON.
#[derive(Serialize)]
struct MarksSummary {
    tables: usize,
    recordings: usize,
    hours: f64,
    /// Recordings that were marked in full.
    complete: usize,
    window_s: f64,
    /// Windows with marks, those of background, and those of which a class is masked.
    windows: usize,
    background: usize,
    masked: usize,
    /// Background windows that are not used, since there are enough.
    spare: usize,
    /// What is left out: rows without a label, marks outside of their recordings; and marks cut at a recording's end.
    unlabelled: usize,
    outside: usize,
    beyond: usize,
    /// Rows that a machine made, taken as truth.
    trusted: usize,
}

impl MarksSummary {
    fn of(dataset: &Dataset) -> Option<Self> {
        let marked = dataset.marks.as_ref()?;
        Some(Self {
            tables: marked.tables,
            recordings: marked.recordings.len(),
            hours: marked.hours(),
            complete: marked.complete(),
            window_s: marked.frames as f64 / 100.0,
            windows: marked.with_events,
            background: marked.background,
            masked: marked.masked,
            spare: marked.spare,
            unlabelled: marked.unlabelled,
            outside: marked.outside,
            beyond: marked.beyond,
            trusted: marked.trusted,
        })
    }
}

/// Prints how often and how long each class of a data set of marks sounds.
fn seconds_by_class(dataset: &Dataset, output: &mut Output) -> Result<(), CliError> {
    let Some(marked) = &dataset.marks else { return Ok(()) };
    output.line(format!("{:>9}{:>12}  class", "marks", "seconds"))?;
    for (class, (marks, seconds)) in dataset.classes.iter().zip(marked.by_class(dataset.classes.len())) {
        output.line(format!("{:>9}{seconds:>12.2}  {class}", thousands(marks)))?;
        output.object(&MarkedClass { marked_class: class, marks, seconds })?;
    }
    Ok(())
}

fn check(spec: &str, options: &marks::Options, mut output: Output) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Summary<'a> {
        summary: bool,
        data: &'a str,
        layout: &'a str,
        classes: usize,
        clips: usize,
        seconds: f64,
        errors: usize,
        warnings: usize,
        notes: usize,
        /// Files found and files used.
        #[serde(skip_serializing_if = "Option::is_none")]
        found: Option<&'a FileCount>,
        #[serde(skip_serializing_if = "Option::is_none")]
        found_line: Option<String>,
        /// Of recordings with tables of marks.
        #[serde(skip_serializing_if = "Option::is_none")]
        marks: Option<MarksSummary>,
    }
    let report = data::check_with(spec, options, &mut bar("decoding")?)?;
    for problem in &report.problems {
        let Problem { severity, .. } = problem;
        let word = match severity {
            Severity::Error => "error  ",
            Severity::Warning => "warning",
            Severity::Note => "note   ",
        };
        output.line(format!("{word} {problem}"))?;
        output.object(problem)?;
    }
    for note in &report.dataset.notes {
        output.line(format!("note    {note}"))?;
        output.object(&Note { note })?;
    }
    let (errors, warnings) = (report.errors(), report.count(Severity::Warning));
    let notes = report.count(Severity::Note) + report.dataset.notes.len();
    seconds_by_class(&report.dataset, &mut output)?;
    let found = Some(&report.dataset.found).filter(|found| found.files > 0);
    let (classes, clips, listed) = (report.dataset.classes.len(), report.clips, report.dataset.items.len());
    // "All used" is true of the list; of clips that cannot be read the summary says how many can.
    if let Some(found) = found.filter(|found| clips == listed || !found.left_out.is_empty()) {
        output.line(found.to_string())?;
    }
    let of = if clips < listed { format!("of {} ", thousands(listed)) } else { String::new() };
    output.line(format!(
        "{}: {} layout, {} {}, {} {of}clips that can be used, {}; {}, {}",
        report.dataset.name,
        report.dataset.layout,
        thousands(classes),
        if classes == 1 { "class" } else { "classes" },
        thousands(clips),
        minutes(report.seconds),
        counted(errors, "error"),
        counted(warnings, "warning"),
    ))?;
    let (layout, seconds) = (report.dataset.layout, report.seconds);
    let found_line = found.map(FileCount::to_string);
    output.object(&Summary {
        summary: true,
        data: spec,
        layout,
        classes,
        clips,
        seconds,
        errors,
        warnings,
        notes,
        found,
        found_line,
        marks: MarksSummary::of(&report.dataset),
    })?;
    match errors {
        0 => Ok(()),
        1 => Err(CliError::Failed(format!("{spec} has one error: {MEANING}"))),
        _ => Err(CliError::Failed(format!("{spec} has {errors} errors: {MEANING}"))),
    }
}

/// What an error of a check means.
const MEANING: &str = "training on it is refused, or its result is worth nothing";

fn minutes(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.1} s of sound") } else { format!("{:.1} min of sound", seconds / 60.0) }
}

fn stats(
    spec: &str,
    options: &marks::Options,
    fold: Option<u32>,
    seed: u64,
    frames: Option<usize>,
    mut output: Output,
) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Class<'a> {
        name: &'a str,
        clips: usize,
    }
    #[derive(Serialize)]
    struct Report<'a> {
        data: &'a str,
        layout: &'a str,
        recipe: &'a str,
        clips: usize,
        train: usize,
        val: usize,
        test: usize,
        folds: Vec<u32>,
        frames: usize,
        mean: f32,
        std: f32,
        classes: Vec<Class<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        marks: Option<MarksSummary>,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        notes: &'a [String],
    }
    let dataset: Arc<Dataset> = Arc::new(data::open_with(spec, options)?);
    let recipe = Recipe::for_dataset(&dataset)?;
    let division = dataset.divide(fold, seed)?;
    let frames = frames.unwrap_or(recipe.frames);
    let set = FeatureSet::new(Arc::clone(&dataset), FrontEnd::Kaldi, frames);
    set.prepare(&division.train, &mut bar("measuring")?)?;
    let normalisation = set.statistics(&division.train)?;

    let counts = dataset.counts();
    output.line(format!("{}: {} layout, recipe {}", dataset.name, dataset.layout, recipe.name))?;
    for note in &dataset.notes {
        output.line(note)?;
    }
    seconds_by_class(&dataset, &mut output)?;
    if dataset.marks.is_some() {
        output.line("windows that hold each class:")?;
    }
    for (class, clips) in dataset.classes.iter().zip(&counts) {
        output.line(format!("  {clips:>7}  {class}"))?;
    }
    let folds = dataset.folds();
    if !folds.is_empty() {
        let held_out = fold.or(folds.first().copied()).unwrap_or_default();
        output.line(format!("folds {folds:?}, {held_out} held out"))?;
    }
    let (train, val, test) = (division.train.len(), division.val.len(), division.test.len());
    output.line(format!("{train} clips train, {val} validate, {test} test"))?;
    output.line(format!(
        "mean {:.7}, std {:.7} over the training clips' first {frames} frames, padding left out",
        normalisation.mean, normalisation.std
    ))?;
    output.object(&Report {
        data: spec,
        layout: dataset.layout,
        recipe: &recipe.name,
        clips: dataset.items.len(),
        train,
        val,
        test,
        folds,
        frames,
        mean: normalisation.mean,
        std: normalisation.std,
        classes: dataset.classes.iter().zip(&counts).map(|(name, &clips)| Class { name, clips }).collect(),
        marks: MarksSummary::of(&dataset),
        notes: &dataset.notes,
    })
}
