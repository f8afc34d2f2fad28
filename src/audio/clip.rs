//! Reads sound files as mono clips at 16 kHz.
//!
//! A damaged file is refused, not repaired: a clip whose end was silently lost would train a model on silence.

use std::{ops::ControlFlow, path::Path};

use crate::limits;

use super::{
    AudioError, FRAME_LENGTH, SAMPLE_RATE,
    decode::{Note, SoundFile},
    resample::Resampler,
};

/// A decoded file: the mean of its channels at its own rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Samples a second, as the file has them.
    pub rate: u32,
    /// Channels that were averaged.
    pub channels: usize,
    /// One value for each sample time; full scale is 1.
    pub samples: Vec<f32>,
}

/// A clip in the form that models take.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Mono at [`SAMPLE_RATE`].
    pub samples: Vec<f32>,
    /// Samples of the whole file, of which [`load_beginning`] keeps a part.
    pub length: u64,
    /// Notes about what is odd about the file, though it is usable.
    pub notes: Vec<Note>,
}

/// Decodes a file, averages its channels and resamples it to [`SAMPLE_RATE`]. docs/decoding.md lists the formats.
///
/// # Errors
/// When the file cannot be read, is not sound, is damaged or cut short, holds values that are not numbers,
/// or is shorter than one frame of the filter bank (25 ms) or longer than six hours.
pub fn load(path: &Path) -> Result<Vec<f32>, AudioError> {
    load_noted(path).map(|clip| clip.samples)
}

/// As [`load`], with notes about what is odd about the file.
///
/// # Errors
/// As [`load`].
pub fn load_noted(path: &Path) -> Result<Clip, AudioError> {
    const MOST: usize = limits::HOURS_IN_MEMORY as usize * 3_600 * SAMPLE_RATE as usize;
    let mut samples = Vec::new();
    let whole = each_block(path, &mut |block| {
        samples.extend_from_slice(block);
        if samples.len() > MOST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    match whole {
        Some(Whole { samples: length, notes }) => Ok(Clip { samples, length, notes }),
        None => Err(AudioError::Unusable {
            path: path.to_owned(),
            problem: format!("it is longer than {} hours, and is held whole in memory", limits::HOURS_IN_MEMORY),
            remedy: "cut it into pieces: ffmpeg -i FILE -f segment -segment_time 3600 %03d.wav".to_owned(),
        }),
    }
}

/// The first samples of a file, at most so many; the rest is decoded, so that damage is found, and not held. A file of any
/// length takes the memory of what is kept.
///
/// # Errors
/// As [`load`], but for the length.
pub fn load_beginning(path: &Path, most: usize) -> Result<Clip, AudioError> {
    let mut samples: Vec<f32> = Vec::new();
    let whole = each_block(path, &mut |block| {
        let room = most.saturating_sub(samples.len()).min(block.len());
        samples.extend_from_slice(&block[..room]);
        ControlFlow::Continue(())
    })?;
    let Whole { samples: length, notes } = whole.unwrap_or_default();
    Ok(Clip { samples, length, notes })
}

/// A file that was decoded to its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whole {
    /// Samples at [`SAMPLE_RATE`].
    pub samples: u64,
    /// Notes about what is odd about the file, though it is usable.
    pub notes: Vec<Note>,
}

/// Decodes a file block by block: mono at [`SAMPLE_RATE`], each block to `pass`, which may break off; then there is no
/// result. A file of any length takes the memory of a block.
///
/// # Errors
/// As [`load`], but for the length.
pub fn each_block(path: &Path, pass: &mut dyn FnMut(&[f32]) -> ControlFlow<()>) -> Result<Option<Whole>, AudioError> {
    let mut sound = SoundFile::open(path)?;
    let mut resampler = Resampler::new(sound.rate()).map_err(|problem| AudioError::Unusable {
        path: path.to_owned(),
        problem,
        remedy: "convert it to a common sample rate".to_owned(),
    })?;
    let (mut block, mut samples, mut count, mut more) = (Vec::new(), Vec::new(), 0, true);
    while more {
        block.clear();
        samples.clear();
        more = sound.read(&mut block)?;
        match more {
            true => resampler.push(&block, &mut samples),
            false => resampler.finish(&mut samples),
        }
        count += samples.len() as u64;
        if pass(&samples).is_break() {
            return Ok(None);
        }
    }
    long_enough(path, count)?;
    Ok(Some(Whole { samples: count, notes: sound.notes().to_vec() }))
}

/// Refuses a file whose sound, of so many samples at 16 kHz, is shorter than one frame of the filter bank.
pub(super) fn long_enough(path: &Path, samples: u64) -> Result<(), AudioError> {
    if samples >= FRAME_LENGTH as u64 {
        return Ok(());
    }
    let ms = 1e3 * samples as f64 / f64::from(SAMPLE_RATE);
    Err(AudioError::Unusable {
        path: path.to_owned(),
        problem: format!("{ms:.0} ms of sound, and the filter bank needs 25 ms"),
        remedy: "leave it out or use a longer recording".to_owned(),
    })
}

/// Decodes a whole file and averages its channels, at the file's own rate.
///
/// # Errors
/// As [`load`], but for the length.
pub fn decode(path: &Path) -> Result<Sound, AudioError> {
    let mut sound = SoundFile::open(path)?;
    let mut samples = Vec::new();
    while sound.read(&mut samples)? {}
    Ok(Sound { rate: sound.rate(), channels: sound.channels(), samples })
}
