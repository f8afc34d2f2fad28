//! What goes in is what was there: sound files as real writers leave them, decoded whole or refused in plain words.
//!
//! The encoded files in `data/` are a third of a second of one tone (`make_data.sh`); the tests change and join them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::print_stdout)]

mod awkward;
mod compare;
mod containers;
mod damage;
mod levels;
mod mpeg;
mod refused;
mod wav;

use std::{
    fs,
    path::{Path, PathBuf},
};

use aat_tui::audio::{self, AudioError, SoundFile};

/// Frames of the tone in `data/`, at 16 kHz.
const TONE: usize = 5_280;

/// What a file gave.
#[derive(Debug)]
struct Decoded {
    samples: Vec<f32>,
    rate: u32,
    channels: usize,
    notes: String,
}

/// Decodes a file.
fn decode(path: &Path) -> Result<Decoded, AudioError> {
    let mut sound = SoundFile::open(path)?;
    let mut samples = Vec::new();
    while sound.read(&mut samples)? {}
    let notes = sound.notes().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    Ok(Decoded { samples, rate: sound.rate(), channels: sound.channels(), notes })
}

/// Writes bytes under a name and gives what `decode` makes of them.
fn try_bytes(name: &str, bytes: &[u8]) -> Result<Decoded, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    decode(&path).map_err(|error| {
        let message = error.to_string();
        assert!(message.contains(name), "names the file: {message}");
        assert_is_plain(&message);
        message
    })
}

/// Decodes bytes that must be read.
fn decoded(name: &str, bytes: &[u8]) -> Decoded {
    try_bytes(name, bytes).unwrap_or_else(|message| panic!("{message}"))
}

/// What is said of bytes that must be refused.
fn refusal(name: &str, bytes: &[u8]) -> String {
    match try_bytes(name, bytes) {
        Err(message) => message,
        Ok(decoded) => panic!("{name} gave {} samples; {}", decoded.samples.len(), decoded.notes),
    }
}

/// No decoder's own words reach a person.
fn assert_is_plain(message: &str) {
    for raw in ["malformed stream", "unsupported feature", "isomp4", "riff: ", "symphonia", "mpa: ", "()"] {
        assert!(!message.contains(raw), "{message}");
    }
}

/// A file of `data/`.
fn data(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sounds/data").join(name)).unwrap()
}

/// A file of the shared data, or `None` where there is none.
fn shared(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(file);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
    }
    path.exists().then_some(path)
}

/// The tone of `make_data.sh`.
fn tone() -> Vec<f32> {
    use std::f64::consts::TAU;
    let sample = |n: usize| {
        let t = n as f64 / 16_000.0;
        (0.4 * (TAU * (300.0 + 900.0 * t) * t).sin() + 0.05 * (TAU * 2_500.0 * t).sin()) as f32
    };
    (0..TONE).map(sample).collect()
}

/// How far a lossy decode may be from the tone: the signal-to-noise ratio, dB, over what both have.
fn fidelity(samples: &[f32]) -> f64 {
    let tone = tone();
    let (mut signal, mut noise) = (0.0f64, 0.0f64);
    for (a, b) in samples.iter().zip(&tone).take(TONE - 400) {
        signal += f64::from(*b).powi(2);
        noise += f64::from(a - b).powi(2);
    }
    10.0 * (signal / noise).log10()
}

#[test]
fn a_clip_at_16_khz_is_what_the_file_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.flac");
    fs::write(&path, data("tone.flac")).unwrap();
    let samples = audio::load(&path).unwrap();
    assert_eq!(samples.len(), TONE);
    assert!(samples.iter().zip(tone()).all(|(a, b)| (a - b).abs() < 1e-4));
}
