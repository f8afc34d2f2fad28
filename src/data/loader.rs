//! Batches: in an order that only the seed and the epoch decide, made ahead of time on threads of their own.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    thread::{self, JoinHandle},
};

use super::{
    DataError, FeatureSet, Label, Recipe,
    augment::{self, Masks},
};
use crate::{
    audio::{Extractor, Normalisation},
    model::Features,
    random::KeyedRng,
};

/// Finished batches that each thread may hold ready.
const AHEAD: usize = 2;
/// Threads that make batches. The model's arithmetic wants the cores too, so few are enough.
const WORKERS: usize = 2;

/// What a batch's clips should be answered with, row-major (batch, classes).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// Classes.
    pub classes: usize,
    /// Probability of each class: one-hot, several at once, or mixed.
    pub values: Vec<f32>,
    /// Weight of each value in loss and metric, 0 where a clip was not annotated; `None`: all are 1.
    pub mask: Option<Vec<f32>>,
}

/// Clips of one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Normalised log-mels.
    pub features: Features,
    /// What they should be answered with.
    pub targets: Targets,
    /// The clips' places in [`Dataset::items`](super::Dataset::items); for a mixed clip the first of the two.
    pub items: Vec<usize>,
}

/// Makes batches of some clips of a data set.
#[derive(Clone)]
pub struct Loader {
    job: Arc<Job>,
}

struct Job {
    set: Arc<FeatureSet>,
    items: Vec<usize>,
    recipe: Recipe,
    normalisation: Normalisation,
    /// Seed of order and augmentation; `None`: in order and as they are.
    seed: Option<u64>,
    batch: usize,
}

impl Loader {
    /// Batches to train on: shuffled and augmented as the recipe says, both decided by the seed and the epoch alone.
    pub fn training(
        set: Arc<FeatureSet>,
        items: Vec<usize>,
        recipe: &Recipe,
        normalisation: Normalisation,
        seed: u64,
    ) -> Self {
        let (recipe, batch) = (recipe.clone(), recipe.batch.max(1));
        Self { job: Arc::new(Job { set, items, recipe, normalisation, seed: Some(seed), batch }) }
    }

    /// Batches to evaluate: every clip once, in order, as it is.
    pub fn evaluation(
        set: Arc<FeatureSet>,
        items: Vec<usize>,
        recipe: &Recipe,
        normalisation: Normalisation,
        batch: usize,
    ) -> Self {
        let recipe = recipe.clone();
        Self { job: Arc::new(Job { set, items, recipe, normalisation, seed: None, batch: batch.max(1) }) }
    }

    /// Batches of an epoch; the last may be smaller.
    pub fn batches(&self) -> u64 {
        self.job.items.len().div_ceil(self.job.batch) as u64
    }

    /// Clips of an epoch.
    pub fn clips(&self) -> usize {
        self.job.items.len()
    }

    /// The batches of an epoch without their sound.
    pub fn labels(&self, epoch: u32) -> Labels {
        Labels { job: Arc::clone(&self.job), order: self.job.order(epoch) }
    }

    /// The batches of an epoch from the `first` on, made ahead in the background.
    ///
    /// A run that goes on at batch `first` gets exactly the batches that an uninterrupted one would have got.
    pub fn epoch(&self, epoch: u32, first: u64) -> Batches {
        let order: Arc<[usize]> = self.job.order(epoch).into();
        let total = self.batches();
        let workers = (WORKERS as u64).min(total.saturating_sub(first)).max(1);
        let (mut inboxes, mut threads) = (Vec::new(), Vec::new());
        for worker in 0..workers {
            let (outbox, inbox) = mpsc::sync_channel(AHEAD);
            let (job, order) = (Arc::clone(&self.job), Arc::clone(&order));
            let work = move || {
                let numbers = (first + worker..total).step_by(workers as usize);
                job.make(epoch, &order, numbers, &outbox);
            };
            match thread::Builder::new().name("loader".into()).spawn(work) {
                Ok(thread) => threads.push(thread),
                // Without a thread the channel is closed, and `next` says so.
                Err(error) => tracing::warn!("no thread to load data on: {error}"),
            }
            inboxes.push(inbox);
        }
        Batches { inboxes, threads, next: first, first, total }
    }
}

/// An epoch's batches without their sound.
pub struct Labels {
    job: Arc<Job>,
    order: Vec<usize>,
}

