//! The clips that are answered worst, and which classes are taken for which.

use std::path::Path;

use super::super::{CliError, output::column};
use crate::{
    data::{Dataset, Loss},
    findings::{self, ClipRow, Order, Reliability},
    train::Predictions,
};

/// Clips that are printed; `--errors` writes all.
pub(super) const WORST: usize = 10;
/// Classes up to which the confusion matrix is printed; of more, the most frequent confusions.
const MATRIX: usize = 24;
/// Confusions that are listed where the matrix is not.
const LISTED: usize = 20;

/// Every clip, the highest loss first.
pub(super) fn rows(dataset: &Dataset, items: &[usize], answers: &Predictions, loss: Loss) -> Vec<ClipRow> {
    let found = findings::findings(answers, loss);
    let row = |row: usize| ClipRow::of(&found[row], dataset.items[items[row]].id.clone(), &dataset.classes);
    findings::ordered(&found, Order::Loss, &[]).into_iter().map(row).collect()
}

/// Writes the clips as a table; what to print about it.
pub(super) fn write(path: &Path, rows: &[ClipRow]) -> Result<String, CliError> {
    findings::write_table(path, rows).map_err(|error| CliError::Failed(format!("{}: {error}", path.display())))?;
    let wrong = rows.iter().filter(|row| row.right == Some(false)).count();
    Ok(format!("written: {} ({} clips, {wrong} answered wrongly)", path.display(), rows.len()))
}

/// Which of these classes are taken for which: clips by class held (rows) and class answered (columns).
pub(super) fn confusion(names: &[&str], counts: &[Vec<usize>]) -> Vec<String> {
    let total = |class: usize| counts.get(class).map_or(0, |row| row.iter().sum::<usize>());
    if names.len() > MATRIX {
        let mut confused: Vec<(usize, usize, usize)> = Vec::new();
        for (class, row) in counts.iter().enumerate() {
            let others = row.iter().enumerate().filter(|(answer, count)| *answer != class && **count > 0);
            confused.extend(others.map(|(answer, count)| (*count, class, answer)));
        }
        confused.sort_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let head = format!("most frequent confusions of {} classes (--json has the matrix):", names.len());
        let line = |&(count, class, answer): &(usize, usize, usize)| {
            format!(
                "  {} answered as {}  {count} of {}",
                column(names[class], 28),
                column(names[answer], 28),
                total(class)
            )
        };
        return [String::new(), head].into_iter().chain(confused.iter().take(LISTED).map(line)).collect();
    }
    let cell = |count: usize| if count == 0 { ".".to_owned() } else { count.to_string() };
    let widest = counts.iter().flatten().map(|count| count.to_string().len()).max().unwrap_or(1).max(2) + 1;
    let numbers: String = (1..=names.len()).map(|number| format!("{number:>widest$}")).collect();
    let head = format!("{}{numbers}", column("confusion: label down, answer across", 40));
    let row = |(class, name): (usize, &&str)| {
        let cells = counts.get(class).into_iter().flatten();
        let cells: String = cells.map(|count| format!("{:>widest$}", cell(*count))).collect();
        format!("{:>3} {}{cells}", class + 1, column(name, 36))
    };
    [String::new(), head].into_iter().chain(names.iter().enumerate().map(row)).collect()
}

/// How often probabilities are right.
pub(super) fn reliability(found: &Reliability) -> Vec<String> {
    let bin = |number: usize| {
        let one = &found.bins[number];
        let ends = [number, number + 1].map(|end| end as f64 / found.bins.len() as f64);
        format!("  {:.2} to {:.2}{:>8}{:>10.3}{:>10.3}", ends[0], ends[1], one.count, one.confidence, one.right)
    };
    let filled = (0..found.bins.len()).filter(|number| found.bins[*number].count > 0).map(bin);
    let head = format!("expected calibration error {:.4} over {} bins:", found.ece, found.bins.len());
    let names = format!("  {:<12}{:>8}{:>10}{:>10}", "probability", "count", "mean", "right");
    [String::new(), head, names].into_iter().chain(filled).collect()
}

/// The clips with the highest loss.
pub(super) fn worst(rows: &[ClipRow]) -> Vec<String> {
    let line = |row: &ClipRow| {
        let sign = match row.right {
            Some(true) => "right",
            Some(false) => "wrong",
            None => "-",
        };
        let of_label = row.of_label.map_or("-".to_owned(), |p| format!("{p:.3}"));
        format!(
            "{:>8.3}  {sign:<6}{} {of_label:>6}  answered as {} {:>6.3}  {}",
            row.loss,
            column(&row.label, 20),
            column(&row.answer, 20),
            row.probability,
            row.clip
        )
    };
    let head = "clips with the highest loss (label and answer with their probabilities):".to_owned();
    [String::new(), head].into_iter().chain(rows.iter().map(line)).collect()
}
