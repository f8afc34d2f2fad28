//! From samples at a device's rate to levels, mel frames and windows to score: no thread, no clock, no device.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::{LiveEvent, listener::Window};
use crate::audio::{FRAME_LENGTH, FRAME_SHIFT, FbankStream, Level, MEL_BINS, MonoStream, SAMPLE_RATE};

/// Lengths of a stream's windows, in frames of 10 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Frames of a window.
    pub frames: usize,
    /// Frames from one window's end to the next.
    pub hop: usize,
}

/// Everything between the ring and the listeners for one uninterrupted stretch of sound.
///
/// The resampler and the filter bank are those of clips, so a window's frames equal the filter bank of the same sound
/// read from a file, to the bit. Sample n is at n / 16000 s: the resampler's delay shows only as latency.
pub struct Windower {
    windows: Windows,
    rate: u32,
    /// Seconds of the stream before this stretch.
    base_s: f64,
    mono: MonoStream,
    fbank: FbankStream,
    /// Samples at the end of `samples` that the last delivery brought.
    fresh: usize,
    /// Resampled sound and its frames, as far back as a window reaches; `first_frame` counts those already discarded.
    samples: Vec<f32>,
    frames: Vec<f32>,
    first_frame: usize,
    /// Samples at the device's rate so far, and at 16 kHz.
    delivered: u64,
    resampled: u64,
    /// Ends of the newest deliveries, at the device's rate, with the time of their capture.
    deliveries: VecDeque<(u64, Instant)>,
    /// (least, greatest, samples) of the current 10 ms.
    extreme: (f32, f32, usize),
    /// Frame count at which the next window ends.
    next_end: usize,
    /// Frame count at which the last window ended.
    last_end: usize,
}

impl Windower {
    /// Sound at `rate` Hz, mono, whose first sample is at `base_s` seconds of the stream.
    ///
    /// # Errors
    /// A message to show when that rate cannot be resampled.
    pub fn new(rate: u32, base_s: f64, windows: Windows) -> Result<Self, String> {
        let windows = Windows { frames: windows.frames.max(1), hop: windows.hop.max(1) };
        Ok(Self {
            windows,
            rate,
            base_s,
            mono: MonoStream::new(rate, 1)?,
            fbank: FbankStream::new(),
            fresh: 0,
            samples: Vec::new(),
            frames: Vec::new(),
            first_frame: 0,
            delivered: 0,
            resampled: 0,
            deliveries: VecDeque::new(),
            extreme: (f32::INFINITY, f32::NEG_INFINITY, 0),
            next_end: windows.hop,
            last_end: 0,
        })
    }

    /// Seconds of the stream up to the last resampled sample.
    pub fn time_s(&self) -> f64 {
        self.base_s + self.resampled as f64 / f64::from(SAMPLE_RATE)
    }

    /// The 16 kHz samples that the last delivery produced; fewer or more than it holds, since the resampler works in
    /// blocks.
    pub fn fresh(&self) -> &[f32] {
        &self.samples[self.samples.len() - self.fresh..]
    }

    /// Takes one delivery and the time at which its last sample was captured. Returns the new sound, unless the
    /// resampler is still waiting for more, and the windows that ended.
    pub fn push(&mut self, delivery: &[f32], captured: Instant) -> (Option<LiveEvent>, Vec<Window>) {
        self.delivered += delivery.len() as u64;
        self.deliveries.push_back((self.delivered, captured));
        let before = self.samples.len();
        self.mono.push(delivery, &mut self.samples);
        self.digest(before)
    }

    /// Ends the stretch: flushes the resampler, and returns a last window for what no hop has covered.
    pub fn finish(&mut self) -> (Option<LiveEvent>, Vec<Window>) {
        let before = self.samples.len();
        self.mono.finish(&mut self.samples);
        let (event, mut windows) = self.digest(before);
        let end = self.frame_count();
        if end > self.last_end {
            windows.push(self.window(end));
            self.last_end = end;
        }
        (event, windows)
    }

