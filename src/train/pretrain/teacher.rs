//! A frozen teacher: its residual stream after some of its blocks, averaged over each column of patches.

use std::{ops::ControlFlow, sync::Arc};

use rayon::prelude::*;

use crate::{
    audio::{FrontEnd, LogMel},
    data::{DataError, FeatureSet, PATCH, Teaching},
    model::{self, Compute, Features, Method, ModelConfig, Opened, Stem, Thrift},
    train::TrainError,
};

/// Longest sound that a teacher hears, in frames of 10 ms; a column behind it has no target.
const LONGEST: usize = 1024;
/// Sounds that the statistics of its features are taken from.
const SAMPLE: usize = 512;

/// The features of a teacher, without statistics yet.
///
/// # Errors
/// When there is no such model, or it has no such block.
pub(super) fn teaching(source: &str, layers: &[usize]) -> Result<Teaching, TrainError> {
    let own = model::shape(&model::Request { classes: Some(1), ..model::Request::new(source) })?;
    let request = model::Request {
        frames: Some(own.frames().min(LONGEST)),
        classes: Some(1),
        method: Some(Method::full()),
        ..model::Request::new(source)
    };
    let opened = model::open(&request)?;
    if layers.is_empty() || !rising(layers, opened.config.depth) {
        let depth = opened.config.depth;
        return Err(TrainError::Request(format!(
            "the teacher {source} has {depth} blocks: give layers from 1 to {depth}, each once, in rising order"
        )));
    }
    let bins = opened.config.mel_bins();
    let front_end = FrontEnd::for_bins(bins)
        .ok_or_else(|| TrainError::Request(format!("no filter bank here has the {bins} mel bins of {source}")))?;
    let names: Vec<String> = layers.iter().map(usize::to_string).collect();
    let name = format!("teacher:{}:{}:{LONGEST}", opened.fingerprint, names.join(","));
    let features = layers.len() * opened.config.hidden;
    let layers = layers.to_vec();
    let compute = move |samples: &[f32]| {
        let mel = front_end.extractor().compute(samples);
        columns(&opened, &layers, front_end, &mel).map_err(|error| DataError::Request(error.to_string()))
    };
    Ok(Teaching { name, features, compute: Box::new(compute), statistics: (Vec::new(), Vec::new()) })
}

/// Whether these are blocks, counted from 1, in order.
fn rising(layers: &[usize], depth: usize) -> bool {
    layers.is_sorted_by(|a, b| a < b) && layers.iter().all(|layer| (1..=depth).contains(layer))
}

/// Computes the features of sounds that have none in the cache yet, a sound to each core. `progress` hears how many are
/// done and may break off.
///
/// # Errors
/// When a sound cannot be read, or nobody wants to wait.
pub(super) fn teach(
    teaching: &Teaching,
    set: &FeatureSet,
    items: &[usize],
    mut progress: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<(), DataError> {
    /// Sounds between two reports: a few for each core.
    const AT_ONCE: usize = 32;
    for (chunk, items) in items.chunks(AT_ONCE).enumerate() {
        if progress(chunk * AT_ONCE).is_break() {
            return Err(DataError::Cancelled);
        }
        items.par_iter().try_for_each(|&item| set.derived(item, &teaching.name, &*teaching.compute).map(drop))?;
    }
    Ok(())
}

/// One sound's features, (columns, layers x D).
fn columns(opened: &Opened, layers: &[usize], front_end: FrontEnd, mel: &LogMel) -> Result<LogMel, model::ModelError> {
    let bins = mel.bins;
    // Whole columns, at least one.
    let frames = mel.frames.clamp(PATCH, opened.config.frames().max(PATCH)) / PATCH * PATCH;
    let mut data = mel.data[..mel.data.len().min(frames * bins)].to_vec();
    data.resize(frames * bins, front_end.padding(mel));
    if let Some(normalisation) = front_end.normalisation().or(opened.normalisation) {
        data.iter_mut().for_each(|value| *value = (*value - normalisation.mean) / (2.0 * normalisation.std));
    }
    let input = Features { batch: 1, frames, bins, data, valid: vec![frames] };
    let hidden = opened.config.hidden;
    let columns = frames / PATCH;
    let mut out = vec![0.0f32; columns * layers.len() * hidden];
    let config = ModelConfig { stem: shortened(&opened.config.stem, frames), ..opened.config.clone() };
    let mut engine = model::engine_by(Compute::Cpu, &config, opened.method, Thrift::default())?;
    let store = opened.store.resized(&opened.config, &config)?;
    let first = config.class_tokens();
    let [rows, across] = config.grid();
    for (place, states) in engine.states(&store, &input, layers)?.iter().enumerate() {
        // The columns of a teacher's own grid that fall into each of ours.
        for row in 0..rows {
            for column in 0..across {
                let to = (column * columns / across).min(columns - 1);
                let share = columns as f32 / (across * rows) as f32;
                let token = first + row * across + column;
                let from = &states[token * hidden..(token + 1) * hidden];
                let at = (to * layers.len() + place) * hidden;
                out[at..at + hidden].iter_mut().zip(from).for_each(|(sum, x)| *sum += share * x);
            }
        }
    }
    Ok(LogMel { frames: columns, bins: layers.len() * hidden, data: out })
}

fn shortened(stem: &Stem, frames: usize) -> Stem {
    match stem.clone() {
        Stem::Convolutions { mel_bins, .. } => Stem::Convolutions { mel_bins, frames },
        Stem::Patches { mel_bins, patch, stride, .. } => Stem::Patches { mel_bins, frames, patch, stride },
    }
}

/// The same with mean and deviation of every feature over some of these sounds.
///
/// # Errors
/// When a sound cannot be read.
pub(super) fn with_statistics(
    mut teaching: Teaching,
    set: &FeatureSet,
    items: &[usize],
) -> Result<Arc<Teaching>, TrainError> {
    let (mut count, n) = (0.0f64, teaching.features);
    let (mut sums, mut squares) = (vec![0.0f64; n], vec![0.0f64; n]);
    for &item in items.iter().step_by(items.len().div_ceil(SAMPLE).max(1)) {
        let table = set.derived(item, &teaching.name, &*teaching.compute)?;
        for column in table.data.chunks_exact(n) {
            count += 1.0;
            for ((sum, square), &x) in sums.iter_mut().zip(&mut squares).zip(column) {
                *sum += f64::from(x);
                *square += f64::from(x).powi(2);
            }
        }
    }
    let count = count.max(1.0);
    let means: Vec<f32> = sums.iter().map(|sum| (sum / count) as f32).collect();
    let deviations = squares.iter().zip(&sums).map(|(square, sum)| {
        let variance = square / count - (sum / count).powi(2);
        variance.max(1e-10).sqrt() as f32
    });
    teaching.statistics = (means, deviations.collect());
    Ok(Arc::new(teaching))
}
