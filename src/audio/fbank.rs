//! The Kaldi filter bank of AST, SSAST and AAT.
//!
//! Origin of every constant: torchaudio's `compliance.kaldi.fbank` with `htk_compat=True`,
//! `use_energy=False`, `window_type="hanning"`, `num_mel_bins=128`, `dither=0`, `frame_shift=10` at 16 kHz.

use std::{f64::consts::TAU, fmt, sync::Arc};

use pulp::{Arch, Simd};
use rayon::prelude::*;
use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};

use super::{LogMel, SAMPLE_RATE, Tables, mel::MelBank};

/// Samples of a frame: 25 ms.
pub const FRAME_LENGTH: usize = 400;
/// Samples from one frame to the next: 10 ms.
pub const FRAME_SHIFT: usize = 160;
/// Mel bins of a frame.
pub const MEL_BINS: usize = 128;

const FFT_SIZE: usize = 512;
const PRE_EMPHASIS: f64 = 0.97;
const LOWEST_HZ: f64 = 20.0;
const HIGHEST_HZ: f64 = SAMPLE_RATE as f64 / 2.0;
/// Energy below which the logarithm is cut: f32's epsilon.
const ENERGY_FLOOR: f64 = 1.192_092_9e-7;

/// Frames of 25 ms every 10 ms that fit whole into so many samples.
pub fn frames_of(samples: usize) -> usize {
    if samples < FRAME_LENGTH { 0 } else { 1 + (samples - FRAME_LENGTH) / FRAME_SHIFT }
}

/// Frames that a core takes at a time.
const PIECE: usize = 128;

/// The filter bank with its tables and buffers: make one for each thread and keep it.
pub struct Fbank {
    tables: Plans,
    work: Work,
}

/// What every frame is computed with.
struct Plans {
    window: Vec<f64>,
    mel: MelBank,
    fft: Arc<dyn RealToComplex<f64>>,
}

/// Where a frame is computed.
struct Work {
    padded: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    power: Vec<f64>,
    energies: Vec<f64>,
}

impl fmt::Debug for Fbank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fbank").finish_non_exhaustive()
    }
}

impl Default for Fbank {
    fn default() -> Self {
        Self::new()
    }
}

impl Fbank {
    /// Computes the tables.
    pub fn new() -> Self {
        let tables = Plans {
            window: (0..FRAME_LENGTH).map(hann).collect(),
            mel: kaldi_bank(),
            fft: RealFftPlanner::<f64>::new().plan_fft_forward(FFT_SIZE),
        };
        Self { work: Work::of(&tables), tables }
    }

    /// Log-mel frames of mono samples at 16 kHz: (frames, 128), where frames = 1 + (samples - 400) / 160.
    pub fn compute(&mut self, samples: &[f32]) -> LogMel {
        let frames = frames_of(samples.len());
        let mut data = vec![0.0; frames * MEL_BINS];
        self.tables.frames(&mut self.work, samples, &mut data);
        LogMel { frames, bins: MEL_BINS, data }
    }

    /// The same to the bit, on every core: for one long sound that somebody waits for.
    pub fn compute_wide(&mut self, samples: &[f32]) -> LogMel {
        let frames = frames_of(samples.len());
        let mut data = vec![0.0; frames * MEL_BINS];
        let tables = &self.tables;
        data.par_chunks_mut(PIECE * MEL_BINS).enumerate().for_each_init(
            || Work::of(tables),
            |work, (piece, rows)| tables.frames(work, &samples[piece * PIECE * FRAME_SHIFT..], rows),
        );
        LogMel { frames, bins: MEL_BINS, data }
    }

    /// One frame: 400 samples in, 128 log-mel values out.
    pub(super) fn frame(&mut self, samples: &[f32], out: &mut [f32]) {
        self.tables.frame(&mut self.work, samples, out);
    }
}

impl Work {
    fn of(tables: &Plans) -> Self {
        Self {
            padded: tables.fft.make_input_vec(),
            spectrum: tables.fft.make_output_vec(),
            scratch: tables.fft.make_scratch_vec(),
            power: vec![0.0; FFT_SIZE / 2 + 1],
            energies: vec![0.0; tables.mel.filters()],
        }
    }
}

impl Plans {
    /// As many frames, from the first sample on, as there are rows.
    fn frames(&self, work: &mut Work, samples: &[f32], rows: &mut [f32]) {
        for (frame, row) in rows.chunks_exact_mut(MEL_BINS).enumerate() {
            let start = frame * FRAME_SHIFT;
            self.frame(work, &samples[start..start + FRAME_LENGTH], row);
        }
    }

    fn frame(&self, work: &mut Work, samples: &[f32], out: &mut [f32]) {
        emphasise(samples, &self.window, &mut work.padded);
        // The buffers come from the plan itself, so that it has nothing to refuse.
        let _ = self.fft.process_with_scratch(&mut work.padded, &mut work.spectrum, &mut work.scratch);
        power(&work.spectrum, &mut work.power);
        self.mel.energies(&work.power, &mut work.energies);
        logarithms(&work.energies, out);
    }
}

