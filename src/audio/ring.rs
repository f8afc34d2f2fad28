//! The ring buffer between a real-time source of sound and the worker that reads it.
//!
//! A device's callback calls [`RingWriter::take`], which converts, averages the channels and copies into a ring that
//! was allocated beforehand. It neither locks, nor allocates, nor prints; samples that do not fit are counted. The
//! worker reads by [`RingReader`]. The two ends are used on different threads.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cpal::FromSample;
use rtrb::{Consumer, Producer, RingBuffer};

/// Seconds of sound in the ring: how late the worker may be before samples are lost.
const RING_S: usize = 4;
/// Deliveries in the ring: 4 s of 1 ms each.
const RING_MARKS: usize = 4096;
/// The greatest delay of a driver that is considered plausible.
const OLDEST: Duration = Duration::from_secs(2);

/// One delivery: where it ends, counted in mono samples since the beginning, and when its last sample was captured.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: u64,
    at: Instant,
}

/// State shared by both ends.
#[derive(Debug)]
pub(super) struct Health {
    born: Instant,
    /// Samples that did not fit.
    dropped: AtomicU64,
    /// Nanoseconds from `born` to the last delivery.
    last_delivery: AtomicU64,
    /// The failure, if any. Written by a device's error callback, never by the data callback.
    failure: Mutex<Option<String>>,
}

impl Health {
    fn new() -> Self {
        Self {
            born: Instant::now(),
            dropped: AtomicU64::new(0),
            last_delivery: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    /// Counts samples that the device itself lost.
    pub(super) fn lost(&self, samples: u64) {
        self.dropped.fetch_add(samples, Ordering::Relaxed);
    }

    /// Records the first failure.
    pub(super) fn fail(&self, reason: impl FnOnce() -> String) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(reason);
    }
}

/// The writing end.
#[derive(Debug)]
pub struct RingWriter {
    ring: Producer<f32>,
    marks: Producer<Mark>,
    health: Arc<Health>,
    channels: usize,
    delivered: u64,
}

/// The reading end: mono samples at the device's rate.
#[derive(Debug)]
pub struct RingReader {
    ring: Consumer<f32>,
    marks: Consumer<Mark>,
    health: Arc<Health>,
    read: u64,
}

/// Both ends for sound of this rate (Hz) and number of interleaved channels.
pub fn pair(rate: u32, channels: u16) -> (RingWriter, RingReader) {
    let (ring_in, ring_out) = RingBuffer::new(RING_S * rate.max(1) as usize);
    let (marks_in, marks_out) = RingBuffer::new(RING_MARKS);
    let health = Arc::new(Health::new());
    let writer = RingWriter {
        ring: ring_in,
        marks: marks_in,
        health: health.clone(),
        channels: usize::from(channels.max(1)),
        delivered: 0,
    };
    (writer, RingReader { ring: ring_out, marks: marks_out, health, read: 0 })
}

impl RingWriter {
    /// Takes interleaved samples whose last one was captured `age` ago. Called from real-time threads: no lock, no
    /// allocation, no system call but reading the clock.
    ///
    /// Samples that are not finite become silence: one NaN would stay in a resampler for ever.
    pub fn take<T: Copy>(&mut self, interleaved: &[T], age: Duration)
    where
        f32: FromSample<T>,
    {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.health.born).as_nanos();
        self.health.last_delivery.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);

        let frames = interleaved.len() / self.channels;
        let room = if self.marks.slots() > 0 { self.ring.slots().min(frames) } else { 0 };
        if room < frames {
            self.health.lost((frames - room) as u64);
        }
        let Ok(chunk) = self.ring.write_chunk_uninit(room) else { return };
        let scale = 1.0 / self.channels as f32;
        let kept = chunk.fill_from_iter(interleaved.chunks_exact(self.channels).map(|frame| {
            let mean = frame.iter().map(|&sample| f32::from_sample_(sample)).sum::<f32>() * scale;
            if mean.is_finite() { mean } else { 0.0 }
        }));
        if kept > 0 {
            self.delivered += kept as u64;
            let at = now.checked_sub(age.min(OLDEST)).unwrap_or(now);
            // There is room: it was checked above, and there is no other writer.
            let _ = self.marks.push(Mark { end: self.delivered, at });
        }
    }

    /// Free samples in the ring, for a source that can wait.
    pub fn room(&self) -> usize {
        if self.marks.slots() > 0 { self.ring.slots() } else { 0 }
    }

    pub(super) fn health(&self) -> Arc<Health> {
        self.health.clone()
    }
}

