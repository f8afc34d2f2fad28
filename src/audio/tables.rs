//! A front end's linear part as two matrices: from a frame's samples to a spectrum, and from its power to mel energies.

use std::{f64::consts::TAU, ops::Range};

/// What a runtime needs to compute mel energies by matrix products alone. For a frame `x` and rows `c`, `s` of
/// one bin of the spectrum: power = (c x)^2 + (s x)^2, energies = bank power.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    /// Samples of a frame.
    pub frame: usize,
    /// (2 bins, frame): the cosines of every bin, then the sines. Everything before the spectrum is linear
    /// in a frame's samples (mean removal, pre-emphasis, window) and included in these rows.
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
    /// The matrices of a Fourier transform of `size` points on frames of `frame` samples, of which these `bins` are weighed by `weight(filter, bin)`.
    /// `before` turns a row against prepared samples into one against plain ones. Computed in float64, rounded once.
    pub(super) fn new(
        size: usize,
        frame: usize,
        bins: Range<usize>,
        filters: usize,
        weight: impl Fn(usize, usize) -> f64,
        floor: f32,
        before: impl Fn(&mut [f64]),
    ) -> Self {
        let waves: [fn(f64) -> f64; 2] = [f64::cos, f64::sin];
        let mut transform = Vec::with_capacity(2 * bins.len() * frame);
        for wave in waves {
            for bin in bins.clone() {
                // The angle is reduced to one turn, for the most digits.
                let angle = |n: usize| TAU * (bin * n % size) as f64 / size as f64;
                let mut row: Vec<f64> = (0..frame).map(|n| wave(angle(n))).collect();
                before(&mut row);
                transform.extend(row.into_iter().map(|value| value as f32));
            }
        }
        let bank = (0..filters).flat_map(|filter| bins.clone().map(move |bin| (filter, bin)));
        let bank = bank.map(|(filter, bin)| weight(filter, bin) as f32).collect();
        Self { frame, transform, bins: bins.len(), bank, filters, floor }
    }
}

#[cfg(test)]
mod tests {
    use crate::audio::{FRAME_SHIFT, FrontEnd};

    /// Both matrices, in float64, compute what the front ends compute, on frames that are entirely within the sound.
    #[test]
    fn products_come_to_the_front_ends_energies() {
        let sound: Vec<f32> =
            (0..8000).map(|n| (n as f32 * 0.31).sin() * 0.3 + (n as f32 * 0.017).cos() * 0.2 + 0.05).collect();
        for front_end in FrontEnd::ALL {
            let (tables, mel) = (front_end.tables(), front_end.extractor().compute(&sound));
            assert_eq!(tables.bank.len(), tables.filters * tables.bins);
            let loudest = mel.data.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let dot = |row: usize, frame: &[f32]| {
                let row = &tables.transform[row * tables.frame..(row + 1) * tables.frame];
                row.iter().zip(frame).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
            };
            let mut apart = Vec::new();
            for at in 5..20 {
                // A frame of Whisper's and CED's is centred on its position.
                let start = at * FRAME_SHIFT - if front_end == FrontEnd::Kaldi { 0 } else { tables.frame / 2 };
                let frame = &sound[start..start + tables.frame];
                let power: Vec<f64> = (0..tables.bins)
                    .map(|bin| dot(bin, frame).powi(2) + dot(tables.bins + bin, frame).powi(2))
                    .collect();
                for (filter, found) in mel.row(at).iter().enumerate() {
                    // Bins that are farther below the loudest than Whisper's floor hold single precision's rounding alone.
                    if front_end == FrontEnd::Ced && *found < loudest - 80.0 {
                        continue;
                    }
                    let bank = &tables.bank[filter * tables.bins..(filter + 1) * tables.bins];
                    let energy = bank.iter().zip(&power).map(|(a, b)| f64::from(*a) * b).sum::<f64>();
                    let energy = energy.max(f64::from(tables.floor));
                    let expected = match front_end {
                        FrontEnd::Kaldi => energy.ln(),
                        // Whisper clamps eight decades below the loudest bin: 2 on its scale.
                        FrontEnd::Whisper | FrontEnd::Whisper128 => {
                            ((energy.log10() + 4.0) / 4.0).max(f64::from(loudest) - 2.0)
                        }
                        FrontEnd::Ced => (10.0 * energy.log10()).max(f64::from(loudest) - 120.0),
                    };
                    apart.push((expected - f64::from(*found)).abs());
                }
            }
            // Decibels are 40 times Whisper's features; their errors are scaled accordingly.
            let scale = if front_end == FrontEnd::Ced { 40.0 } else { 1.0 };
            apart.iter_mut().for_each(|apart: &mut f64| *apart /= scale);
            // The tables are f32: a quiet bin next to loud ones keeps few digits.
            let worst = apart.iter().copied().fold(0.0, f64::max);
            let many = apart.iter().filter(|apart| **apart > 1e-4).count();
            assert!(worst < 2e-3 && many * 50 < apart.len(), "{front_end:?}: {worst}, {many} of {}", apart.len());
        }
    }
}