/// A frame without its mean, pre-emphasised and windowed, and zeros behind it.
#[pulp::with_simd(emphasise = Arch::new())]
#[inline(always)]
fn emphasise_with_simd<'a, S: Simd>(_simd: S, samples: &'a [f32], window: &'a [f64], padded: &'a mut [f64]) {
    // Eight sums side by side: one alone would wait for each addition.
    let mut sums = [0.0f64; 8];
    for eight in samples.as_chunks::<8>().0 {
        sums.iter_mut().zip(eight).for_each(|(sum, &sample)| *sum += f64::from(sample));
    }
    let mean = sums.iter().sum::<f64>() / FRAME_LENGTH as f64;
    // Pre-emphasis stays inside the frame: its first sample is its own predecessor.
    padded[0] = (1.0 - PRE_EMPHASIS) * (f64::from(samples[0]) - mean) * window[0];
    let pairs = samples[1..].iter().zip(samples);
    for ((out, (&sample, &before)), window) in padded[1..].iter_mut().zip(pairs).zip(&window[1..]) {
        *out = ((f64::from(sample) - mean) - PRE_EMPHASIS * (f64::from(before) - mean)) * window;
    }
    padded[FRAME_LENGTH..].fill(0.0);
}

#[pulp::with_simd(power = Arch::new())]
#[inline(always)]
fn power_with_simd<'a, S: Simd>(_simd: S, spectrum: &'a [Complex<f64>], power: &'a mut [f64]) {
    for (power, bin) in power.iter_mut().zip(spectrum) {
        *power = bin.norm_sqr();
    }
}

/// The logarithm of energies, cut from below.
#[pulp::with_simd(logarithms = Arch::new())]
#[inline(always)]
fn logarithms_with_simd<'a, S: Simd>(_simd: S, energies: &'a [f64], out: &'a mut [f32]) {
    for (out, energy) in out.iter_mut().zip(energies) {
        *out = ln(energy.max(ENERGY_FLOOR) as f32);
    }
}

/// Natural logarithm of a positive normal number, to 2e-7 of the result or 1e-7, whichever is larger.
///
/// The mantissa m is brought into [sqrt(1/2), sqrt(2)); there ln m = 2 artanh((m - 1) / (m + 1)), whose series
/// needs four terms.
#[inline(always)]
fn ln(x: f32) -> f32 {
    const MANTISSA_BITS: u32 = 23;
    let bits = x.to_bits();
    let exponent = bits.wrapping_sub(std::f32::consts::FRAC_1_SQRT_2.to_bits()).cast_signed() >> MANTISSA_BITS;
    let mantissa = f32::from_bits(bits.wrapping_sub(exponent.cast_unsigned() << MANTISSA_BITS));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let s2 = s * s;
    let series = 1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0)));
    exponent as f32 * std::f32::consts::LN_2 + 2.0 * s * series
}

/// Mel of a frequency, on the scale of HTK and Kaldi.
fn mel(hz: f64) -> f64 {
    1127.0 * (hz / 700.0).ln_1p()
}

/// Triangles linear in mel and not normalised by area. The bin at the Nyquist frequency has no weight in Kaldi's bank.
fn kaldi_bank() -> MelBank {
    MelBank::new(MEL_BINS, FFT_SIZE / 2, kaldi_weight)
}

/// What a filter weighs a bin of the spectrum with.
fn kaldi_weight(filter: usize, bin: usize) -> f64 {
    let (low, high) = (mel(LOWEST_HZ), mel(HIGHEST_HZ));
    let step = (high - low) / (MEL_BINS + 1) as f64;
    let left = low + filter as f64 * step;
    let at = mel(bin as f64 * f64::from(SAMPLE_RATE) / FFT_SIZE as f64);
    ((at - left) / step).min((left + 2.0 * step - at) / step).max(0.0)
}

/// Symmetric Hann, sample `n` of a frame.
fn hann(n: usize) -> f64 {
    0.5 - 0.5 * (TAU * n as f64 / (FRAME_LENGTH - 1) as f64).cos()
}

/// The filter bank as two matrices.
pub(super) fn tables() -> Tables {
    // Bin 0 weighs nothing, nor does the one at the Nyquist frequency.
    let bins = 1..FFT_SIZE / 2;
    Tables::new(FFT_SIZE, FRAME_LENGTH, bins, MEL_BINS, kaldi_weight, ENERGY_FLOOR as f32, |row| {
        row.iter_mut().enumerate().for_each(|(n, value)| *value *= hann(n));
        // The row against emphasised samples is another row against plain ones: each takes 0.97 of the next weight away.
        // A frame's first sample is its own predecessor, and its window is 0.
        for n in 0..FRAME_LENGTH - 1 {
            row[n] -= PRE_EMPHASIS * row[n + 1];
        }
        let mean = row.iter().sum::<f64>() / FRAME_LENGTH as f64;
        row.iter_mut().for_each(|value| *value -= mean);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_computes_what_one_does() {
        for samples in [0, FRAME_LENGTH, 400 * FRAME_SHIFT + 17] {
            let sound: Vec<f32> = (0..samples).map(|i| (i as f32 * 0.37).sin() * (i as f32 * 0.011).cos()).collect();
            let mut fbank = Fbank::new();
            assert_eq!(fbank.compute(&sound), fbank.compute_wide(&sound));
        }
    }

    #[test]
    fn the_logarithm_is_a_logarithm() {
        let mut x = ENERGY_FLOOR as f32;
        while x < 1e9 {
            let (ours, exact) = (f64::from(ln(x)), f64::from(x).ln());
            assert!((ours - exact).abs() < 1e-7 + 2e-7 * exact.abs(), "{x}: {ours} and {exact}");
            x *= 1.000_37;
        }
    }
}
