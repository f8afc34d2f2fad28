//! A frozen teacher: its residual stream after some of its blocks, averaged over each column of patches.

use std::{ops::ControlFlow, sync::Arc};

use rayon::prelude::*;

use crate::{
    audio::{FrontEnd, LogMel},
    data::{DataError, FeatureSet, PATCH, Teaching},
    model::{self, Compute, Features, MemoryOptions, Method, ModelConfig, Opened},
    train::TrainError,
};

/// Longest sound of a teacher, in frames of 10 ms; a column beyond it has no target.
const LONGEST: usize = 1024;
/// Sounds over which the statistics of its features are computed.
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
    let front_end = opened.config.front_end()?;
    let names: Vec<String> = layers.iter().map(usize::to_string).collect();
    // "means": each column's features are divided by its own count, unlike in earlier versions.
    let name = format!("teacher:{}:{}:{LONGEST}:means", opened.fingerprint, names.join(","));
    let features = layers.len() * opened.config.hidden;
    let layers = layers.to_vec();
    let compute = move |samples: &[f32]| {
        let mel = front_end.extractor().compute(samples);
        columns(&opened, &layers, front_end, &mel).map_err(|error| DataError::Request(error.to_string()))
    };
    Ok(Teaching { name, features, compute: Box::new(compute), statistics: (Vec::new(), Vec::new()) })
}

/// Whether these are valid block numbers, counted from 1, in rising order.
fn rising(layers: &[usize], depth: usize) -> bool {
    layers.is_sorted_by(|a, b| a < b) && layers.iter().all(|layer| (1..=depth).contains(layer))
}

/// Computes the features of sounds that are not in the cache, a sound on each core. `progress` gets the number done and
/// may cancel.
///
/// # Errors
/// When a sound cannot be read, or `progress` cancels.
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
    let config = ModelConfig { stem: opened.config.stem.with_frames(frames), ..opened.config.clone() };
    let mut engine = model::engine_by(Compute::Cpu, &config, opened.method, MemoryOptions::default())?;
    let store = opened.store.resized(&opened.config, &config)?;
    let first = config.class_tokens();
    let grid = config.grid();
    for (place, states) in engine.states(&store, &input, layers)?.iter().enumerate() {
        let patches = &states[first * hidden..];
        for (column, mean) in column_means(patches, grid, columns, hidden).chunks_exact(hidden).enumerate() {
            let at = (column * layers.len() + place) * hidden;
            out[at..at + hidden].copy_from_slice(mean);
        }
    }
    Ok(LogMel { frames: columns, bins: layers.len() * hidden, data: out })
}

/// The mean of a teacher's patches, (rows x across, D), over each of `columns` columns of ours, (columns, D).
///
/// A teacher's grid may have more columns over the same time, or fewer: each of ours averages those that begin in it,
/// or takes the one at its position if none does.
fn column_means(patches: &[f32], [rows, across]: [usize; 2], columns: usize, hidden: usize) -> Vec<f32> {
    let mut means = vec![0.0f32; columns * hidden];
    for (column, mean) in means.chunks_exact_mut(hidden).enumerate() {
        let [from, to] = [column, column + 1].map(|column| (column * across).div_ceil(columns));
        let own = if from < to { from..to } else { column * across / columns..column * across / columns + 1 };
        let share = 1.0 / (own.len() * rows) as f32;
        for (row, place) in (0..rows).flat_map(|row| own.clone().map(move |place| (row, place))) {
            let token = row * across + place;
            let patch = &patches[token * hidden..(token + 1) * hidden];
            mean.iter_mut().zip(patch).for_each(|(sum, x)| *sum += share * x);
        }
    }
    means
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A teacher at stride 10 has 101 columns over our 64: some of ours take one of them, some two.
    #[test]
    fn every_column_is_a_mean_however_many_of_the_teachers_fall_into_it() {
        let (rows, across, columns) = (12, 101, 64);
        let ones = vec![1.0; rows * across * 2];
        let means = column_means(&ones, [rows, across], columns, 2);
        assert!(means.iter().all(|mean| (mean - 1.0).abs() < 1e-5), "{means:?}");
        // Each patch holds its position: a column's mean is the middle of those that begin in it.
        let places: Vec<f32> = (0..rows * across).map(|token| (token % across) as f32).collect();
        let means = column_means(&places, [rows, across], columns, 1);
        for (column, mean) in means.iter().enumerate() {
            let own: Vec<usize> = (0..across).filter(|place| place * columns / across == column).collect();
            let middle = own.iter().sum::<usize>() as f32 / own.len() as f32;
            assert!((mean - middle).abs() < 1e-3, "column {column}: {mean} and {middle}");
        }
    }

    #[test]
    fn each_column_of_a_coarser_teacher_is_used_several_times() {
        let places: Vec<f32> = (0..5).map(|place| place as f32).collect();
        let means = column_means(&places, [1, 5], 8, 1);
        assert_eq!(means, [0.0, 1.0, 1.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
        assert_eq!(column_means(&places, [1, 5], 5, 1), places);
    }
}
