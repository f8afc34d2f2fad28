//! Labels as corrections make them.

use std::collections::{BTreeMap, HashMap};

use unicode_normalization::UnicodeNormalization;

use super::{Corrected, Correction, CorrectionsFile, Decision, file::Lines, standing};
use crate::{
    data::{Corrections, DataError, Dataset, Item, Label, Problem, content, nearest},
    digits::{counted, hex},
};

/// Names of a class that stands for all other sound.
const BACKGROUNDS: [&str; 7] = ["background", "_background_noise_", "noise", "silence", "nothing", "none", "other"];

/// Findings of one kind that are listed one by one.
const LISTED: usize = 5;

/// Changes a data set's labels as its corrections say, and returns what a person should know about it.
pub(in crate::data) fn apply(
    dataset: &mut Dataset,
    file: CorrectionsFile,
    which: Corrected,
) -> Result<Vec<Problem>, DataError> {
    let Lines { corrections, record, mut problems } = file.read(which)?;
    let place = file.place();
    let path = place.as_ref().map(|place| place.path.clone()).unwrap_or_default();
    let (filed, decided) = (BTreeMap::new(), BTreeMap::new());
    let mut applied = Corrections { file, place, record, filed, decided, summary: None };
    let places: HashMap<&str, usize> = if corrections.is_empty() { HashMap::new() } else { places(&dataset.items) };
    let mut counts = Counts::default();
    let mut labels = Vec::new();
    for (clip, decisions) in standing(&corrections) {
        let Some(&place) = places.get(clip) else {
            counts.absent.push(clip.to_owned());
            continue;
        };
        let item = &dataset.items[place];
        if decisions.iter().any(|decision| is_another(item, decision)) {
            counts.another.push(clip.to_owned());
            continue;
        }
        let mut label = item.label.clone();
        for Correction { decision, .. } in &decisions {
            match corrected(&label, decision, dataset) {
                Ok(after) => label = after,
                Err(problem) => {
                    problems.push(Problem::warning(&path, format!("{clip}: {problem}"), "decide about it again"));
                }
            }
        }
        if let Some(last) = decisions.last() {
            counts.count(&last.decision, &item.label, &label);
            applied.decided.insert(place, last.decision.clone());
        }
        labels.push((place, label));
    }
    drop(places);
    for (place, label) in labels {
        let item = &mut dataset.items[place];
        if item.label != label {
            applied.filed.insert(place, std::mem::replace(&mut item.label, label));
        }
    }
    if let Some(text) = counts.text() {
        applied.summary = Some(text.clone());
        problems.push(Problem::note(&path, text, "`data export` writes the labels as a manifest"));
    }
    dataset.corrections = Some(Box::new(applied));
    Ok(problems)
}

/// Clips by name.
fn places(items: &[Item]) -> HashMap<&str, usize> {
    items.iter().enumerate().map(|(place, item)| (item.id.as_str(), place)).collect()
}

/// Whether a clip's file holds another sound than the one that was decided about.
fn is_another(item: &Item, correction: &Correction) -> bool {
    let (Some(was), Some(path)) = (&correction.sha256, item.source.path()) else { return false };
    // A file that cannot be read is reported when it is used.
    content::digest(path).is_ok_and(|now| hex(now) != *was)
}

/// A label after a decision.
fn corrected(label: &Label, decision: &Decision, dataset: &Dataset) -> Result<Label, String> {
    let classes = dataset.classes.len();
    let class = |name: &str| {
        let composed: String = name.nfc().collect();
        dataset.classes.iter().position(|class| *class == composed).ok_or_else(|| {
            let near = nearest(name, dataset.classes.iter().map(String::as_str));
            let hint = near.map_or_else(String::new, |near| format!(" (the nearest is \"{near}\")"));
            format!("the decision names a class \"{name}\" that is not there{hint}")
        })
    };
    // Where clips hold several classes, one of them becomes known as present or absent.
    let known = |known: &[(usize, bool)], class: usize, here: bool| {
        let mut known: Vec<(usize, bool)> = known.iter().copied().filter(|(other, _)| *other != class).collect();
        known.push((class, here));
        known.sort_unstable();
        Label::Many(known)
    };
    Ok(match (label, decision) {
        (_, Decision::Unsure | Decision::Undo) => label.clone(),
        (Label::Many(before), Decision::Label { label }) => known(before, class(label)?, true),
        (Label::Many(before), Decision::Not { label }) => known(before, class(label)?, false),
        (Label::Many(_), Decision::Background) => Label::Many((0..classes).map(|class| (class, false)).collect()),
        (_, Decision::Label { label }) => Label::One(class(label)?),
        (Label::One(held), Decision::Not { label }) => match class(label)? {
            class if class == *held => Label::Not(vec![class]),
            _ => Label::One(*held),
        },
        (Label::Not(before), Decision::Not { label }) => {
            let mut not = before.clone();
            not.push(class(label)?);
            not.sort_unstable();
            not.dedup();
            Label::Not(not)
        }
        (_, Decision::Background) => match background(&dataset.classes) {
            Some(class) => Label::One(class),
            None => Label::Not((0..classes).collect()),
        },
    })
}

