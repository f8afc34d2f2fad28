//! The model's side of a scan: workers with an engine each over the same weights, which score batches at the same time.
//!
//! One batch on every core waits at the end of each layer for the slowest core, which is the one that decodes meanwhile. Workers
//! with a share of the cores each wait for nothing but their next batch.

use std::sync::{
    Mutex, PoisonError,
    mpsc::{Receiver, Sender},
};

use super::ScanError;
use crate::{
    audio::{LogMel, Window},
    infer::Classifier,
    ops::parallel::{self, Share},
    panics,
};

/// Most workers: each has scratch memory, and packed matrices, of its own.
const MOST: usize = 4;

/// Windows in a batch on an accelerator.
const ACCELERATED: usize = 8;

/// Windows to score together, in the order in which they were dispatched.
pub(super) struct Batch {
    pub(super) number: u64,
    /// The recording of each window, and its first sample.
    places: Vec<(usize, u64)>,
    mels: Vec<LogMel>,
}

impl Batch {
    pub(super) fn new(number: u64, windows: Vec<(usize, Window)>) -> Self {
        let (places, mels) = windows.into_iter().map(|(file, window)| ((file, window.start), window.mel)).unzip();
        Self { number, places, mels }
    }
}

/// What the model says of a batch.
pub(super) struct Scored {
    pub(super) number: u64,
    /// The recording of each window, and its first sample.
    pub(super) places: Vec<(usize, u64)>,
    /// (windows, classes), and (windows, D) where embeddings are kept.
    scores: Vec<f32>,
    vectors: Vec<f32>,
}

impl Scored {
    /// Scores and vector of window `i`.
    pub(super) fn of(&self, i: usize) -> [&[f32]; 2] {
        [&self.scores, &self.vectors].map(|values| {
            let width = values.len() / self.places.len().max(1);
            &values[i * width..(i + 1) * width]
        })
    }
}

/// How many workers a model gets: one for each thread on the CPU, up to a few; one on an accelerator.
pub(super) fn count(classifier: &Classifier) -> usize {
    if classifier.store().device().is_cpu() { parallel::threads().clamp(1, MOST) } else { 1 }
}

/// Threads of each worker.
pub(super) fn threads(classifier: &Classifier) -> usize {
    parallel::threads() / count(classifier)
}

/// Windows in a batch where nobody says how many. On the CPU a few are as fast as many and take less memory, and the workers
/// end a short recording at about the same time.
pub(super) fn batch(classifier: &Classifier) -> usize {
    if classifier.store().device().is_cpu() { 2 * threads(classifier) } else { ACCELERATED }
}

/// Scores batches on `threads` threads of its own until there are no more.
pub(super) fn work(
    classifier: &mut Classifier,
    threads: usize,
    embeddings: bool,
    batches: &Mutex<Receiver<Batch>>,
    results: &Sender<Result<Scored, ScanError>>,
) {
    let share = Share::new(threads);
    loop {
        let next = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = next else { return };
        let scored = panics::caught(|| share.install(|| score(classifier, embeddings, batch)));
        let scored = scored.unwrap_or_else(|words| {
            Err(ScanError::Request(format!("a fault in the program ended the scan ({words}); please report it")))
        });
        if results.send(scored).is_err() {
            return;
        }
    }
}

fn score(classifier: &mut Classifier, embeddings: bool, batch: Batch) -> Result<Scored, ScanError> {
    let Batch { number, places, mels } = batch;
    let (vectors, scores) =
        if embeddings { classifier.embed(&mels)? } else { (Vec::new(), classifier.probabilities(&mels)?) };
    Ok(Scored { number, places, scores, vectors })
}
