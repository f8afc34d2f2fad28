//! Batches to pretrain on: crops of sounds, each with its labels, its teacher's features and the patches to be shown.
//!
//! Every draw is a function of (seed, step, place), so that a run goes on anywhere. A batch's crops are all of one
//! length; shorter ones come in larger numbers, so that every step contains as much sound.

mod change;
mod clusters;

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
};

use change::change;
use clusters::{clusters, sound_patches};

use super::{DataError, Dataset, FeatureSet, Label};
use crate::{
    audio::{Extractor, LogMel, Normalisation},
    model::{Features, pretrain::Sounds},
    random::KeyedRng,
};

/// Side of a patch and stride, in mel bins and in frames: crops begin where patches do.
pub const PATCH: usize = 16;
/// Finished batches that each thread may hold ready.
const AHEAD: usize = 2;
/// Threads that make batches, at least and at most: an accelerator is faster than two.
const WORKERS: [usize; 2] = [2, 8];
/// Labelled sounds that the unlabelled ones count as, when classes are drawn.
const UNLABELLED_SIZE: f64 = 8.0;

/// Makes a teacher's features of mono samples at 16 kHz.
pub type Compute = dyn Fn(&[f32]) -> Result<LogMel, DataError> + Send + Sync;

/// A teacher's features of whole sounds: columns of [`PATCH`] frames by features.
pub struct Teaching {
    /// Everything that decides them, for the cache.
    pub name: String,
    /// Features of each column.
    pub features: usize,
    /// Computes them from mono samples at 16 kHz.
    pub compute: Box<Compute>,
    /// Mean and deviation of each feature; empty until they are known.
    pub statistics: (Vec<f32>, Vec<f32>),
}

/// What decides a crop.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Frames of the longest crops.
    pub frames: usize,
    /// Longest crops in a batch.
    pub batch: usize,
    /// Share of patches that are shown.
    pub keep: f32,
    /// Share of the shown patches that are hidden.
    pub hide: f32,
    /// How far crops are changed, from 0 to 1.
    pub augment: f32,
    /// Statistics of the log-mels.
    pub normalisation: Normalisation,
    /// Seed of every draw.
    pub seed: u64,
}

/// Makes crops of a corpus.
#[derive(Clone)]
pub struct Crops {
    job: Arc<Job>,
}

struct Job {
    set: Arc<FeatureSet>,
    teaching: Option<Arc<Teaching>>,
    cut: Cut,
    train: Vec<usize>,
    val: Vec<usize>,
    /// Running sums of the training sounds' weights.
    sums: Vec<f64>,
}

/// Divides a corpus into what trains and what validates: one sound of fifty, at most 256, chosen by name.
pub fn divide_corpus(corpus: &Dataset, seed: u64) -> (Vec<usize>, Vec<usize>) {
    const HELD_OUT: usize = 50;
    const MOST: usize = 256;
    let mut order: Vec<usize> = (0..corpus.items.len()).collect();
    KeyedRng::new(seed, "corpus", 0, 0).shuffle(&mut order);
    let count = (corpus.items.len() / HELD_OUT).clamp(1, MOST).min(corpus.items.len().saturating_sub(1));
    let (val, train) = order.split_at(count);
    let sorted = |part: &[usize]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part
    };
    (sorted(train), sorted(val))
}

impl Crops {
    /// Crops of these sounds.
    pub fn new(
        set: Arc<FeatureSet>,
        teaching: Option<Arc<Teaching>>,
        cut: Cut,
        train: Vec<usize>,
        val: Vec<usize>,
    ) -> Self {
        let corpus = set.dataset();
        let class = |item: usize| if let Label::One(class) = corpus.items[item].label { Some(class) } else { None };
        let mut counts = vec![0usize; corpus.classes.len()];
        train.iter().filter_map(|&item| class(item)).for_each(|class| counts[class] += 1);
        // Between drawing sounds evenly and drawing classes evenly.
        let weight = |item: usize| class(item).map_or(UNLABELLED_SIZE, |class| counts[class] as f64).powf(-0.5);
        let mut sum = 0.0;
        let sums = train
            .iter()
            .map(|&item| {
                sum += weight(item);
                sum
            })
            .collect();
        Self { job: Arc::new(Job { set, teaching, cut, train, val, sums }) }
    }