    fn frame_count(&self) -> usize {
        self.first_frame + self.frames.len() / MEL_BINS
    }

    /// Adds the samples from index `before` on.
    fn digest(&mut self, before: usize) -> (Option<LiveEvent>, Vec<Window>) {
        let fresh = &self.samples[before..];
        self.fresh = fresh.len();
        if fresh.is_empty() {
            return (None, Vec::new());
        }
        self.resampled += fresh.len() as u64;
        let Level { rms_dbfs, peak_dbfs } = Level::of(fresh);
        let mut extremes = Vec::with_capacity(fresh.len() / FRAME_SHIFT + 1);
        for &sample in fresh {
            let (low, high, count) = &mut self.extreme;
            (*low, *high, *count) = (low.min(sample), high.max(sample), *count + 1);
            if *count == FRAME_SHIFT {
                extremes.push((*low, *high));
                self.extreme = (f32::INFINITY, f32::NEG_INFINITY, 0);
            }
        }
        let known = self.frames.len();
        self.fbank.push(fresh, &mut self.frames);
        let frames = self.frames[known..].chunks_exact(MEL_BINS).map(Arc::from).collect();
        let event = LiveEvent::Sound { time_s: self.time_s(), rms_dbfs, peak_dbfs, extremes, frames };

        let mut windows = Vec::new();
        while self.next_end <= self.frame_count() {
            windows.push(self.window(self.next_end));
            self.last_end = self.next_end;
            self.next_end += self.windows.hop;
        }
        self.forget();
        (Some(event), windows)
    }

    /// The window that ends with frame `end`, exclusive, counted from the beginning of the stretch.
    fn window(&mut self, end: usize) -> Window {
        let end_here = end - self.first_frame;
        let first = end_here.saturating_sub(self.windows.frames);
        let samples = first * FRAME_SHIFT..(end_here - 1) * FRAME_SHIFT + FRAME_LENGTH;
        let end_sample = (self.first_frame * FRAME_SHIFT + samples.end) as u64;
        Window {
            end_s: self.base_s + end_sample as f64 / f64::from(SAMPLE_RATE),
            captured: self.captured(end_sample),
            samples: self.samples[samples].into(),
            frames: self.frames[first * MEL_BINS..end_here * MEL_BINS].into(),
        }
    }

    /// When the 16 kHz sample before index `end` was captured.
    fn captured(&mut self, end: u64) -> Instant {
        let wanted = (end * u64::from(self.rate)).div_ceil(u64::from(SAMPLE_RATE));
        while self.deliveries.len() > 1 && self.deliveries.front().is_some_and(|(end, _)| *end < wanted) {
            self.deliveries.pop_front();
        }
        self.deliveries.front().map_or_else(Instant::now, |(_, at)| *at)
    }

