//! The vectors that a frozen backbone computes of the clips of a data set: one each, kept on disk beside the log-mels.

use std::{ops::ControlFlow, sync::Arc};

use rayon::prelude::*;

use super::{Request, TrainError, launch, plan::to_embed};
use crate::{
    audio::{FrontEnd, LogMel, Normalisation},
    data::{DataError, Dataset, MissingTable},
    model::{Features, Method},
    session::RunConfig,
};

/// Clips that are decoded, and pass through the backbone, together.
const BATCH: usize = 8;

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
    let mut engine = opened.engine();
    let dataset = Arc::clone(set.dataset());
    let (mut items, mut vectors, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    let all: Vec<usize> = (0..dataset.items.len()).collect();
    for block in all.chunks(BATCH) {
        let look = |&index: &usize| -> Result<Looked, DataError> {
            match set.kept_derived(index, &name).and_then(|kept| match kept {
                Ok(vector) => Ok(Looked::Kept(vector)),
                Err(missing) => Ok(Looked::Missing(missing, front_end.extractor().compute(&set.load_sound(index)?))),
            }) {
                Err(DataError::Audio(error)) => {
                    tracing::debug!("{error}");
                    Ok(Looked::Unreadable)
                }
                other => other,
            }
        };
        let looked: Vec<Looked> = block.par_iter().map(look).collect::<Result<_, _>>()?;
        let mut computed = {
            let mels = looked.iter().filter_map(Looked::mel);
            let input = input(mels, front_end, frames, config.normalisation);
            if input.batch == 0 { Vec::new() } else { engine.pooled(&opened.store, &input)? }.into_iter()
        };
        for (&index, looked) in block.iter().zip(looked) {
            let vector = match looked {
                Looked::Unreadable => {
                    unreadable.push(index);
                    continue;
                }
                Looked::Kept(vector) => vector,
                Looked::Missing(missing, _) => {
                    let data: Vec<f32> = computed.by_ref().take(config.shape.hidden).collect();
                    set.keep_derived(missing, LogMel { frames: 1, bins: data.len(), data })
                }
            };
            items.push(index);
            vectors.extend_from_slice(&vector.data);
        }
        let done = block.last().map_or(0, |last| last + 1);
        if progress(done, dataset.items.len()).is_break() {
            return Err(DataError::Cancelled.into());
        }
    }
    let width = config.shape.hidden;
    Ok(Embeddings { dataset, config, items, width, vectors, unreadable })
}

/// What is known of a clip's vector.
enum Looked {
    /// It was computed before.
    Kept(Arc<LogMel>),
    /// It is to be computed from this log-mel.
    Missing(MissingTable, LogMel),
    /// The clip cannot be read.
    Unreadable,
}

impl Looked {
    fn mel(&self) -> Option<&LogMel> {
        if let Self::Missing(_, mel) = self { Some(mel) } else { None }
    }
}

/// Clips as a model's input: cut or padded, then normalised as (x - mean) / (2 std).
fn input<'a>(
    mels: impl Iterator<Item = &'a LogMel>,
    front_end: FrontEnd,
    frames: usize,
    normalisation: Normalisation,
) -> Features {
    let bins = front_end.bins();
    let Normalisation { mean, std } = normalisation;
    let mut all = Features { frames, bins, ..Features::default() };
    for mel in mels {
        let kept = mel.frames.min(frames);
        let mut data = vec![front_end.padding(mel); frames * bins];
        data[..kept * bins].copy_from_slice(&mel.data[..kept * bins]);
        all.data.extend(data.into_iter().map(|value| (value - mean) / (2.0 * std)));
        all.valid.push(kept);
        all.batch += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_of_a_batch_are_what_each_is_alone() {
        let mel =
            |frames: usize| LogMel { frames, bins: 128, data: (0..frames * 128).map(|i| i as f32 / 64.0).collect() };
        let clips = [mel(3), mel(8), mel(5)];
        let of = |some: &[LogMel]| input(some.iter(), FrontEnd::default(), 5, Normalisation::AUDIOSET);
        let all = of(&clips);
        assert_eq!((all.batch, all.frames, all.bins, all.valid.as_slice()), (3, 5, 128, &[3, 5, 5][..]));
        let alone: Vec<f32> = clips.iter().flat_map(|clip| of(std::slice::from_ref(clip)).data).collect();
        assert_eq!(all.data, alone);
    }
}