impl Labels {
    /// Batch `number` (from 0), its features empty: for callers that keep what was computed of these clips. Targets
    /// are those of clips as they are, unmixed.
    pub fn batch(&self, number: u64) -> Batch {
        let mut batch = Batch::default();
        let mut targets = Vec::new();
        for &place in self.job.places(&self.order, number as usize) {
            let item = self.job.items[place];
            targets.push(Target::of(self.job.label(item), self.job.set.dataset().classes.len()));
            batch.items.push(item);
        }
        batch.targets = self.job.targets(targets);
        batch
    }
}

/// The batches of one epoch, in order. Dropping it ends the threads behind it.
pub struct Batches {
    /// Batch b comes from inbox (b - first) mod their number.
    inboxes: Vec<Receiver<Result<Batch, DataError>>>,
    threads: Vec<JoinHandle<()>>,
    next: u64,
    first: u64,
    total: u64,
}

impl Batches {
    /// The number, within the epoch, of the batch that comes next.
    pub fn position(&self) -> u64 {
        self.next
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.total {
            return None;
        }
        let inbox = self.inboxes.get(((self.next - self.first) % self.inboxes.len() as u64) as usize)?;
        self.next += 1;
        Some(inbox.recv().unwrap_or_else(|_| {
            self.next = self.total;
            Err(DataError::Request("a loading thread ended early; the log says why".into()))
        }))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        // Threads that wait to hand over a batch find nobody there, and end.
        self.inboxes.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Job {
    /// Places in `items`, in the order of an epoch.
    fn order(&self, epoch: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        let Some(seed) = self.seed else { return order };
        let mut rng = KeyedRng::new(seed, "order", epoch.into(), 0);
        rng.shuffle(&mut order);
        if self.recipe.balanced { self.balance(&order, &mut rng) } else { order }
    }

    /// As many draws as there are clips, each of a class chosen evenly; each class's clips come round in turn.
    fn balance(&self, order: &[usize], rng: &mut KeyedRng) -> Vec<usize> {
        let dataset = self.set.dataset();
        let mut by_class: Vec<Vec<usize>> = vec![Vec::new(); dataset.classes.len()];
        for &place in order {
            for class in dataset.items[self.items[place]].label.present() {
                by_class[class].push(place);
            }
        }
        by_class.retain(|clips| !clips.is_empty());
        if by_class.is_empty() {
            return order.to_vec();
        }
        let mut drawn = vec![0usize; by_class.len()];
        (0..order.len())
            .map(|_| {
                let class = rng.below(by_class.len());
                drawn[class] += 1;
                by_class[class][(drawn[class] - 1) % by_class[class].len()]
            })
            .collect()
    }

    /// Makes batches until there are no more, one fails, or nobody takes them.
    fn make(
        &self,
        epoch: u32,
        order: &[usize],
        numbers: impl Iterator<Item = u64>,
        outbox: &SyncSender<Result<Batch, DataError>>,
    ) {
        let mut extractor = self.set.front_end().extractor();
        for number in numbers {
            let made = self.batch(epoch, order, number as usize, &mut extractor);
            let failed = made.is_err();
            if outbox.send(made).is_err() || failed {
                return;
            }
        }
    }

    fn batch(&self, epoch: u32, order: &[usize], number: usize, extractor: &mut Extractor) -> Result<Batch, DataError> {
        let (start, places) = (number * self.batch, self.places(order, number));
        let (frames, bins) = (self.recipe.frames, self.set.front_end().bins());
        let classes = self.set.dataset().classes.len();
        let mut features = Features { batch: places.len(), frames, bins, ..Features::default() };
        features.data = vec![0.0; places.len() * frames * bins];
        let mut targets = Vec::with_capacity(places.len());
        let mut items = Vec::with_capacity(places.len());
        for (row, (&place, out)) in places.iter().zip(features.data.chunks_exact_mut(frames * bins)).enumerate() {
            let item = self.items[place];
            let target = match self.seed {
                Some(seed) => {
                    // The place in the epoch's order stands for the item: a balanced epoch may hold it twice.
                    let rng = KeyedRng::new(seed, "clip", epoch.into(), (start + row) as u64);
                    self.augmented(item, rng, extractor, out)?
                }
                None => {
                    let mel = self.set.mel(item, extractor)?;
                    augment::place(&mel, self.set.front_end().padding(&mel), Masks::default(), self.normalisation, out);
                    (mel.frames, Target::of(self.label(item), classes))
                }
            };
            features.valid.push(target.0.min(frames));
            targets.push(target.1);
            items.push(item);
        }
        Ok(Batch { features, targets: self.targets(targets), items })
    }

    /// The part of an epoch's order that is batch `number`.
    fn places<'a>(&self, order: &'a [usize], number: usize) -> &'a [usize] {
        let start = (number * self.batch).min(order.len());
        &order[start..(start + self.batch).min(order.len())]
    }

