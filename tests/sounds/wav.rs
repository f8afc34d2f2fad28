//! WAV as pipes, radios, recorders that died and other programs write it.

use super::{decoded, refusal};

const FRAMES: usize = 1_600;

/// Sixteen-bit samples that differ from one another.
fn pcm(frames: usize, channels: usize) -> Vec<u8> {
    let sample = |n: usize| (((n * 7_919) % 20_011) as i32 - 10_000) as i16;
    (0..frames * channels).flat_map(|n| sample(n).to_le_bytes()).collect()
}

fn fmt(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let block = channels * bits.div_ceil(8);
    let mut body = Vec::new();
    for short in [tag, channels] {
        body.extend(short.to_le_bytes());
    }
    body.extend(rate.to_le_bytes());
    body.extend((rate * u32::from(block)).to_le_bytes());
    body.extend(block.to_le_bytes());
    body.extend(bits.to_le_bytes());
    body
}

fn chunk(id: &[u8; 4], size: u32, body: &[u8]) -> Vec<u8> {
    [id.as_slice(), &size.to_le_bytes(), body].concat()
}

fn whole(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = chunk(id, body.len() as u32, body);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

/// A file of these chunks, whose outer size is `riff` if given.
fn riff(outer: &[u8; 4], riff: Option<u32>, chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let size = riff.unwrap_or(body.len() as u32 + 4);
    [outer.as_slice(), &size.to_le_bytes(), b"WAVE", &body].concat()
}

fn stereo(riff_size: Option<u32>, data_size: u32) -> Vec<u8> {
    riff(b"RIFF", riff_size, &[whole(b"fmt ", &fmt(1, 2, 44_100, 16)), chunk(b"data", data_size, &pcm(FRAMES, 2))])
}

const BYTES: u32 = FRAMES as u32 * 4;

#[test]
fn sizes_that_writers_leave_behind_lose_nothing() {
    let expected = decoded("right.wav", &stereo(None, BYTES));
    assert_eq!((expected.samples.len(), expected.notes.as_str()), (FRAMES, ""));
    for size in [0, u32::MAX, 0x7FFF_FFFF, 0x7FFF_F000, 0x7FFF_FFDB, 0x8000_0000, 0x8000_0024, 0xFFFF_FFDB, 0xFFFF_F000]
    {
        for outer in [None, Some(0), Some(u32::MAX), Some(0x7FFF_FFFF), Some(36)] {
            let decoded = decoded("piped.wav", &stereo(outer, size));
            assert_eq!(decoded.samples, expected.samples, "data {size:#x}, RIFF {outer:?}");
            assert!(decoded.notes.contains("gives no length"), "data {size:#x}: {}", decoded.notes);
        }
    }
    for more in [1, 8, 16, 36, 44] {
        let decoded = decoded("more.wav", &stereo(None, BYTES + more));
        assert_eq!(decoded.samples, expected.samples);
        assert!(decoded.notes.contains(&format!("{more} bytes more")), "{}", decoded.notes);
    }
    for outer in [Some(0), Some(12), Some(u32::MAX), Some(BYTES)] {
        let decoded = decoded("outer.wav", &stereo(outer, BYTES));
        assert_eq!((decoded.samples, decoded.notes.as_str()), (expected.samples.clone(), ""), "RIFF {outer:?}");
    }
}

#[test]
fn samples_that_the_header_does_not_count_are_told() {
    let decoded = decoded("less.wav", &stereo(None, BYTES - 400));
    assert_eq!(decoded.samples.len(), FRAMES - 100);
    assert!(decoded.notes.contains("400 bytes follow"), "{}", decoded.notes);
}

#[test]
fn a_shortage_is_told_in_frames() {
    let message = refusal("cut.wav", &stereo(None, 2 * BYTES));
    assert!(message.contains("cut short: 1600 of 3200 frames"), "{message}");
    let whole = stereo(None, BYTES);
    let message = refusal("cut.wav", &whole[..whole.len() - 1_200]);
    assert!(message.contains("1300 of 1600 frames"), "{message}");
}

#[test]
fn an_empty_data_chunk_is_empty_and_not_what_follows_it() {
    let list = whole(b"LIST", b"INFOISFT\x04\0\0\0test");
    let message = refusal(
        "none.wav",
        &riff(b"RIFF", None, &[whole(b"fmt ", &fmt(1, 1, 8_000, 16)), chunk(b"data", 0, &[]), list]),
    );
    assert!(message.contains("no samples"), "{message}");
}

#[test]
fn odd_chunks_with_and_without_their_padding_are_passed() {
    let samples = pcm(FRAMES, 1);
    let body = [chunk(b"data", samples.len() as u32, &samples)].concat();
    let format = whole(b"fmt ", &fmt(1, 1, 8_000, 16));
    for padded in [true, false] {
        for id in [b"LIST", b"bext", b"JUNK", b"iXML"] {
            let mut list = chunk(id, 13, b"INFOISFT\x01\0\0\0x");
            if padded {
                list.push(0);
            }
            let decoded =
                decoded("list.wav", &riff(b"RIFF", None, &[list.clone(), format.clone(), list, body.clone()]));
            assert_eq!((decoded.samples.len(), decoded.rate), (FRAMES, 8_000), "padded: {padded}");
        }
    }
}

#[test]
fn rf64_and_bw64_have_their_sizes_in_a_chunk_of_their_own() {
    let samples = pcm(FRAMES, 2);
    for outer in [b"RF64", b"BW64"] {
        for size in [u64::from(BYTES), 0, u64::MAX] {
            let ds64 =
                [&size.wrapping_add(72).to_le_bytes()[..], &size.to_le_bytes(), &0u64.to_le_bytes(), &[0; 4]].concat();
            let chunks =
                [whole(b"ds64", &ds64), whole(b"fmt ", &fmt(1, 2, 48_000, 16)), chunk(b"data", u32::MAX, &samples)];
            let decoded = decoded("large.wav", &riff(outer, Some(u32::MAX), &chunks));
            assert_eq!((decoded.samples.len(), decoded.channels), (FRAMES, 2), "ds64 {size:#x}");
        }
    }
}

#[test]
fn wave64_is_read() {
    let guid = |id: &[u8; 4]| [id.as_slice(), b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"].concat();
    let chunk = |id: &[u8; 4], body: &[u8]| {
        let mut bytes = [guid(id), (body.len() as u64 + 24).to_le_bytes().to_vec(), body.to_vec()].concat();
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    let body = [
        guid(b"wave"),
        chunk(b"junk", &[1; 5]),
        chunk(b"fmt ", &fmt(1, 2, 32_000, 16)),
        chunk(b"data", &pcm(FRAMES, 2)),
    ]
    .concat();
    let riff = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00";
    let bytes = [riff.as_slice(), &(body.len() as u64 + 24).to_le_bytes(), &body].concat();
    let decoded = decoded("sony.w64", &bytes);
    assert_eq!((decoded.samples.len(), decoded.rate, decoded.channels), (FRAMES, 32_000, 2));
}

#[test]
fn rifx_is_read_with_its_bytes_the_other_way_round() {
    let little = decoded("little.wav", &stereo(None, BYTES));
    let mut format = fmt(1, 2, 44_100, 16);
    for range in [0..2, 2..4, 4..8, 8..12, 12..14, 14..16] {
        format[range].reverse();
    }
    let mut samples = pcm(FRAMES, 2);
    samples.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    let chunk = |id: &[u8; 4], body: &[u8]| [id.as_slice(), &(body.len() as u32).to_be_bytes(), body].concat();
    let body = [b"WAVE".to_vec(), chunk(b"fmt ", &format), chunk(b"data", &samples)].concat();
    let big = decoded("big.wav", &[b"RIFX".as_slice(), &(body.len() as u32).to_be_bytes(), &body].concat());
    assert_eq!(big.samples, little.samples);
}

#[test]
fn extensible_headers_with_any_number_of_channels() {
    for channels in [1u16, 2, 3, 5, 6, 7, 8, 12, 16, 18, 26, 27, 32, 63, 64] {
        for mask in [0u32, 3, u32::MAX] {
            let mut format = fmt(0xFFFE, channels, 48_000, 16);
            format.extend(22u16.to_le_bytes());
            format.extend(16u16.to_le_bytes());
            format.extend(mask.to_le_bytes());
            format.extend(b"\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
            let samples = pcm(200, channels.into());
            let bytes = riff(b"RIFF", None, &[whole(b"fmt ", &format), whole(b"data", &samples)]);
            let decoded = decoded("many.wav", &bytes);
            assert_eq!((decoded.samples.len(), decoded.channels), (200, usize::from(channels)), "mask {mask:#x}");
            let first: f32 = samples
                .chunks(2)
                .take(channels.into())
                .map(|s| f32::from(i16::from_le_bytes([s[0], s[1]])) / 32_768.0)
                .sum();
            assert!((decoded.samples[0] - first / f32::from(channels)).abs() < 1e-6);
        }
    }
}

#[test]
fn every_width_of_pcm_gives_the_same_sound() {
    let wide = |n: usize| (n as f64 * 0.37).sin() * 0.5;
    let encode = |tag: u16, bits: u16| -> Vec<u8> {
        let bytes = (0..FRAMES).flat_map(|n| match (tag, bits) {
            (1, 8) => vec![(wide(n) * 128.0 + 128.0) as u8],
            (1, 12 | 16) => ((wide(n) * 32_768.0) as i16).to_le_bytes().to_vec(),
            (1, 20 | 24) => ((wide(n) * 8_388_608.0) as i32).to_le_bytes()[..3].to_vec(),
            (1, _) => ((wide(n) * 2_147_483_648.0) as i32).to_le_bytes().to_vec(),
            (3, 32) => (wide(n) as f32).to_le_bytes().to_vec(),
            _ => wide(n).to_le_bytes().to_vec(),
        });
        bytes.collect()
    };
    for (tag, bits, close) in [
        (1, 8, 0.01),
        (1, 12, 1e-4),
        (1, 16, 1e-4),
        (1, 20, 1e-6),
        (1, 24, 1e-6),
        (1, 32, 1e-6),
        (3, 32, 1e-6),
        (3, 64, 1e-6),
    ] {
        let bytes =
            riff(b"RIFF", None, &[whole(b"fmt ", &fmt(tag, 1, 22_050, bits)), whole(b"data", &encode(tag, bits))]);
        let decoded = decoded("width.wav", &bytes);
        assert_eq!(decoded.samples.len(), FRAMES, "{bits} bits");
        let worst =
            decoded.samples.iter().enumerate().map(|(n, s)| (f64::from(*s) - wide(n)).abs()).fold(0.0, f64::max);
        assert!(worst < close, "format {tag}, {bits} bits: {worst}");
    }
}

#[test]
fn adpcm_is_decoded_to_its_last_partial_block() {
    for name in ["ima.wav", "ms.wav"] {
        let bytes = super::data(name);
        let decoded = decoded(name, &bytes);
        assert!(
            (super::TONE..super::TONE + 2_100).contains(&decoded.samples.len()),
            "{name}: {}",
            decoded.samples.len()
        );
        assert!(super::fidelity(&decoded.samples) > 20.0, "{name}: {} dB", super::fidelity(&decoded.samples));
        // Half of the last block: the header still counts it whole, which is a shortage.
        assert!(refusal(name, &bytes[..bytes.len() - 400]).contains("cut short"));
    }
}

#[test]
fn rates_out_of_bounds_are_refused_before_anything_is_allocated() {
    for rate in [0, 1, 999, 1_000_001, u32::MAX] {
        let bytes = riff(
            b"RIFF",
            None,
            &[
                whole(
                    b"fmt ",
                    &[&fmt(1, 1, 8_000, 16)[..4], &rate.to_le_bytes()[..], &[0; 4], &[2, 0, 16, 0]].concat(),
                ),
                whole(b"data", &pcm(FRAMES, 1)),
            ],
        );
        let message = refusal("rate.wav", &bytes);
        assert!(message.contains(&format!("{rate} samples a second")), "{message}");
    }
    for rate in [1_000, 999_983, 1_000_000] {
        let bytes = riff(b"RIFF", None, &[whole(b"fmt ", &fmt(1, 1, rate, 16)), whole(b"data", &pcm(FRAMES, 1))]);
        assert_eq!(decoded("rate.wav", &bytes).rate, rate);
    }
    let none = riff(b"RIFF", None, &[whole(b"fmt ", &fmt(1, 0, 8_000, 16)), whole(b"data", &pcm(FRAMES, 1))]);
    assert!(refusal("channels.wav", &none).contains("0 channels"));
}

#[test]
fn encodings_that_are_not_decoded_are_named_with_the_command_that_converts_them() {
    for (tag, name) in [(0x31, "GSM 6.10"), (0x40, "G.721"), (0x161, "Windows Media Audio"), (0x2000, "AC-3")] {
        let bytes = riff(b"RIFF", None, &[whole(b"fmt ", &fmt(tag, 1, 8_000, 16)), whole(b"data", &[0; 650])]);
        let message = refusal("other one.wav", &bytes);
        assert!(message.contains(name) && message.contains("ffmpeg -i '"), "{message}");
        assert!(message.contains("other one.converted.wav'"), "{message}");
    }
}

#[test]
fn mp3_in_wav_is_mp3() {
    let mp3 = super::data("bare.mp3");
    let bytes = riff(b"RIFF", None, &[whole(b"fmt ", &fmt(0x55, 1, 16_000, 0)), whole(b"data", &mp3)]);
    assert_eq!(decoded("phone.wav", &bytes).samples, decoded("bare.mp3", &mp3).samples);
}
