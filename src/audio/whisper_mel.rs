//! Whisper's log-mel: what `WhisperFeatureExtractor` of transformers computes, on the clip itself.
//!
//! Whisper pads every clip to 30 s before this. Here the encoder's positions are cut to the clip instead, so the
//! features are those of the clip alone: its frames reflect at its own ends, and the floor of eight decades counts
//! from its own maximum. Padding with silence can only change the frames whose window reaches over the end.

use super::centred::{CentredMel, Form, triangle};

/// Mel bins of a frame, in all Whisper models but large-v3 and turbo.
pub const WHISPER_BINS: usize = 80;
/// Mel bins of a frame in Whisper large-v3 and turbo.
pub const WHISPER_128_BINS: usize = 128;

/// The front end with so many mel bins; everything else is the same for each. Features are (log10 energy + 4) / 4.
pub(super) const fn form(bins: usize) -> Form {
    Form { size: 400, bins, both_ends: false, weight: slaney, hz, scale: 0.25, shift: 1.0, decades: 8.0 }
}

/// Whisper's front end, ready to compute, for so many mel bins (80 or 128).
pub fn whisper_mel(bins: usize) -> CentredMel {
    CentredMel::new(form(bins))
}

/// Slaney's mel scale: linear below 1 kHz, logarithmic above.
fn hz(point: usize, steps: usize) -> f64 {
    let mel = (15.0 + 8f64.ln() * 27.0 / 6.4f64.ln()) * point as f64 / steps as f64;
    if mel < 15.0 { mel * 200.0 / 3.0 } else { 1_000.0 * ((mel - 15.0) * 6.4f64.ln() / 27.0).exp() }
}

/// Triangles linear in Hz, each of the same area.
fn slaney(hz: f64, edges: [f64; 3]) -> f64 {
    triangle(hz, edges) * 2.0 / (edges[2] - edges[0])
}
