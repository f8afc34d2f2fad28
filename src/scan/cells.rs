//! Which stretch of a recording each window answers for.
//!
//! A class that scores high in a window is somewhere in it. Where windows overlap, a window answers for what is nearer to
//! its centre than to any other's, so that an event does not grow by a window's length; the first also answers for what is
//! before it, and the last for what is behind. Windows with gaps between them answer for themselves.

use std::ops::Range;

use crate::audio::FRAME_LENGTH;

/// Samples behind the last window that are too few for a frame more, at most.
const TAIL: u64 = FRAME_LENGTH as u64;

/// Gives the cells of windows that come one after another.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    /// Samples of a window.
    size: u64,
    /// Beginning of the cell of the last window, and of that window.
    open: Option<(u64, u64)>,
}

impl Cells {
    /// Windows of `size` samples.
    pub(super) fn new(size: u64) -> Self {
        Self { size, open: None }
    }

    /// Takes a window that begins at `start`, later than the one before; gives the cell of the one before.
    pub(super) fn push(&mut self, start: u64) -> Option<Range<u64>> {
        let Some((cell, before)) = self.open else {
            self.open = Some((start, start));
            return None;
        };
        let (end, begin) = if start > before + self.size {
            (before + self.size, start)
        } else {
            let middle = (before + start + self.size) / 2;
            (middle, middle)
        };
        self.open = Some((begin, start));
        Some(cell..end)
    }

    /// The last window's cell in a recording of so many samples.
    pub(super) fn finish(&mut self, samples: u64) -> Option<Range<u64>> {
        let (cell, before) = self.open.take()?;
        let whole = before + self.size;
        let end = if samples > whole + TAIL { whole } else { samples };
        Some(cell..end.max(cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(size: u64, starts: &[u64], samples: u64) -> Vec<Range<u64>> {
        let mut cells = Cells::new(size);
        let mut all: Vec<_> = starts.iter().filter_map(|start| cells.push(*start)).collect();
        all.extend(cells.finish(samples));
        all
    }

    #[test]
    fn cells_tile_the_recording_around_the_centres() {
        assert_eq!(cells(1_000, &[0, 1_000, 2_000], 3_000), [0..1_000, 1_000..2_000, 2_000..3_000]);
        assert_eq!(cells(1_000, &[0, 200, 400], 1_400), [0..600, 600..800, 800..1_400]);
        // The last window moved back, and a tail of less than a frame.
        assert_eq!(cells(1_000, &[0, 1_000, 1_300], 2_350), [0..1_000, 1_000..1_650, 1_650..2_350]);
        assert_eq!(cells(1_000, &[0], 400).first(), Some(&(0..400)));
        assert!(cells(1_000, &[], 400).is_empty());
    }

    #[test]
    fn windows_with_gaps_between_answer_for_themselves() {
        assert_eq!(cells(1_000, &[0, 3_000], 4_000), [0..1_000, 3_000..4_000]);
        assert_eq!(cells(1_000, &[0, 3_000], 5_500), [0..1_000, 3_000..4_000]);
    }
}
