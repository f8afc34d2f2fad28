//! Windows of long recordings: what is computed of each is kept on disk, so that a recording is decoded once, whatever its
//! length, and never held whole.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use super::{
    Dataset, Source,
    cache::{self, Cache},
    content,
};
use crate::audio::{AudioError, FRAME_LENGTH, LogMel, MonoStream, Note, SoundFile};

/// The recordings of a data set, with the windows that are wanted of each.
pub(super) struct Parts {
    recordings: HashMap<PathBuf, Recording>,
    /// Where windows are kept: the user's cache, or a folder that ends with this.
    store: OnceLock<Option<Cache>>,
    own: OnceLock<tempfile::TempDir>,
}

struct Recording {
    /// First samples of its windows, and their length.
    starts: BTreeSet<u64>,
    samples: u64,
    /// Held while the recording is decoded; what it came to for each thing that is computed.
    passes: Mutex<HashMap<String, Result<Vec<Note>, Unread>>>,
}

/// Why a recording cannot be read, reported once for each of its windows.
#[derive(Clone)]
struct Unread {
    problem: String,
    remedy: String,
}

impl Unread {
    fn of(error: &AudioError) -> Self {
        match error {
            AudioError::Unusable { problem, remedy, .. } => Self { problem: problem.clone(), remedy: remedy.clone() },
            AudioError::Io { source, .. } => Self {
                problem: format!("cannot read this file: {source}"),
                remedy: "check that it is there and readable".to_owned(),
            },
        }
    }

    fn error(self, path: &Path) -> AudioError {
        AudioError::Unusable { path: path.to_owned(), problem: self.problem, remedy: self.remedy }
    }
}

impl Parts {
    /// The windows of a data set; none where it consists of clips. Kept in `cache` where there is one.
    pub(super) fn of(dataset: &Dataset, cache: Option<Cache>) -> Self {
        let mut recordings: HashMap<PathBuf, Recording> = HashMap::new();
        for item in &dataset.items {
            if let Source::Part(part) = &item.source {
                let new = || Recording { starts: BTreeSet::new(), samples: part.samples, passes: Mutex::default() };
                recordings.entry(part.path.clone()).or_insert_with(new).starts.extend(&part.starts);
            }
        }
        let store = OnceLock::new();
        if cache.is_some() {
            let _ = store.set(cache);
        }
        Self { recordings, store, own: OnceLock::new() }
    }

    /// What `compute` makes of the window of a recording that begins at sample `start`, and, for its first window, what is
    /// odd about the recording. `what` says what is computed, `bins` how wide it is. The first call for a recording decodes it
    /// and computes all of its windows.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub(super) fn read(
        &self,
        path: &Path,
        start: u64,
        what: &str,
        bins: usize,
        compute: &mut dyn FnMut(&[f32]) -> LogMel,
    ) -> Result<(LogMel, Vec<Note>), AudioError> {
        let content = content::digest(path).map_err(|source| AudioError::Io { path: path.to_owned(), source })?;
        let Some(recording) = self.recordings.get(path) else {
            return Err(AudioError::Unusable {
                path: path.to_owned(),
                problem: "it is no recording of this data set".to_owned(),
                remedy: "open the data set again".to_owned(),
            });
        };
        let key = |start: u64| cache::part_key(&content, what, start, recording.samples);
        let kept = || self.store().and_then(|store| store.read(&key(start))).filter(|(table, _)| table.bins == bins);
        if let Some(kept) = kept() {
            return Ok(kept);
        }
        let mut passes = recording.passes.lock().unwrap_or_else(PoisonError::into_inner);
        match passes.get(what) {
            Some(Err(unread)) => return Err(unread.clone().error(path)),
            // Another thread decoded it meanwhile.
            Some(Ok(_)) => {
                if let Some(kept) = kept() {
                    return Ok(kept);
                }
                tracing::warn!("{}: windows are not kept on disk, so it is decoded once more", path.display());
            }
            None => {}
        }
        let first = recording.starts.first().copied();
        let mut wanted = None;
        let outcome = decode(path, recording, &mut |at, samples| {
            let table = compute(samples);
            if at == start {
                wanted = Some(table.clone());
            }
            // What is odd is known at the end only; the first window waits for it.
            if Some(at) != first {
                self.keep(&key(at), &table, &[]);
            }
            (Some(at) == first).then_some(table)
        });
        let (table, notes) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                passes.insert(what.to_owned(), Err(Unread::of(&error)));
                return Err(error);
            }
        };
        if let (Some(first), Some(table)) = (first, &table) {
            self.keep(&key(first), table, &notes);
        }
        let own = if Some(start) == first { notes.clone() } else { Vec::new() };
        passes.insert(what.to_owned(), Ok(notes));
        Ok((wanted.unwrap_or(LogMel { frames: 0, bins, data: Vec::new() }), own))
    }

    fn keep(&self, key: &cache::Key, table: &LogMel, notes: &[Note]) {
        if let Some(store) = self.store() {
            store.write(key, table, notes);
        }
    }

    /// Where windows are kept. Without a cache of the user's, in a folder of this set's own.
    fn store(&self) -> Option<&Cache> {
        let own = || match tempfile::tempdir() {
            Ok(folder) => Some(Cache::at(self.own.get_or_init(|| folder).path())),
            Err(error) => {
                tracing::warn!(
                    "no folder for the windows of recordings ({error}): each is decoded again when it is used"
                );
                None
            }
        };
        self.store.get_or_init(own).as_ref()
    }
}

