//! An evaluation as a person reads it.

use unicode_width::UnicodeWidthStr;

use super::{
    super::output::column,
    errors,
    figures::{Apart, Report},
    thresholds::{self, Goal},
};
use crate::{digits::rounded, findings::ClassFigures, printable::printable, train::Interval};

/// Cells of the column of class names: as wide as the widest, within these bounds.
const NAMES: (usize, usize) = (28, 48);

/// The lines of a report.
pub(super) fn lines(report: &Report, goal: Goal) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| rounded(value, 4));
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
    let head = ["clips", "recall", "precision", "AP", "AUC"].map(|name| format!("{name:>10}")).concat();
    lines.push(format!("{}{head}   recall, 95 %", column("class", cells)));
    lines.extend(report.per_class.iter().map(|class| {
        let ClassFigures { label, clips, recall, precision, average_precision, auc, .. } = class;
        let values = [*recall, *precision, *average_precision, *auc].map(|value| format!("{:>10}", number(value)));
        let interval = class
            .recall_interval
            .map_or_else(String::new, |Interval { low, high }| format!("   {low:.3} to {high:.3}"));
        format!("{}{clips:>10}{}{interval}", column(label, cells), values.concat())
    }));
    let names: Vec<&str> = report.per_class.iter().map(|class| class.label.as_str()).collect();
    lines.extend(errors::confusion(&names, &report.confusion));
    lines.extend(errors::reliability(&report.reliability));
    lines.extend(errors::worst(&report.worst));
    if !report.chosen.is_empty() {
        lines.push(String::new());
        lines.extend(thresholds::lines(&report.chosen, goal, "these clips"));
    }
    if let Some(marks) = &report.marks {
        lines.extend(marks.text(goal));
    }
    lines
}
