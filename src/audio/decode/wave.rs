//! WAV in all its forms: RIFF, RIFX, RF64, BW64 and Sony Wave64, with the sizes that real writers leave in headers.
//!
//! Pipes, radios and interrupted recorders write sizes of 0, of 2^31 or 2^32, or a few bytes off. The chunks are read
//! as libsndfile, sox and ffmpeg read them: the size of the whole is ignored, the size of the data is used where the
//! bytes confirm it.

use crate::limits;
use std::fs::File;

use symphonia::core::{
    audio::Channels,
    codecs::audio::{
        AudioCodecId, AudioCodecParameters,
        well_known::{
            CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS, CODEC_ID_PCM_ALAW, CODEC_ID_PCM_F32BE, CODEC_ID_PCM_F32LE,
            CODEC_ID_PCM_F64BE, CODEC_ID_PCM_F64LE, CODEC_ID_PCM_MULAW, CODEC_ID_PCM_S16BE, CODEC_ID_PCM_S16LE,
            CODEC_ID_PCM_S24BE, CODEC_ID_PCM_S24LE, CODEC_ID_PCM_S32BE, CODEC_ID_PCM_S32LE, CODEC_ID_PCM_U8,
        },
    },
};

use super::{
    blocks::{Blocks, Head, Note, Raw, RawLayout},
    chunks::{self, Data, Dialect},
    fault::Fault,
    mpeg,
    section::Section,
};

/// The contents of a `fmt ` chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format {
    tag: u16,
    channels: u16,
    rate: u32,
    block_bytes: u16,
    bits: u16,
}

/// The tag of an extended chunk, which gives the encoding further on.
const EXTENSIBLE: u16 = 0xFFFE;

impl Format {
    fn parse(body: &[u8], dialect: Dialect) -> Option<Self> {
        let short = |at: usize| Some(dialect.short(body.get(at..at + 2)?.try_into().ok()?));
        let rate = dialect.long(body.get(4..8)?.try_into().ok()?);
        let mut tag = short(0)?;
        if tag == EXTENSIBLE {
            // The first bytes of the sub-format's GUID.
            tag = short(24)?;
        }
        Some(Self { tag, channels: short(2)?, rate, block_bytes: short(12)?, bits: short(14).unwrap_or(0) })
    }
}

/// Encodings by their tag in a `fmt ` chunk, for messages.
fn name_of(tag: u16) -> &'static str {
    match tag {
        0x0001 => "PCM",
        0x0002 => "Microsoft ADPCM",
        0x0003 => "floating-point PCM",
        0x0006 => "A-law",
        0x0007 => "mu-law",
        0x0010 => "OKI ADPCM",
        0x0011 => "IMA ADPCM",
        0x0020 => "Yamaha ADPCM",
        0x0022 => "TrueSpeech",
        0x0031 => "GSM 6.10",
        0x0040 => "G.721 ADPCM",
        0x0042 => "G.723.1",
        0x0045 | 0x0064 | 0x0140 => "G.726 ADPCM",
        0x0050 | 0x0055 => "MPEG audio",
        0x0065 | 0x028F => "G.722 ADPCM",
        0x0092 | 0x2000 => "AC-3",
        0x00FF | 0x1600 | 0x1610 | 0xA106 => "AAC",
        0x0160..=0x0163 => "Windows Media Audio",
        0x0270 => "ATRAC3",
        0x2001 => "DTS",
        0x674F..=0x6771 => "Vorbis in WAV",
        0xA109 => "Speex",
        0xF1AC => "FLAC in WAV",
        _ => "an encoding of its own",
    }
}

