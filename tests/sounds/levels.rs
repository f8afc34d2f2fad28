//! Figures that no recording has: peaks far above 1, silence, channels that cancel.

use std::fs;

use super::decode;

/// What is noted of float samples.
fn noted(channels: u16, samples: &[f32]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("levels.wav");
    let spec = hound::WavSpec {
        channels,
        sample_rate: 16_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for &sample in samples {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    assert!(fs::metadata(&path).unwrap().len() > 44);
    decode(&path).unwrap().notes
}

fn sine(scale: f32) -> Vec<f32> {
    (0..3_200).map(|n| (n as f32 * 0.2).sin() * scale).collect()
}

#[test]
fn peaks_far_above_one_are_told_with_the_figure() {
    assert_eq!(noted(1, &sine(1.0)), "");
    assert_eq!(noted(1, &sine(1.5)), "", "decoders overshoot");
    let notes = noted(1, &sine(30_000.0));
    assert!(notes.contains("peak is 30000") || notes.contains("peak is 29999"), "{notes}");
}

#[test]
fn silence_is_told_with_the_figure() {
    assert!(noted(1, &[0.0; 3_200]).contains("every sample is zero"));
    let notes = noted(1, &sine(1e-5));
    assert!(notes.contains("-100 dBFS"), "{notes}");
    assert_eq!(noted(1, &sine(1e-4)), "");
}

#[test]
fn channels_that_cancel_are_told_with_the_figure() {
    let pairs = |right: f32| sine(0.5).iter().flat_map(|&s| [s, s * right]).collect::<Vec<f32>>();
    assert_eq!(noted(2, &pairs(1.0)), "");
    assert_eq!(noted(2, &pairs(0.0)), "", "one side only");
    assert!(noted(2, &pairs(-1.0)).contains("2 channels cancel each other: their mean, which is used, is zero"));
    let notes = noted(2, &pairs(-0.99));
    assert!(notes.contains("-") || notes.contains("46 dB below each"), "{notes}");
}
