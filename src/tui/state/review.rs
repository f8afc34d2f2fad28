//! The Review screen: one clip after another, one decision each.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use super::{clip_panel::ClipPanel, ticket::Ticket};
use crate::{
    data::{CorrectionsFile, CorrectionsPlace, Dataset, Decision, Label, Sighting},
    findings::SessionFindings,
    plot::Side,
    scan::Row,
    session::RunConfig,
    train::Request,
    tui::input::action::Screen,
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
    /// The probability of the proposal; of clips that are like one, the likeness.
    pub of_proposed: f32,
    /// The probability of the label as it is, where that is known.
    pub of_label: Option<f32>,
    /// The most likely classes, most likely first, with their probabilities.
    pub also: Vec<(usize, f32)>,
    /// Whether it is marked as likely wrong.
    pub likely: bool,
    /// Whether it was drawn at random: what is decided about those estimates what all are like.
    pub at_random: bool,
}

/// A list of clips to review.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewList {
    /// What it is, for people and for the `source` of corrections.
    pub title: String,
    /// What decisions are about.
    pub about: About,
    /// The data set; of detections, those of the list as clips.
    pub dataset: Arc<Dataset>,
    /// The clips, in order.
    pub items: Vec<ReviewItem>,
    /// What trains again with the decisions.
    pub again: Option<Box<Request>>,
    /// The session whose answers these are, or whose data: training can go on from it.
    pub session: Option<PathBuf>,
    /// What a person should know about it.
    pub notes: Vec<String>,
    /// Samples at 16 kHz that the model gets of a clip.
    pub cut: Option<u64>,
}

/// What the decisions of a list are about, and where they are kept.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    /// Labels of the clips of a data set: kept as its corrections.
    Labels,
    /// Detections in recordings: kept as marks beside them.
    Detections(Box<Detections>),
}

/// Detections under review.
#[derive(Clone, Debug, PartialEq)]
pub struct Detections {
    /// The file of the decisions, and where it is.
    pub file: CorrectionsFile,
    /// The same.
    pub place: Option<CorrectionsPlace>,
    /// The session that detected them, by name.
    pub session: String,
    /// Each detection, by the index of its clip.
    pub sightings: Vec<Sighting>,
    /// The screen that they come from.
    pub from: Screen,
}

/// Detections to make a list of.
#[derive(Clone, Debug, PartialEq)]
pub enum ToReview {
    /// Of a scan.
    Scan {
        /// The session that scanned.
        session: PathBuf,
        /// What was scanned: a recording, or a folder of them.
        recordings: PathBuf,
        /// The detections that are listed.
        rows: Vec<Row>,
    },
    /// The bookmarks of a session.
    Bookmarks(PathBuf),
}

/// A decision that was made here.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The place in the list.
    pub at: usize,
    /// The decision.
    pub decision: Decision,
    /// What it does to the label.
    pub kind: Kind,
    /// The ticket of its writing, while it is not on the disk yet.
    pub saving: Option<Ticket>,
    /// The ticket of its removal, while that is not on the disk yet. It does not count any more, and counts again where
    /// the removal cannot be written.
    pub undoing: Option<Ticket>,
}

/// What a decision does to a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The clip gets another class.
    Changed,
    /// The class that it has is confirmed.
    Kept,
    /// A class is ruled out, or all are.
    RuledOut,
    /// The label stays, and is not confirmed.
    Unsure,
}

/// What the next list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchFor {
    /// Labels that are likely wrong.
    Errors,
    /// Detections, or bookmarks.
    Detections,
    /// Clips that are like one.
    Alike,
}

