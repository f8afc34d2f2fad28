//! Log-mels whose frames are centred on every 160th sample and reflect at the ends of the clip: Whisper's and CED's. What
//! distinguishes them is a [`Form`].

use std::{f64::consts::TAU, fmt, sync::Arc};

use rayon::prelude::*;
use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};

use super::{FRAME_SHIFT, LogMel, SAMPLE_RATE, Tables, mel::MelBank};

/// Energy below which the logarithm is cut.
pub(super) const ENERGY_FLOOR: f64 = 1e-10;
/// Frames that a core takes at a time.
const PIECE: usize = 128;

/// What distinguishes these front ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Samples of a frame, and points of its Fourier transform.
    pub size: usize,
    /// Mel bins.
    pub bins: usize,
    /// Whether the sample behind the last one also centres a frame, where 160 divide their number.
    pub both_ends: bool,
    /// The weight of a frequency in Hz in a triangle from its left edge over its centre to its right one, in Hz.
    pub weight: fn(f64, [f64; 3]) -> f64,
    /// The frequency, in Hz, of this point of so many equal steps of the mel scale from 0 to 8 kHz.
    pub hz: fn(usize, usize) -> f64,
    /// The feature of the logarithm to base 10 of an energy, before the clip's own floor: `scale * log10 + shift`.
    pub scale: f64,
    /// See `scale`.
    pub shift: f64,
    /// Decades below the loudest bin at which a clip is cut.
    pub decades: f64,
}

impl Form {
    /// Frames of so many samples.
    pub fn frames_of(&self, samples: usize) -> usize {
        if self.both_ends && samples > 0 { 1 + samples / FRAME_SHIFT } else { samples / FRAME_SHIFT }
    }

    /// The least samples under so many frames.
    pub fn samples_of(&self, frames: usize) -> usize {
        let spaces = frames.max(1) - usize::from(self.both_ends);
        (spaces * FRAME_SHIFT).max(1)
    }

    /// The feature of no energy: that of [`ENERGY_FLOOR`].
    pub fn lowest(&self) -> f32 {
        self.feature(ENERGY_FLOOR.log10())
    }

    /// From the loudest feature of a clip down to where it is cut.
    pub fn range(&self) -> f32 {
        (self.decades * self.scale) as f32
    }

    /// How much a feature grows where the sound is this many decibels louder.
    pub fn step(&self, decibels: f32) -> f32 {
        decibels / 10.0 * self.scale as f32
    }

    fn feature(&self, log: f64) -> f32 {
        (log * self.scale + self.shift) as f32
    }

    /// The log-mel of a clip from the logarithms of its energies, (frames, bins): cut below the loudest.
    pub fn features(&self, frames: usize, logs: &[f64]) -> LogMel {
        let loudest = logs.iter().fold(f64::NEG_INFINITY, |most, &log| most.max(log));
        LogMel { frames, bins: self.bins, data: self.features_below(loudest, logs) }
    }

    /// The features of a part of a clip whose loudest logarithm of an energy is `loudest`.
    pub fn features_below(&self, loudest: f64, logs: &[f64]) -> Vec<f32> {
        let floor = loudest - self.decades;
        logs.iter().map(|log| self.feature(log.max(floor))).collect()
    }

    fn spectrum(&self) -> usize {
        self.size / 2 + 1
    }

    /// The weight of a bin of the spectrum in a filter.
    pub fn weigh(&self, filter: usize, bin: usize) -> f64 {
        let edge = |point: usize| (self.hz)(point, self.bins + 1);
        let hz = bin as f64 * f64::from(SAMPLE_RATE) / self.size as f64;
        (self.weight)(hz, [edge(filter), edge(filter + 1), edge(filter + 2)])
    }

    /// Periodic Hann, sample `n` of a frame.
    fn hann(&self, n: usize) -> f64 {
        0.5 - 0.5 * (TAU * n as f64 / self.size as f64).cos()
    }

    /// The linear part as two matrices; the clip's floor comes after them.
    pub fn tables(&self) -> Tables {
        // The triangles begin at 0 Hz and end at the Nyquist frequency, so both bins of the spectrum weigh nothing.
        let (bins, weight) = (1..self.spectrum() - 1, |filter, bin| self.weigh(filter, bin));
        Tables::new(self.size, self.size, bins, self.bins, weight, ENERGY_FLOOR as f32, |row| {
            row.iter_mut().enumerate().for_each(|(n, value)| *value *= self.hann(n));
        })
    }
}

/// A triangle that is linear in Hz, before any normalisation of its area.
pub(super) fn triangle(hz: f64, [left, centre, right]: [f64; 3]) -> f64 {
    ((hz - left) / (centre - left)).min((right - hz) / (right - centre)).max(0.0)
}

/// Such a front end with its tables and buffers: make one for each thread and keep it.
pub struct CentredMel {
    plans: Plans,
    work: Work,
}

struct Plans {
    form: Form,
    window: Vec<f64>,
    mel: MelBank,
    fft: Arc<dyn RealToComplex<f64>>,
}

struct Work {
    frame: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    power: Vec<f64>,
    energies: Vec<f64>,
}

