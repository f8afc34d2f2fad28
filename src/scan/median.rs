//! A median filter over windows, for each class apart, in a stream.

use std::{collections::VecDeque, ops::Range};

/// A window's scores with the stretch that it answers for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scored {
    pub(super) cell: Range<u64>,
    /// One for each class.
    pub(super) scores: Vec<f32>,
}

/// Replaces scores by their median over an odd number of windows. Near the ends it is over as many as there are on both
/// sides, so that the first and the last window keep their own.
#[derive(Debug)]
pub(super) struct Median {
    /// Windows on each side.
    half: usize,
    rows: VecDeque<Scored>,
    /// Which of `rows` comes out next.
    next: usize,
    column: Vec<f32>,
}

impl Median {
    /// Over `2 * half + 1` windows.
    pub(super) fn new(half: usize) -> Self {
        Self { half, rows: VecDeque::new(), next: 0, column: Vec::new() }
    }

    /// Takes a window in; gives the filtered one that it finishes.
    pub(super) fn push(&mut self, row: Scored) -> Option<Scored> {
        if self.half == 0 {
            return Some(row);
        }
        self.rows.push_back(row);
        (self.rows.len() > self.next + self.half).then(|| self.take(self.half)).flatten()
    }

    /// The next of those that are left when no more come.
    pub(super) fn finish(&mut self) -> Option<Scored> {
        let behind = self.rows.len().checked_sub(self.next + 1)?;
        self.take(behind.min(self.half))
    }

    /// The next row, filtered over up to `radius` rows on each side.
    fn take(&mut self, radius: usize) -> Option<Scored> {
        let radius = radius.min(self.next);
        let row = self.rows.get(self.next)?;
        let mut filtered = Scored { cell: row.cell.clone(), scores: Vec::with_capacity(row.scores.len()) };
        for class in 0..row.scores.len() {
            self.column.clear();
            let near = self.rows.range(self.next - radius..=self.next + radius);
            self.column.extend(near.filter_map(|row| row.scores.get(class)));
            let middle = self.column.len() / 2;
            filtered.scores.push(*self.column.select_nth_unstable_by(middle, f32::total_cmp).1);
        }
        if self.next == self.half {
            self.rows.pop_front();
        } else {
            self.next += 1;
        }
        Some(filtered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(half: usize, scores: &[f32]) -> Vec<f32> {
        let mut median = Median::new(half);
        let mut rows: Vec<Scored> = Vec::new();
        for (i, &score) in scores.iter().enumerate() {
            let i = i as u64;
            rows.extend(median.push(Scored { cell: i..i + 1, scores: vec![score, -score] }));
        }
        while let Some(row) = median.finish() {
            rows.push(row);
        }
        for (i, row) in rows.iter().enumerate() {
            assert_eq!((row.cell.start, row.scores[0]), (i as u64, -row.scores[1]));
        }
        rows.iter().map(|row| row.scores[0]).collect()
    }

    #[test]
    fn each_score_becomes_the_middle_one_of_its_neighbours() {
        let scores = [0.1, 0.9, 0.2, 0.3, 0.8, 0.7, 0.6, 0.0];
        assert_eq!(filter(0, &scores), scores);
        assert_eq!(filter(1, &scores), [0.1, 0.2, 0.3, 0.3, 0.7, 0.7, 0.6, 0.0]);
        for half in 1..6 {
            for len in 0..=scores.len() {
                let radius = |i: usize| half.min(i).min(len - 1 - i);
                let expected: Vec<f32> = (0..len)
                    .map(|i| {
                        let mut near = scores[i - radius(i)..=i + radius(i)].to_vec();
                        near.sort_by(f32::total_cmp);
                        near[radius(i)]
                    })
                    .collect();
                assert_eq!(filter(half, &scores[..len]), expected, "{half} {len}");
            }
        }
    }
}
