//! Thresholds for `scan`, chosen by class and written beside the session.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::super::{CliError, output::column};
use crate::{
    atomic, limits,
    printable::printable,
    regular,
    scan::{
        Own, THRESHOLDS, Thresholds,
        measure::{Chosen, Scored, best_f1, choose},
    },
};

/// How thresholds are chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    /// The lowest precision; without it, each class gets the threshold with the best F1.
    pub(super) precision: Option<f64>,
    /// How sure one wants to be of it: 0.5 takes the share as it was seen.
    pub(super) confidence: f64,
}

/// What was chosen for one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Choice {
    pub(super) label: String,
    /// None where the precision cannot be reached, or nothing right was detected.
    pub(super) threshold: Option<f32>,
    /// Detections from the threshold on, and how many of them are right; all of them where there is no threshold.
    detected: u64,
    right: u64,
    /// Share of what is there that is detected, where that is known.
    recall: Option<f64>,
    /// Lower bound of the precision; the best at any threshold where it cannot be reached.
    bound: Option<f64>,
    /// For people.
    summary: String,
}

/// Chooses for each class from its scored detections and the number of its marks, where that is known.
pub(super) fn choose_all(labels: &[String], by_class: &[(Vec<Scored>, Option<u64>)], goal: Goal) -> Vec<Choice> {
    let one = |(label, (scored, reference)): (&String, &(Vec<Scored>, Option<u64>))| {
        let recall = |right: u64| reference.filter(|all| *all > 0).map(|all| right as f64 / all as f64);
        let right_in_all = scored.iter().filter(|one| one.right).count() as u64;
        let mut choice = Choice {
            label: label.clone(),
            threshold: None,
            detected: scored.len() as u64,
            right: right_in_all,
            recall: None,
            bound: None,
            summary: String::new(),
        };
        match goal.precision {
            None => match best_f1(scored, reference.unwrap_or(right_in_all)) {
                Some((threshold, counts)) => {
                    choice.threshold = Some(rounded(threshold));
                    (choice.detected, choice.right) = (counts.detected, counts.right);
                    choice.recall = recall(counts.right);
                    let f1 = counts.f1().unwrap_or(0.0);
                    choice.summary = format!("best F1 {f1:.4}, precision {:.4}", counts.precision());
                }
                None => choice.summary = "nothing right was detected; the threshold stays as it is".to_owned(),
            },
            Some(precision) => match choose(scored, precision, quantile(goal.confidence)) {
                Chosen::Reached { threshold, detected, right, bound } => {
                    choice.threshold = Some(rounded(threshold));
                    (choice.detected, choice.right) = (detected, right);
                    choice.recall = recall(right);
                    choice.bound = Some(bound);
                    choice.summary = format!("{right} of {detected} right, so at least {bound:.3}");
                }
                Chosen::CannotBeReached { share, bound, detected } => {
                    choice.bound = Some(bound);
                    choice.summary = if detected == 0 {
                        "cannot be reached: nothing was detected".to_owned()
                    } else if share >= precision {
                        format!(
                            "cannot be reached: {share:.3} was seen, but {detected} detections show {bound:.3} at most; \
                             look at more, or lower --confidence"
                        )
                    } else {
                        format!("cannot be reached: the best of any threshold is {share:.3}")
                    };
                }
            },
        }
        choice
    };
    labels.iter().zip(by_class).map(one).collect()
}

/// Four digits, never above what was chosen: the detection that has this very score stays one.
fn rounded(threshold: f32) -> f32 {
    ((f64::from(threshold) * 1e4).floor() / 1e4) as f32
}

/// Standard deviations that leave so much of a normal distribution below: found by halving, which is exact enough for a bound.
fn quantile(confidence: f64) -> f64 {
    crate::train::normal_quantile(confidence).max(0.0)
}

/// The lines of a table of choices.
pub(super) fn lines(choices: &[Choice], goal: Goal, of: &str) -> Vec<String> {
    let head = match goal.precision {
        Some(precision) if goal.confidence > 0.5 => {
            format!("thresholds for a precision of {precision}, {:.0} % sure, by {of}:", 100.0 * goal.confidence)
        }
        Some(precision) => format!("thresholds for a precision of {precision}, by {of}:"),
        None => format!("thresholds with the best F1, by {of}:"),
    };
    let row = |choice: &Choice| {
        let threshold = choice.threshold.map_or("-".to_owned(), |threshold| format!("{threshold:.4}"));
        let recall = choice.recall.map_or("-".to_owned(), |recall| format!("{recall:.4}"));
        format!("{}{threshold:>10}{recall:>10}  {}", column(&choice.label, 28), choice.summary)
    };
    let names = format!("{}{:>10}{:>10}", column("class", 28), "threshold", "recall");
    [head, names].into_iter().chain(choices.iter().map(row)).collect()
}