    /// Batches from this step (counted from 0) on, without end, made ahead in the background.
    pub fn from(&self, step: u64) -> Stream {
        let (mut inboxes, mut threads) = (Vec::new(), Vec::new());
        let [least, most] = WORKERS;
        let workers = thread::available_parallelism().map_or(least, |cores| cores.get().clamp(least, most));
        for worker in 0..workers {
            let (outbox, inbox) = mpsc::sync_channel(AHEAD);
            let job = Arc::clone(&self.job);
            let work = move || {
                let mut extractor = job.set.front_end().extractor();
                for step in (step + worker as u64..).step_by(workers) {
                    let made = job.batch(step, &mut extractor);
                    let failed = made.is_err();
                    if outbox.send(made).is_err() || failed {
                        return;
                    }
                }
            };
            match thread::Builder::new().name("crops".into()).spawn(work) {
                Ok(thread) => threads.push(thread),
                Err(error) => tracing::warn!("no thread to load data on: {error}"),
            }
            inboxes.push(inbox);
        }
        Stream { inboxes, threads, next: 0 }
    }

    /// Batches of the validation sounds.
    pub fn val_batches(&self) -> u64 {
        self.job.val.len().div_ceil(self.job.cut.batch.max(1)) as u64
    }

    /// Sounds of the validation split.
    pub fn val_clips(&self) -> usize {
        self.job.val.len()
    }

    /// One batch of validation: every patch of the beginning of each sound, as it is, always the same.
    ///
    /// # Errors
    /// When a sound cannot be read.
    pub fn val(&self, number: u64) -> Result<Sounds, DataError> {
        let job = &self.job;
        let start = number as usize * job.cut.batch;
        let items = &job.val[start..(start + job.cut.batch).min(job.val.len())];
        let mut extractor = job.set.front_end().extractor();
        let mut batch = job.empty(job.cut.frames / 2);
        for (place, &item) in items.iter().enumerate() {
            let mut rng = KeyedRng::new(0, "validation", number, place as u64);
            job.add(&mut batch, item, None, &mut rng, &mut extractor)?;
        }
        Ok(batch)
    }
}

/// Batches in order. Dropping it ends the threads behind it.
pub struct Stream {
    inboxes: Vec<Receiver<Result<Sounds, DataError>>>,
    threads: Vec<thread::JoinHandle<()>>,
    next: usize,
}

