//! From scores to detections, in a stream, for each class apart.
//!
//! A detection's extent is where its class scores at least `low`, and its confidence the highest score inside. Which
//! detections there are depends on the threshold, and where they begin and end does not: stretches are joined over gaps and
//! short ones dropped before the threshold is looked at.

use std::ops::Range;

use super::{
    median::{Median, Scored},
    rules::Rules,
};

/// A stretch of a recording in which a class was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Index of the class.
    pub class: usize,
    /// Its first sample at 16 kHz, and one beyond its last.
    pub start: u64,
    /// One beyond its last sample.
    pub end: u64,
    /// Its highest score, after smoothing.
    pub score: f32,
    /// The middle of the window that scored it.
    pub peak: u64,
    /// By how much that score was above the highest of any other class in the same window; negative where it was below.
    pub margin: f32,
}

/// Finds detections in scores that come window by window.
#[derive(Debug)]
pub(super) struct Finder<'r> {
    rules: &'r Rules,
    median: Median,
    /// For each class, the stretch that may still go on.
    open: Vec<Option<Detection>>,
}

impl<'r> Finder<'r> {
    /// Finds by these rules.
    pub(super) fn new(rules: &'r Rules) -> Self {
        Self { rules, median: Median::new(rules.smooth), open: vec![None; rules.classes.len()] }
    }

    /// Takes a window's scores and the stretch that it answers for; appends what has ended.
    pub(super) fn push(&mut self, cell: Range<u64>, scores: &[f32], out: &mut Vec<Detection>) {
        if self.rules.smooth == 0 {
            self.take(cell, scores, out);
        } else if let Some(row) = self.median.push(Scored { cell, scores: scores.to_vec() }) {
            self.take(row.cell, &row.scores, out);
        }
    }

    /// Ends the recording: appends the rest.
    pub(super) fn finish(mut self, out: &mut Vec<Detection>) {
        while let Some(row) = self.median.finish() {
            self.take(row.cell, &row.scores, out);
        }
        let (rules, open) = (self.rules, self.open);
        open.into_iter().flatten().for_each(|ended| end(rules, ended, out));
    }

    fn take(&mut self, cell: Range<u64>, scores: &[f32], out: &mut Vec<Detection>) {
        let gap = self.rules.max_gap;
        let (mut first, mut second) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
        for &score in scores {
            if score > first {
                (first, second) = (score, first);
            } else {
                second = second.max(score);
            }
        }
        let peak = cell.start + (cell.end - cell.start) / 2;
        for (class, ((rule, open), &score)) in self.rules.classes.iter().zip(&mut self.open).zip(scores).enumerate() {
            let Some(rule) = rule else { continue };
            if let Some(before) = open
                && (cell.start.saturating_sub(before.end) > gap
                    || score < rule.low && cell.end.saturating_sub(before.end) > gap)
            {
                end(self.rules, *before, out);
                *open = None;
            }
            if score < rule.low || score.is_nan() {
                continue;
            }
            let margin = score - if score >= first { second } else { first };
            let here = Detection { class, start: cell.start, end: cell.end, score, peak, margin };
            *open = Some(match *open {
                None => here,
                Some(before) if score > before.score => Detection { start: before.start, ..here },
                Some(before) => Detection { end: cell.end, ..before },
            });
        }
    }
}

/// Appends a stretch that is long and certain enough.
fn end(rules: &Rules, ended: Detection, out: &mut Vec<Detection>) {
    let threshold = rules.classes.get(ended.class).copied().flatten().map_or(f32::INFINITY, |rule| rule.threshold);
    if ended.end - ended.start >= rules.min_duration && ended.score >= threshold {
        out.push(ended);
    }
}

/// The order of detections in a recording: by start, then end, then class.
pub(super) fn sort(detections: &mut [Detection]) {
    detections.sort_by_key(|one| (one.start, one.end, one.class));
}

#[cfg(test)]
mod tests {
    use super::{super::rules::ClassRule, *};

