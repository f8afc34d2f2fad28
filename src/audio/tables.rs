//! A front end's linear part as two matrices: from a frame's samples to a spectrum, and from its power to mel energies.

use std::{f64::consts::TAU, ops::Range};

use super::FRAME_LENGTH;

/// What a runtime needs to compute mel energies by matrix products alone. For a frame `x` of 400 samples and rows `c`,
/// `s` of one bin of the spectrum: power = (c x)^2 + (s x)^2, energies = bank power.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    /// (2 bins, 400): the cosines of every bin, then the sines. Everything before the spectrum is linear in a frame's
    /// samples (mean removal, pre-emphasis, window) and included in these rows.
    pub transform: Vec<f32>,
    /// Bins of the spectrum with a weight in the bank.
    pub bins: usize,
    /// (filters, bins).
    pub bank: Vec<f32>,
    /// Mel filters.
    pub filters: usize,
    /// Energy at which the logarithm is clamped.
    pub floor: f32,
}

impl Tables {
    /// The matrices of a Fourier transform of `size` points, of which these `bins` are weighed by `weight(filter, bin)`.
    /// `before` turns a row against prepared samples into one against plain ones. Computed in float64, rounded once.
    pub(super) fn new(
        size: usize,
        bins: Range<usize>,
        filters: usize,
        weight: impl Fn(usize, usize) -> f64,
        floor: f32,
        before: impl Fn(&mut [f64]),
    ) -> Self {
        let waves: [fn(f64) -> f64; 2] = [f64::cos, f64::sin];
        let mut transform = Vec::with_capacity(2 * bins.len() * FRAME_LENGTH);
        for wave in waves {
            for bin in bins.clone() {
                // The angle is reduced to one turn, for the most digits.
                let angle = |n: usize| TAU * (bin * n % size) as f64 / size as f64;
                let mut row: Vec<f64> = (0..FRAME_LENGTH).map(|n| wave(angle(n))).collect();
                before(&mut row);
                transform.extend(row.into_iter().map(|value| value as f32));
            }
        }
        let bank = (0..filters).flat_map(|filter| bins.clone().map(move |bin| (filter, bin)));
        let bank = bank.map(|(filter, bin)| weight(filter, bin) as f32).collect();
        Self { transform, bins: bins.len(), bank, filters, floor }
    }
}

#[cfg(test)]
mod tests {
    use crate::audio::{FRAME_SHIFT, FrontEnd};

    use super::*;

    /// Both matrices, in float64, compute what the front ends compute, on frames that lie entirely within the sound.
    #[test]
    fn products_come_to_the_front_ends_energies() {
        let sound: Vec<f32> =
            (0..8000).map(|n| (n as f32 * 0.31).sin() * 0.3 + (n as f32 * 0.017).cos() * 0.2 + 0.05).collect();
        for front_end in FrontEnd::ALL {
            let (tables, mel) = (front_end.tables(), front_end.extractor().compute(&sound));
            assert_eq!(tables.bank.len(), tables.filters * tables.bins);
            let loudest = mel.data.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let dot = |row: usize, frame: &[f32]| {
                let row = &tables.transform[row * FRAME_LENGTH..(row + 1) * FRAME_LENGTH];
                row.iter().zip(frame).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
            };
            let mut apart = Vec::new();
            for at in 5..20 {
                // A frame of Whisper's is centred on its position.
                let start = at * FRAME_SHIFT - if front_end == FrontEnd::Kaldi { 0 } else { FRAME_LENGTH / 2 };
                let frame = &sound[start..start + FRAME_LENGTH];
                let power: Vec<f64> = (0..tables.bins)
                    .map(|bin| dot(bin, frame).powi(2) + dot(tables.bins + bin, frame).powi(2))
                    .collect();
                for (filter, found) in mel.row(at).iter().enumerate() {
                    let bank = &tables.bank[filter * tables.bins..(filter + 1) * tables.bins];
                    let energy = bank.iter().zip(&power).map(|(a, b)| f64::from(*a) * b).sum::<f64>();
                    let energy = energy.max(f64::from(tables.floor));
                    let expected = match front_end {
                        FrontEnd::Kaldi => energy.ln(),
                        // Whisper clamps eight decades below the loudest bin: 2 on its scale.
                        FrontEnd::Whisper | FrontEnd::Whisper128 => {
                            ((energy.log10() + 4.0) / 4.0).max(f64::from(loudest) - 2.0)
                        }
                    };
                    apart.push((expected - f64::from(*found)).abs());
                }
            }
            // The tables are f32: a quiet bin next to loud ones keeps few digits.
            let worst = apart.iter().copied().fold(0.0, f64::max);
            let many = apart.iter().filter(|apart| **apart > 1e-4).count();
            assert!(worst < 2e-3 && many * 50 < apart.len(), "{front_end:?}: {worst}, {many} of {}", apart.len());
        }
    }
}
