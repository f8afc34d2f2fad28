//! `aat-tui sessions`: lists, shows, exports, annotates and removes sessions.

use std::path::PathBuf;

use serde::Serialize;

use super::{CliError, Output, comparison_report as report, file, run_args::Place};
use crate::{
    clock, comparison,
    digits::thousands,
    model::Method,
    plot::{self, ChartView, Run, Side},
    session::{self, Best, EpochRecord, LogReader, Notes, NotesChange, RunConfig, SessionInfo, Status, Store, Summary},
};

/// List, show, export, annotate or remove sessions.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Place,
    /// Print JSON instead of text.
    #[arg(long, global = true, env = "AAT_TUI_JSON")]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List every session, the newest first, except archived ones.
    List {
        /// List archived sessions too.
        #[arg(long)]
        archived: bool,
        /// List only sessions with this tag; given several times, with all of them.
        #[arg(long = "tag", value_name = "TAG")]
        tags: Vec<String>,
    },
    /// Show one session: its configuration and results.
    Show {
        /// Its name, its folder, or `last`.
        session: String,
    },
    /// Write a session's epochs as a table (.csv), all of it (.json), or its curves (.svg, .png); of several sessions,
    /// their results over folds, as a table (.csv) or a figure (.svg, .png). Sessions that differ only in their fold
    /// share a row; any other difference (method, backbone, recipe, seed, ...) makes a separate row.
    Export {
        /// Their names, their folders, or `last`.
        // Not `sessions`: that is the folder's flag.
        #[arg(required = true, value_name = "SESSION")]
        which: Vec<String>,
        /// The file; its extension decides the format.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Show a session's notes, or change them: a text, tags, and whether lists leave the session out.
    Note {
        /// Its name, its folder, or `last`.
        session: String,
        /// The new text; an empty one removes it.
        #[arg(long, value_name = "TEXT")]
        text: Option<String>,
        /// Add a tag: one word.
        #[arg(long, value_name = "TAG")]
        tag: Vec<String>,
        /// Remove a tag.
        #[arg(long, value_name = "TAG")]
        untag: Vec<String>,
        /// Leave the session out of lists; nothing is moved or deleted.
        #[arg(long, conflicts_with = "restore")]
        archive: bool,
        /// List the session again.
        #[arg(long)]
        restore: bool,
    },
    /// Delete a session with its checkpoints.
    Remove {
        /// Its name, its folder, or `last`.
        session: String,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// When there is no such session, or it cannot be read or written.
pub fn run(args: &Args) -> Result<(), CliError> {
    let store = args.place.store();
    let mut output = Output::stdout(args.json);
    match &args.action {
        Action::List { archived, tags } => list(&store, *archived, tags, &mut output),
        Action::Show { session } => show(&store.describe(&store.find(session)?)?, &mut output),
        Action::Export { which, to } => {
            match which.as_slice() {
                [session] => export(&store.find(session)?, to)?,
                several => compare(several, &store, to)?,
            }
            output.line(format!("written: {}", to.display()))
        }
        Action::Note { session, text, tag, untag, archive, restore } => {
            let change = NotesChange {
                note: text.clone(),
                add: tag.clone(),
                remove: untag.clone(),
                archived: archive.then_some(true).or(restore.then_some(false)),
            };
            note(&store.find(session)?, &change, &mut output)
        }
        Action::Remove { session } => {
            let folder = store.find(session)?;
            let left = store.remove(&folder)?;
            output.object(&serde_json::json!({ "removed": folder, "left": left }))?;
            if left.is_empty() {
                return output.line(format!("removed: {}", folder.display()));
            }
            output.line(format!(
                "removed: the session in {}; the folder stays, because these are not its own:",
                folder.display()
            ))?;
            left.iter().try_for_each(|path| output.line(format!("  {}", path.display())))
        }
    }
}

fn list(store: &Store, archived: bool, tags: &[String], output: &mut Output) -> Result<(), CliError> {
    let (sessions, unreadable) = store.list_all()?;
    let tagged = |info: &&SessionInfo| tags.iter().all(|tag| info.notes.tags.contains(tag));
    let (shown, hidden): (Vec<_>, Vec<_>) =
        sessions.iter().filter(tagged).partition(|info| archived || !info.notes.archived);
    for info in &shown {
        output.object(&Row::of(info))?;
        output.line(line(info))?;
        if let Some(problem) = &info.notes_problem {
            output.object(&serde_json::json!({ "unreadable": problem }))?;
            output.line(format!("notes not listed: {problem}"))?;
        }
    }
    for error in &unreadable {
        output.object(&serde_json::json!({ "unreadable": error.to_string() }))?;
        output.line(format!("not listed: {error}"))?;
    }
    if !hidden.is_empty() {
        output.object(&serde_json::json!({ "archived": hidden.len() }))?;
        output.line(format!("{} archived, not listed: --archived lists them too", hidden.len()))?;
    } else if sessions.is_empty() && unreadable.is_empty() {
        output.line(format!("no sessions in {} yet: aat-tui train makes one", store.root().display()))?;
    } else if shown.is_empty() && !tags.is_empty() {
        output.line(format!("no session has {}", tags.join(" and ")))?;
    }
    Ok(())
}

/// Changes a session's notes and prints them.
fn note(folder: &std::path::Path, change: &NotesChange, output: &mut Output) -> Result<(), CliError> {
    let mut notes = Notes::load(folder)?;
    if *change != NotesChange::default() {
        notes = notes.changed(change).map_err(CliError::Usage)?;
        notes.save(folder)?;
    }
    output.object(&notes)?;
    output.line(format!("note: {}", if notes.note.is_empty() { "none" } else { &notes.note }))?;
    let tags = notes.tags.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    output.line(format!("tags: {}", if tags.is_empty() { "none" } else { &tags }))?;
    output.line(if notes.archived { "archived: sessions list --archived lists it" } else { "not archived" })
}

/// A session in a list, as JSON.
#[derive(Serialize)]
struct Row<'a> {
    session: &'a str,
    path: String,
    status: &'static str,
    data: Option<&'a str>,
    model: Option<&'a str>,
    method: Option<Method>,
    fold: Option<u32>,
    step: u64,
    steps: u64,
    epochs: usize,
    metric: Option<&'static str>,
    best: Option<Best>,
    last: Option<Best>,
    changed_ms: u64,
    #[serde(flatten)]
    notes: &'a Notes,
}

impl<'a> Row<'a> {
    fn of(info: &'a SessionInfo) -> Self {
        let config = info.state.config.as_deref();
        Self {
            session: &info.name,
            path: info.path.display().to_string(),
            status: status(info),
            data: config.map(|config| config.data.as_str()),
            model: config.map(|config| config.model.as_str()),
            method: config.map(|config| config.method),
            fold: config.and_then(|config| config.fold),
            step: info.state.step(),
            steps: info.state.total_steps(),
            epochs: info.state.epochs.len(),
            metric: config.map(|config| config.recipe.metric.name()),
            best: info.state.best(),
            last: info.state.last(),
            changed_ms: clock::unix_ms(info.changed),
            notes: &info.notes,
        }
    }
}

fn status(info: &SessionInfo) -> &'static str {
    match &info.state.status {
        _ if info.was_interrupted() => "interrupted",
        Status::New | Status::Preparing(..) => "preparing",
        Status::Running | Status::Evaluating(..) => "running",
        Status::Paused => "paused",
        Status::Stopped => "stopped",
        Status::Failed(_) => "failed",
        Status::Finished => "finished",
    }
}

