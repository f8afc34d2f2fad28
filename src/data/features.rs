//! The log-mels of a data set: computed once, on all cores, kept in memory within bounds and on disk.

use std::{
    collections::HashSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    DataError, Dataset, Item, Part, Problem, Source,
    cache::{self, Cache},
    content,
    kept::Kept,
    parallel::{self, Progress},
    parts::Parts,
    problem, synth,
};
use crate::audio::{self, AudioError, Clip, Extractor, FrontEnd, LogMel, Normalisation, Note, SAMPLE_RATE};

/// Seconds of a clip whose features are computed, where a batch holds less of it: ten minutes, which is 38 MB of sound.
const LONGEST_S: usize = 600;

/// The log-mels of a data set, shared by every loader (and every paired run) over it.
pub struct FeatureSet {
    dataset: Arc<Dataset>,
    front_end: FrontEnd,
    /// Frames kept of each clip: a batch never holds more.
    frames: usize,
    pub(super) cache: Option<Cache>,
    /// Clips that were prepared without a fault, and are not looked at again.
    prepared: Vec<AtomicBool>,
    /// What is odd about each clip's sound, once it was read.
    notes: Vec<OnceLock<Vec<Note>>>,
    mels: Kept<LogMel>,
    /// For each clip, its first place among `mels`: one for each of its places in a recording.
    slots: Vec<usize>,
    /// Windows of recordings, each recording decoded once.
    parts: Parts,
    /// Waveforms, for mixup only.
    sounds: Kept<Vec<f32>>,
    /// What else was computed of the waveforms, for one purpose at a time.
    pub(super) derived: Kept<LogMel>,
}

impl FeatureSet {
    /// A set that has computed nothing yet. Clips are kept up to `frames` frames.
    pub fn new(dataset: Arc<Dataset>, front_end: FrontEnd, frames: usize) -> Self {
        Self::with_cache(dataset, front_end, frames, Cache::of_user())
    }

    pub(super) fn with_cache(dataset: Arc<Dataset>, front_end: FrontEnd, frames: usize, cache: Option<Cache>) -> Self {
        let clips = dataset.items.len();
        let places = |item: &Item| if let Source::Part(part) = &item.source { part.starts.len().max(1) } else { 1 };
        let mut mels = 0;
        let slots = dataset
            .items
            .iter()
            .map(|item| {
                mels += places(item);
                mels - places(item)
            })
            .collect();
        Self {
            parts: Parts::of(&dataset, cache.clone()),
            slots,
            dataset,
            front_end,
            frames,
            cache,
            prepared: (0..clips).map(|_| AtomicBool::new(false)).collect(),
            notes: (0..clips).map(|_| OnceLock::new()).collect(),
            mels: Kept::new(mels),
            sounds: Kept::new(clips),
            derived: Kept::new(clips),
        }
    }

    /// The data set.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// Which log-mel this is.
    pub fn front_end(&self) -> FrontEnd {
        self.front_end
    }

    /// Frames kept of each clip.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Samples of a clip that are held at once: the rest of a longer one is decoded, so that damage is found, and not used.
    fn most(&self) -> usize {
        self.front_end.samples_of(self.frames).max(LONGEST_S * SAMPLE_RATE as usize)
    }

    /// Computes the log-mels of these clips on all cores, so that whatever cannot be read is known before training.
    /// `progress` gets the number of clips done and clips in all, and may break off.
    ///
    /// # Errors
    /// [`DataError::Problems`] naming the first clip that cannot be used; [`DataError::Cancelled`].
    pub fn prepare(&self, items: &[usize], progress: Progress<'_>) -> Result<(), DataError> {
        let done = |item: usize| self.prepared.get(item).is_some_and(|done| done.load(Ordering::Relaxed));
        let mut items: Vec<usize> = items.iter().copied().filter(|&item| !done(item)).collect();
        if items.is_empty() {
            return Ok(());
        }
        // One window of each recording first, so that recordings are decoded side by side.
        let mut begun = HashSet::new();
        items.sort_by_cached_key(|&item| match self.dataset.items.get(item).map(|item| &item.source) {
            Some(Source::Part(part)) => !begun.insert(part.path.clone()),
            _ => false,
        });
        let work = |extractor: &mut Extractor, place: usize| {
            let fault = self.mel(items[place], extractor).err();
            if let Some(prepared) = self.prepared.get(items[place]).filter(|_| fault.is_none()) {
                prepared.store(true, Ordering::Relaxed);
            }
            fault
        };
        let faults =
            parallel::map(items.len(), || self.front_end.extractor(), work, progress).ok_or(DataError::Cancelled)?;
        if let Some(cache) = &self.cache {
            cache.prune();
        }
        let mut problems: Vec<Problem> = faults.into_iter().flatten().map(Problem::from).collect();
        // All windows of a recording fail with it.
        problems.dedup();
        let dataset = &self.dataset;
        let spec = dataset.root.as_ref().map_or_else(|| dataset.name.clone(), |root| root.display().to_string());
        problem::refuse(&spec, &problems)
    }

