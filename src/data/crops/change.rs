//! What is done to a crop on its way to a student.

use crate::{audio::LogMel, random::KeyedRng};

/// Changes a log-mel as rooms, microphones and neighbours do: level, tilt, a cut-off, another sound behind it; each as
/// far as `strength` says, from 0 (not at all) to 1.
pub(super) fn change(crop: &mut [f32], bins: usize, behind: Option<&LogMel>, strength: f32, rng: &mut KeyedRng) {
    /// Natural logarithms of power in a decibel.
    const DECIBEL: f32 = std::f32::consts::LN_10 / 10.0;
    let level = strength * rng.between(-10.0, 10.0) * DECIBEL;
    let tilt = strength * rng.between(-6.0, 6.0) * DECIBEL;
    // 4 kHz is near bin 97, where telephones and 8 kHz recordings end.
    let end = if rng.chance(0.2 * strength) { 80 + rng.below(40) } else { bins };
    let floor = f32::EPSILON.ln();
    if let Some(behind) = behind.filter(|behind| behind.frames > 0) {
        let loudness = |values: &[f32]| values.iter().sum::<f32>() / values.len().max(1) as f32;
        let gap = rng.between(3.0, 25.0) * DECIBEL;
        let shift = loudness(crop) - loudness(&behind.data) - gap;
        let from = rng.below(behind.frames);
        let others = behind.data.chunks_exact(bins).cycle().skip(from);
        for (frame, other) in crop.chunks_exact_mut(bins).zip(others) {
            for (value, other) in frame.iter_mut().zip(other) {
                let (high, low) =
                    if *value > other + shift { (*value, other + shift) } else { (other + shift, *value) };
                *value = high + (low - high).exp().ln_1p();
            }
        }
    }
    for frame in crop.chunks_exact_mut(bins) {
        for (bin, value) in frame.iter_mut().enumerate() {
            *value += level + tilt * (2.0 * bin as f32 / bins as f32 - 1.0);
            if bin >= end {
                *value = floor;
            }
            *value = value.max(floor);
        }
    }
}