    /// Discards what no later window needs, in large steps: moving memory at every delivery would cost more.
    fn forget(&mut self) {
        let count = self.frames.len() / MEL_BINS;
        if count > 2 * self.windows.frames + self.windows.hop {
            let gone = count - self.windows.frames - self.windows.hop;
            self.frames.drain(..gone * MEL_BINS);
            self.samples.drain(..gone * FRAME_SHIFT);
            self.first_frame += gone;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::{f64::consts::TAU, time::Duration};

    use super::*;
    use crate::audio::{Fbank, resample};

    /// A chirp with a click in it: every stretch of it differs from every other.
    fn chirp(rate: u32, seconds: f64) -> Vec<f32> {
        let count = (f64::from(rate) * seconds) as usize;
        let time = |n: usize| n as f64 / f64::from(rate);
        (0..count).map(|n| (0.5 * (TAU * (200.0 + 400.0 * time(n)) * time(n)).sin()) as f32).collect()
    }

    fn run_over(rate: u32, sound: &[f32], piece: usize, windows: Windows) -> (Vec<LiveEvent>, Vec<Window>) {
        let mut windower = Windower::new(rate, 0.0, windows).unwrap();
        let (mut events, mut ended) = (Vec::new(), Vec::new());
        let now = Instant::now();
        let mut take = |(event, windows): (Option<LiveEvent>, Vec<Window>)| {
            events.extend(event);
            ended.extend(windows);
        };
        for piece in sound.chunks(piece) {
            take(windower.push(piece, now));
        }
        take(windower.finish());
        (events, ended)
    }

    #[test]
    fn windows_equal_the_same_stretch_of_the_clip_to_the_bit_at_any_rate() {
        let windows = Windows { frames: 50, hop: 20 };
        for rate in [8_000, 16_000, 44_100, 48_000] {
            let sound = chirp(rate, 3.1);
            let clip = resample(&sound, rate).unwrap();
            let whole = Fbank::new().compute(&clip);
            let (_, ended) = run_over(rate, &sound, (rate / 40) as usize, windows);
            for (k, window) in ended.iter().enumerate() {
                let end = ((k + 1) * windows.hop).min(whole.frames);
                let first = end.saturating_sub(windows.frames);
                assert_eq!(*window.frames, whole.data[first * MEL_BINS..end * MEL_BINS], "{rate} Hz, window {k}");
                let samples = first * FRAME_SHIFT..(end - 1) * FRAME_SHIFT + FRAME_LENGTH;
                assert_eq!(*window.samples, clip[samples.clone()]);
                assert_eq!(window.end_s, samples.end as f64 / 16_000.0);
                assert_eq!(window.sound(10), &clip[samples.end - 9 * FRAME_SHIFT - FRAME_LENGTH..samples.end]);
                assert_eq!(window.log_mel(10).data, whole.data[(end - 10) * MEL_BINS..end * MEL_BINS]);
            }
            // Every hop, and the rest that no hop covers.
            assert_eq!(ended.len(), whole.frames.div_ceil(windows.hop), "{rate} Hz");
        }
    }

    #[test]
    fn sound_events_add_up_to_the_clip() {
        let sound = chirp(44_100, 1.37);
        let clip = resample(&sound, 44_100).unwrap();
        let (events, _) = run_over(44_100, &sound, 1_102, Windows { frames: 100, hop: 50 });
        let (mut frames, mut extremes, mut last) = (0, Vec::new(), 0.0);
        for event in &events {
            let LiveEvent::Sound { time_s, frames: new, extremes: fresh, peak_dbfs, rms_dbfs } = event else {
                panic!("{event:?}")
            };
            assert!(*time_s > last && rms_dbfs <= peak_dbfs && *peak_dbfs < -5.5);
            last = *time_s;
            frames += new.len();
            extremes.extend(fresh.iter().copied());
        }
        assert_eq!(last, clip.len() as f64 / 16_000.0);
        assert_eq!(frames, crate::audio::frames_of(clip.len()));
        let expected: Vec<_> = clip
            .chunks_exact(FRAME_SHIFT)
            .map(|piece| piece.iter().fold((f32::MAX, f32::MIN), |(low, high), &s| (low.min(s), high.max(s))))
            .collect();
        assert_eq!(extremes, expected);
    }

    #[test]
    fn latency_counts_from_the_capture_of_the_windows_last_sample() {
        let rate = 48_000;
        let mut windower = Windower::new(rate, 0.0, Windows { frames: 10, hop: 10 }).unwrap();
        let start = Instant::now();
        let mut windows = Vec::new();
        // Deliveries of 25 ms: the n-th is captured 25 n ms after the start.
        for n in 1..=40u32 {
            let captured = start + Duration::from_millis(25) * n;
            windows.extend(windower.push(&[0.1; 1200], captured).1);
        }
        assert!(windows.len() >= 8);
        for window in windows {
            let delivery = (window.end_s / 0.025).ceil() as u32;
            assert_eq!(window.captured - start, Duration::from_millis(25) * delivery, "{}", window.end_s);
        }
    }
}
