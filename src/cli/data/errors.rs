//! `aat-tui data errors`: labels that are likely wrong, clips that are nearly the same, clips unlike all others.

use serde::Serialize;

use super::{
    super::{CliError, Output, output::column},
    bar,
    embed_args::EmbedArgs,
};
use crate::{
    data::{Decision, Item},
    digits::{counted, thousands},
    findings::{self, FOLDS, LabelErrors, Penalty, Suspect},
    train::Embeddings,
};

/// The cosine from which on two clips are nearly the same.
const SAME: f32 = 0.98;
/// Pairs and outliers that are printed; --json has all.
const LISTED: usize = 10;

/// Flags of `data errors`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    embed: EmbedArgs,
    /// Labels to print, most likely wrong first; --json prints all.
    #[arg(long, value_name = "N", env = "AAT_TUI_TOP", default_value_t = 40)]
    top: usize,
    /// Seed of the parts that clips are answered in.
    #[arg(long, env = "AAT_TUI_SEED", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object per line instead of text: one for each clip, most likely wrong first.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    /// Its file; for a sound without one, its name.
    path: String,
    clip: &'a str,
    label: String,
    proposed: String,
    /// The probability of the label, and of what is proposed, by a model that was trained without the clip.
    self_confidence: f32,
    of_proposed: f32,
    /// Whether the confident joint counts the label as wrong.
    likely: bool,
    /// What a person decided about it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<&'a Decision>,
}

#[derive(Serialize)]
struct Same<'a> {
    near_duplicate: [&'a str; 2],
    labels: [String; 2],
    similarity: f32,
}

#[derive(Serialize)]
struct Outlier<'a> {
    outlier: &'a str,
    label: String,
    /// The mean cosine to its five nearest clips.
    similarity: f32,
}

#[derive(Serialize)]
struct Summary<'a> {
    summary: bool,
    data: &'a str,
    model: &'a str,
    clips: usize,
    /// Labels that are likely wrong, without those that a person decided about.
    likely: usize,
    /// Share of labels that the model agrees with.
    agreement: f64,
    near_duplicates: usize,
    outliers: usize,
    unreadable: usize,
    notes: &'a [String],
}

