//! A changed byte or a missing end is reported, whatever the codec keeps to know it by.

use super::{data, decoded, refusal, try_bytes};

#[test]
fn every_byte_of_ogg_is_guarded() {
    for name in ["vorbis.ogg", "opus.opus"] {
        let ogg = data(name);
        for at in 0..ogg.len() {
            let mut changed = ogg.clone();
            changed[at] ^= 0x10;
            let message = refusal(name, &changed);
            assert!(message.contains("damaged") || message.contains("cut short") || at < 4, "byte {at}: {message}");
        }
    }
}

#[test]
fn a_missing_repeated_or_swapped_page_of_ogg_is_told() {
    let ogg = data("vorbis.ogg");
    let mut starts: Vec<usize> = (0..ogg.len() - 4).filter(|&at| ogg[at..].starts_with(b"OggS")).collect();
    starts.push(ogg.len());
    let pages: Vec<&[u8]> = starts.windows(2).map(|range| &ogg[range[0]..range[1]]).collect();
    // Two pages are headers; the tone may have one page of sound, so a link of its own is put behind.
    let message = refusal("missing.ogg", &[pages[0], pages.last().unwrap()].concat());
    assert!(message.contains("pages that are missing"), "{message}");
    let repeated = refusal("repeated.ogg", &[pages[0], pages[1], pages[1], &pages[2..].concat()].concat());
    assert!(repeated.contains("out of order"), "{repeated}");
    let headless = refusal("headless.ogg", &pages[1..].concat());
    assert!(headless.contains("belongs to no stream"), "{headless}");
}

#[test]
fn every_byte_of_flacs_sound_is_guarded() {
    let flac = data("tone.flac");
    let sound = decoded("tone.flac", &flac).samples;
    let start = (0..flac.len()).rfind(|&at| flac[at..].starts_with(&[0xFF, 0xF8])).unwrap();
    for at in (start.saturating_sub(40)..flac.len()).step_by(7) {
        let mut changed = flac.clone();
        changed[at] ^= 0x04;
        if let Ok(decoded) = try_bytes("tone.flac", &changed) {
            assert_eq!(decoded.samples, sound, "byte {at} of {}: {}", flac.len(), decoded.notes);
        }
    }
}

#[test]
fn files_that_end_early_are_told_wherever_they_end() {
    for name in ["vorbis.ogg", "opus.opus", "tone.flac", "lame.mp3", "aac.m4a", "alac.m4a", "tone.aiff", "ima.wav"] {
        let whole = data(name);
        for share in [0.3, 0.6, 0.8] {
            let message = refusal(name, &whole[..(whole.len() as f64 * share) as usize]);
            assert!(message.contains("cut short") || message.contains("damaged"), "{name} at {share}: {message}");
        }
    }
}

#[test]
fn no_prefix_and_no_changed_byte_makes_the_decoder_panic() {
    for name in [
        "vorbis.ogg",
        "opus.opus",
        "opus.webm",
        "tone.flac",
        "lame.mp3",
        "layer2.mp2",
        "aac.m4a",
        "aac.aac",
        "ima.wav",
        "ms.wav",
        "tone.caf",
        "tone.aiff",
    ] {
        let whole = data(name);
        for step in 0..60 {
            let at = step * whole.len() / 60;
            let _ = try_bytes(name, &whole[..at]);
            for change in [0x01, 0x80, 0xFF] {
                let mut changed = whole.clone();
                changed[at] ^= change;
                let _ = try_bytes(name, &changed);
            }
        }
    }
}