    /// Cells of ten samples.
    fn find(rules: &Rules, columns: &[&[f32]]) -> Vec<Detection> {
        let (mut finder, mut found) = (Finder::new(rules), Vec::new());
        for i in 0..columns[0].len() {
            let scores: Vec<f32> = columns.iter().map(|column| column[i]).collect();
            let start = 10 * i as u64;
            finder.push(start..start + 10, &scores, &mut found);
        }
        finder.finish(&mut found);
        sort(&mut found);
        found
    }

    fn rules(threshold: f32) -> Rules {
        let classes = vec![Some(ClassRule { threshold, low: 0.2 })];
        Rules { classes, smooth: 0, min_duration: 0, max_gap: 0 }
    }

    fn extents(found: &[Detection]) -> Vec<(u64, u64)> {
        found.iter().map(|one| (one.start, one.end)).collect()
    }

    const SCORES: [f32; 10] = [0.1, 0.3, 0.9, 0.3, 0.1, 0.6, 0.1, 0.1, 0.25, 0.4];

    #[test]
    fn a_threshold_chooses_and_moves_no_boundary() {
        let all = extents(&find(&rules(0.2), &[&SCORES]));
        assert_eq!(all, [(10, 40), (50, 60), (80, 100)]);
        for threshold in [0.3, 0.4, 0.5, 0.6, 0.7, 0.9, 0.95] {
            for gap in [0, 10, 20, 30] {
                let at = |threshold| extents(&find(&Rules { max_gap: gap, ..rules(threshold) }, &[&SCORES]));
                let (some, all) = (at(threshold), at(0.2));
                assert!(some.iter().all(|one| all.contains(one)), "{threshold} {gap}: {some:?} of {all:?}");
            }
        }
        let best = find(&rules(0.9), &[&SCORES]);
        assert_eq!((extents(&best), best[0].score, best[0].peak), (vec![(10, 40)], 0.9, 25));
        assert!(find(&rules(0.95), &[&SCORES]).is_empty());
    }

    #[test]
    fn gaps_join_up_to_their_length_exactly_and_short_ones_drop_after() {
        let with = |gap, least| extents(&find(&Rules { max_gap: gap, min_duration: least, ..rules(0.2) }, &[&SCORES]));
        assert_eq!(with(9, 0), [(10, 40), (50, 60), (80, 100)]);
        assert_eq!(with(10, 0), [(10, 60), (80, 100)]);
        assert_eq!(with(20, 0), [(10, 100)]);
        assert_eq!(with(0, 20), [(10, 40), (80, 100)]);
        assert_eq!(with(10, 50), [(10, 60)]);
        assert_eq!(with(10, 51), [(0, 0); 0]);
    }

    #[test]
    fn classes_go_apart_and_one_without_a_rule_is_not_detected() {
        let other = SCORES.map(|score| 0.95 - score);
        let two = vec![Some(ClassRule { threshold: 0.5, low: 0.2 }), Some(ClassRule { threshold: 0.8, low: 0.8 })];
        let found = find(&Rules { classes: two, ..rules(0.5) }, &[&SCORES, &other]);
        let spans: Vec<_> = found.iter().map(|one| (one.class, one.start, one.end)).collect();
        assert_eq!(spans, [(1, 0, 10), (0, 10, 40), (1, 40, 50), (0, 50, 60), (1, 60, 80)]);
        assert!((found[1].margin - 0.85).abs() < 1e-6, "{:?}", found[1]);
        let none = Rules { classes: vec![None, Some(ClassRule { threshold: 0.8, low: 0.8 })], ..rules(0.5) };
        assert!(find(&none, &[&SCORES, &other]).iter().all(|one| one.class == 1));
    }

    #[test]
    fn smoothing_takes_single_windows_out() {
        let found = find(&Rules { smooth: 1, ..rules(0.5) }, &[&[0.0, 0.9, 0.0, 0.0, 0.7, 0.8, 0.6, 0.0]]);
        assert_eq!((extents(&found), found[0].score), (vec![(40, 70)], 0.7));
    }
}
