//! Which threshold: the one with the best F1, or the lowest that keeps a wanted precision.

use super::Counts;
use crate::train;

/// A detection's score, and whether it is right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Its score.
    pub score: f32,
    /// Whether what was detected is there.
    pub right: bool,
}

/// A threshold for a wanted precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Chosen {
    /// From this score on: so many detections, so many of them right, and the precision that this shows at least.
    Reached {
        /// The threshold.
        threshold: f32,
        /// Detections from there on.
        detected: u64,
        /// How many of them are right.
        right: u64,
        /// Lower bound of the precision.
        bound: f64,
    },
    /// No threshold shows so much.
    CannotBeReached {
        /// The best share of right detections at any threshold.
        share: f64,
        /// The highest lower bound at any threshold; below the share where detections are few.
        bound: f64,
        /// All detections.
        detected: u64,
    },
}

/// The cumulated counts at each distinct score, from the highest down: the score, detections from it on, right ones.
fn cumulated(scored: &[Scored]) -> Vec<(f32, u64, u64)> {
    let mut sorted: Vec<&Scored> = scored.iter().filter(|one| !one.score.is_nan()).collect();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let (mut all, mut detected, mut right) = (Vec::new(), 0, 0);
    for group in sorted.chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq()) {
        detected += group.len() as u64;
        right += group.iter().filter(|one| one.right).count() as u64;
        all.push((group[0].score, detected, right));
    }
    all
}

/// Lower bound of a share of which `right` of `all` were seen, at `z` standard deviations. With `z` = 0 the share itself.
pub fn wilson(right: u64, all: u64, z: f64) -> f64 {
    train::wilson(right, all, z).low
}

/// The lowest threshold from which on the share of right detections is at least `precision`, as far as that can be said at
/// `z` standard deviations.
pub fn choose(scored: &[Scored], precision: f64, z: f64) -> Chosen {
    let points = cumulated(scored);
    let reached = points.iter().rev().find(|(_, detected, right)| wilson(*right, *detected, z) >= precision);
    match reached {
        Some(&(threshold, detected, right)) => {
            Chosen::Reached { threshold, detected, right, bound: wilson(right, detected, z) }
        }
        None => {
            let most = |value: &dyn Fn(u64, u64) -> f64| {
                points.iter().map(|&(_, detected, right)| value(right, detected)).fold(0.0, f64::max)
            };
            Chosen::CannotBeReached {
                share: most(&|right, detected| right as f64 / detected as f64),
                bound: most(&|right, detected| wilson(right, detected, z)),
                detected: points.last().map_or(0, |point| point.1),
            }
        }
    }
}

/// The threshold with the best F1 against so many marks, and what it counts; `None` where nothing right was detected.
pub fn best_f1(scored: &[Scored], reference: u64) -> Option<(f32, Counts)> {
    let counts = |&(score, detected, right): &(f32, u64, u64)| (score, Counts { reference, detected, right });
    let all = cumulated(scored);
    let best = all.iter().map(counts).filter(|(_, counts)| counts.right > 0);
    // Of equals the highest: fewer detections to look at.
    best.fold(None, |best, one| match best {
        Some((_, before)) if before.f1() >= one.1.f1() => best,
        _ => Some(one),
    })
}