impl RingReader {
    /// Appends the oldest unread delivery and returns when its last sample was captured; `None` when there is nothing
    /// new.
    pub fn pull(&mut self, into: &mut Vec<f32>) -> Option<Instant> {
        let mark = self.marks.pop().ok()?;
        let count = usize::try_from(mark.end - self.read).unwrap_or(usize::MAX);
        // Samples are written before their mark, so all of them are there.
        if let Ok(chunk) = self.ring.read_chunk(count) {
            into.extend(chunk);
        }
        self.read = mark.end;
        Some(mark.at)
    }

    /// Samples that did not fit, at the device's rate, since the beginning.
    pub fn dropped(&self) -> u64 {
        self.health.dropped.load(Ordering::Relaxed)
    }

    /// Time since the last delivery, or since the beginning.
    pub fn quiet_for(&self) -> Duration {
        let last = Duration::from_nanos(self.health.last_delivery.load(Ordering::Relaxed));
        self.health.born.elapsed().saturating_sub(last)
    }

    /// Why the source failed, if it did.
    pub fn failure(&self) -> Option<String> {
        self.health.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the writing end is gone and everything was read.
    pub fn is_over(&self) -> bool {
        self.marks.is_abandoned() && self.marks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use cpal::{I24, U24};

    use super::*;

    /// Writes two stereo frames of (full positive, zero) and (full negative, zero) in some format.
    fn received<T: Copy>(high: T, low: T, zero: T) -> Vec<f32>
    where
        f32: FromSample<T>,
    {
        let (mut writer, mut reader) = pair(8_000, 2);
        writer.take(&[high, zero, low, zero], Duration::ZERO);
        let mut samples = Vec::new();
        reader.pull(&mut samples).unwrap();
        samples
    }

    #[test]
    fn every_sample_format_becomes_the_mean_of_its_channels() {
        let near = |samples: Vec<f32>| {
            assert_eq!(samples.len(), 2);
            // 8-bit formats reach 127/128 of full scale.
            assert!((samples[0] - 0.5).abs() < 0.005 && (samples[1] + 0.5).abs() < 0.005, "{samples:?}");
        };
        near(received(i8::MAX, i8::MIN, 0));
        near(received(i16::MAX, i16::MIN, 0));
        near(received(I24::new(8_388_607).unwrap(), I24::new(-8_388_608).unwrap(), I24::new(0).unwrap()));
        near(received(i32::MAX, i32::MIN, 0));
        near(received(i64::MAX, i64::MIN, 0));
        near(received(u8::MAX, u8::MIN, 128));
        near(received(u16::MAX, u16::MIN, 1 << 15));
        near(received(U24::new(16_777_215).unwrap(), U24::new(0).unwrap(), U24::new(1 << 23).unwrap()));
        near(received(u32::MAX, u32::MIN, 1 << 31));
        near(received(u64::MAX, u64::MIN, 1 << 63));
        near(received(1.0f32, -1.0, 0.0));
        near(received(1.0f64, -1.0, 0.0));
    }

    #[test]
    fn samples_that_do_not_fit_are_counted_and_the_others_stay_whole() {
        let (mut writer, mut reader) = pair(100, 1);
        let sound: Vec<f32> = (0..600).map(|i| i as f32).collect();
        writer.take(&sound[..300], Duration::ZERO);
        writer.take(&sound[300..], Duration::ZERO);
        assert_eq!(reader.dropped(), 200);
        let mut samples = Vec::new();
        assert!(reader.pull(&mut samples).is_some());
        assert_eq!(samples, sound[..300]);
        assert!(reader.pull(&mut samples).is_some());
        assert_eq!(samples, sound[..400]);
        assert!(reader.pull(&mut samples).is_none());
        assert_eq!(writer.room(), 400);
    }

    #[test]
    fn a_sample_that_is_not_a_number_becomes_silence() {
        let (mut writer, mut reader) = pair(8_000, 1);
        writer.take(&[0.5, f32::NAN, f32::INFINITY, -0.5], Duration::ZERO);
        let mut samples = Vec::new();
        reader.pull(&mut samples).unwrap();
        assert_eq!(samples, [0.5, 0.0, 0.0, -0.5]);
    }

    #[test]
    fn the_end_is_seen_only_after_the_last_sample() {
        let (mut writer, mut reader) = pair(8_000, 1);
        writer.take(&[1i16], Duration::ZERO);
        drop(writer);
        assert!(!reader.is_over());
        reader.pull(&mut Vec::new()).unwrap();
        assert!(reader.is_over());
    }
}
