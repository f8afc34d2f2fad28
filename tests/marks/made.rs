//! Recordings made for these tests: bursts of a tone in faint noise.

use std::{fs, path::Path};

pub const RATE: u32 = 16_000;

/// Writes a recording of so many seconds with tones of (hertz, start, end) in it.
pub fn recording(path: &Path, seconds: f64, tones: &[(f64, f64, f64)]) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    let mut state = 1u32;
    for n in 0..(seconds * f64::from(RATE)) as u32 {
        let time = f64::from(n) / f64::from(RATE);
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (f64::from(state >> 8) / f64::from(1 << 23) - 1.0) * 300.0;
        let tone = |(hertz, start, end): &(f64, f64, f64)| {
            if (*start..*end).contains(&time) { 8_000.0 * (std::f64::consts::TAU * hertz * time).sin() } else { 0.0 }
        };
        writer.write_sample((noise + tones.iter().map(tone).sum::<f64>()) as i16).unwrap();
    }
    writer.finalize().unwrap();
}
