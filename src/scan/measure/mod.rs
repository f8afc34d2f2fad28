//! How well detections meet marks: event by event, second by second, and by threshold.
//!
//! The figures of events and segments are those of sed_eval (Mesaros, Heittola and Virtanen, 2016), with its
//! `zero_score` handling of a class of which nothing was detected.

mod curve;
mod events;
mod segments;

use serde::Serialize;

pub use curve::{Chosen, Scored, best_f1, choose, wilson};
pub use events::{Matching, by_score, match_events};
pub use segments::segments;

/// An event: a mark, or a detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Index of its class.
    pub class: usize,
    /// Seconds from the beginning of its recording.
    pub start: f64,
    /// Seconds from the beginning of its recording.
    pub end: f64,
    /// A detection's score; 1 for a mark.
    pub score: f32,
}

/// One recording: what was marked in it, and what was detected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// Its length.
    pub seconds: f64,
    /// What was marked.
    pub marks: Vec<Span>,
    /// What was detected.
    pub detections: Vec<Span>,
}

/// Counts, and what follows from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// What is there: events, or segments of a class.
    pub reference: u64,
    /// What was detected.
    pub detected: u64,
    /// What was detected and is there.
    pub right: u64,
}

impl Counts {
    /// Share of what was detected that is there; 0 where nothing was detected.
    pub fn precision(&self) -> f64 {
        if self.detected == 0 { 0.0 } else { self.right as f64 / self.detected as f64 }
    }

    /// Share of what is there that was detected; `None` where nothing is there.
    pub fn recall(&self) -> Option<f64> {
        (self.reference > 0).then(|| self.right as f64 / self.reference as f64)
    }

    /// The harmonic mean of both; `None` where nothing is there.
    pub fn f1(&self) -> Option<f64> {
        let (precision, recall) = (self.precision(), self.recall()?);
        Some(if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 })
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.reference += other.reference;
        self.detected += other.detected;
        self.right += other.right;
    }
}

/// The figures of one way to count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// For each class.
    pub by_class: Vec<Counts>,
    /// Substitutions, deletions and insertions, for each segment: `None` for events.
    pub errors: Option<[u64; 3]>,
}

impl Figures {
    /// All classes together.
    pub fn all(&self) -> Counts {
        let mut all = Counts::default();
        self.by_class.iter().for_each(|counts| all += *counts);
        all
    }

    /// The mean F1 over the classes that occur.
    pub fn macro_f1(&self) -> Option<f64> {
        let own: Vec<f64> = self.by_class.iter().filter_map(Counts::f1).collect();
        (!own.is_empty()).then(|| own.iter().sum::<f64>() / own.len() as f64)
    }

    /// Substitutions, deletions and insertions over what is there.
    pub fn error_rate(&self) -> Option<f64> {
        let (errors, reference) = (self.errors?, self.all().reference);
        (reference > 0).then(|| errors.iter().sum::<u64>() as f64 / reference as f64)
    }
}

#[cfg(test)]
mod tests;
