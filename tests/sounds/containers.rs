//! FLAC, Ogg, MP4, WebM, AIFF, CAF, AU and AAC: all of the sound, and no more than that.

use super::{TONE, data, decode, decoded, fidelity, refusal, tone};

fn id3v1() -> Vec<u8> {
    let mut tag = b"TAGTitle".to_vec();
    tag.resize(128, 0);
    tag
}

#[test]
fn flac_keeps_its_last_frame_whatever_follows_it() {
    let flac = data("tone.flac");
    let whole = decoded("tone.flac", &flac);
    assert_eq!((whole.samples.len(), whole.notes.as_str()), (TONE, ""));
    assert!(whole.samples.iter().zip(tone()).all(|(a, b)| (a - b).abs() < 1e-4));
    let mut ape = b"APETAGEX\xd0\x07\0\0\x20\0\0\0\0\0\0\0".to_vec();
    ape.extend([0; 12]);
    for (what, rest, noted) in [
        ("ID3v1", id3v1(), false),
        ("APE", ape, false),
        ("zeros", vec![0; 5_000], true),
        ("text", b"appended by a tool".to_vec(), true),
        ("one byte", vec![0x0A], true),
    ] {
        let tagged = decoded("tagged.flac", &[flac.clone(), rest].concat());
        assert_eq!(tagged.samples, whole.samples, "{what}");
        assert_eq!(!tagged.notes.is_empty(), noted, "{what}: {}", tagged.notes);
    }
    let mut lead = b"ID3\x04\0\0\0\0\0\x14".to_vec();
    lead.resize(30, 0);
    assert_eq!(decoded("lead.flac", &[lead, flac].concat()).samples, whole.samples);
}

#[test]
fn flac_whose_header_counts_nothing_is_read_to_its_end() {
    let mut flac = data("tone.flac");
    // 36 bits of samples, and the checksum of them all.
    flac[21] &= 0xF0;
    flac[22..26].fill(0);
    flac[26..42].fill(0);
    assert_eq!(decoded("piped.flac", &flac).samples.len(), TONE);
}

#[test]
fn chained_ogg_is_read_whole() {
    let ogg = data("vorbis.ogg");
    let one = decoded("one.ogg", &ogg);
    assert_eq!((one.samples.len(), one.notes.as_str()), (TONE, ""));
    assert!(fidelity(&one.samples) > 12.0, "{} dB", fidelity(&one.samples));
    for links in [2, 5] {
        let chain = decoded("chain.ogg", &ogg.repeat(links));
        assert_eq!(chain.samples.len(), links * TONE);
        assert!(chain.samples.chunks(TONE).all(|link| link == one.samples));
    }
    let opus = data("opus.opus");
    let changed = refusal("changed.ogg", &[ogg, opus].concat());
    assert!(changed.contains("16000 Hz to 48000 Hz at 0.33 s"), "{changed}");
}

#[test]
fn bytes_after_an_ogg_stream_are_told() {
    let decoded = decoded("after.ogg", &[data("vorbis.ogg"), vec![0; 100]].concat());
    assert_eq!(decoded.samples.len(), TONE);
    assert!(decoded.notes.contains("100 bytes after"), "{}", decoded.notes);
}

#[test]
fn opus_begins_and_ends_where_it_says() {
    for name in ["opus.opus", "opus.webm"] {
        let decoded = decoded(name, &data(name));
        assert_eq!((decoded.samples.len(), decoded.rate), (3 * TONE, 48_000), "{name}: {}", decoded.notes);
        let third: Vec<f32> = decoded.samples.iter().copied().step_by(3).collect();
        assert!(fidelity(&third) > 5.0, "{name}: {} dB", fidelity(&third));
    }
    let chain = decoded("chain.opus", &data("opus.opus").repeat(3));
    assert_eq!(chain.samples.len(), 9 * TONE);
}

#[test]
fn mp4_obeys_its_edit_list() {
    let alac = decoded("alac.m4a", &data("alac.m4a"));
    assert_eq!(alac.samples.len(), TONE);
    assert!(alac.samples.iter().zip(tone()).all(|(a, b)| (a - b).abs() < 1e-4));
    let aac = decoded("aac.m4a", &data("aac.m4a"));
    assert_eq!(aac.samples.len(), TONE, "{}", aac.notes);
    assert!(fidelity(&aac.samples) > 12.0, "{} dB", fidelity(&aac.samples));
}

#[test]
fn aac_without_a_container_is_read_to_its_last_frame() {
    let aac = data("aac.aac");
    let one = decoded("tone.aac", &aac).samples.len();
    assert_eq!(one % 1_024, 0);
    assert!((TONE..TONE + 3 * 1_024).contains(&one), "{one}");
    assert_eq!(decoded("two.aac", &aac.repeat(2)).samples.len(), 2 * one);
}

#[test]
fn aiff_and_caf_are_lossless() {
    for name in ["tone.aiff", "tone.caf"] {
        let decoded = decoded(name, &data(name));
        assert_eq!((decoded.samples.len(), decoded.rate), (1_600, 16_000), "{name}");
        assert!(decoded.samples.iter().zip(tone()).all(|(a, b)| (a - b).abs() < 1e-4), "{name}");
    }
}

#[test]
fn au_is_read_with_and_without_its_length() {
    let samples: Vec<u8> = tone().iter().flat_map(|s| ((s * 32_768.0).round() as i16).to_be_bytes()).collect();
    let au = |size: u32, encoding: u32| {
        let numbers = [28, size, encoding, 16_000, 1];
        let header: Vec<u8> = numbers.iter().flat_map(|number: &u32| number.to_be_bytes()).collect();
        [b".snd".as_slice(), &header, b"note", &samples].concat()
    };
    for size in [samples.len() as u32, u32::MAX] {
        let decoded = decoded("tone.au", &au(size, 3));
        assert_eq!(decoded.samples.len(), TONE);
        assert!(decoded.samples.iter().zip(tone()).all(|(a, b)| (a - b).abs() < 1e-4));
    }
    assert!(refusal("tone.au", &au(u32::MAX, 23)).contains("AU file of encoding 23"));
    assert!(refusal("tone.au", &au(40_000, 3)).contains("5280 of 20000 frames"));
}

#[test]
fn a_pipe_is_named_as_one_and_not_waited_for() {
    #[cfg(unix)]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe.wav");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let message = decode(&path).unwrap_err().to_string();
        assert!(message.contains("it is a pipe") && message.contains("write it to a file"), "{message}");
    }
}
