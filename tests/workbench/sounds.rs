//! Sounds to play and to train on.

use std::{f64::consts::TAU, path::Path};

const RATE: u32 = 16_000;

/// Writes a sound, `NAME.wav`: a faint hum (background), a rushing hiss, a trill (whistle).
pub fn write(folder: &Path, name: &str, seconds: f64) {
    write_as(&folder.join(format!("{name}.wav")), name, seconds, 7, 1.0);
}

/// Two classes of short clips in folders of their names: noise of any loudness, and noise that is a little softer. They
/// overlap, so that accuracy goes up and down.
pub fn data_set(folder: &Path, clips: u32) {
    for (name, softer, seed) in [("hiss", 1.0, 7), ("hush", 0.7, 1007)] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        for clip in 0..clips {
            let loudness = softer * (0.3 + 0.7 * f64::from(clip * 7 % clips) / f64::from(clips));
            write_as(&folder.join(name).join(format!("{clip:02}.wav")), "hiss", 1.0, seed + clip, loudness);
        }
    }
}

fn write_as(path: &Path, name: &str, seconds: f64, seed: u32, loudness: f64) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    let mut state = seed;
    for n in 0..(seconds * f64::from(RATE)) as usize {
        let t = n as f64 / f64::from(RATE);
        // The constants of Numerical Recipes' generator.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from(state >> 8) / f64::from(1 << 23) - 1.0;
        let value = match name {
            "background" => 300.0 * (TAU * 120.0 * t).sin() + 30.0 * noise,
            "hiss" => 9_000.0 * noise,
            _ => 12_000.0 * (TAU * (2_000.0 * t + 8.0 * (TAU * 4.0 * t).sin())).sin(),
        };
        writer.write_sample((loudness * value) as i16).unwrap();
    }
    writer.finalize().unwrap();
}
