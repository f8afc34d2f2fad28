//! The sounds of ../shared/data/awkward, each with what its README calls right.

use super::{decode, shared};

/// Samples at 16 kHz that a file must give, within 50 ms, and whether a note must come with them.
const READ: &[(&str, usize, bool)] = &[
    ("lq_lamepipe.mp3", 320_575, false),
    ("ql_lamepipe.mp3", 320_575, false),
    ("concat.mp3", 96_566, false),
    ("piped.wav", 48_000, true),
    ("data_7f.wav", 48_000, true),
    ("riff_zero.wav", 48_000, false),
    ("data_plus16.wav", 48_000, true),
    ("odd_list_pad.wav", 48_000, false),
    ("rf64.wav", 48_000, false),
    ("ima.wav", 48_336, false),
    ("f_scaled32768.wav", 48_000, true),
    ("id3v1.flac", 48_000, false),
    ("chained.ogg", 96_047, false),
    ("a.m4a", 48_000, false),
    ("o.opus", 48_000, false),
    ("raindog.wav", 560_112, false),
];

#[test]
fn every_awkward_sound_is_read_whole() {
    let Some(folder) = shared("awkward/sounds") else { return };
    for &(name, expected, noted) in READ {
        let decoded = decode(&folder.join(name)).unwrap_or_else(|error| panic!("{error}"));
        let at_16_khz = decoded.samples.len() as f64 * 16_000.0 / f64::from(decoded.rate);
        assert!((at_16_khz - expected as f64).abs() <= 800.0, "{name}: {at_16_khz} samples; {}", decoded.notes);
        assert_eq!(!decoded.notes.is_empty(), noted, "{name}: {}", decoded.notes);
    }
    // Lossless ones, and codecs that say where their sound begins, to the sample.
    for (name, frames) in [("id3v1.flac", 132_300), ("piped.wav", 132_300), ("o.opus", 144_000), ("a.m4a", 132_300)] {
        assert_eq!(decode(&folder.join(name)).unwrap().samples.len(), frames, "{name}");
    }
}

#[test]
fn samples_at_an_integers_scale_are_told_with_their_peak() {
    let Some(folder) = shared("awkward/sounds") else { return };
    let notes = decode(&folder.join("f_scaled32768.wav")).unwrap().notes;
    assert!(notes.contains("its peak is 4") && notes.contains("scaled as integers"), "{notes}");
}

#[test]
fn layer_two_of_a_bit_rate_that_the_standard_forbids_is_refused_by_name() {
    let Some(folder) = shared("awkward/sounds") else { return };
    let message = decode(&folder.join("clock.mp2")).unwrap_err().to_string();
    assert!(
        message.contains("MPEG layer II of 384 kbit/s in one channel") && message.contains("ffmpeg -i"),
        "{message}"
    );
}

#[test]
fn one_changed_byte_of_ogg_is_told_with_its_place() {
    let Some(folder) = shared("awkward/sounds") else { return };
    let message = decode(&folder.join("flip.ogg")).unwrap_err().to_string();
    assert!(
        message.contains("damaged") && message.contains("page ") && message.contains(" s of its stream"),
        "{message}"
    );
}
