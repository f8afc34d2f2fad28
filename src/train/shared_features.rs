//! Features shared by the runs of one trainer that use the same clips.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    audio::FrontEnd,
    data::{Dataset, FeatureSet},
};

/// The feature sets in memory.
#[derive(Clone, Default)]
pub(super) struct SharedFeatures {
    sets: Arc<Mutex<Vec<Arc<FeatureSet>>>>,
}

impl SharedFeatures {
    /// The features of this data set: those in use by another run, or new ones.
    pub(super) fn take(&self, dataset: Dataset, front_end: FrontEnd, frames: usize) -> Arc<FeatureSet> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |set: &&Arc<FeatureSet>| {
            set.front_end() == front_end && set.frames() == frames && **set.dataset() == dataset
        };
        if let Some(set) = sets.iter().find(same) {
            return Arc::clone(set);
        }
        let set = Arc::new(FeatureSet::new(Arc::new(dataset), front_end, frames));
        sets.push(Arc::clone(&set));
        set
    }
}
