//! Resamples any rate to 16 kHz, in a stream or at once, by the same code, so that both give the same samples. Playback
//! resamples to a speaker's rate by the same filter.

use std::fmt;

use rubato::{
    Fft, FixedSync, Indexing, Resampler as _, WindowFunction, audioadapter_buffers::direct::InterleavedSlice,
};

use super::SAMPLE_RATE;

/// Samples at 16 kHz of a block, before rounding up to a whole ratio: 32 ms.
///
/// Larger blocks filter more steeply and have more latency.
const BLOCK: usize = 512;

/// A streaming resampler from mono at any rate to mono at another, usually [`SAMPLE_RATE`].
///
/// Output sample n is at the time n / (output rate) s of the input: the filter's delay is removed.
pub struct Resampler {
    rate: u64,
    /// Samples a second of the output.
    to: u64,
    /// `None` when input and output have the same rate.
    fft: Option<Fft<f32>>,
    pending: Vec<f32>,
    block: Vec<f32>,
    /// Output samples still to drop: the filter's delay.
    skip: usize,
    consumed: u64,
    produced: u64,
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resampler").field("rate", &self.rate).field("consumed", &self.consumed).finish_non_exhaustive()
    }
}

impl Resampler {
    /// A resampler from `rate` samples a second to [`SAMPLE_RATE`].
    ///
    /// # Errors
    /// A message to show, when that rate is not supported (such as 0).
    pub fn new(rate: u32) -> Result<Self, String> {
        Self::between(rate, SAMPLE_RATE)
    }

    /// A resampler from `rate` samples a second to `target`.
    ///
    /// # Errors
    /// A message to show, when one of the rates is not supported (such as 0).
    pub fn between(rate: u32, target: u32) -> Result<Self, String> {
        let fft = if rate == target && rate > 0 {
            None
        } else {
            let (from, to) = (rate as usize, target as usize);
            // An even number of the smallest blocks that the ratio allows puts the middle of the filter, and so its
            // delay, on a whole sample of both sides. Both sizes are fixed: nothing is left inside between blocks.
            let unit = 2 * from / gcd(from, to).max(1);
            let block = (BLOCK * from).div_ceil(SAMPLE_RATE as usize).max(1).next_multiple_of(unit.max(1));
            let fft = Fft::<f32>::new_custom(from, to, block, 1, 1, WindowFunction::BlackmanHarris2, FixedSync::Both)
                .map_err(|error| format!("sound at {rate} Hz cannot be resampled to {target} Hz ({error})"))?;
            Some(fft)
        };
        let skip = fft.as_ref().map_or(0, |fft| fft.output_delay());
        let block = vec![0.0; fft.as_ref().map_or(0, |fft| fft.output_frames_max())];
        Ok(Self {
            rate: rate.into(),
            to: target.into(),
            fft,
            pending: Vec::new(),
            block,
            skip,
            consumed: 0,
            produced: 0,
        })
    }

    /// The longest time, in seconds, from a sample's input to its output.
    pub fn latency_s(&self) -> f64 {
        self.fft.as_ref().map_or(0.0, |fft| {
            fft.input_frames_next() as f64 / self.rate as f64 + fft.output_delay() as f64 / self.to as f64
        })
    }

    /// Input samples of a block. A stream that begins at a whole number of blocks gives, some blocks later, the very samples
    /// of the stream from the beginning.
    pub fn block(&self) -> u64 {
        self.fft.as_ref().map_or(1, |fft| fft.input_frames_next() as u64)
    }

    /// Takes samples and appends finished output to `out`.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.consumed += samples.len() as u64;
        let Some(fft) = &mut self.fft else {
            out.extend_from_slice(samples);
            return;
        };
        self.pending.extend_from_slice(samples);
        let size = fft.input_frames_next();
        let whole = self.pending.len() / size * size;
        for block in self.pending[..whole].chunks_exact(size) {
            let given = process(fft, block, None, &mut self.block);
            let kept = &self.block[self.skip.min(given)..given];
            self.skip -= self.skip.min(given);
            out.extend_from_slice(kept);
            self.produced += kept.len() as u64;
        }
        self.pending.drain(..whole);
    }

    /// Ends the stream: appends what is still inside, so that n samples in give ceil(n * target / rate) samples out, and
    /// resets.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if let Some(fft) = &mut self.fft {
            let total = (self.consumed * self.to).div_ceil(self.rate);
            let size = fft.input_frames_next();
            self.pending.resize(size, 0.0);
            let mut rest = Some(self.pending.as_slice());
            while self.produced < total {
                let silence = Indexing::new().partial_len(0);
                let given = match rest.take() {
                    Some(block) => process(fft, block, None, &mut self.block),
                    None => process(fft, &self.pending, Some(&silence), &mut self.block),
                };
                let kept = &self.block[self.skip.min(given)..given];
                self.skip -= self.skip.min(given);
                let kept = &kept[..kept.len().min((total - self.produced) as usize)];
                out.extend_from_slice(kept);
                self.produced += kept.len() as u64;
                if given == 0 {
                    break;
                }
            }
            fft.reset();
            self.skip = fft.output_delay();
        }
        self.pending.clear();
        (self.consumed, self.produced) = (0, 0);
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// One block through the filter: how many samples of `output` it filled.
fn process(fft: &mut Fft<f32>, input: &[f32], indexing: Option<&Indexing>, output: &mut [f32]) -> usize {
    let size = output.len();
    let (Ok(input), Ok(mut output)) =
        (InterleavedSlice::new(input, 1, input.len()), InterleavedSlice::new_mut(output, 1, size))
    else {
        return 0;
    };
    // The sizes are those that the filter requires, so it cannot fail.
    fft.process_into_buffer(&input, &mut output, indexing).map_or(0, |(_, given)| given)
}

