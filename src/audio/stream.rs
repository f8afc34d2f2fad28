//! Streams of sound: interleaved channels at any rate become log-mel frames as they finish.

use super::{
    Fbank, Resampler,
    downmix::downmix,
    fbank::{FRAME_LENGTH, FRAME_SHIFT, MEL_BINS},
};

/// Channels at any rate in, mono 16 kHz out: averaged to mono, then a [`Resampler`].
#[derive(Debug)]
pub struct MonoStream {
    channels: usize,
    /// Samples of an incomplete frame of channels.
    partial: Vec<f32>,
    mono: Vec<f32>,
    resampler: Resampler,
}

impl MonoStream {
    /// A stream of `channels` interleaved channels at `rate` samples a second.
    ///
    /// # Errors
    /// A message to show, when there is no channel or that rate is not supported.
    pub fn new(rate: u32, channels: usize) -> Result<Self, String> {
        if channels == 0 {
            return Err("a source without channels cannot be read".into());
        }
        Ok(Self { channels, partial: Vec::new(), mono: Vec::new(), resampler: Resampler::new(rate)? })
    }

    /// The longest time, in seconds, from a sample's input to its output.
    pub fn latency_s(&self) -> f64 {
        self.resampler.latency_s()
    }

    /// Takes interleaved samples and appends finished 16 kHz samples to `out`.
    pub fn push(&mut self, interleaved: &[f32], out: &mut Vec<f32>) {
        self.mono.clear();
        let missing = (self.channels - self.partial.len()) % self.channels;
        let (head, rest) = interleaved.split_at(missing.min(interleaved.len()));
        self.partial.extend_from_slice(head);
        if self.partial.len() == self.channels {
            downmix(&self.partial, self.channels, &mut self.mono);
            self.partial.clear();
        }
        let whole = rest.len() / self.channels * self.channels;
        downmix(&rest[..whole], self.channels, &mut self.mono);
        self.partial.extend_from_slice(&rest[whole..]);
        self.resampler.push(&self.mono, out);
    }

    /// Ends the stream: appends what is still inside and resets.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        self.partial.clear();
        self.resampler.finish(out);
    }
}

/// The filter bank over a stream of 16 kHz samples: the same frames as [`Fbank::compute`], to the bit.
#[derive(Debug, Default)]
pub struct FbankStream {
    fbank: Fbank,
    pending: Vec<f32>,
}

impl FbankStream {
    /// A stream without samples yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes samples and appends every frame (128 values each) that they complete to `out`; returns how many.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> usize {
        self.pending.extend_from_slice(samples);
        let frames = super::frames_of(self.pending.len());
        for frame in 0..frames {
            let start = frame * FRAME_SHIFT;
            let at = out.len();
            out.resize(at + MEL_BINS, 0.0);
            self.fbank.frame(&self.pending[start..start + FRAME_LENGTH], &mut out[at..]);
        }
        self.pending.drain(..frames * FRAME_SHIFT);
        frames
    }

    /// Discards the samples of incomplete frames.
    pub fn reset(&mut self) {
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn noise(samples: usize) -> Vec<f32> {
        let mut state = 1u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..samples).map(next).collect()
    }

    #[test]
    fn frames_of_a_stream_equal_those_of_the_clip_to_the_bit() {
        let clip = noise(5_003);
        let whole = Fbank::new().compute(&clip);
        for size in [1, 37, 160, 401, 5_003] {
            let mut stream = FbankStream::new();
            let (mut frames, mut data) = (0, Vec::new());
            for piece in clip.chunks(size) {
                frames += stream.push(piece, &mut data);
            }
            assert_eq!((frames, &data), (whole.frames, &whole.data), "pieces of {size}");
        }
    }

    #[test]
    fn channels_may_arrive_in_any_pieces() {
        let interleaved = noise(3 * 2_000);
        let mut mono = Vec::new();
        downmix(&interleaved, 3, &mut mono);
        for size in [1, 2, 4, 1000] {
            let mut stream = MonoStream::new(16_000, 3).unwrap();
            let mut out = Vec::new();
            for piece in interleaved.chunks(size) {
                stream.push(piece, &mut out);
            }
            stream.finish(&mut out);
            assert_eq!(out, mono, "pieces of {size}");
        }
        assert!(MonoStream::new(48_000, 0).is_err());
    }
}
