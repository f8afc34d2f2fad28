//! What sounds are made of: noise, filters, envelopes, levels.

use std::f32::consts::TAU;

use super::KeyedRng;
use crate::audio::SAMPLE_RATE;

/// Samples a second, for arithmetic.
pub(super) const RATE: f32 = SAMPLE_RATE as f32;

/// The factor of a level in dB.
pub(super) fn gain(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// Scales to this root mean square; silence stays silent.
pub(super) fn to_rms(samples: &mut [f32], rms: f32) {
    let power = samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32;
    if power > 0.0 {
        let scale = rms / power.sqrt();
        samples.iter_mut().for_each(|sample| *sample *= scale);
    }
}

/// Adds one sound to another.
pub(super) fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

/// Adds a sound into another from sample `start` on, cutting what hangs over.
pub(super) fn add_at(to: &mut [f32], start: usize, from: &[f32]) {
    if let Some(to) = to.get_mut(start..) {
        add(to, from);
    }
}

/// White noise of unit variance.
pub(super) fn white_noise(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    // Uniform on +-sqrt(3) has unit variance.
    (0..samples).map(|_| rng.between(-1.732, 1.732)).collect()
}

/// Noise whose spectrum falls by a random slope between white and brown.
pub(super) fn coloured_noise(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    let mut noise = white_noise(rng, samples);
    OnePole::low_pass(rng.between_log(60.0, 8_000.0)).run(&mut noise);
    noise
}

/// A gentle filter of 6 dB an octave.
pub(super) struct OnePole {
    keep: f32,
    state: f32,
}

impl OnePole {
    pub(super) fn low_pass(hz: f32) -> Self {
        Self { keep: (-TAU * hz / RATE).exp(), state: 0.0 }
    }

    pub(super) fn run(&mut self, samples: &mut [f32]) {
        for sample in samples {
            self.state = *sample + self.keep * (self.state - *sample);
            *sample = self.state;
        }
    }
}

/// A resonance: two poles at a frequency with a bandwidth, unit gain at its peak.
#[derive(Default)]
pub(super) struct Resonance {
    before: [f32; 2],
}

impl Resonance {
    /// One sample through the resonance; frequency and bandwidth in Hz may change at every sample.
    pub(super) fn next(&mut self, sample: f32, hz: f32, bandwidth: f32) -> f32 {
        let radius = (-std::f32::consts::PI * bandwidth / RATE).exp();
        let angle = TAU * hz / RATE;
        let scale = (1.0 - radius) * (1.0 - 2.0 * radius * (2.0 * angle).cos() + radius * radius).sqrt();
        let out = scale * sample + 2.0 * radius * angle.cos() * self.before[0] - radius * radius * self.before[1];
        self.before = [out, self.before[0]];
        out
    }

    /// A whole sound through a fixed resonance.
    pub(super) fn run(samples: &[f32], hz: f32, bandwidth: f32) -> Vec<f32> {
        let mut resonance = Self::default();
        samples.iter().map(|&sample| resonance.next(sample, hz, bandwidth)).collect()
    }
}

/// A sine that dies away: amplitude 1 at first, 1/e after `decay_s`.
pub(super) fn ping(samples: usize, hz: f32, decay_s: f32) -> impl Iterator<Item = f32> {
    (0..samples).map(move |n| {
        let t = n as f32 / RATE;
        (TAU * hz * t).sin() * (-t / decay_s).exp()
    })
}

/// A slow random walk between -1 and 1: sines of three random rates around `hz`.
pub(super) struct Drift([(f32, f32); 3]);

impl Drift {
    pub(super) fn new(rng: &mut KeyedRng, hz: f32) -> Self {
        Self(std::array::from_fn(|_| (TAU * hz * rng.between(0.4, 1.8), rng.between(0.0, TAU))))
    }

    /// Its value after so many seconds.
    pub(super) fn at(&self, seconds: f32) -> f32 {
        self.0.iter().map(|(rate, phase)| (rate * seconds + phase).sin()).sum::<f32>() / 3.0
    }
}

/// Fades a sound in and out.
pub(super) fn fade(samples: &mut [f32], in_s: f32, out_s: f32) {
    let length = samples.len();
    for (n, sample) in samples.iter_mut().enumerate() {
        let from_start = n as f32 / (in_s * RATE);
        let to_end = (length - n) as f32 / (out_s * RATE);
        *sample *= from_start.min(to_end).min(1.0);
    }
}