    /// Those of these clips that cannot be read; computes the log-mels of the others on the way.
    ///
    /// # Errors
    /// [`DataError::Cancelled`].
    pub fn readable(&self, items: &[usize], progress: Progress<'_>) -> Result<HashSet<usize>, DataError> {
        let work =
            |extractor: &mut Extractor, place: usize| self.mel(items[place], extractor).err().map(|_| items[place]);
        let bad =
            parallel::map(items.len(), || self.front_end.extractor(), work, progress).ok_or(DataError::Cancelled)?;
        Ok(bad.into_iter().flatten().collect())
    }

    /// Frames of a clip's log-mel, as far as they are kept; 0 for one that cannot be read.
    pub fn frames_of(&self, item: usize) -> usize {
        self.mel(item, &mut self.front_end.extractor()).map_or(0, |mel| mel.frames)
    }

    /// A clip's log-mel, its first [`frames`](Self::frames) frames: from memory, from disk, or computed now.
    ///
    /// # Errors
    /// When the clip cannot be read.
    pub fn mel(&self, item: usize, extractor: &mut Extractor) -> Result<Arc<LogMel>, AudioError> {
        self.mel_at(item, 0, extractor)
    }

    /// Places in a recording at which a clip may be cut out, all of which hold the same; 1 for a clip of its own.
    pub fn places(&self, item: usize) -> usize {
        match self.dataset.items.get(item).map(|item| &item.source) {
            Some(Source::Part(part)) => part.starts.len().max(1),
            _ => 1,
        }
    }

    /// As [`mel`](Self::mel), of one of the clip's [`places`](Self::places).
    ///
    /// # Errors
    /// When the clip cannot be read.
    pub fn mel_at(&self, item: usize, place: usize, extractor: &mut Extractor) -> Result<Arc<LogMel>, AudioError> {
        let slot = self.slots.get(item).map_or(usize::MAX, |slot| slot + place);
        if let Some(mel) = self.mels.get(slot) {
            return Ok(mel);
        }
        let mut mel = match self.dataset.items.get(item).map(|item| &item.source) {
            Some(Source::Part(part)) => self.load_part(item, part, place, extractor)?,
            _ => self.load_mel(item, extractor)?,
        };
        mel.frames = mel.frames.min(self.frames);
        mel.data.truncate(mel.frames * mel.bins);
        mel.data.shrink_to_fit();
        let bytes = 4 * mel.data.len();
        Ok(self.mels.keep(slot, mel, bytes))
    }

    /// A window of a recording, at one of its places.
    fn load_part(
        &self,
        item: usize,
        part: &Part,
        place: usize,
        extractor: &mut Extractor,
    ) -> Result<LogMel, AudioError> {
        let start = part.starts.get(place).copied().unwrap_or_else(|| part.start());
        let bins = self.front_end.bins();
        // A window has the samples of so many of Kaldi's frames; Whisper's bank needs fewer for as many.
        let most = self.front_end.samples_of(audio::frames_of(part.samples as usize));
        let mut compute = |samples: &[f32]| match samples {
            [] => LogMel { frames: 0, bins, data: Vec::new() },
            samples => extractor.compute(&samples[..samples.len().min(most)]),
        };
        let (mel, notes) = self.parts.read(&part.path, start, self.front_end.name(), bins, &mut compute)?;
        self.note(item, notes);
        Ok(mel)
    }

    fn load_mel(&self, item: usize, extractor: &mut Extractor) -> Result<LogMel, AudioError> {
        let (Some(Source::File(path)), Some(cache)) =
            (self.dataset.items.get(item).map(|item| &item.source), &self.cache)
        else {
            let clip = self.load_clip(item)?;
            self.note(item, clip.notes);
            return Ok(extractor.compute(&clip.samples));
        };
        let content = content::digest(path).map_err(|source| AudioError::Io { path: path.clone(), source })?;
        let whole = cache::key(&content, self.front_end.name());
        let beginning = cache::key(&content, &format!("{} first {}", self.front_end.name(), self.most()));
        let mut kept = [&whole, &beginning].into_iter().filter_map(|key| cache.read(key));
        if let Some((mel, notes)) = kept.find(|(mel, _)| mel.bins == self.front_end.bins()) {
            self.note(item, notes);
            return Ok(mel);
        }
        let clip = self.load_clip(item)?;
        let key = if clip.length == clip.samples.len() as u64 { whole } else { beginning };
        let mel = extractor.compute(&clip.samples);
        cache.write(&key, &mel, &clip.notes);
        self.note(item, clip.notes);
        Ok(mel)
    }

    fn note(&self, item: usize, notes: Vec<Note>) {
        if let Some(place) = self.notes.get(item) {
            let _ = place.set(notes);
        }
    }

