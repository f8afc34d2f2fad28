//! One clip to look at and to listen to: as the file has it, and as a model gets it.

use std::{ops::Range, path::Path};

use super::{Source, synth};
use crate::audio::{AudioError, Note, Resampler, SAMPLE_RATE, SoundFile};

/// The longest stretch that is held in memory, seconds: ten minutes.
const LONGEST_S: u64 = 600;
/// Blocks of the resampler that are decoded before a stretch: from then on its samples are those of the whole file.
const RUN_UP: u64 = 4;

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

/// Decodes a clip. Of a WAV, AU or FLAC file only the stretch is decoded. Other kinds are decoded from the recording's beginning,
/// without holding it, which takes long far inside a long one: `go_on` is called before each block, and `None` is returned as
/// soon as it returns `false`.
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
    let sound = SoundFile::open(path)?;
    let rate = sound.rate();
    let mut resampler =
        Resampler::new(rate).map_err(|problem| unusable(problem, "convert it to a common sample rate"))?;
    let most = LONGEST_S * u64::from(SAMPLE_RATE);
    let wanted = length.unwrap_or(u64::MAX).min(most);
    let end = from.saturating_add(wanted);
    let at_rate = |samples: u64| (u128::from(samples) * u128::from(rate) / u128::from(SAMPLE_RATE)) as u64;
    let (mut block, mut out) = (Vec::new(), Vec::new());
    let mut excerpt = Excerpt { rate, channels: sound.channels(), ..Excerpt::default() };
    // What is before the stretch, in whole blocks of the resampler.
    let first = (at_rate(from) / resampler.block()).saturating_sub(RUN_UP) * resampler.block();
    let (mut sound, mut decoded) = sound.after(first)?;
    let mut resampled = (u128::from(first) * u128::from(SAMPLE_RATE) / u128::from(rate.max(1))) as u64;
    let mut more = true;
    // One block beyond the end says whether the file goes on.
    while more && resampled <= end {
        if !go_on() {
            return Ok(None);
        }
        block.clear();
        out.clear();
        more = sound.read(&mut block)?;
        match more {
            true => resampler.push(within(&block, decoded, first..u64::MAX), &mut out),
            false => resampler.finish(&mut out),
        }
        excerpt.original.extend(within(&block, decoded, at_rate(from)..at_rate(end)));
        excerpt.samples.extend(within(&out, resampled, from..end));
        (decoded, resampled) = (decoded + block.len() as u64, resampled + out.len() as u64);
    }
    if excerpt.samples.is_empty() {
        let (end, from) = (decoded as f64 / f64::from(rate.max(1)), from as f64 / f64::from(SAMPLE_RATE));
        let problem = format!("it ends at {end:.1} s, before the clip at {from:.1} s begins");
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
    fn a_clip_is_not_decoded_to_its_end_once_nobody_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        stereo(&path, 16_000, 400_000);
        let part = Source::Part(Part { path, starts: vec![0], samples: 390_000 });
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
    fn a_clip_far_inside_a_recording_is_decoded_alone_and_its_samples_are_those_of_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        stereo(&path, 48_000, 2_000_000);
        let all = audio::load(&path).unwrap();
        for (start, samples) in [(600_000u64, 24_000u64), (333_333, 16_000), (656_000, 16_000)] {
            let part = Source::Part(Part { path: path.clone(), starts: vec![start], samples });
            let blocks = Cell::new(0);
            let go_on = || {
                blocks.set(blocks.get() + 1);
                true
            };
            let found = super::excerpt(&part, &go_on).unwrap().unwrap();
            let end = ((start + samples) as usize).min(all.len());
            assert_eq!(found.samples, all[start as usize..end], "{start}");
            assert!(blocks.get() < 60, "{} blocks of 4096 frames for {samples} samples", blocks.get());
        }
        // FLAC of packets of 1,152 samples.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sounds/data/tone.flac");
        let all = audio::load(&path).unwrap();
        for start in [1_200, 3_000, 5_000] {
            let part = Part { path: path.clone(), starts: vec![start], samples: 1_000 };
            let found = excerpt(&Source::Part(part)).unwrap();
            assert_eq!(found.samples, all[start as usize..all.len().min(start as usize + 1_000)], "{start}");
            let (_, at) = SoundFile::open(&path).unwrap().after(start).unwrap();
            // The first packet is decoded when the file is opened, and the second is next.
            assert_eq!(at, if start < 2 * 1_152 { 0 } else { start / 1_152 * 1_152 });
        }
    }

    #[test]
    fn a_synthesised_clip_is_there_too() {
        let found = excerpt(&Source::Demo { class: 3, index: 7 }).unwrap();
        assert!(found.samples.len() > 20_000 && found.original == found.samples);
    }
}