impl Stream {
    /// The next batch.
    ///
    /// # Errors
    /// When a sound cannot be read.
    pub fn take(&mut self) -> Result<Sounds, DataError> {
        let inbox = &self.inboxes[self.next % self.inboxes.len()];
        self.next += 1;
        inbox
            .recv()
            .unwrap_or_else(|_| Err(DataError::Request("a loading thread ended early; the log says why".into())))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.inboxes.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Job {
    fn empty(&self, frames: usize) -> Sounds {
        let features = Features { frames, bins: self.set.front_end().bins(), ..Features::default() };
        Sounds { features, ..Sounds::default() }
    }

    fn batch(&self, step: u64, extractor: &mut Extractor) -> Result<Sounds, DataError> {
        let Cut { frames, batch, seed, .. } = self.cut;
        let parts = match KeyedRng::new(seed, "length", 0, step).unit() {
            draw if draw < 0.4 => 4,
            draw if draw < 0.75 => 2,
            _ => 1,
        };
        let mut sounds = self.empty(frames / parts);
        for place in 0..batch * parts {
            let mut rng = KeyedRng::new(seed, "crop", step, place as u64);
            let item = self.draw(&mut rng);
            let other = rng.chance(0.4 * self.cut.augment).then(|| self.draw(&mut rng));
            self.add(&mut sounds, item, Some(other), &mut rng, extractor)?;
        }
        Ok(sounds)
    }

    fn draw(&self, rng: &mut KeyedRng) -> usize {
        let wanted = f64::from(rng.unit()) * self.sums.last().copied().unwrap_or(0.0);
        self.train[self.sums.partition_point(|&sum| sum <= wanted).min(self.train.len() - 1)]
    }

    /// Adds a sound to a batch. `augment`: it trains, perhaps with another sound behind it.
    fn add(
        &self,
        sounds: &mut Sounds,
        item: usize,
        augment: Option<Option<usize>>,
        rng: &mut KeyedRng,
        extractor: &mut Extractor,
    ) -> Result<(), DataError> {
        let (frames, bins) = (sounds.features.frames, sounds.features.bins);
        let mel = self.set.mel(item, extractor)?;
        let spare = (mel.frames.saturating_sub(frames)) / PATCH;
        let first = if augment.is_some() { rng.below(spare + 1) } else { 0 };
        let begin = first * PATCH;
        let valid = mel.frames.saturating_sub(begin).min(frames);
        let mut crop = vec![0.0; frames * bins];
        crop[..valid * bins].copy_from_slice(&mel.data[begin * bins..(begin + valid) * bins]);
        if let Some(behind) = augment {
            let behind = behind.map(|item| self.set.mel(item, extractor)).transpose()?;
            change(&mut crop[..valid * bins], bins, behind.as_deref(), self.cut.augment, rng);
        }
        let Normalisation { mean, std } = self.cut.normalisation;
        let by = if augment.is_some() { 0.15 * self.cut.augment } else { 0.0 };
        let stretch = 1.0 + by * rng.between(-1.0, 1.0);
        let scale = stretch / (2.0 * std);
        crop.iter_mut().for_each(|value| *value = (*value - mean) * scale);
        sounds.features.data.extend(crop);
        sounds.features.valid.push(valid);
        sounds.features.batch += 1;

        let columns = frames / PATCH;
        let of_sound = (valid / PATCH).clamp(1, columns);
        sounds.columns.push(of_sound);
        sounds.labels.push(match self.set.dataset().items[item].label {
            Label::One(class) => Some(class),
            Label::Many(_) | Label::Not(_) => None,
        });
        if let Some(teaching) = &self.teaching {
            let taught = self.set.derived(item, &teaching.name, &*teaching.compute)?;
            let from = first.min(taught.frames.saturating_sub(1)) * taught.bins;
            let to = (from + columns * taught.bins).min(taught.data.len());
            let (means, deviations) = &teaching.statistics;
            let known = taught.data[from..to].chunks_exact(taught.bins).flat_map(|column| {
                let standardised = column.iter().zip(means.iter().zip(deviations));
                standardised.map(|(value, (mean, deviation))| ((value - mean) / deviation).clamp(-5.0, 5.0))
            });
            let before = sounds.teacher.len();
            sounds.teacher.extend(known);
            sounds.teacher.resize(before + columns * teaching.features, 0.0);
            let taught_columns = (to - from) / taught.bins.max(1);
            if let Some(last) = sounds.columns.last_mut() {
                *last = (*last).min(taught_columns.max(1));
            }
        }
        self.select(sounds, [bins / PATCH, columns], augment.is_some(), rng);
        Ok(())
    }

    /// Chooses the patches of a sound.
    fn select(&self, sounds: &mut Sounds, [rows, columns]: [usize; 2], train: bool, rng: &mut KeyedRng) {
        let all = rows * columns;
        let keep = if train { self.cut.keep } else { 1.0 };
        let mut patches: Vec<usize> = (0..all).collect();
        let kept = ((keep * all as f32).round() as usize).clamp(1, all);
        if kept < all {
            rng.shuffle(&mut patches);
            patches.truncate(kept);
            patches.sort_unstable();
        }
        let mut hidden = vec![false; kept];
        if self.cut.hide > 0.0 {
            let bins = sounds.features.bins;
            let crop = &sounds.features.data[sounds.features.data.len() - sounds.features.frames * bins..];
            let holds = sound_patches(crop, bins);
            let covered = clusters(columns, self.cut.hide, &holds, rng);
            hidden = patches.iter().map(|&patch| covered[patch]).collect();
        }
        sounds.selection.patches.extend(patches.into_iter().map(|patch| [patch / columns, patch % columns]));
        sounds.selection.hidden.extend(hidden);
        let spare = self.cut.frames / PATCH - columns;
        sounds.selection.offsets.push(if train { rng.below(spare + 1) } else { spare / 2 });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{audio::FrontEnd, data::open_corpus};

    fn crops(cut: Cut) -> Crops {
        let corpus = open_corpus(&["demo".to_owned()]).unwrap();
        let (train, val) = divide_corpus(&corpus, 1);
        assert!(train.iter().all(|item| !val.contains(item)));
        let set = Arc::new(FeatureSet::new(Arc::new(corpus), FrontEnd::Kaldi, 512));
        let compute = |samples: &[f32]| Ok(LogMel { frames: 9, bins: 2, data: vec![samples[0] + 3.0; 18] });
        let teaching = Teaching {
            name: "test".into(),
            features: 2,
            compute: Box::new(compute),
            statistics: (vec![3.0; 2], vec![0.5; 2]),
        };
        Crops::new(set, Some(Arc::new(teaching)), cut, train, val)
    }

    #[test]
    fn batches_repeat_hear_as_much_and_go_on_anywhere() {
        let normalisation = Normalisation { mean: -6.0, std: 5.0 };
        let cut = Cut { frames: 256, batch: 2, keep: 0.5, hide: 0.0, augment: 1.0, normalisation, seed: 4 };
        let crops = crops(cut);
        let mut stream = crops.from(0);
        let first: Vec<Sounds> = (0..5).map(|_| stream.take().unwrap()).collect();
        assert_eq!(crops.from(3).take().unwrap(), first[3]);
        assert_ne!(first[0].features.data, first[1].features.data);
        for sounds in &first {
            let Features { batch, frames, bins, data, .. } = &sounds.features;
            assert_eq!((batch * frames, data.len()), (512, batch * frames * bins));
            assert_eq!(sounds.selection.kept(), 8 * (frames / PATCH) / 2);
            assert_eq!(sounds.teacher.len(), batch * (frames / PATCH) * 2);
            assert!(sounds.columns.iter().all(|&columns| columns > 0 && columns <= frames / PATCH));
        }
        let val = crops.val(0).unwrap();
        assert_eq!(val, crops.val(0).unwrap());
        assert_eq!(val.selection.kept(), 8 * 128 / PATCH);
    }

    /// Half a second of sound in crops of up to 5 s: what is behind it is padding, all alike.
    #[test]
    fn only_patches_that_hold_sound_are_hidden() {
        let folder = tempfile::tempdir().unwrap();
        for clip in 0..4 {
            // Noise, then as much digital silence.
            let noise = |n: u32| ((n + 7_919 * clip).wrapping_mul(2_654_435_761) >> 17) as i16;
            let sample = |n| if n < 4_000 { noise(n) } else { 0 };
            crate::audio::testing::wav(&folder.path().join(format!("{clip}.wav")), 8_000, sample);
        }
        let corpus = open_corpus(&[folder.path().to_str().unwrap().to_owned()]).unwrap();
        let (train, val) = divide_corpus(&corpus, 1);
        let set = Arc::new(FeatureSet::with_cache(Arc::new(corpus), FrontEnd::Kaldi, 512, None));
        let normalisation = Normalisation { mean: -6.0, std: 5.0 };
        let cut = Cut { frames: 512, batch: 2, keep: 1.0, hide: 0.75, augment: 0.0, normalisation, seed: 4 };
        let crops = Crops::new(set, None, cut, train, val);
        let stream = &mut crops.from(0);
        for sounds in (0..6).map(|_| stream.take().unwrap()).chain([crops.val(0).unwrap()]) {
            let pairs = sounds.selection.patches.iter().zip(&sounds.selection.hidden);
            let hidden: Vec<usize> = pairs.filter(|(_, hidden)| **hidden).map(|([_, column], _)| *column).collect();
            // Three quarters of each clip's two columns of sound.
            assert_eq!(hidden.len(), 12 * sounds.features.batch);
            assert!(hidden.iter().all(|column| *column < 2), "{hidden:?}");
        }
    }
}