/// Writes the thresholds for `scan`: an existing file is kept under another name. Returns what to print about it.
pub(super) fn save(
    folder: &Path,
    choices: &[Choice],
    goal: Goal,
    how: &str,
) -> Result<(PathBuf, Vec<String>), CliError> {
    let path = folder.join(THRESHOLDS);
    let failed = |error: &dyn std::fmt::Display| CliError::Failed(format!("{}: {error}", path.display()));
    let mut lines = Vec::new();
    let before = Thresholds::of_session(folder).map_err(|error| failed(&error))?.map(|(_, before)| before);
    let mut thresholds = before.clone().unwrap_or_default();
    for choice in choices {
        let own = thresholds.classes.remove(&choice.label).unwrap_or_default();
        let own = match (choice.threshold, goal.precision) {
            (Some(threshold), precision) => {
                let low = own.low.filter(|low| *low <= threshold);
                Own { threshold: Some(threshold), low, precision, cannot_be_reached: false }
            }
            (None, Some(precision)) => {
                Own { threshold: None, low: own.low, precision: Some(precision), cannot_be_reached: true }
            }
            // Nothing was learned of this class.
            (None, None) => own,
        };
        if own != Own::default() {
            thresholds.classes.insert(choice.label.clone(), own);
        }
    }
    if before.as_ref().is_some_and(|before| *before != thresholds) {
        let kept = folder.join(format!("{THRESHOLDS}.before"));
        let old = regular::read_up_to(&path, limits::SETTINGS).map_err(|error| failed(&error))?;
        atomic::write(&kept, |file| io::Write::write_all(file, &old)).map_err(|error| failed(&error))?;
        lines.push(format!("the thresholds that were there are kept as {}", kept.display()));
    }
    let text = toml::to_string(&thresholds).map_err(|error| failed(&error))?;
    let comment: String = how.lines().map(|line| format!("# {}\n", printable(line))).collect();
    atomic::write(&path, |file| {
        use std::io::Write;
        file.write_all(comment.as_bytes())?;
        file.write_all(text.as_bytes())
    })
    .map_err(|error: std::io::Error| failed(&error))?;
    lines.push(format!("written for scan: {}", path.display()));
    Ok((path, lines))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn scored(rights: &[(f32, bool)]) -> Vec<Scored> {
        rights.iter().map(|&(score, right)| Scored { score, right }).collect()
    }

    #[test]
    fn thresholds_are_chosen_written_and_read_by_scan_and_the_old_ones_kept() {
        let folder = tempfile::tempdir().unwrap();
        let labels = ["wren", "rain", "owl"].map(str::to_owned).to_vec();
        let by_class = [
            (scored(&[(0.91239, true), (0.8, true), (0.5, false)]), Some(4)),
            (scored(&[(0.9, false), (0.8, true)]), Some(2)),
            (Vec::new(), Some(1)),
        ];
        let goal = Goal { precision: Some(0.9), confidence: 0.5 };
        let choices = choose_all(&labels, &by_class, goal);
        let chosen: Vec<_> = choices.iter().map(|choice| (choice.threshold, choice.recall)).collect();
        assert_eq!(chosen, [(Some(0.8), Some(0.5)), (None, None), (None, None)]);
        let text = lines(&choices, goal, "marks").join("\n");
        assert!(text.contains("cannot be reached: the best of any threshold is 0.500"), "{text}");
        assert!(text.contains("cannot be reached: nothing was detected"), "{text}");
        // Two of two would do as a share, and show too little.
        let sure = choose_all(&labels, &by_class, Goal { precision: Some(0.9), confidence: 0.95 });
        assert!(sure[0].threshold.is_none() && sure[0].summary.contains("1.000 was seen"), "{:?}", sure[0]);

        let (path, _) = save(folder.path(), &choices, goal, "by a test\non marks").unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with("# by a test\n# on marks\n"));
        let rules = Thresholds::read(&path).unwrap().rules(&labels).unwrap();
        assert_eq!(
            rules.iter().map(|rule| rule.map(|rule| rule.threshold)).collect::<Vec<_>>(),
            [Some(0.8), None, None]
        );
        let best = Goal { precision: None, confidence: 0.95 };
        let choices = choose_all(&labels, &by_class, best);
        assert_eq!(choices[0].threshold, Some(0.8));
        let (_, lines) = save(folder.path(), &choices, best, "again").unwrap();
        assert!(lines[0].contains("kept as"), "{lines:?}");
        let kept = Thresholds::read(&folder.path().join("thresholds.toml.before")).unwrap();
        assert_eq!(kept.classes["wren"].precision, Some(0.9));
        // A class of which nothing was learned keeps the comment in its file.
        assert!(Thresholds::read(&path).unwrap().classes["owl"].cannot_be_reached);
    }
}