impl fmt::Debug for CentredMel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CentredMel").field("bins", &self.plans.form.bins).finish_non_exhaustive()
    }
}

impl CentredMel {
    /// Computes the tables.
    pub(super) fn new(form: Form) -> Self {
        let plans = Plans {
            window: (0..form.size).map(|n| form.hann(n)).collect(),
            mel: MelBank::new(form.bins, form.spectrum(), |filter, bin| form.weigh(filter, bin)),
            fft: RealFftPlanner::<f64>::new().plan_fft_forward(form.size),
            form,
        };
        Self { work: Work::of(&plans), plans }
    }

    /// Log-mel frames of mono samples at 16 kHz: (frames, bins).
    pub fn compute(&mut self, samples: &[f32]) -> LogMel {
        let frames = self.plans.form.frames_of(samples.len());
        let mut logs = Vec::with_capacity(frames * self.bins());
        for frame in 0..frames {
            self.logs(samples, frame * FRAME_SHIFT, &mut logs);
        }
        self.plans.form.features(frames, &logs)
    }

    /// The same to the bit, on every core: for one long sound that somebody waits for.
    pub fn compute_wide(&mut self, samples: &[f32]) -> LogMel {
        let frames = self.plans.form.frames_of(samples.len());
        self.plans.form.features(frames, &self.logs_wide(samples, 0, frames))
    }

    /// The logarithms, to base 10, of the energies of so many frames, the first one around sample `first`: (frames,
    /// bins), computed on every core.
    pub(super) fn logs_wide(&self, samples: &[f32], first: usize, frames: usize) -> Vec<f64> {
        let plans = &self.plans;
        let bins = plans.form.bins;
        let mut logs = vec![0.0; frames * bins];
        logs.par_chunks_mut(PIECE * bins).enumerate().for_each_init(
            || Work::of(plans),
            |work, (piece, rows)| {
                for (row, out) in rows.chunks_exact_mut(bins).enumerate() {
                    plans.logs(work, samples, first + (piece * PIECE + row) * FRAME_SHIFT, out);
                }
            },
        );
        logs
    }

    /// Frames of so many samples.
    pub(super) fn frames_of(&self, samples: usize) -> usize {
        self.plans.form.frames_of(samples)
    }

    /// Samples of half a frame.
    pub(super) fn half(&self) -> usize {
        self.plans.form.size / 2
    }

    /// Mel bins of a frame.
    pub(super) fn bins(&self) -> usize {
        self.plans.form.bins
    }

    /// Appends the logarithms, to base 10, of the energies of the frame around sample `centre`; beyond the ends of
    /// `samples` they are reflected. What [`Form::features`] makes a clip's log-mel of.
    pub(super) fn logs(&mut self, samples: &[f32], centre: usize, out: &mut Vec<f64>) {
        let at = out.len();
        out.resize(at + self.bins(), 0.0);
        self.plans.logs(&mut self.work, samples, centre, &mut out[at..]);
    }
}

impl Work {
    fn of(plans: &Plans) -> Self {
        Self {
            frame: plans.fft.make_input_vec(),
            spectrum: plans.fft.make_output_vec(),
            scratch: plans.fft.make_scratch_vec(),
            power: vec![0.0; plans.form.spectrum()],
            energies: vec![0.0; plans.form.bins],
        }
    }
}

impl Plans {
    fn logs(&self, work: &mut Work, samples: &[f32], centre: usize, out: &mut [f64]) {
        self.fill(&mut work.frame, samples, centre);
        // The buffers come from the plan itself, so that it has nothing to refuse.
        let _ = self.fft.process_with_scratch(&mut work.frame, &mut work.spectrum, &mut work.scratch);
        for (power, bin) in work.power.iter_mut().zip(&work.spectrum) {
            *power = bin.norm_sqr();
        }
        self.mel.energies(&work.power, &mut work.energies);
        for (out, energy) in out.iter_mut().zip(&work.energies) {
            *out = energy.max(ENERGY_FLOOR).log10();
        }
    }

    /// The windowed samples around `centre`; beyond the clip's ends its samples are reflected, and beyond the reflection of
    /// a clip that is shorter than half a frame there is silence.
    fn fill(&self, frame: &mut [f64], samples: &[f32], centre: usize) {
        let last = samples.len() as isize - 1;
        for (n, (value, window)) in frame.iter_mut().zip(&self.window).enumerate() {
            let at = (centre + n) as isize - (self.form.size / 2) as isize;
            let reflected = if at > last { 2 * last - at } else { at.abs() };
            let sample = usize::try_from(reflected).ok().and_then(|at| samples.get(at)).copied().unwrap_or(0.0);
            *value = f64::from(sample) * window;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_every_core_the_same_frames_come_out() {
        let sound: Vec<f32> = (0..50_001).map(|n| (n as f32 * 0.31).sin() * (n as f32 * 0.001).cos()).collect();
        for form in [super::super::whisper_mel::form(80), super::super::ced_mel::FORM] {
            let mut mel = CentredMel::new(form);
            assert_eq!(mel.compute_wide(&sound), mel.compute(&sound));
        }
    }
}
