//! The Kaldi filter bank that AST, SSAST and AAT hear.
//!
//! Origin of every constant: torchaudio's `compliance.kaldi.fbank` with `htk_compat=True`,
//! `use_energy=False`, `window_type="hanning"`, `num_mel_bins=128`, `dither=0`, `frame_shift=10` at 16 kHz.

use std::{f64::consts::TAU, fmt, sync::Arc};

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};

use super::{LogMel, SAMPLE_RATE, mel::MelBank};

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

/// The filter bank with its tables and buffers: make one for each thread and keep it.
pub struct Fbank {
    window: Vec<f64>,
    mel: MelBank,
    fft: Arc<dyn RealToComplex<f64>>,
    padded: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    power: Vec<f64>,
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
        let fft = RealFftPlanner::<f64>::new().plan_fft_forward(FFT_SIZE);
        let last = (FRAME_LENGTH - 1) as f64;
        Self {
            window: (0..FRAME_LENGTH).map(|n| 0.5 - 0.5 * (TAU * n as f64 / last).cos()).collect(),
            mel: kaldi_bank(),
            padded: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            power: vec![0.0; FFT_SIZE / 2 + 1],
            fft,
        }
    }

    /// Log-mel frames of mono samples at 16 kHz: (frames, 128), where frames = 1 + (samples - 400) / 160.
    pub fn compute(&mut self, samples: &[f32]) -> LogMel {
        let frames = frames_of(samples.len());
        let mut data = vec![0.0; frames * MEL_BINS];
        for (frame, row) in data.chunks_exact_mut(MEL_BINS).enumerate() {
            let start = frame * FRAME_SHIFT;
            self.frame(&samples[start..start + FRAME_LENGTH], row);
        }
        LogMel { frames, bins: MEL_BINS, data }
    }

    /// One frame: 400 samples in, 128 log-mel values out.
    pub(super) fn frame(&mut self, samples: &[f32], out: &mut [f32]) {
        // Eight sums side by side: one alone would wait for each addition.
        let mut sums = [0.0f64; 8];
        for eight in samples.as_chunks::<8>().0 {
            sums.iter_mut().zip(eight).for_each(|(sum, &sample)| *sum += f64::from(sample));
        }
        let mean = sums.iter().sum::<f64>() / FRAME_LENGTH as f64;
        // Pre-emphasis stays inside the frame: its first sample is its own predecessor.
        self.padded[0] = (1.0 - PRE_EMPHASIS) * (f64::from(samples[0]) - mean) * self.window[0];
        for ((out, pair), window) in self.padded[1..].iter_mut().zip(samples.windows(2)).zip(&self.window[1..]) {
            *out = ((f64::from(pair[1]) - mean) - PRE_EMPHASIS * (f64::from(pair[0]) - mean)) * window;
        }
        self.padded[FRAME_LENGTH..].fill(0.0);
        // The buffers come from the plan itself, so that it has nothing to refuse.
        let _ = self.fft.process_with_scratch(&mut self.padded, &mut self.spectrum, &mut self.scratch);
        for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
            *power = bin.norm_sqr();
        }
        for (out, energy) in out.iter_mut().zip(self.mel.energies(&self.power)) {
            *out = energy.max(ENERGY_FLOOR) as f32;
        }
        // In a loop of its own, which the compiler turns into vector instructions.
        for value in out {
            *value = ln(*value);
        }
    }
}

/// Natural logarithm of a positive normal number, to 2e-7 of the result or 1e-7, whichever is larger.
///
/// The mantissa m is brought into [sqrt(1/2), sqrt(2)); there ln m = 2 artanh((m - 1) / (m + 1)), whose series
/// needs four terms.
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
    let (low, high) = (mel(LOWEST_HZ), mel(HIGHEST_HZ));
    let step = (high - low) / (MEL_BINS + 1) as f64;
    MelBank::new(MEL_BINS, FFT_SIZE / 2, |filter, bin| {
        let left = low + filter as f64 * step;
        let at = mel(bin as f64 * f64::from(SAMPLE_RATE) / FFT_SIZE as f64);
        ((at - left) / step).min((left + 2.0 * step - at) / step).max(0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
