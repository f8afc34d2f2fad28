//! Thresholds from a person's review of a scan's detections.

use std::path::Path;

use serde::Serialize;

use super::{
    super::{CliError, Output},
    Args,
    thresholds::{self, Choice, Goal},
};
use crate::{infer::Classifier, scan};

/// What is written above thresholds in their file.
pub(super) fn how(args: &Args, goal: Goal, of: &str) -> String {
    let goal = match goal.precision {
        Some(precision) => format!("a precision of {precision}, confidence {}", goal.confidence),
        None => "the best F1".to_owned(),
    };
    format!("Chosen by `aat-tui eval {}` for {goal},\nby {of}. New weights need new thresholds.", args.session)
}

/// Chooses thresholds from a person's review of a scan's detections.
pub(super) fn evaluate(
    args: &Args,
    file: &Path,
    classifier: &Classifier,
    folder: &Path,
    goal: Goal,
) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct OfReview<'a> {
        session: &'a str,
        reviewed: usize,
        /// Rows without a verdict.
        open: usize,
        /// Decisions about detections by other sessions.
        others: usize,
        chosen: &'a [Choice],
        notes: &'a [String],
    }
    let labels = classifier.labels();
    let found = scan::reviewed(file, labels, classifier.name())?;
    let by_class: Vec<_> = found.by_class.into_iter().map(|scored| (scored, None)).collect();
    let reviewed = by_class.iter().map(|(scored, _)| scored.len()).sum();
    let choices = thresholds::choose_all(labels, &by_class, goal);
    let mut notes = Vec::new();
    if found.open > 0 {
        notes.push(format!("{} rows without a verdict are left out", found.open));
    }
    if found.others > 0 {
        notes.push(format!("{} decisions about detections by other sessions are left out", found.others));
    }
    let of = format!("{reviewed} reviewed detections of {}", file.display());
    if args.save_thresholds {
        notes.extend(thresholds::save(folder, &choices, goal, &how(args, goal, &of))?.1);
    }
    let mut output = Output::stdout(args.json);
    output.object(&OfReview {
        session: classifier.name(),
        reviewed,
        open: found.open,
        others: found.others,
        chosen: &choices,
        notes: &notes,
    })?;
    thresholds::lines(&choices, goal, &of).into_iter().chain(notes).try_for_each(|line| output.line(line))
}
