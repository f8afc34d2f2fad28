//! Reads sound files as mono clips at 16 kHz.
//!
//! A damaged file is refused, not repaired: a clip whose end was silently lost would train a model on silence.

use std::path::Path;

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
    let unusable = |problem: String, remedy: &str| AudioError::Unusable {
        path: path.to_owned(),
        problem,
        remedy: remedy.to_owned(),
    };
    let mut sound = SoundFile::open(path)?;
    let mut resampler =
        Resampler::new(sound.rate()).map_err(|problem| unusable(problem, "convert it to a common sample rate"))?;
    let (mut block, mut samples) = (Vec::new(), Vec::new());
    while sound.read(&mut block)? {
        resampler.push(&block, &mut samples);
        block.clear();
        if samples.len() as u64 > limits::HOURS_IN_MEMORY * 3_600 * u64::from(SAMPLE_RATE) {
            let problem = format!("it is longer than {} hours, and is held whole in memory", limits::HOURS_IN_MEMORY);
            return Err(unusable(problem, "cut it into pieces: ffmpeg -i FILE -f segment -segment_time 3600 %03d.wav"));
        }
    }
    resampler.finish(&mut samples);
    long_enough(path, samples.len() as u64)?;
    Ok(Clip { samples, notes: sound.notes().to_vec() })
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
