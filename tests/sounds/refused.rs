//! What is not decoded is named, with the command that converts it.

use super::{data, decoded, refusal};

#[test]
fn sound_formats_that_are_not_decoded_are_named_with_the_command() {
    let rest = [0x81u8; 600];
    for (magic, name) in [
        (&b"wvpk\x10\0\0\0"[..], "WavPack"),
        (b"MAC \x96\x0f", "Monkey's Audio"),
        (b"TTA1\x01\0", "True Audio"),
        (b"MPCKSH", "Musepack"),
        (b"#!AMR\n\x3c\x91", "AMR"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "Windows Media"),
        (b"DSD \x1c\0\0\0", "DSD"),
        (b"\x0b\x77\x01\x02", "AC-3"),
        (b"\x7f\xfe\x80\x01", "DTS"),
        (b".RMF\0\0", "RealMedia"),
        (b"NIST_1A\n   1024\n\x81", "NIST SPHERE"),
        (b"FORM\0\0\x10\08SVX", "8SVX"),
        (b"RIFF\0\x10\0\0AVI LIST", "AVI"),
        (b"ajkg\x02", "Shorten"),
    ] {
        let message = refusal("it's one.bin", &[magic, &rest].concat());
        assert!(message.contains(name), "{name}: {message}");
        assert!(message.contains(r"ffmpeg -i '") && message.contains(r"it'\''s one.wav'"), "{name}: {message}");
    }
    let speex = refusal("speex.ogg", &data("speex.ogg"));
    assert!(speex.contains("Speex in Ogg") && speex.contains("ffmpeg -i"), "{speex}");
}

#[test]
fn files_that_are_no_sound_are_named() {
    for (bytes, name) in [
        (&b"MThd\0\0\0\x06\0\x01"[..], "MIDI"),
        (b"\x89PNG\r\n\x1a\n\0\0", "PNG image"),
        (b"PK\x03\x04\x14\0\x08\x80", "ZIP archive"),
        (b"%PDF-1.4\n\x80\x81", "PDF"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "web page"),
        (b"\x1f\x8b\x08\0\0\0", "gzip"),
    ] {
        let message = refusal("sound.wav", bytes);
        assert!(message.contains(name) && !message.contains("ffmpeg"), "{message}");
    }
    let noise: Vec<u8> = (0..5_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 & 0x7F | 0x80).collect();
    assert!(refusal("noise.mp3", &noise).contains("not a sound file"));
}

#[test]
fn the_name_does_not_decide_what_a_file_is() {
    let flac = decoded("right.flac", &data("tone.flac")).samples;
    for name in ["wrong.wav", "wrong.mp3", "wrong.m4a", "no-ending"] {
        assert_eq!(decoded(name, &data("tone.flac")).samples, flac);
    }
}