/// Opens a WAV file of `length` bytes whose first are RIFF's, RF64's or Wave64's.
pub(super) fn open(mut file: File, length: u64) -> Result<Box<dyn Blocks>, Fault> {
    let (layout, dialect) = chunks::read(&mut file, length)?;
    let format = layout
        .format
        .as_deref()
        .and_then(|body| Format::parse(body, dialect))
        .ok_or_else(|| Fault::Damage("its header has no format chunk that can be read".into()))?;
    let mut notes = layout.notes;
    if matches!(format.tag, 0x0050 | 0x0055) {
        return mpeg::open(Section::new(file, layout.data.start..layout.data.end())?, notes);
    }
    super::check_form(format.rate, format.channels.into())?;
    let (codec, raw) = encoding(format, dialect)?;
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(codec)
        .with_sample_rate(format.rate)
        .with_channels(Channels::Discrete(format.channels))
        .with_max_frames_per_packet(raw.packet_frames())
        .with_frames_per_block(raw.block_frames);
    judge(&layout.data, &raw, format.rate, &mut notes)?;
    let part = Section::new(file, layout.data.start..layout.data.end())?;
    Ok(Box::new(Raw::new(part, &parameters, name_of(format.tag), raw, notes)?))
}

/// Bytes that a data chunk may promise beyond the end of the file: counted headers, or padding.
const SLACK: u64 = 256;

/// Refuses data that is cut short; notes errors of its size.
fn judge(data: &Data, raw: &RawLayout, rate: u32, notes: &mut Vec<Note>) -> Result<(), Fault> {
    let there = raw.frames_in(data.there);
    match data.promised {
        None => notes.push(Note::new(
            format!(
                "its header gives no length, as in files written to a pipe: all {there} frames that follow are read"
            ),
            "nothing, unless it should be longer",
        )),
        Some(promised) if promised > data.there + SLACK => {
            return Err(super::short(there, Some(raw.frames_in(promised)), rate));
        }
        Some(promised) if promised > data.there => notes.push(Note::new(
            format!(
                "its header promises {} bytes more than there are: all {there} frames that are there are read",
                promised - data.there
            ),
            "nothing, unless it should be longer",
        )),
        Some(_) => {}
    }
    let used = raw.frames_in(data.end() - data.start);
    let rest = (data.end() - data.start) % raw.block_bytes as u64;
    // One byte pads an odd size, which ffmpeg counts in.
    if rest > 1 && raw.head.is_none() {
        notes.push(Note::new(format!("{rest} bytes after its {used} frames are not a whole frame"), "nothing"));
    }
    Ok(())
}

/// The decoder's name for an encoding, and the layout of its samples.
fn encoding(format: Format, dialect: Dialect) -> Result<(AudioCodecId, RawLayout), Fault> {
    let channels = usize::from(format.channels);
    let refused = |problem: String| Err(Fault::refused(problem));
    let big = dialect.is_big_endian();
    match format.tag {
        0x0001 | 0x0003 => {
            // Samples of 12 or 20 bits are in the upper bits of whole bytes.
            let bytes = match (usize::from(format.block_bytes), usize::from(format.bits).div_ceil(8)) {
                (block, bits) if bits > 0 && (block == 0 || block % channels != 0 || block / channels < bits) => bits,
                (block, _) => block / channels,
            };
            let codec = match (format.tag, bytes, big) {
                (1, 1, _) => CODEC_ID_PCM_U8,
                (1, 2, false) => CODEC_ID_PCM_S16LE,
                (1, 2, true) => CODEC_ID_PCM_S16BE,
                (1, 3, false) => CODEC_ID_PCM_S24LE,
                (1, 3, true) => CODEC_ID_PCM_S24BE,
                (1, 4, false) => CODEC_ID_PCM_S32LE,
                (1, 4, true) => CODEC_ID_PCM_S32BE,
                (3, 4, false) => CODEC_ID_PCM_F32LE,
                (3, 4, true) => CODEC_ID_PCM_F32BE,
                (3, 8, false) => CODEC_ID_PCM_F64LE,
                (3, 8, true) => CODEC_ID_PCM_F64BE,
                _ => return refused(format!("PCM of {} bits in {bytes} bytes is not decoded", format.bits)),
            };
            Ok((codec, RawLayout { block_bytes: bytes * channels, block_frames: 1, head: None }))
        }
        0x0006 => Ok((CODEC_ID_PCM_ALAW, RawLayout { block_bytes: channels, block_frames: 1, head: None })),
        0x0007 => Ok((CODEC_ID_PCM_MULAW, RawLayout { block_bytes: channels, block_frames: 1, head: None })),
        0x0002 | 0x0011 => {
            let (codec, head) = if format.tag == 0x0002 {
                (CODEC_ID_ADPCM_MS, Head { bytes: 7 * channels, frames: 2, frame_bits: 4 * channels })
            } else {
                (CODEC_ID_ADPCM_IMA_WAV, Head { bytes: 4 * channels, frames: 1, frame_bits: 4 * channels })
            };
            let name = name_of(format.tag);
            if channels > 2 || format.bits != 4 {
                return refused(format!("{name} of {channels} channels and {} bits is not decoded", format.bits));
            }
            let block_bytes = usize::from(format.block_bytes);
            let Some(rest) = block_bytes.checked_sub(head.bytes).filter(|&rest| rest > 0) else {
                return Err(Fault::Damage(format!("its header gives {name} in blocks of {block_bytes} bytes")));
            };
            let block_frames = head.frames + (rest * 8 / head.frame_bits) as u64;
            if format.tag == 0x0011 && rest % (4 * channels) != 0 {
                return refused(format!("{name} in blocks of {block_bytes} bytes is not decoded"));
            }
            Ok((codec, RawLayout { block_bytes, block_frames, head: Some(head) }))
        }
        tag => refused(format!("it is a WAV file of {} (format {tag:#06x}), which is not decoded", name_of(tag))),
    }
}

