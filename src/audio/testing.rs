//! WAV files for tests, of the library and of `tests/`.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

/// Writes so many samples, mono at 16 kHz and 16 bits, with the folders above the file.
pub fn wav(path: &Path, samples: u32, sample: impl Fn(u32) -> i16) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    (0..samples).for_each(|n| writer.write_sample(sample(n)).unwrap());
    writer.finalize().unwrap();
}
