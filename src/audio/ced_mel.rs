//! CED's and Dasheng's log-mel in decibels: what `MelSpectrogram` and `AmplitudeToDB(top_db=120)` of torchaudio compute at
//! their makers' settings, for one clip.
//!
//! 64 triangles on the HTK scale from 0 to 8 kHz, linear in Hz, without normalisation of their area; frames of 512 samples.
//! torchaudio cuts 120 dB below the loudest bin of a whole batch; here a clip's own loudest bin counts, as for a batch of one.

use super::centred::{CentredMel, Form, triangle};

/// Mel bins of a frame.
pub const CED_BINS: usize = 64;

/// Its form. Features are decibels: 10 log10 energy.
pub(super) const FORM: Form =
    Form { size: 512, bins: CED_BINS, both_ends: true, weight: triangle, hz, scale: 10.0, shift: 0.0, decades: 12.0 };

/// CED's front end, ready to compute.
pub fn ced_mel() -> CentredMel {
    CentredMel::new(FORM)
}

/// The HTK mel scale: 2595 log10(1 + f / 700).
fn hz(point: usize, steps: usize) -> f64 {
    let highest = 2595.0 * (1.0f64 + 8_000.0 / 700.0).log10();
    700.0 * (10f64.powf(highest * point as f64 / steps as f64 / 2595.0) - 1.0)
}
