//! Detections that a person looked at: the decisions made on Review; or a scan's table, or its `clips.csv`, with a column
//! that says which are right.

use std::path::{Path, PathBuf};

use super::{ScanError, measure::Scored};
use crate::{
    data::{self, Decision},
    limits, regular,
};

/// Names of the column with the verdict.
const VERDICT: &[&str] = &["right", "verdict", "correct", "reviewed", "review", "ok"];
const LABEL: &[&str] = &["label", "class", "species"];
const SCORE: &[&str] = &["score", "confidence"];
const YES: &[&str] = &["yes", "y", "true", "1", "right", "correct", "ok", "x", "tp"];
const NO: &[&str] = &["no", "n", "false", "0", "wrong", "incorrect", "fp"];

/// What a table of reviewed detections says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reviewed {
    /// The file.
    pub file: PathBuf,
    /// For each class, in label order, its detections with a verdict.
    pub by_class: Vec<Vec<Scored>>,
    /// Rows without a verdict.
    pub open: usize,
    /// Decisions about detections by other sessions, whose scores say nothing of this one's.
    pub others: usize,
}

/// Reads a table of reviewed detections of a model with these classes; of the decisions made on Review those about
/// detections by the session of this name.
///
/// # Errors
/// When it cannot be read, lacks a column, or a row says what is neither yes nor no, or names another class.
pub fn reviewed(file: &Path, labels: &[String], session: &str) -> Result<Reviewed, ScanError> {
    let text = regular::text_up_to(file, limits::TABLE).map_err(ScanError::io(file))?;
    if data::holds_reviews(&text) {
        return decided(file, labels, session);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let refused = |problem: String| ScanError::Request(format!("{}: {problem}", file.display()));
    let first = text.lines().next().unwrap_or_default();
    // A spreadsheet saves with semicolons where the comma is the decimal sign.
    let separator = [b',', b';', b'\t'].into_iter().max_by_key(|&s| first.bytes().filter(|&b| b == s).count());
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .delimiter(separator.unwrap_or(b','))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let names: Vec<String> =
        reader.headers().map_err(|error| refused(error.to_string()))?.iter().map(str::to_lowercase).collect();
    let column = |what: &str, of: &[&str]| {
        let found = of.iter().find_map(|name| names.iter().position(|own| own == name));
        found.ok_or_else(|| {
            refused(format!("no column says {what}; name one `{}` (its columns are {})", of[0], names.join(", ")))
        })
    };
    let (label, scores) = (column("the class", LABEL)?, column("the score", SCORE)?);
    let verdict = column("whether a detection is right", VERDICT)?;
    let mut found = Reviewed { file: file.to_owned(), by_class: vec![Vec::new(); labels.len()], open: 0, others: 0 };
    for row in reader.records() {
        let row = row.map_err(|error| refused(error.to_string()))?;
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |column: usize| row.get(column).unwrap_or_default();
        let answer = cell(verdict).to_lowercase();
        let right = match answer.as_str() {
            "" => {
                found.open += 1;
                continue;
            }
            answer if YES.contains(&answer) => true,
            answer if NO.contains(&answer) => false,
            other => return Err(refused(format!("line {line}: {other:?} is neither yes nor no"))),
        };
        let Some(class) = labels.iter().position(|own| own == cell(label)) else {
            return Err(refused(format!("line {line}: the model has no class {:?}", cell(label))));
        };
        let score = cell(scores).replace(',', ".").parse::<f32>().ok().filter(|score| score.is_finite());
        let Some(score) = score else {
            return Err(refused(format!("line {line}: its score {:?} is no number", cell(scores))));
        };
        found.by_class[class].push(Scored { score, right });
    }
    Ok(found)
}

/// The decisions about a session's detections: right is one whose own class was confirmed.
fn decided(file: &Path, labels: &[String], session: &str) -> Result<Reviewed, ScanError> {
    let reviews = data::reviews(file).map_err(|error| ScanError::Request(error.to_string()))?;
    let by_class = vec![Vec::new(); labels.len()];
    let mut found = Reviewed { file: file.to_owned(), by_class, open: 0, others: 0 };
    for (_, review) in reviews.standing {
        let class = labels.iter().position(|label| *label == review.detected);
        match (class.filter(|_| review.session == session), review.decision) {
            (None, _) => found.others += 1,
            (_, Decision::Unsure | Decision::Undo) => found.open += 1,
            (Some(class), decision) => {
                let right = decision == Decision::Label { label: review.detected };
                found.by_class[class].push(Scored { score: review.score, right });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    fn read(text: &str) -> Result<Reviewed, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clips.csv");
        fs::write(&file, text).unwrap();
        let labels = ["wren", "rain"].map(str::to_owned);
        reviewed(&file, &labels, "mine").map_err(|error| error.to_string())
    }

    #[test]
    fn verdicts_are_read_and_rows_without_one_counted() {
        let one = |score: f32, right: bool| Scored { score, right };
        let found =
            read("\u{feff}clip,label,score,right\na.wav,wren,0.9,yes\nb.wav,wren,0.5,No\nc.wav,rain,0.7,\n").unwrap();
        assert_eq!((found.by_class, found.open), (vec![vec![one(0.9, true), one(0.5, false)], vec![]], 1));
        let sheet = read("label;score;verdict\nrain;0,25;1\n").unwrap();
        assert_eq!(sheet.by_class[1], [one(0.25, true)]);
    }

    #[test]
    fn decisions_made_on_review_say_which_scores_were_right() {
        let folder = tempfile::tempdir().unwrap();
        let place = data::CorrectionsFile::of_recordings(folder.path());
        let decide = |start: f64, score: f32, session: &str, decision: Decision| {
            let (recording, detected) = (folder.path().join("night.wav"), "wren".to_owned());
            let sighting = data::Sighting { recording, start, end: start + 1.0, detected, score, chosen: None };
            place.append_review(&sighting, session, &decision, 7).unwrap();
        };
        let label = |name: &str| Decision::Label { label: name.into() };
        decide(1.0, 0.9, "mine", label("wren"));
        decide(2.0, 0.8, "mine", label("rain"));
        decide(3.0, 0.7, "mine", Decision::Not { label: "wren".into() });
        decide(4.0, 0.6, "mine", Decision::Unsure);
        decide(5.0, 0.5, "other", label("wren"));
        decide(6.0, 0.4, "mine", label("wren"));
        decide(6.0, 0.4, "mine", Decision::Undo);
        decide(7.0, 0.3, "mine", Decision::Background);
        let labels = ["wren", "rain"].map(str::to_owned);
        let found = reviewed(place.path().unwrap(), &labels, "mine").unwrap();
        let scored: Vec<_> = found.by_class[0].iter().map(|one| (one.score, one.right)).collect();
        assert_eq!(scored, [(0.9, true), (0.8, false), (0.7, false), (0.3, false)]);
        assert_eq!((found.by_class[1].len(), found.open, found.others), (0, 1, 1));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_line() {
        for (text, words) in [
            ("label,score\nwren,0.9\n", "name one `right`"),
            ("label,score,right\nwren,0.9,yes\nwren,0.8,maybe\n", "line 3"),
            ("label,score,right\nwrem,0.9,yes\n", "no class"),
            ("label,score,right\nwren,high,yes\n", "line 2"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words) && error.contains("clips.csv"), "{error}");
        }
    }
}
