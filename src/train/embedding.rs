//! What a frozen backbone makes of every clip of a data set: one vector each, kept on disk beside the log-mels.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Request, TrainError, launch, plan::to_embed};
use crate::{
    audio::{FrontEnd, LogMel, Normalisation},
    data::{DataError, Dataset},
    model::{Features, Method},
    session::RunConfig,
};

/// The vectors of a data set's clips.
pub struct Embeddings {
    /// The data set.
    pub dataset: Arc<Dataset>,
    /// What a training of the head on it would be: backbone, recipe, normalisation.
    pub config: RunConfig,
    /// Indices of the clips, ascending.
    pub items: Vec<usize>,
    /// Values of a vector.
    pub width: usize,
    /// (clips, width): the head's input, before its norm.
    pub vectors: Vec<f32>,
    /// Clips that could not be read.
    pub unreadable: Vec<usize>,
}

impl Embeddings {
    /// The vector in this row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.vectors[row * self.width..(row + 1) * self.width]
    }
}

/// Computes the vectors of all clips of a data set, whatever part they belong to; those that were computed before are read.
/// `progress` gets clips done and clips in all, and may cancel.
///
/// # Errors
/// When data, recipe and model do not fit together, or the arithmetic fails; a clip that cannot be read is left out.
pub fn embed(
    request: &Request,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Embeddings, TrainError> {
    let request = Request { method: Method::head(), ..request.clone() };
    let (config, set) = to_embed(&request, progress)?;
    let opened = launch::open(&config)?;
    let front_end = set.front_end();
    let frames = config.recipe.frames;
    // Everything that decides a vector but the sound.
    let name = format!(
        "embedding {} {front_end:?} {frames} {:?} {:?} {:?}",
        opened.fingerprint, config.normalisation, config.shape.pooling, config.dtype
    );
    let engine = Mutex::new(opened.engine());
    let compute = |samples: &[f32]| -> Result<LogMel, DataError> {
        let mel = front_end.extractor().compute(samples);
        let input = input(&mel, front_end, frames, config.normalisation);
        let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
        let vector = engine.pooled(&opened.store, &input).map_err(|error| DataError::Request(error.to_string()))?;
        Ok(LogMel { frames: 1, bins: vector.len(), data: vector })
    };
    let dataset = Arc::clone(set.dataset());
    let (mut items, mut vectors, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..dataset.items.len() {
        match set.derived(index, &name, &compute) {
            Ok(vector) => {
                items.push(index);
                vectors.extend_from_slice(&vector.data);
            }
            Err(DataError::Audio(error)) => {
                tracing::debug!("{error}");
                unreadable.push(index);
            }
            Err(error) => return Err(error.into()),
        }
        if progress(index + 1, dataset.items.len()).is_break() {
            return Err(DataError::Cancelled.into());
        }
    }
    let width = config.shape.hidden;
    Ok(Embeddings { dataset, config, items, width, vectors, unreadable })
}

/// One clip as a model's input: cut or padded, then normalised as (x - mean) / (2 std).
fn input(mel: &LogMel, front_end: FrontEnd, frames: usize, normalisation: Normalisation) -> Features {
    let bins = front_end.bins();
    let kept = mel.frames.min(frames);
    let mut data = vec![front_end.padding(mel); frames * bins];
    data[..kept * bins].copy_from_slice(&mel.data[..kept * bins]);
    let Normalisation { mean, std } = normalisation;
    data.iter_mut().for_each(|value| *value = (*value - mean) / (2.0 * std));
    Features { batch: 1, frames, bins, data, valid: vec![kept] }
}