/// Ranks the labels and prints them.
///
/// # Errors
/// When data and model do not fit together.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let embeddings = args.embed.embed(None)?;
    let mut progress = bar("answering")?;
    let found = findings::label_errors(&embeddings, Penalty::default(), args.seed, &mut progress)
        .ok_or(CliError::Interrupted)?;
    let near = findings::neighbours(&embeddings.vectors, embeddings.width, SAME);
    let notes = notes(args, &embeddings, &found, near.left_out);

    let (dataset, mut output) = (&embeddings.dataset, Output::stdout(args.json));
    let item = |row: usize| &dataset.items[embeddings.items[row]];
    output.line(format!(
        "{}: {} answered in {FOLDS} parts, each by a head on {} that was trained without them: {:.3} as labelled",
        dataset.name,
        counted(embeddings.items.len(), "clip"),
        args.embed.model,
        found.agreement
    ))?;
    notes.iter().try_for_each(|note| output.line(note))?;
    let decided = |suspect: &Suspect| {
        dataset.corrections.as_ref().and_then(|corrections| corrections.decided.get(&embeddings.items[suspect.row]))
    };
    let open = found.open(&embeddings);
    let likely = open.iter().filter(|suspect| suspect.likely).count();
    output.line(format!(
        "{} likely wrong (*); the {} to look at first:",
        labels_are(likely),
        args.top.min(open.len())
    ))?;
    output.line(format!(
        "{:>6}   {}{:>7}  {}{:>7}  clip",
        "",
        column("label", 20),
        "p",
        column("proposed", 24),
        "p"
    ))?;
    for (rank, suspect) in open.iter().take(args.top).enumerate() {
        let [label, proposed] = names(suspect, &embeddings);
        output.line(format!(
            "{:>6} {} {}{:>7.3}  {}{:>7.3}  {}",
            rank + 1,
            if suspect.likely { "*" } else { " " },
            column(&label, 20),
            suspect.self_confidence,
            column(&proposed, 24),
            suspect.of_proposed,
            item(suspect.row).id
        ))?;
    }
    for suspect in &found.suspects {
        let [label, proposed] = names(suspect, &embeddings);
        let (item, decided) = (item(suspect.row), decided(suspect));
        let Suspect { self_confidence, of_proposed, likely, .. } = *suspect;
        let (path, clip) = (path_of(item), item.id.as_str());
        output.object(&Row { path, clip, label, proposed, self_confidence, of_proposed, likely, decided })?;
    }
    let label_of = |row: usize| dataset.label_of(item(row));
    if !near.pairs.is_empty() {
        output.line(format!("{} nearly the same (cosine from {SAME}):", counted(near.pairs.len(), "pair")))?;
    }
    for (number, pair) in near.pairs.iter().enumerate() {
        let rows = [pair.a, pair.b];
        let (clips, labels) = (rows.map(|row| item(row).id.as_str()), rows.map(label_of));
        if number < LISTED {
            let labels = if labels[0] == labels[1] { labels[0].clone() } else { labels.join(" and ") };
            output.line(format!("  {:.4}  {}  {}: {labels}", pair.similarity, clips[0], clips[1]))?;
        }
        output.object(&Same { near_duplicate: clips, labels, similarity: pair.similarity })?;
    }
    if !near.outliers.is_empty() {
        output.line(format!("{} unlike all others:", counted(near.outliers.len(), "clip")))?;
    }
    for (number, &(row, similarity)) in near.outliers.iter().enumerate() {
        if number < LISTED {
            output.line(format!("  {similarity:.4}  {}: {}", item(row).id, label_of(row)))?;
        }
        output.object(&Outlier { outlier: &item(row).id, label: label_of(row), similarity })?;
    }
    output.object(&Summary {
        summary: true,
        data: &args.embed.data,
        model: &args.embed.model,
        clips: embeddings.items.len(),
        likely,
        agreement: found.agreement,
        near_duplicates: near.pairs.len(),
        outliers: near.outliers.len(),
        unreadable: embeddings.unreadable.len(),
        notes: &notes,
    })
}

fn labels_are(count: usize) -> String {
    if count == 1 { "1 label is".to_owned() } else { format!("{} labels are", thousands(count)) }
}

/// What the label says, and what is proposed in its place.
fn names(suspect: &Suspect, embeddings: &Embeddings) -> [String; 2] {
    let class = |class: usize| embeddings.dataset.classes.get(class).cloned().unwrap_or_default();
    if !embeddings.dataset.is_multi_label() {
        return [class(suspect.class), class(suspect.proposed)];
    }
    let (yes, no) = (class(suspect.class), format!("not {}", class(suspect.class)));
    if suspect.held { [yes, no] } else { [no, yes] }
}

fn path_of(item: &Item) -> String {
    item.source.path().map_or_else(|| item.id.clone(), |path| path.display().to_string())
}

/// What a person should know of these figures.
fn notes(args: &Args, embeddings: &Embeddings, found: &LabelErrors, left_out: usize) -> Vec<String> {
    let mut notes = args.embed.notes(embeddings);
    if found.by_group {
        notes.push("clips of one source recording were answered together".to_owned());
    }
    let clips = found.suspects.len();
    let unlabelled = embeddings.items.len().saturating_sub(clips);
    if unlabelled > 0 {
        notes.push(format!("{} without a known label are not ranked", counted(unlabelled, "clip")));
    }
    if left_out > 0 {
        notes.push(format!(
            "the last {} were not compared with the others: there are too many",
            counted(left_out, "clip")
        ));
    }
    notes
}
