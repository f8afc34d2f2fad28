//! The Review screen: one clip after another, one decision each.

use std::{collections::BTreeMap, sync::Arc};

use super::{clip_panel::ClipPanel, ticket::Ticket};
use crate::{
    data::{Dataset, Decision, Label},
    findings::SessionFindings,
    train::Request,
};

/// Digits that choose a class.
pub const DIGITS: usize = 9;

/// A clip to decide about.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewItem {
    /// Its index in the data set.
    pub index: usize,
    /// The class that is proposed: by a model, for the label; of several labels, the label whose presence would turn.
    pub proposed: usize,
    /// Whether the proposal is that the clip holds the class.
    pub holds: bool,
    /// The probability of the proposal, and of the label.
    pub of_proposed: f32,
    /// The probability of the label as it is.
    pub of_label: f32,
    /// The most likely classes, most likely first, with their probabilities.
    pub also: Vec<(usize, f32)>,
    /// Whether it is marked as likely wrong.
    pub likely: bool,
}

/// A list of clips to review.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewList {
    /// What it is, for people and for the `source` of corrections.
    pub title: String,
    /// The data set.
    pub dataset: Arc<Dataset>,
    /// The clips, in order.
    pub items: Vec<ReviewItem>,
    /// What trains again with the decisions.
    pub again: Option<Box<Request>>,
    /// What a person should know about it.
    pub notes: Vec<String>,
    /// Samples at 16 kHz that the model gets of a clip.
    pub cut: Option<u64>,
}

/// A decision that was made here.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The place in the list.
    pub at: usize,
    /// The decision.
    pub decision: Decision,
    /// The ticket of its writing, while it is not on the disk yet.
    pub saving: Option<Ticket>,
}

/// How far a search for likely wrong labels is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The ticket of its result.
    pub ticket: Ticket,
    /// Clips done, and clips in all.
    pub progress: (usize, usize),
}

/// The Review screen.
#[derive(Clone, Debug, Default)]
pub struct Review {
    /// The list, or why there is none.
    pub list: Option<Result<Arc<ReviewList>, String>>,
    /// The search that makes the next list.
    pub search: Option<Search>,
    /// The place in the list.
    pub at: usize,
    /// The decisions made here, in order.
    pub made: Vec<Made>,
    /// Letters of a class's name, while one is typed.
    pub typing: Option<String>,
    /// The clip on show.
    pub clip: ClipPanel,
}

impl Review {
    /// The list.
    pub fn current(&self) -> Option<&Arc<ReviewList>> {
        self.list.as_ref()?.as_ref().ok()
    }

    /// The clip to decide about; none at the end of the list.
    pub fn item(&self) -> Option<&ReviewItem> {
        self.current()?.items.get(self.at)
    }

    /// Shows a list from its beginning.
    pub fn show(&mut self, list: Result<Arc<ReviewList>, String>) {
        (self.list, self.at, self.typing) = (Some(list), 0, None);
        self.made.clear();
    }

    /// The last decision about each place.
    pub fn decided(&self) -> BTreeMap<usize, &Decision> {
        self.made.iter().map(|made| (made.at, &made.decision)).collect()
    }

    /// Clips without a decision.
    pub fn remaining(&self) -> usize {
        self.current().map_or(0, |list| list.items.len()).saturating_sub(self.decided().len())
    }

    /// Changed, kept, ruled out or background, and unsure decisions.
    pub fn counts(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        let Some(list) = self.current() else { return counts };
        for (at, decision) in self.decided() {
            let held = list.items.get(at).and_then(|item| list.dataset.items.get(item.index)).map(|item| &item.label);
            let class = |name: &str| list.dataset.classes.iter().position(|class| class == name);
            let kind = match (decision, held) {
                (Decision::Unsure | Decision::Undo, _) => 3,
                (Decision::Not { .. } | Decision::Background, _) => 2,
                (Decision::Label { label }, Some(Label::One(held))) if class(label) == Some(*held) => 1,
                (Decision::Label { label }, Some(Label::Many(known))) => {
                    usize::from(known.iter().any(|(held, here)| *here && class(label) == Some(*held)))
                }
                (Decision::Label { .. }, _) => 0,
            };
            counts[kind] += 1;
        }
        counts
    }

    /// Classes that the digits choose: the label's own, then the likeliest others, then the rest in their order.
    pub fn choices(&self) -> Vec<usize> {
        let (Some(list), Some(item)) = (self.current(), self.item()) else { return Vec::new() };
        let held = match list.dataset.items.get(item.index).map(|item| &item.label) {
            Some(Label::One(class)) => Some(*class),
            _ => None,
        };
        let all = held.into_iter().chain(item.also.iter().map(|one| one.0)).chain(0..list.dataset.classes.len());
        let mut choices: Vec<usize> = Vec::new();
        for class in all {
            if !choices.contains(&class) {
                choices.push(class);
            }
        }
        choices
    }

    /// Classes whose names fit what is typed: those that begin with it first.
    pub fn fitting(&self) -> Vec<usize> {
        let (Some(list), Some(typed)) = (self.current(), &self.typing) else { return Vec::new() };
        let typed = typed.to_lowercase();
        let name = |class: usize| list.dataset.classes.get(class).map_or_else(String::new, |name| name.to_lowercase());
        let all = || self.choices().into_iter();
        let begins = all().filter(|class| name(*class).starts_with(&typed));
        let holds = all().filter(|class| !name(*class).starts_with(&typed) && name(*class).contains(&typed));
        begins.chain(holds).collect()
    }
}

impl ReviewItem {
    /// What is proposed for a clip of an overview: the answer, in place of the label.
    pub fn of_row(found: &SessionFindings, row: usize) -> Option<Self> {
        let clip = found.clips.get(row)?;
        let index = found.kept.sources.get(row)?.index;
        Some(Self {
            index,
            proposed: clip.answer,
            holds: true,
            of_proposed: clip.confidence,
            of_label: clip.of_truth.unwrap_or(0.0),
            also: ranked(found.probabilities_of(row)),
            likely: false,
        })
    }
}

/// Classes by probability, the highest first.
pub fn ranked(probabilities: &[f32]) -> Vec<(usize, f32)> {
    let mut all: Vec<(usize, f32)> = probabilities.iter().copied().enumerate().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}