/// The class that stands for all other sound, if there is one.
fn background(classes: &[String]) -> Option<usize> {
    classes.iter().position(|class| BACKGROUNDS.contains(&class.to_lowercase().as_str()))
}

/// What the corrections came to.
#[derive(Default)]
struct Counts {
    changed: usize,
    confirmed: usize,
    not: usize,
    nothing: usize,
    unsure: usize,
    absent: Vec<String>,
    another: Vec<String>,
}

impl Counts {
    fn count(&mut self, last: &Decision, before: &Label, after: &Label) {
        match (last, after) {
            (Decision::Unsure, _) => self.unsure += 1,
            (_, Label::Not(_)) if matches!(last, Decision::Background) => self.nothing += 1,
            (_, Label::Not(_)) => self.not += 1,
            _ if before == after => self.confirmed += 1,
            _ => self.changed += 1,
        }
    }

    fn text(&self) -> Option<String> {
        let mut parts = Vec::new();
        let mut say = |count: usize, what: &str| {
            if count > 0 {
                parts.push(format!("{} {what}", counted(count, "clip")));
            }
        };
        say(self.changed, "with another label");
        say(self.confirmed, "whose label is confirmed");
        say(self.not, "of which only is known what they are not: they train, and do not validate");
        say(self.nothing, "without any of the classes: they are left out");
        say(self.unsure, "left as they were");
        for (clips, what) in [(&self.absent, "that are not here"), (&self.another, "that hold another sound now")] {
            if !clips.is_empty() {
                let names = clips.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = if clips.len() > LISTED { ", ..." } else { "" };
                parts.push(format!("{} {what} ({names}{more})", counted(clips.len(), "clip")));
            }
        }
        (!parts.is_empty()).then(|| format!("a person's corrections are applied: {}", parts.join("; ")))
    }
}

impl Dataset {
    /// A clip's label as the data set's own files say it: what decides which clips are held out, so that corrections move
    /// no clip from one part to another.
    pub fn filed_label(&self, index: usize) -> Option<&Label> {
        let filed = self.corrections.as_ref().and_then(|corrections| corrections.filed.get(&index));
        filed.or_else(|| Some(&self.items.get(index)?.label))
    }

    /// The data set with other of its corrections, such as those that there were when a run began; its files are not read
    /// again. Notes are not about these corrections.
    ///
    /// # Errors
    /// When the file of the corrections cannot be read.
    pub fn corrected_as(&self, which: Corrected) -> Result<Self, DataError> {
        let mut other = self.clone();
        if let Some(corrections) = other.corrections.take() {
            let Corrections { file, filed, .. } = *corrections;
            filed.into_iter().for_each(|(place, label)| other.items[place].label = label);
            apply(&mut other, file, which)?;
        }
        Ok(other)
    }

    /// The decision about a clip that `decision` would be, with its label before and after.
    ///
    /// # Errors
    /// When it names a class that is not there.
    pub fn decide(&self, index: usize, decision: Decision, source: &str, at_ms: u64) -> Result<Correction, DataError> {
        let item = self.items.get(index).ok_or_else(|| DataError::Request(format!("there is no clip {index}")))?;
        let after = corrected(&item.label, &decision, self).map_err(DataError::Request)?;
        let sha256 = item.source.path().and_then(|path| content::digest(path).ok()).map(hex);
        let mut held = item.clone();
        held.label = after;
        Ok(Correction {
            at_ms,
            clip: item.id.clone(),
            sha256,
            decision,
            before: self.label_of(item),
            after: self.label_of(&held),
            source: source.to_owned(),
        })
    }
}