/// Decodes a recording once and gives each window's samples, in the order of their beginnings, to `take`: fewer where the
/// recording ends before. Gives what `take` gave back first, and what is odd about the recording.
fn decode(
    path: &Path,
    recording: &Recording,
    take: &mut dyn FnMut(u64, &[f32]) -> Option<LogMel>,
) -> Result<(Option<LogMel>, Vec<Note>), AudioError> {
    let mut sound = SoundFile::open(path)?;
    let mut mono = MonoStream::new(sound.rate(), 1).map_err(|problem| AudioError::Unusable {
        path: path.to_owned(),
        problem,
        remedy: "convert it to a common sample rate".to_owned(),
    })?;
    let (mut block, mut samples, mut gone) = (Vec::new(), Vec::new(), 0u64);
    let mut waiting = recording.starts.iter().copied().peekable();
    let mut first = None;
    let mut more = true;
    while more {
        block.clear();
        more = sound.read(&mut block)?;
        match more {
            true => mono.push(&block, &mut samples),
            false => mono.finish(&mut samples),
        }
        let end = gone + samples.len() as u64;
        while let Some(start) = waiting.next_if(|start| start + recording.samples <= end || !more) {
            let from = (start.saturating_sub(gone) as usize).min(samples.len());
            let to = (from + recording.samples as usize).min(samples.len());
            // Too short for a frame: the table's length was wrong, and silence is what is there.
            let window = if to - from < FRAME_LENGTH { &[][..] } else { &samples[from..to] };
            first = take(start, window).or(first);
        }
        // In large steps, since what remains is moved.
        let free = waiting.peek().copied().unwrap_or(end).min(end).saturating_sub(gone) as usize;
        if free > samples.len() / 2 {
            samples.drain(..free);
            gone += free as u64;
        }
    }
    Ok((first, sound.notes().to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        audio::{self, FrontEnd},
        data::{Item, Label, Part},
    };

    fn item(path: &Path, starts: &[u64]) -> Item {
        Item {
            id: format!("{starts:?}"),
            source: Source::Part(Part { path: path.to_owned(), starts: starts.to_vec(), samples: 8_000 }),
            label: Label::Many(vec![(0, true)]),
            fold: None,
            split: None,
            group: None,
        }
    }

    #[test]
    fn every_window_is_what_a_clip_of_its_own_would_be_and_the_recording_is_decoded_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.wav");
        let value = |n: u32| ((n.wrapping_mul(2_654_435_761) >> 16) as i16) / 4;
        audio::testing::wav(&path, 160_000, value);
        let items = vec![item(&path, &[70_001, 60_000]), item(&path, &[0]), item(&path, &[155_000]), item(&path, &[3])];
        let dataset = Dataset { items, ..Dataset::default() };
        for cache in [Some(Cache::at(&folder.path().join("cache"))), None] {
            let parts = Parts::of(&dataset, cache);
            let mut passes = 0;
            for front_end in [FrontEnd::Kaldi, FrontEnd::Whisper] {
                let mut extractor = front_end.extractor();
                for start in [60_000u64, 70_001, 0, 155_000, 3] {
                    let mut computed = 0;
                    let mut compute = |samples: &[f32]| {
                        computed += 1;
                        front_end.extractor().compute(samples)
                    };
                    let (mel, notes) =
                        parts.read(&path, start, front_end.name(), front_end.bins(), &mut compute).unwrap();
                    passes += usize::from(computed > 0);
                    let end = (start + 8_000).min(160_000) as u32;
                    let clip: Vec<f32> = (start as u32..end).map(|n| f32::from(value(n)) / 32_768.0).collect();
                    assert_eq!(mel, extractor.compute(&clip), "{start}");
                    assert!(notes.is_empty());
                }
            }
            assert_eq!(passes, 2, "one for each front end");
        }
    }

    #[test]
    fn a_recording_that_cannot_be_read_is_tried_once_and_named_for_each_window() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broken.wav");
        std::fs::write(&path, "RIFF").unwrap();
        let parts = Parts::of(&Dataset { items: vec![item(&path, &[0, 9])], ..Dataset::default() }, None);
        let mut compute = |_: &[f32]| unreachable!();
        let mut error = |start| parts.read(&path, start, "kaldi", 128, &mut compute).unwrap_err().to_string();
        assert_eq!(error(0), error(9));
        assert!(error(0).contains("broken.wav"));
    }
}
