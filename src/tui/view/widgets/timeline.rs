//! Time across the Live screen: maps frames of 10 ms to columns.

use std::collections::VecDeque;

/// Frames shown at any width: about six seconds.
const SHOWN: usize = 600;

/// Frames are assigned to pixels by their number since the beginning, so that a pixel keeps its frames while it moves
/// left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeline {
    newest: u64,
    /// Newest frames that are not shown yet.
    late: usize,
    /// Frames of a cell, at least two.
    pub per_cell: usize,
}

impl Timeline {
    /// After so many frames, of which the last few may be `late`, on so many cells.
    pub fn new(frame_count: u64, late: usize, cells: u16) -> Self {
        let newest = frame_count.saturating_sub(late as u64 + 1);
        Self { newest, late, per_cell: (SHOWN / usize::from(cells).max(1)).max(2) }
    }

    /// The shown part of a queue with one entry per frame, the newest first, each with how many are newer.
    pub fn shown<'a, T>(&self, all: &'a VecDeque<T>) -> impl Iterator<Item = (usize, &'a T)> + use<'a, T> {
        all.iter().rev().skip(self.late).enumerate()
    }

    /// Pixels between the newest one and that of the frame `back` before the newest, when a cell is `across` pixels
    /// wide.
    pub fn back(&self, back: usize, across: usize) -> usize {
        let pixel = |frame: u64| frame * across as u64 / self.per_cell as u64;
        (pixel(self.newest) - pixel(self.newest.saturating_sub(back as u64))) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_keeps_its_frames_while_it_moves() {
        // Frames 0, 1, 2 | 3, 4, 5 | ... by cells, 0, 1 | 2 | 3, 4 | 5 | ... by halves of cells.
        let pixels = |frame_count: u64, across: usize| -> Vec<usize> {
            let timeline = Timeline::new(frame_count, 0, 200);
            (0..frame_count as usize).rev().map(|back| timeline.back(back, across)).collect()
        };
        assert_eq!(pixels(9, 1), [2, 2, 2, 1, 1, 1, 0, 0, 0]);
        assert_eq!(pixels(10, 1), [3, 3, 3, 2, 2, 2, 1, 1, 1, 0]);
        assert_eq!(pixels(9, 2), [5, 5, 4, 3, 3, 2, 1, 1, 0]);
        assert_eq!(pixels(3, 3), [2, 1, 0]);
    }
}
