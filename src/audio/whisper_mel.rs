//! Whisper's log-mel: what `WhisperFeatureExtractor` of transformers computes, on the clip itself.
//!
//! Whisper pads every clip to 30 s before this. Here the encoder's positions are cut to the clip instead, so the
//! features are those of the clip alone: its frames reflect at its own ends, and the floor of eight decades counts
//! from its own maximum. Padding with silence can only change the frames whose window reaches over the end.

use std::{f64::consts::TAU, fmt, sync::Arc};

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};

use super::{LogMel, SAMPLE_RATE, Tables, mel::MelBank};

/// Mel bins of a frame, in all Whisper models but large-v3 and turbo.
pub const WHISPER_BINS: usize = 80;
/// Mel bins of a frame in Whisper large-v3 and turbo.
pub const WHISPER_128_BINS: usize = 128;

const FFT_SIZE: usize = 400;
/// Samples of a frame on each side of its centre.
pub(super) const HALF: u64 = FFT_SIZE as u64 / 2;
const HOP: usize = 160;
const SPECTRUM: usize = FFT_SIZE / 2 + 1;
/// Energy below which the logarithm is cut.
const ENERGY_FLOOR: f64 = 1e-10;
/// Decades below the loudest bin at which a clip is cut.
const DECADES: f64 = 8.0;
/// The features are (log10 energy + 4) / 4.
const SCALE: f64 = 4.0;

/// The feature of no energy: that of [`ENERGY_FLOOR`].
pub(super) const LOWEST: f32 = -1.5;
/// From the loudest feature of a clip down to where it is cut.
pub(super) const RANGE: f32 = (DECADES / SCALE) as f32;

/// The front end with its tables and buffers: make one for each thread and keep it.
pub struct WhisperMel {
    window: Vec<f64>,
    mel: MelBank,
    fft: Arc<dyn RealToComplex<f64>>,
    frame: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    power: Vec<f64>,
    energies: Vec<f64>,
}

impl fmt::Debug for WhisperMel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhisperMel").finish_non_exhaustive()
    }
}

impl Default for WhisperMel {
    fn default() -> Self {
        Self::new(WHISPER_BINS)
    }
}

impl WhisperMel {
    /// Computes the tables for so many mel bins; everything else is the same for each.
    pub fn new(bins: usize) -> Self {
        let fft = RealFftPlanner::<f64>::new().plan_fft_forward(FFT_SIZE);
        Self {
            window: (0..FFT_SIZE).map(hann).collect(),
            mel: slaney_bank(bins),
            frame: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            power: vec![0.0; SPECTRUM],
            energies: vec![0.0; bins],
            fft,
        }
    }

    /// Log-mel frames of mono samples at 16 kHz: (samples / 160, bins).
    pub fn compute(&mut self, samples: &[f32]) -> LogMel {
        let frames = samples.len() / HOP;
        let mut logs = Vec::with_capacity(frames * self.bins());
        for frame in 0..frames {
            self.logs(samples, frame * HOP, &mut logs);
        }
        features(frames, self.bins(), &logs)
    }

    /// Mel bins of a frame.
    pub(super) fn bins(&self) -> usize {
        self.mel.filters()
    }

    /// Appends the logarithms, to base 10, of the energies of the frame around sample `centre`; beyond the ends of
    /// `samples` they are reflected. What [`features`] makes a clip's log-mel of.
    pub(super) fn logs(&mut self, samples: &[f32], centre: usize, out: &mut Vec<f64>) {
        self.fill(samples, centre);
        // The buffers come from the plan itself, so that it has nothing to refuse.
        let _ = self.fft.process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch);
        for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
            *power = bin.norm_sqr();
        }
        self.mel.energies(&self.power, &mut self.energies);
        out.extend(self.energies.iter().map(|energy| energy.max(ENERGY_FLOOR).log10()));
    }

    /// The windowed samples around `centre`; beyond the clip's ends its samples are reflected.
    fn fill(&mut self, samples: &[f32], centre: usize) {
        let last = samples.len() as isize - 1;
        for (n, (value, window)) in self.frame.iter_mut().zip(&self.window).enumerate() {
            let at = (centre + n) as isize - (FFT_SIZE / 2) as isize;
            let reflected = if at > last { 2 * last - at } else { at.abs() };
            let sample = usize::try_from(reflected).ok().and_then(|at| samples.get(at)).copied().unwrap_or(0.0);
            *value = f64::from(sample) * window;
        }
    }
}

/// The log-mel of a clip from the logarithms of its energies, (frames, bins): cut eight decades below the loudest.
pub(super) fn features(frames: usize, bins: usize, logs: &[f64]) -> LogMel {
    let floor = logs.iter().fold(f64::NEG_INFINITY, |most, &log| most.max(log)) - DECADES;
    let data = logs.iter().map(|log| ((log.max(floor) + SCALE) / SCALE) as f32).collect();
    LogMel { frames, bins, data }
}

/// Slaney's mel scale: linear below 1 kHz, logarithmic above.
fn hz_of_mel(mel: f64) -> f64 {
    if mel < 15.0 { mel * 200.0 / 3.0 } else { 1_000.0 * ((mel - 15.0) * 6.4f64.ln() / 27.0).exp() }
}

/// Triangles linear in Hz from 0 to 8 kHz, each of the same area.
fn slaney_bank(bins: usize) -> MelBank {
    MelBank::new(bins, SPECTRUM, |filter, bin| slaney_weight(bins, filter, bin))
}

/// The weight of a bin of the spectrum in one of so many filters.
fn slaney_weight(bins: usize, filter: usize, bin: usize) -> f64 {
    let highest = 15.0 + (f64::from(SAMPLE_RATE) / 2.0 / 1_000.0).ln() * 27.0 / 6.4f64.ln();
    let edge = |point: usize| hz_of_mel(highest * point as f64 / (bins + 1) as f64);
    let (left, centre, right) = (edge(filter), edge(filter + 1), edge(filter + 2));
    let hz = bin as f64 * f64::from(SAMPLE_RATE) / FFT_SIZE as f64;
    let slope = ((hz - left) / (centre - left)).min((right - hz) / (right - centre));
    slope.max(0.0) * 2.0 / (right - left)
}

/// Periodic Hann, sample `n` of a frame.
fn hann(n: usize) -> f64 {
    0.5 - 0.5 * (TAU * n as f64 / FFT_SIZE as f64).cos()
}

/// The front end's linear part as two matrices; the floor of eight decades comes after them.
pub(super) fn tables(bins: usize) -> Tables {
    // The triangles begin at 0 Hz and end at the Nyquist frequency, so both bins of the spectrum weigh nothing.
    let weight = |filter, bin| slaney_weight(bins, filter, bin);
    Tables::new(FFT_SIZE, 1..SPECTRUM - 1, bins, weight, ENERGY_FLOOR as f32, |row| {
        row.iter_mut().enumerate().for_each(|(n, value)| *value *= hann(n));
    })
}
