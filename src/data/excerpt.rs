//! One clip to look at and to listen to: as the file has it, and as a model gets it.

use std::{ops::Range, path::Path};

use super::{Source, synth};
use crate::audio::{AudioError, Note, Resampler, SAMPLE_RATE, SoundFile};

/// The longest stretch that is held in memory, seconds: ten minutes.
const LONGEST_S: u64 = 600;

/// A clip's sound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Excerpt {
    /// The mean of the file's channels at its own rate.
    pub original: Vec<f32>,
    /// Samples a second of `original`.
    pub rate: u32,
    /// Channels that were averaged.
    pub channels: usize,
    /// The same stretch as a model gets it, before it is cut to the model's length: mono at [`SAMPLE_RATE`], the same
    /// samples that training and evaluation read.
    pub samples: Vec<f32>,
    /// What is odd about the file, as far as it was read.
    pub notes: Vec<Note>,
    /// Whether it goes on behind what was read, which is ten minutes.
    pub is_shortened: bool,
}

/// Decodes a clip. A stretch of a recording is decoded from the recording's beginning, without holding it, which takes long
/// far inside a long one: `go_on` is called before each block, and `None` is returned as soon as it returns `false`.
///
/// # Errors
/// When the file cannot be read, is damaged up to the clip's end, or has nothing at the clip's place.
pub fn excerpt(source: &Source, go_on: &dyn Fn() -> bool) -> Result<Option<Excerpt>, AudioError> {
    match source {
        Source::Demo { class, index } => {
            let samples = synth::clip(*class, *index);
            let original = samples.clone();
            Ok(Some(Excerpt { original, rate: SAMPLE_RATE, channels: 1, samples, ..Excerpt::default() }))
        }
        Source::File(path) => read(path, 0, None, go_on),
        Source::Part(part) => read(&part.path, part.start(), Some(part.samples), go_on),
    }
}

/// Samples `from..from + length` at 16 kHz of a file.
fn read(path: &Path, from: u64, length: Option<u64>, go_on: &dyn Fn() -> bool) -> Result<Option<Excerpt>, AudioError> {
    let unusable = |problem: String, remedy: &str| AudioError::Unusable {
        path: path.to_owned(),
        problem,
        remedy: remedy.to_owned(),
    };
    let mut sound = SoundFile::open(path)?;
    let rate = sound.rate();
    let mut resampler =
        Resampler::new(rate).map_err(|problem| unusable(problem, "convert it to a common sample rate"))?;
    let most = LONGEST_S * u64::from(SAMPLE_RATE);
    let wanted = length.unwrap_or(u64::MAX).min(most);
    let end = from.saturating_add(wanted);
    let at_rate = |samples: u64| (u128::from(samples) * u128::from(rate) / u128::from(SAMPLE_RATE)) as u64;
    let (mut block, mut out) = (Vec::new(), Vec::new());
    let mut excerpt = Excerpt { rate, channels: sound.channels(), ..Excerpt::default() };
    let (mut decoded, mut resampled, mut more) = (0u64, 0u64, true);
    // One block beyond the end says whether the file goes on.
    while more && resampled <= end {
        if !go_on() {
            return Ok(None);
        }
        block.clear();
        out.clear();
        more = sound.read(&mut block)?;
        match more {
            true => resampler.push(&block, &mut out),
            false => resampler.finish(&mut out),
        }
        excerpt.original.extend(within(&block, decoded, at_rate(from)..at_rate(end)));
        excerpt.samples.extend(within(&out, resampled, from..end));
        (decoded, resampled) = (decoded + block.len() as u64, resampled + out.len() as u64);
    }
    if excerpt.samples.is_empty() {
        let s = |samples: u64| samples as f64 / f64::from(SAMPLE_RATE);
        let problem = format!("it ends at {:.1} s, before the clip at {:.1} s begins", s(resampled), s(from));
        return Err(unusable(problem, "check the table that gives the clip's place"));
    }
    excerpt.is_shortened = length.is_none_or(|length| length > most) && resampled > end;
    excerpt.notes = sound.notes().to_vec();
    Ok(Some(excerpt))
}

/// The part of a block, whose first sample is number `first` of its stream, that is inside this range.
fn within(block: &[f32], first: u64, range: Range<u64>) -> &[f32] {
    let place = |at: u64| (at.saturating_sub(first) as usize).min(block.len());
    let (from, to) = (place(range.start), place(range.end));
    &block[from..to.max(from)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;

    use super::*;
    use crate::{audio, data::Part};

    fn excerpt(source: &Source) -> Result<Excerpt, AudioError> {
        super::excerpt(source, &|| true).map(Option::unwrap)
    }

    /// Writes so many frames of two different channels.
    fn stereo(path: &Path, rate: u32, frames: u32) {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for n in 0..frames {
            let wave = |hz: f64| (9000.0 * (hz * f64::from(n) / f64::from(rate)).sin()) as i16;
            [wave(3000.0), wave(500.0)].into_iter().for_each(|sample| writer.write_sample(sample).unwrap());
        }
        writer.finalize().unwrap();
    }

    #[test]
    fn a_file_is_what_training_reads_beside_what_the_file_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        stereo(&path, 44_100, 30_000);
        let found = excerpt(&Source::File(path.clone())).unwrap();
        assert_eq!(found.samples, audio::load(&path).unwrap());
        assert_eq!(found.original, audio::decode(&path).unwrap().samples);
        assert_eq!((found.rate, found.channels, found.is_shortened), (44_100, 2, false));
    }

    #[test]
    fn a_part_is_its_place_in_the_file_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        stereo(&path, 44_100, 200_000);
        let (all, original) = (audio::load(&path).unwrap(), audio::decode(&path).unwrap().samples);
        for (start, samples) in [(0, 16_000), (20_000, 16_000), (60_001, 50_000)] {
            let part = Part { path: path.clone(), starts: vec![start], samples };
            let found = excerpt(&Source::Part(part)).unwrap();
            let end = ((start + samples) as usize).min(all.len());
            assert_eq!(found.samples, all[start as usize..end], "{start}");
            let from = (start * 44_100 / 16_000) as usize;
            assert_eq!(found.original[..1000], original[from..from + 1000], "{start}");
        }
        let behind = Part { path, starts: vec![100_000], samples: 1000 };
        assert!(excerpt(&Source::Part(behind)).unwrap_err().to_string().contains("before the clip at 6.2 s"));
    }

    #[test]
    fn a_clip_far_inside_a_recording_is_not_decoded_to_its_end_once_nobody_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        stereo(&path, 16_000, 400_000);
        let part = Source::Part(Part { path, starts: vec![390_000], samples: 1000 });
        let (asked, most) = (Cell::new(0), Cell::new(u32::MAX));
        let go_on = || {
            asked.set(asked.get() + 1);
            asked.get() < most.get()
        };
        assert!(super::excerpt(&part, &go_on).unwrap().is_some());
        assert!(asked.get() > 5, "it is asked before each block: {}", asked.get());
        asked.set(0);
        most.set(3);
        assert_eq!((super::excerpt(&part, &go_on).unwrap(), asked.get()), (None, 3));
    }

    #[test]
    fn a_synthesised_clip_is_there_too() {
        let found = excerpt(&Source::Demo { class: 3, index: 7 }).unwrap();
        assert!(found.samples.len() > 20_000 && found.original == found.samples);
    }
}