/// Encodings of Sun's AU format, by their number.
fn au_encoding(number: u32) -> Option<(AudioCodecId, usize)> {
    use symphonia::core::codecs::audio::well_known::CODEC_ID_PCM_S8;
    Some(match number {
        1 => (CODEC_ID_PCM_MULAW, 1),
        2 => (CODEC_ID_PCM_S8, 1),
        3 => (CODEC_ID_PCM_S16BE, 2),
        4 => (CODEC_ID_PCM_S24BE, 3),
        5 => (CODEC_ID_PCM_S32BE, 4),
        6 => (CODEC_ID_PCM_F32BE, 4),
        7 => (CODEC_ID_PCM_F64BE, 8),
        27 => (CODEC_ID_PCM_ALAW, 1),
        _ => return None,
    })
}

/// Opens an AU file of `length` bytes: six big-endian numbers and samples.
pub(super) fn open_au(file: File, length: u64) -> Result<Box<dyn Blocks>, Fault> {
    let mut header = Section::new(file.try_clone()?, 0..length)?;
    let mut bytes = [0; 24];
    if header.fill(&mut bytes)? < bytes.len() {
        return Err(Fault::Short(None));
    }
    let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (start, size, rate, channels) = (u64::from(number(4)), number(8), number(16), number(20));
    let channels = u16::try_from(channels).unwrap_or(u16::MAX);
    super::check_form(rate, channels.into())?;
    let Some((codec, bytes)) = au_encoding(number(12)) else {
        return Err(Fault::refused(format!("it is an AU file of encoding {}, which is not decoded", number(12))));
    };
    if start < 24 || start > length {
        return Err(Fault::Damage("its header gives a place outside the file for its samples".into()));
    }
    let raw = RawLayout { block_bytes: bytes * usize::from(channels), block_frames: 1, head: None };
    let promised = (size != u32::MAX).then_some(u64::from(size));
    let data = Data { start, there: length - start, promised, used: promised.unwrap_or(u64::MAX) };
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(codec)
        .with_sample_rate(rate)
        .with_channels(Channels::Discrete(channels))
        .with_max_frames_per_packet(raw.packet_frames());
    let mut notes = Vec::new();
    judge(&data, &raw, rate, &mut notes)?;
    Ok(Box::new(Raw::new(Section::new(file, start..data.end())?, &parameters, "AU", raw, notes)?))
}

// The limit on channels keeps a frame's bytes far below what is read at once.
const _: () = assert!(*limits::CHANNELS.end() <= u16::MAX as usize);