fn line(info: &SessionInfo) -> String {
    let row = Row::of(info);
    let best = row.best.map_or_else(String::new, |best| {
        format!("{} {:.4} (epoch {})", row.metric.unwrap_or_default(), best.value, best.epoch)
    });
    let planned = info.state.config.as_ref().map_or(0, |config| config.recipe.epochs);
    let tags = info.notes.tags.iter().map(|tag| format!("  #{tag}")).collect::<String>();
    let archived = if info.notes.archived { "  (archived)" } else { "" };
    format!("{:<32}{:<13}{:>4}/{planned:<5}{best}{tags}{archived}", row.session, row.status, row.epochs)
}

/// A whole session but its steps, as JSON.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    config: Option<&'a RunConfig>,
    trainable: usize,
    total: usize,
    epoch_records: Vec<&'a EpochRecord>,
    warnings: &'a [String],
    summary: Option<&'a Summary>,
}

impl<'a> Whole<'a> {
    fn of(info: &'a SessionInfo) -> Self {
        Self {
            row: Row::of(info),
            config: info.state.config.as_deref(),
            trainable: info.state.inventory.trainable,
            total: info.state.inventory.total,
            epoch_records: info.state.epochs.iter().map(|(_, epoch)| epoch).collect(),
            warnings: &info.state.warnings,
            summary: info.state.summary.as_ref(),
        }
    }
}