    /// The targets of a batch's clips together.
    fn targets(&self, of_clips: Vec<Target>) -> Targets {
        let classes = self.set.dataset().classes.len();
        let mut values = Vec::with_capacity(of_clips.len() * classes);
        let mut weights = Vec::with_capacity(of_clips.len() * classes);
        for target in of_clips {
            values.extend(target.values);
            weights.extend(target.weights);
        }
        Targets { classes, values, mask: weights.iter().any(|&weight| weight != 1.0).then_some(weights) }
    }

    /// One training clip into its place: its frames of sound and its target.
    fn augmented(
        &self,
        item: usize,
        mut rng: KeyedRng,
        extractor: &mut Extractor,
        out: &mut [f32],
    ) -> Result<(usize, Target), DataError> {
        let (recipe, front_end) = (&self.recipe, self.set.front_end());
        let mut target = Target::of(self.label(item), self.set.dataset().classes.len());
        let is_known = |item: usize| !matches!(self.label(item), Label::Not(_));
        let mixed = rng.chance(recipe.mixup).then(|| (self.items[rng.below(self.items.len())], rng.beta_10_10()));
        // Of a clip of which only is known what it is not, no share of a class can be mixed.
        let mixed = mixed.filter(|(partner, _)| is_known(item) && is_known(*partner));
        let mel = if let Some((partner, lambda)) = mixed {
            target = target.mix(&Target::of(self.label(partner), self.set.dataset().classes.len()), lambda);
            let mixed = augment::mix(&self.set.sound(item)?, &self.set.sound(partner)?, lambda);
            Arc::new(extractor.compute(&mixed))
        } else {
            let places = self.set.places(item);
            // Drawn only where there is a choice: clips without one keep the draws that they always had.
            let place = if places > 1 && recipe.augments() { rng.below(places) } else { 0 };
            self.set.mel_at(item, place, extractor)?
        };
        let masks = Masks::draw(&mut rng, front_end.bins(), recipe.frames, recipe.freq_mask, recipe.time_mask);
        let decibels = augment::gain(&mut rng, recipe.gain);
        let mel = if decibels == 0.0 { mel } else { Arc::new(front_end.louder(&mel, decibels)) };
        augment::place(&mel, front_end.padding(&mel), masks, self.normalisation, out);
        if recipe.noise {
            augment::noise_and_roll(&mut rng, front_end.bins(), out);
        }
        Ok((mel.frames, target))
    }

    fn label(&self, item: usize) -> &Label {
        &self.set.dataset().items[item].label
    }
}

/// One clip's row of [`Targets`].
struct Target {
    values: Vec<f32>,
    weights: Vec<f32>,
}

impl Target {
    fn of(label: &Label, classes: usize) -> Self {
        let mut values = vec![0.0; classes];
        match label {
            Label::One(class) => {
                if let Some(value) = values.get_mut(*class) {
                    *value = 1.0;
                }
                Self { values, weights: vec![1.0; classes] }
            }
            // Absent from these, and everything else is unknown.
            Label::Not(absent) => {
                let mut weights = vec![0.0; classes];
                for &class in absent.iter().filter(|&&class| class < classes) {
                    weights[class] = 1.0;
                }
                Self { values, weights }
            }
            Label::Many(known) => {
                let mut weights = vec![0.0; classes];
                for &(class, here) in known.iter().filter(|(class, _)| *class < classes) {
                    (values[class], weights[class]) = (f32::from(here), 1.0);
                }
                Self { values, weights }
            }
        }
    }

    /// Mixes values as sounds are mixed. A class that only one of the two was annotated for keeps that clip's value,
    /// with that clip's share as its weight.
    fn mix(&self, other: &Self, lambda: f32) -> Self {
        let shares = self.weights.iter().zip(&other.weights).map(|(own, other)| (lambda * own, (1.0 - lambda) * other));
        let values = shares.clone().zip(self.values.iter().zip(&other.values));
        let mixed = |((own, other), (own_value, other_value)): ((f32, f32), (&f32, &f32))| {
            if own + other > 0.0 { (own * own_value + other * other_value) / (own + other) } else { 0.0 }
        };
        // Two full shares make 1 exactly, whatever the rounding.
        let weight = |(own, other): (f32, f32)| if own > 0.0 && other > 0.0 { 1.0 } else { own + other };
        Self { values: values.map(mixed).collect(), weights: shares.map(weight).collect() }
    }
}
