//! A person's decisions about detections, as marks: what is there, what is not, what nobody can say.
//!
//! A recording that is kept aside is of the part `test`, so that it is never trained on; of the others one in four
//! validates, where that leaves one to train on.

use std::collections::{BTreeMap, BTreeSet};

use super::{Annotator, Form, Mark, Outcome, Presence, Reading, last_part};
use crate::data::{
    Decision, Split,
    reviewed::{self, SightingReview},
};

/// Reads the decisions that count.
pub(super) fn read(text: &str, mut reading: Reading) -> Outcome {
    let found = match reviewed::parse(text) {
        Ok(found) => found,
        Err((line, why)) => {
            reading.wrong(line, format!("it is no decision about a detection ({why})"));
            return reading.finish(Form::Reviewed);
        }
    };
    reading.torn = found.torn;
    let parts = parts(found.standing.iter().map(|(_, review)| review));
    // "None of the classes" speaks of the classes that are asked about in this file.
    let asked: BTreeSet<&str> = found.standing.iter().flat_map(|(_, review)| named(review)).collect();
    for (line, review) in &found.standing {
        let SightingReview { file, start, end, detected, decision, .. } = review;
        let mut take = |label: &str, presence: Presence| {
            let split = parts.get(file.as_str()).map(|part| part.name().to_owned());
            let (audio, path, label) = (last_part(file).to_owned(), Some(file.clone()), label.to_owned());
            let (start, end, line) = (*start, *end, *line);
            reading.take(Mark {
                audio,
                path,
                start,
                end,
                label,
                by: Annotator::Person,
                presence,
                line,
                split,
                ..Mark::default()
            });
        };
        match decision {
            Decision::Label { label } => {
                take(label, Presence::Present);
                if label != detected {
                    take(detected, Presence::Absent);
                }
            }
            Decision::Not { label } => take(label, Presence::Absent),
            Decision::Background => asked.iter().for_each(|label| take(label, Presence::Absent)),
            Decision::Unsure | Decision::Undo => take(detected, Presence::Uncertain),
        }
    }
    reading.finish(Form::Reviewed)
}

/// Classes that a decision speaks of.
fn named(review: &SightingReview) -> impl Iterator<Item = &str> {
    let other = match &review.decision {
        Decision::Label { label } | Decision::Not { label } => Some(label.as_str()),
        _ => None,
    };
    std::iter::once(review.detected.as_str()).chain(other)
}

/// The part of each recording; none where no recording is kept aside.
fn parts<'r>(reviews: impl Iterator<Item = &'r SightingReview>) -> BTreeMap<&'r str, Split> {
    let mut parts: BTreeMap<&str, Split> = BTreeMap::new();
    for review in reviews {
        let part = match (review.aside, reviewed::share_of(&review.file)) {
            (true, _) => Split::Test,
            (false, 1) => Split::Val,
            (false, _) => Split::Train,
        };
        // One decision that keeps it aside is enough.
        let known = parts.entry(review.file.as_str()).or_insert(part);
        if part == Split::Test {
            *known = part;
        }
    }
    let has = |part: Split| parts.values().any(|own| *own == part);
    if !has(Split::Test) {
        parts.clear();
    } else if !has(Split::Train) {
        parts.values_mut().filter(|part| **part == Split::Val).for_each(|part| *part = Split::Train);
    }
    parts
}
