//! Values in memory, one for each clip, within bounds.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes of log-mels, and as many of waveforms, that are kept in memory; beyond it they are read again.
const MEMORY: usize = 1 << 30;

/// What was computed, one place for each clip, as far as memory goes.
pub(super) struct Kept<T> {
    places: Vec<OnceLock<Arc<T>>>,
    bytes: AtomicUsize,
}

impl<T> Kept<T> {
    /// So many places, all empty.
    pub(super) fn new(places: usize) -> Self {
        Self { places: (0..places).map(|_| OnceLock::new()).collect(), bytes: AtomicUsize::new(0) }
    }

    /// The value of a place, where there is one.
    pub(super) fn get(&self, place: usize) -> Option<Arc<T>> {
        self.places.get(place)?.get().cloned()
    }

    /// Keeps a value where memory allows, and gives it back either way.
    pub(super) fn keep(&self, place: usize, value: T, bytes: usize) -> Arc<T> {
        let value = Arc::new(value);
        let fits = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= MEMORY;
        let kept = fits && self.places.get(place).is_some_and(|place| place.set(Arc::clone(&value)).is_ok());
        if !kept {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        value
    }
}
