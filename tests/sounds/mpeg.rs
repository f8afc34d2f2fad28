//! MPEG audio: estimates are no lengths, joined streams are all read, tags are no sound.

use super::{TONE, data, decoded, fidelity, refusal};

/// Samples of a frame of the tone's MP3 files: MPEG-2, layer III.
const FRAME: usize = 576;

/// The frames of a stream of one rate: their first bytes.
fn frames(mp3: &[u8]) -> Vec<usize> {
    let starts = |at: usize| mp3[at..].starts_with(&[0xFF, 0xF3]);
    let mut found: Vec<usize> = Vec::new();
    for at in 0..mp3.len() - 4 {
        if starts(at) && found.last().is_none_or(|&last| at - last >= 72) {
            found.push(at);
        }
    }
    found
}

/// An ID3v2 tag of `size` bytes after its header.
fn id3v2(size: usize) -> Vec<u8> {
    let mut tag = b"ID3\x04\0\0\0\0".to_vec();
    tag.push((size >> 7) as u8);
    tag.push((size & 127) as u8);
    tag.resize(10 + size, 0);
    tag
}

fn id3v1() -> Vec<u8> {
    let mut tag = b"TAGTitle".to_vec();
    tag.resize(128, 0);
    tag
}

#[test]
fn what_an_encoder_adds_is_taken_out_where_it_says_so() {
    let whole = decoded("lame.mp3", &data("lame.mp3"));
    assert_eq!((whole.samples.len(), whole.notes.as_str()), (TONE, ""));
    assert!(fidelity(&whole.samples) > 15.0, "{} dB", fidelity(&whole.samples));
}

#[test]
fn a_stream_without_a_header_is_read_to_its_last_frame() {
    let bare = data("bare.mp3");
    let count = frames(&bare).len();
    let decoded = decoded("bare.mp3", &bare);
    assert_eq!((decoded.samples.len(), decoded.notes.as_str()), (count * FRAME, ""));
}

#[test]
fn a_change_of_bit_rate_shortens_nothing() {
    // Frames of 8 kbit/s and silence, then those of 32 kbit/s: the first bit rate promises a quarter of the length.
    let bare = data("bare.mp3");
    let count = frames(&bare).len();
    let mut silent = vec![0xFF, 0xF3, 0x18, 0xC4];
    silent.resize(36, 0);
    for (low, high) in [(40, 4), (4, 1), (100, 1)] {
        let quiet = silent.repeat(low);
        let loud = bare.repeat(high);
        for (name, bytes) in [("lq.mp3", [quiet.clone(), loud.clone()].concat()), ("ql.mp3", [loud, quiet].concat())] {
            let decoded = decoded(name, &bytes);
            assert_eq!(decoded.samples.len(), (low + high * count) * FRAME, "{name} {low} {high}: {}", decoded.notes);
        }
    }
}

#[test]
fn joined_streams_are_read_one_after_the_other() {
    let lame = data("lame.mp3");
    let one = decoded("lame.mp3", &lame).samples;
    let two = decoded("two.mp3", &[lame.clone(), lame.clone()].concat());
    assert_eq!((two.samples.len(), two.notes.as_str()), (2 * TONE, ""));
    assert_eq!((&two.samples[..TONE], &two.samples[TONE..]), (one.as_slice(), one.as_slice()));
    let tagged = decoded("tagged.mp3", &[id3v2(300), lame.clone(), id3v1(), id3v2(40), lame, id3v1()].concat());
    assert_eq!((tagged.samples, tagged.notes.as_str()), (two.samples, ""));
}

#[test]
fn a_change_of_rate_or_channels_on_the_way_is_refused_by_name() {
    let bare = data("bare.mp3");
    let change = |second: u8, third: u8| {
        let mut frame = vec![0xFF, 0xF3, second, third];
        frame.resize(if second == 0x14 { 24 } else { 36 }, 0);
        [bare.clone(), frame.repeat(30)].concat()
    };
    let rate = refusal("rate.mp3", &change(0x14, 0xC4));
    assert!(rate.contains("16000 Hz to 24000 Hz at 0."), "{rate}");
    let stereo = refusal("stereo.mp3", &change(0x18, 0x04));
    assert!(stereo.contains("1 to 2 channels at 0."), "{stereo}");
}

#[test]
fn frames_that_a_header_promises_must_be_there() {
    let lame = data("lame.mp3");
    let starts = frames(&lame);
    let message = refusal("cut.mp3", &lame[..starts[starts.len() / 2]]);
    assert!(message.contains("cut short") && message.contains("frames are there"), "{message}");
}

#[test]
fn a_last_frame_that_is_cut_off_is_told() {
    let bare = data("bare.mp3");
    let decoded = decoded("cut.mp3", &bare[..bare.len() - 20]);
    assert_eq!(decoded.samples.len(), (frames(&bare).len() - 1) * FRAME);
    assert!(decoded.notes.contains("last frame is cut off"), "{}", decoded.notes);
}

#[test]
fn a_stream_that_begins_in_the_middle_of_a_frame_is_read_from_the_next_one() {
    let bare = data("bare.mp3");
    let starts = frames(&bare);
    let decoded = decoded("radio.mp3", &bare[starts[2] + 30..]);
    assert_eq!(decoded.samples.len(), (starts.len() - 3) * FRAME);
    assert!(decoded.notes.contains("before its first frame"), "{}", decoded.notes);
}

#[test]
fn bytes_between_frames_are_told_and_many_are_damage() {
    let bare = data("bare.mp3");
    let starts = frames(&bare);
    let (head, tail) = bare.split_at(starts[8]);
    let some = decoded("some.mp3", &[head, &[0x55; 100], tail].concat());
    assert_eq!(some.samples.len(), starts.len() * FRAME);
    assert!(some.notes.contains("100 bytes at 0.29 s"), "{}", some.notes);
    let many = refusal("many.mp3", &[head, &[0x55; 20_000], tail].concat());
    assert!(many.contains("damaged at 0.29 s"), "{many}");
}

#[test]
fn zeros_after_the_last_frame_are_told() {
    let bare = data("bare.mp3");
    let decoded = decoded("padded.mp3", &[bare.clone(), vec![0; 30_000]].concat());
    assert_eq!(decoded.samples.len(), frames(&bare).len() * FRAME);
    assert!(decoded.notes.contains("30000 bytes at its end"), "{}", decoded.notes);
}

#[test]
fn layer_two_is_decoded_and_not_taken_for_noise() {
    let decoded = decoded("tone.mp2", &data("layer2.mp2"));
    assert_eq!(decoded.samples.len() % 1_152, 0);
    assert!((TONE..TONE + 2 * 1_152).contains(&decoded.samples.len()), "{}", decoded.samples.len());
    // Its decoder lags by 481 samples.
    let lag = 481;
    assert!(fidelity(&decoded.samples[lag..]) > 15.0, "{} dB", fidelity(&decoded.samples[lag..]));
}

#[test]
fn a_free_bit_rate_is_named() {
    let mut frame = vec![0xFF, 0xFB, 0x00, 0x44];
    frame.resize(500, 0x11);
    let message = refusal("free.mp3", &frame.repeat(20));
    assert!(message.contains("free bit rate") && message.contains("ffmpeg -i"), "{message}");
}
