//! How many clips a device has room for: found out, not computed, since what a pass takes depends on allocators.

use std::ops::Range;

use crate::model::ModelError;

/// Clips that go through at a time: all of a batch, as many as were asked for, or as many as turned out to fit.
#[derive(Default)]
pub(super) struct Room {
    at_once: Option<usize>,
    /// The number to report, once.
    shrunk: Option<usize>,
}

impl Room {
    /// Room for so many, or for any number.
    pub(super) fn new(at_once: Option<usize>) -> Self {
        Self { at_once, shrunk: None }
    }

    /// Does the work for every clip of a batch in consecutive ranges. A range that the device has no memory for is
    /// taken again by halves, and so is everything after it from then on.
    ///
    /// # Errors
    /// The work's own; [`ModelError::Memory`] when there is no room for one clip.
    pub(super) fn each(
        &mut self,
        batch: usize,
        mut work: impl FnMut(Range<usize>) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        let mut from = 0;
        loop {
            let size = self.at_once.unwrap_or(batch).max(1).min(batch - from);
            match work(from..from + size) {
                Ok(()) => from += size,
                Err(error) if error.is_out_of_memory() && size > 1 => {
                    self.at_once = Some(size / 2);
                    self.shrunk = self.at_once;
                }
                Err(error) if error.is_out_of_memory() => return Err(ModelError::Memory(error.to_string())),
                Err(error) => return Err(error),
            }
            if from == batch {
                return Ok(());
            }
        }
    }

    /// A notice for the user since the last call.
    pub(super) fn note(&mut self) -> Option<String> {
        let size = self.shrunk.take()?;
        Some(format!(
            "the device's memory is too small for more than {size} clips at a time: going on with parts of that size, \
             whose gradients add up to the same; --micro-batch {size} begins so"
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A device with memory for `most` clips, and the ranges that went through.
    fn with_memory(room: &mut Room, most: usize, batch: usize) -> Result<Vec<Range<usize>>, ModelError> {
        let mut done = Vec::new();
        room.each(batch, |range| {
            if range.len() > most {
                let error = candle_core::Error::Msg("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")".into());
                return Err(error.into());
            }
            done.push(range);
            Ok(())
        })?;
        Ok(done)
    }

    #[test]
    fn halves_until_it_fits_and_says_so_once() {
        let mut room = Room::new(None);
        assert_eq!(with_memory(&mut room, 4, 13).unwrap(), [0..3, 3..6, 6..9, 9..12, 12..13]);
        assert!(room.note().unwrap().contains("--micro-batch 3"));
        assert_eq!(room.note(), None);
        // What was found stays.
        assert_eq!(with_memory(&mut room, 13, 4).unwrap(), [0..3, 3..4]);
        assert_eq!(room.note(), None);
    }

    #[test]
    fn a_batch_that_fits_goes_through_whole_or_as_asked() {
        assert_eq!(with_memory(&mut Room::new(None), 13, 13).unwrap(), std::slice::from_ref(&(0..13)));
        assert_eq!(with_memory(&mut Room::new(Some(2)), 13, 3).unwrap(), [0..2, 2..3]);
        assert_eq!(with_memory(&mut Room::new(None), 1, 0).unwrap(), std::slice::from_ref(&(0..0)));
    }

    #[test]
    fn without_room_for_one_there_is_advice() {
        let error = with_memory(&mut Room::new(None), 0, 4).unwrap_err().to_string();
        assert!(error.contains("one clip") && error.contains("--frames") && error.contains("--device cpu"), "{error}");
    }

    #[test]
    fn other_errors_pass() {
        let error = Room::new(None).each(4, |_| Err(ModelError::Shape("of another kind".into()))).unwrap_err();
        assert!(matches!(error, ModelError::Shape(_)));
    }
}
