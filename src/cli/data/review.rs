//! `aat-tui data review`: how many labels a person has to give, by the way clips are chosen; nobody is asked.

use serde::Serialize;

use super::{
    super::{CliError, Output},
    embed_args::EmbedArgs,
};
use crate::{
    data::{Dataset, Label},
    findings::{Penalty, Point, Pool, Strategy, simulate},
    random::KeyedRng,
    train::Embeddings,
};

/// Flags of `data review`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    embed: EmbedArgs,
    /// The fold that judges [default: the lowest; of official parts, test].
    #[arg(long, value_name = "K", env = "AAT_TUI_FOLD")]
    fold: Option<u32>,
    /// Judge by a fifth of the clips at random, whatever folds and parts there are: the same speakers and places.
    #[arg(long, env = "AAT_TUI_MIXED", conflicts_with = "fold")]
    mixed: bool,
    /// Labels that are asked for in a round.
    #[arg(long, value_name = "N", env = "AAT_TUI_ROUND", default_value_t = 10)]
    round: usize,
    /// Labels in all.
    #[arg(long, value_name = "N", env = "AAT_TUI_LABELS", default_value_t = 160)]
    labels: usize,
    /// Runs of each strategy, with seeds from 1 on.
    #[arg(long, value_name = "N", env = "AAT_TUI_SEEDS", default_value_t = 5)]
    seeds: u64,
    /// One JSON object for each strategy, then a summary.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    strategy: &'static str,
    points: &'a [Point],
}

#[derive(Serialize)]
struct Summary<'a> {
    summary: bool,
    data: &'a str,
    model: &'a str,
    pool: usize,
    test: usize,
    judged_by: &'a str,
    seeds: u64,
    notes: &'a [String],
}

/// Simulates and prints.
///
/// # Errors
/// When clips do not have exactly one class, or data and model do not fit together.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    if args.round == 0 || args.seeds == 0 {
        return Err(CliError::Usage("--round and --seeds are at least 1".to_owned()));
    }
    let embeddings = args.embed.embed(args.fold)?;
    let dataset = &embeddings.dataset;
    if dataset.is_multi_label() {
        let problem = "clips have several labels; this measure needs exactly one for each";
        return Err(CliError::Failed(format!("{}: {problem}", args.embed.data)));
    }
    let (test, judged_by) = judges(args, dataset, &embeddings)?;
    let is_test = |row: &usize| test.binary_search(row).is_ok();
    let is_known = |row: &usize| matches!(dataset.items[embeddings.items[*row]].label, Label::One(_));
    let rest: Vec<usize> = (0..embeddings.items.len()).filter(|row| !is_test(row) && is_known(row)).collect();
    let test = test.iter().copied().filter(is_known).collect();
    let pool = Pool { pool: rest, test, round: args.round, most: args.labels };
    let mut output = Output::stdout(args.json);
    output.line(format!(
        "{}: {} clips to ask about, judged by {} of {judged_by}; a head on {}, mean of {} seeds",
        dataset.name,
        pool.pool.len(),
        pool.test.len(),
        args.embed.model,
        args.seeds
    ))?;
    let notes = args.embed.notes(&embeddings);
    notes.iter().try_for_each(|note| output.line(note))?;
    let curves: Vec<_> = Strategy::ALL
        .into_iter()
        .map(|strategy| simulate(&embeddings, &pool, strategy, args.seeds, Penalty::default()))
        .collect();
    let heads: String = curves.iter().map(|curve| format!("{:>18}", curve.strategy.name())).collect();
    output.line(format!("{:>8}{heads}", "labels"))?;
    for round in 0..curves.first().map_or(0, |curve| curve.points.len()) {
        let cells: String = curves
            .iter()
            .filter_map(|curve| curve.points.get(round))
            .map(|point| format!("{:>10.3} ± {:.3}", point.accuracy, point.deviation))
            .collect();
        let labels = curves[0].points[round].labels;
        output.line(format!("{labels:>8}{cells}"))?;
    }
    for curve in &curves {
        output.object(&Row { strategy: curve.strategy.name(), points: &curve.points })?;
    }
    output.object(&Summary {
        summary: true,
        data: &args.embed.data,
        model: &args.embed.model,
        pool: pool.pool.len(),
        test: pool.test.len(),
        judged_by: &judged_by,
        seeds: args.seeds,
        notes: &notes,
    })
}

/// Rows that judge, ascending, and what they are.
fn judges(args: &Args, dataset: &Dataset, embeddings: &Embeddings) -> Result<(Vec<usize>, String), CliError> {
    if args.mixed {
        let mut rows: Vec<usize> = (0..embeddings.items.len()).collect();
        KeyedRng::new(1, "clips that judge a review", 0, 0).shuffle(&mut rows);
        rows.truncate(rows.len() / 5);
        rows.sort_unstable();
        return Ok((rows, "a fifth of the clips at random".to_owned()));
    }
    let fold = args.fold.or_else(|| dataset.folds().first().copied());
    let division = dataset.divide(fold, 1)?;
    let (items, name) = match (fold, division.test.is_empty()) {
        (Some(fold), _) => (division.val, format!("fold {fold}")),
        (None, false) => (division.test, "the test part".to_owned()),
        (None, true) => (division.val, "the validation part".to_owned()),
    };
    let row = |item: &usize| embeddings.items.binary_search(item).ok();
    Ok((items.iter().filter_map(row).collect(), name))
}