/// Resamples a whole clip from `rate` to [`SAMPLE_RATE`]: ceil(n * 16000 / rate) samples, without delay.
///
/// # Errors
/// As [`Resampler::new`].
pub fn resample(samples: &[f32], rate: u32) -> Result<Vec<f32>, String> {
    resample_to(samples, rate, SAMPLE_RATE)
}

/// Resamples a whole clip from `rate` to `target`: ceil(n * target / rate) samples, without delay.
///
/// # Errors
/// As [`Resampler::between`].
pub fn resample_to(samples: &[f32], rate: u32, target: u32) -> Result<Vec<f32>, String> {
    let mut resampler = Resampler::between(rate, target)?;
    let mut out = Vec::with_capacity((samples.len() as u64 * u64::from(target)).div_ceil(rate.into()) as usize);
    resampler.push(samples, &mut out);
    resampler.finish(&mut out);
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::f64::consts::TAU;

    use super::*;

    fn tone(rate: u32, hz: f64, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| (TAU * hz * n as f64 / f64::from(rate)).sin() as f32).collect()
    }

    #[test]
    fn a_tone_keeps_its_time_level_and_length() {
        for rate in [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000] {
            let samples = rate as usize + 13;
            let out = resample(&tone(rate, 440.0, samples), rate).unwrap();
            assert_eq!(out.len() as u64, (samples as u64 * 16_000).div_ceil(rate.into()), "{rate} Hz");
            let expected = tone(16_000, 440.0, out.len());
            // The filter mixes the ends with the silence around the clip.
            let worst = (1000..15_000).map(|n| (out[n] - expected[n]).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-6, "{rate} Hz: {worst}");
        }
    }

    #[test]
    fn a_clip_at_16_khz_keeps_its_time_and_level_at_the_rate_of_a_speaker() {
        for target in [8_000, 22_050, 44_100, 48_000, 96_000, 192_000] {
            let out = resample_to(&tone(16_000, 440.0, 16_011), 16_000, target).unwrap();
            assert_eq!(out.len() as u64, (16_011 * u64::from(target)).div_ceil(16_000), "{target} Hz");
            let expected = tone(target, 440.0, out.len());
            let inner = target as usize / 10..target as usize * 9 / 10;
            let worst = inner.map(|n| (out[n] - expected[n]).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-6, "{target} Hz: {worst}");
        }
        assert!(resample_to(&[0.0; 100], 16_000, 0).is_err());
    }

    #[test]
    fn frequencies_above_8_khz_are_filtered_out() {
        let out = resample(&tone(44_100, 9_000.0, 44_100), 44_100).unwrap();
        let worst = out[1000..15_000].iter().fold(0.0f32, |worst, sample| worst.max(sample.abs()));
        assert!(worst < 1e-6, "{worst}");
    }

    #[test]
    fn a_stream_in_odd_pieces_equals_the_whole_to_the_bit() {
        for rate in [8_000, 16_000, 44_100, 48_000, 15_999] {
            let input = tone(rate, 700.0, 30_011);
            let whole = resample(&input, rate).unwrap();
            let mut resampler = Resampler::new(rate).unwrap();
            // Twice: after `finish`, the resampler must be as good as new.
            for _ in 0..2 {
                let mut out = Vec::new();
                let mut rest = input.as_slice();
                for size in [1, 7, 480, 511, 3, 2048].into_iter().cycle() {
                    let (piece, after) = rest.split_at(size.min(rest.len()));
                    resampler.push(piece, &mut out);
                    rest = after;
                    if rest.is_empty() {
                        break;
                    }
                }
                resampler.finish(&mut out);
                assert_eq!(out, whole, "{rate} Hz");
            }
        }
    }

    #[test]
    fn a_clip_shorter_than_the_filter_keeps_its_length() {
        assert_eq!(resample(&[0.5; 10], 8_000).unwrap().len(), 20);
        assert_eq!(resample(&[], 8_000).unwrap().len(), 0);
        assert!(Resampler::new(0).is_err());
    }
}
