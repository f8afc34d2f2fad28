//! Tables of clips that something else than log-mel is computed into, such as a backbone's vectors: kept like features.

use std::sync::Arc;

use super::{DataError, FeatureSet, Source, cache, content};
use crate::audio::{AudioError, LogMel};

/// A derived table that has to be computed.
#[derive(Debug)]
pub struct MissingTable {
    item: usize,
    key: Option<cache::Key>,
}

impl FeatureSet {
    /// A table of something else than log-mel that a clip's waveform decides, such as a teacher's features: from
    /// memory, from disk, or computed now. `name` says everything else that decides it; a set is asked for one only.
    ///
    /// # Errors
    /// When the clip cannot be read, or `compute` fails.
    pub fn derived(
        &self,
        item: usize,
        name: &str,
        compute: &dyn Fn(&[f32]) -> Result<LogMel, DataError>,
    ) -> Result<Arc<LogMel>, DataError> {
        match self.kept_derived(item, name)? {
            Ok(table) => Ok(table),
            Err(missing) => {
                let table = compute(&self.load_sound(item)?)?;
                Ok(self.keep_derived(missing, table))
            }
        }
    }

    /// The same without computing it, so that those of several clips can be computed together: what is missing goes to
    /// [`keep_derived`](Self::keep_derived).
    ///
    /// # Errors
    /// When the clip's file cannot be read.
    pub fn kept_derived(&self, item: usize, name: &str) -> Result<Result<Arc<LogMel>, MissingTable>, DataError> {
        if let Some(table) = self.derived.get(item) {
            return Ok(Ok(table));
        }
        let key = match (self.dataset().items.get(item).map(|item| &item.source), &self.cache) {
            (Some(Source::File(path)), Some(_)) => {
                let content = content::digest(path).map_err(|source| AudioError::Io { path: path.clone(), source })?;
                Some(cache::key(&content, name))
            }
            (Some(Source::Part(part)), Some(_)) => {
                let path = part.path.clone();
                let content = content::digest(&path).map_err(|source| AudioError::Io { path, source })?;
                Some(cache::part_key(&content, name, part.start(), part.samples))
            }
            _ => None,
        };
        let kept = key.as_ref().and_then(|key| self.cache.as_ref()?.read(key));
        Ok(match kept {
            Some((table, _)) => Ok(self.remember_derived(item, table)),
            None => Err(MissingTable { item, key }),
        })
    }

    /// Keeps a table that was computed, in memory and on disk.
    pub fn keep_derived(&self, missing: MissingTable, table: LogMel) -> Arc<LogMel> {
        if let (Some(key), Some(cache)) = (&missing.key, &self.cache) {
            cache.write(key, &table, &[]);
        }
        self.remember_derived(missing.item, table)
    }

    fn remember_derived(&self, item: usize, table: LogMel) -> Arc<LogMel> {
        let bytes = 4 * table.data.len();
        self.derived.keep(item, table, bytes)
    }
}