fn show(info: &SessionInfo, output: &mut Output) -> Result<(), CliError> {
    output.object(&Whole::of(info))?;
    let state = &info.state;
    output.line(format!("{} ({}), {}", info.name, status(info), info.path.display()))?;
    if let Some(config) = &state.config {
        output.line(format!(
            "{} on {}, {}, recipe {}, lr {}, seed {}, {}",
            config.method.title(),
            config.model,
            config.data,
            config.recipe.name,
            config.lr,
            config.seed,
            config.device
        ))?;
        output.line(format!(
            "trains {} of {} parameters; {} clips train, {} validate",
            thousands(state.inventory.trainable),
            thousands(state.inventory.total),
            state.clips.0,
            state.clips.1
        ))?;
        if let Some(data) = config.dataset.as_deref() {
            let at = data.path.as_ref().map_or_else(|| config.data.clone(), |path| path.display().to_string());
            let files = if data.found.files > 0 { format!("; {}", data.found) } else { String::new() };
            output.line(format!("data: {at}, clips {}{files}", data.digest.get(..12).unwrap_or(&data.digest)))?;
        }
        if let Some(pair) = &config.paired_with {
            output.line(format!("paired with {pair}"))?;
        }
    }
    if !info.notes.note.is_empty() {
        output.line(format!("note: {}", info.notes.note))?;
    }
    if !info.notes.tags.is_empty() {
        output.line(format!("tags: {}", info.notes.tags.iter().map(String::as_str).collect::<Vec<_>>().join(", ")))?;
    }
    if let Some(problem) = &info.notes_problem {
        output.line(format!("notes not read: {problem}"))?;
    }
    if let Status::Failed(message) = &state.status {
        output.line(format!("failed: {message}"))?;
    }
    for warning in &state.warnings {
        output.line(format!("warning: {warning}"))?;
    }
    output.line(format!("{:>6}{:>12}{:>12}{:>10}{:>10}", "epoch", "train loss", "val loss", "value", "seconds"))?;
    for (_, epoch) in &state.epochs {
        output.line(format!(
            "{:>6}{:>12.4}{:>12.4}{:>10.4}{:>10.2}",
            epoch.epoch, epoch.train_loss, epoch.val_loss, epoch.value, epoch.seconds
        ))?;
    }
    if let Some(mean) = &state.averaged {
        output.line(format!(
            "averaged over the last {} epochs' weights: val loss {:.4}, value {:.4}",
            mean.epochs, mean.val_loss, mean.value
        ))?;
    }
    Ok(())
}

/// The results of several complete sessions, each configuration over its folds.
fn compare(sessions: &[String], store: &Store, to: &std::path::Path) -> Result<(), CliError> {
    report::check_name(to)?;
    let folders = sessions.iter().map(|given| store.find(given)).collect::<Result<Vec<_>, _>>()?;
    let entries = comparison::groups(comparison::members(folders)?)?;
    report::write(to, &comparison::rows(&entries), &comparison::about(&entries))
}

fn export(folder: &std::path::Path, to: &std::path::Path) -> Result<(), CliError> {
    let extension = to.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "csv" => file::write(to, &file::csv_of(session::load(folder)?.epochs.iter().map(|(_, epoch)| epoch))?),
        "json" => {
            let records = LogReader::new(folder).poll()?;
            file::write(to, &serde_json::to_vec_pretty(&records)?)
        }
        "svg" | "png" => {
            let state = session::load(folder)?;
            let runs = [Run { side: Side::A, state: &state }];
            let view = ChartView::default();
            let charts = [plot::loss(&runs, &view), plot::metric(&runs, &view)];
            plot::export(to, &charts).map_err(|error| CliError::Failed(error.to_string()))
        }
        _ => Err(CliError::Usage(format!("{}: the file's name ends in .csv, .json, .svg or .png", to.display()))),
    }
}