    /// One sentence about those of these clips whose sound is odd though it was read, such as silence or a header whose
    /// sizes are wrong; `None` if there are none. Clips that were not read yet count as not odd.
    pub fn odd(&self, items: &[usize]) -> Option<String> {
        let noted = |item: &usize| Some((*item, self.notes.get(*item)?.get()?.first()?));
        let mut noted = items.iter().filter_map(noted);
        let (first, note) = noted.next()?;
        let id = self.dataset.items.get(first).map_or("", |item| item.id.as_str());
        Some(match noted.count() {
            0 => format!("{id}: {note}"),
            more => {
                format!(
                    "{} sounds are odd; {id}: {}; `aat-tui data check` lists all of this data",
                    more + 1,
                    note.problem
                )
            }
        })
    }

    /// A clip's waveform: mono at 16 kHz; its first ten minutes, or as much as a batch holds where that is more.
    ///
    /// # Errors
    /// When the clip cannot be read.
    pub fn sound(&self, item: usize) -> Result<Arc<Vec<f32>>, AudioError> {
        if let Some(sound) = self.sounds.get(item) {
            return Ok(sound);
        }
        let sound = self.load_sound(item)?;
        let bytes = 4 * sound.len();
        Ok(self.sounds.keep(item, sound, bytes))
    }

    /// The same without keeping it in memory.
    ///
    /// # Errors
    /// As [`sound`](Self::sound).
    pub fn load_sound(&self, item: usize) -> Result<Vec<f32>, AudioError> {
        self.load_clip(item).map(|clip| clip.samples)
    }

    fn load_clip(&self, item: usize) -> Result<Clip, AudioError> {
        let whole = |samples: Vec<f32>, notes| Ok(Clip { length: samples.len() as u64, samples, notes });
        match self.dataset.items.get(item).map(|item| &item.source) {
            Some(Source::File(path)) => audio::load_beginning(path, self.most()),
            Some(Source::Part(part)) => {
                // Kept as a table of one bin: a waveform is read again like features are.
                let mut keep = |samples: &[f32]| LogMel { frames: samples.len(), bins: 1, data: samples.to_vec() };
                let (table, notes) = self.parts.read(&part.path, part.start(), "waveform", 1, &mut keep)?;
                whole(table.data, notes)
            }
            Some(Source::Demo { class, index }) => whole(synth::clip(*class, *index), Vec::new()),
            None => whole(Vec::new(), Vec::new()),
        }
    }

    /// Mean and standard deviation over every value of these clips' frames, padding left out.
    ///
    /// # Errors
    /// When a clip cannot be read, or there is none.
    pub fn statistics(&self, items: &[usize]) -> Result<Normalisation, DataError> {
        let mut extractor = self.front_end.extractor();
        // Mean and sum of squared distances from it, joined clip by clip (Chan, Golub and LeVeque, 1983).
        let (mut count, mut mean, mut spread) = (0.0f64, 0.0f64, 0.0f64);
        for &item in items {
            let mel = self.mel(item, &mut extractor)?;
            let n = mel.data.len() as f64;
            if n == 0.0 {
                continue;
            }
            let own_mean = mel.data.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
            let own_spread = mel.data.iter().map(|&value| (f64::from(value) - own_mean).powi(2)).sum::<f64>();
            let apart = own_mean - mean;
            spread += own_spread + apart * apart * count * n / (count + n);
            mean += apart * n / (count + n);
            count += n;
        }
        if count < 2.0 {
            return Err(DataError::Request(format!("{} has no sound to take statistics from", self.dataset.name)));
        }
        // All silence has no spread; 1 then leaves it what it is.
        let std = (spread / count).sqrt() as f32;
        Ok(Normalisation { mean: mean as f32, std: if std > 0.0 { std } else { 1.0 } })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    fn wav(path: &Path, sample: impl Fn(u32) -> i16) {
        audio::testing::wav(path, 8_000, sample);
    }

    #[test]
    fn odd_sounds_are_named_the_first_time_and_from_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let (data, cache) = (folder.path().join("data"), folder.path().join("cache"));
        for name in ["dog/1.wav", "dog/2.wav", "rain/1.wav"] {
            wav(&data.join(name), |n| (n * 7919 % 2_000) as i16);
        }
        let silence = |name: &str| wav(&data.join(name), |_| 0);
        let odd = || {
            let dataset = Arc::new(super::super::open(data.to_str().unwrap()).unwrap());
            let items: Vec<_> = (0..dataset.items.len()).collect();
            let set = FeatureSet::with_cache(dataset, FrontEnd::Kaldi, 100, Some(Cache::at(&cache)));
            set.prepare(&items, &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
            set.odd(&items)
        };
        assert_eq!(odd(), None);
        silence("rain/2.wav");
        let one = "rain/2.wav: every sample is zero; leave it out, unless silence is meant";
        assert_eq!([odd(), odd()], [Some(one.to_owned()), Some(one.to_owned())], "decoded, then from the cache");
        wav(&data.join("rain/3.wav"), |_| 1);
        silence("dog/3.wav");
        let text = odd().unwrap();
        assert!(text.starts_with("3 sounds are odd; dog/3.wav: every sample is zero; `aat-tui data check` "), "{text}");
    }
}