/// How far a search for the next list is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The ticket of its result.
    pub ticket: Ticket,
    /// What it looks for.
    pub of: SearchFor,
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
    /// The side that trains with the decisions, until that run is over.
    pub trains: Option<Side>,
    /// The request that compares it with the session before, and the side that it trained on.
    pub compares: Option<(Ticket, Side)>,
    /// The file that decisions are in, or that the first one makes.
    pub file: Option<CorrectionsPlace>,
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
        self.file = list.as_ref().ok().and_then(|list| list.place());
        (self.list, self.at, self.typing) = (Some(list), 0, None);
        self.made.clear();
    }

    /// The decisions that count, in order: those that are not being taken back.
    pub fn standing(&self) -> impl Iterator<Item = &Made> {
        self.made.iter().filter(|made| made.undoing.is_none())
    }

    /// The last decision about each place.
    pub fn decided(&self) -> BTreeMap<usize, &Made> {
        self.standing().map(|made| (made.at, made)).collect()
    }

    /// Decisions that are not on the disk yet, and removals that are not.
    pub fn unwritten(&self) -> usize {
        self.made.iter().filter(|made| made.saving.is_some() || made.undoing.is_some()).count()
    }

    /// Clips with a decision, clips without one, and how many were changed, kept, ruled out and left unsure.
    pub fn counts(&self) -> (usize, usize, [usize; 4]) {
        let decided = self.decided();
        let mut counts = [0; 4];
        decided.values().for_each(|made| counts[made.kind as usize] += 1);
        let all = self.current().map_or(0, |list| list.items.len());
        (decided.len(), all.saturating_sub(decided.len()), counts)
    }

    /// Of the detections or labels that were drawn at random and decided about, those that are right, and all.
    pub fn right_at_random(&self) -> (u64, u64) {
        let Some(list) = self.current() else { return (0, 0) };
        let is_random = |at: usize| list.items.get(at).is_some_and(|item| item.at_random);
        let decided = self.decided();
        let decided = decided.iter().filter(|(at, made)| made.kind != Kind::Unsure && is_random(**at));
        decided.fold((0, 0), |(right, all), (_, made)| (right + u64::from(made.kind == Kind::Kept), all + 1))
    }

    /// How many of those that were drawn at random are not decided about.
    pub fn open_at_random(&self) -> usize {
        let decided = self.decided();
        let items = self.current().map_or(&[][..], |list| &list.items);
        items.iter().enumerate().filter(|(at, item)| item.at_random && !decided.contains_key(at)).count()
    }

    /// Classes that the digits choose: the label's own, then the likeliest others, then the rest in their order.
    pub fn choices(&self) -> Vec<usize> {
        let (Some(list), Some(item)) = (self.current(), self.item()) else { return Vec::new() };
        let held = match list.dataset.items.get(item.index).map(|item| &item.label) {
            Some(Label::One(class)) => Some(*class),
            _ => None,
        };
        let all = held.into_iter().chain(item.also.iter().map(|one| one.0)).chain(0..list.dataset.classes.len());
        let mut is_taken = vec![false; list.dataset.classes.len()];
        all.filter(|class| is_taken.get_mut(*class).is_some_and(|taken| !std::mem::replace(taken, true))).collect()
    }

    /// Classes whose names fit what is typed: those that begin with it first.
    pub fn fitting(&self) -> Vec<usize> {
        let (Some(list), Some(typed)) = (self.current(), &self.typing) else { return Vec::new() };
        let typed = typed.to_lowercase();
        let name =
            |class: &usize| list.dataset.classes.get(*class).map_or_else(String::new, |name| name.to_lowercase());
        let (begin, others): (Vec<usize>, Vec<usize>) =
            self.choices().into_iter().partition(|class| name(class).starts_with(&typed));
        begin.into_iter().chain(others.into_iter().filter(|class| name(class).contains(&typed))).collect()
    }
}

impl ReviewList {
    /// Where decisions are, or where the first one would be.
    pub fn place(&self) -> Option<CorrectionsPlace> {
        match &self.about {
            About::Labels => self.dataset.corrections.as_ref().and_then(|corrections| corrections.place.clone()),
            About::Detections(detections) => detections.place.clone(),
        }
    }

    /// The detections under review; none of a list of labels.
    pub fn detections(&self) -> Option<&Detections> {
        if let About::Detections(detections) = &self.about { Some(detections) } else { None }
    }

    /// The detection at a place of the list.
    pub fn sighting(&self, at: usize) -> Option<&Sighting> {
        self.detections()?.sightings.get(self.items.get(at)?.index)
    }

    /// What a decision about a clip of the list does to its label.
    pub fn kind(&self, item: &ReviewItem, decision: &Decision) -> Kind {
        let held = self.dataset.items.get(item.index).map(|item| &item.label);
        let is_named = |class: usize, name: &str| self.dataset.classes.get(class).is_some_and(|class| class == name);
        match (decision, held) {
            (Decision::Unsure | Decision::Undo, _) => Kind::Unsure,
            (Decision::Not { label }, Some(Label::Many(known)))
                if known.iter().any(|(absent, here)| !*here && is_named(*absent, label)) =>
            {
                Kind::Kept
            }
            (Decision::Not { .. } | Decision::Background, _) => Kind::RuledOut,
            (Decision::Label { label }, Some(Label::One(held))) if is_named(*held, label) => Kind::Kept,
            (Decision::Label { label }, Some(Label::Many(known)))
                if known.iter().any(|(held, here)| *here && is_named(*held, label)) =>
            {
                Kind::Kept
            }
            (Decision::Label { .. }, _) => Kind::Changed,
        }
    }
}

/// The data set whose labels a search goes through: that of the session under review, else that of the next run.
pub fn data_to_search(session: Option<&RunConfig>, setup: &Request) -> String {
    session.map_or_else(|| setup.data.clone(), RunConfig::data_spec)
}

impl ReviewItem {
    /// What is proposed for a clip of an overview: the answer, in place of the label.
    pub fn of_row(found: &SessionFindings, row: usize) -> Option<Self> {
        let clip = found.clips.get(row)?;
        let index = *found.kept.items.get(row)?;
        Some(Self {
            index,
            proposed: clip.answer,
            holds: true,
            of_proposed: clip.confidence,
            of_label: clip.of_truth,
            also: ranked(found.probabilities_of(row)),
            likely: false,
            at_random: false,
        })
    }
}

/// Classes by probability, the highest first.
pub fn ranked(probabilities: &[f32]) -> Vec<(usize, f32)> {
    let mut all: Vec<(usize, f32)> = probabilities.iter().copied().enumerate().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}
