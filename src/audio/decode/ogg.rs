//! The pages of an Ogg file (RFC 3533): checks each one's checksum, number and position before anything is decoded,
//! since a decoder alone skips damaged pages, and up to a third of the sound with them.

use crate::limits;
use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    ops::Range,
};

use symphonia::core::{checksum::Crc32, io::Monitor};

use super::{blocks::Note, fault::Fault};

/// First bytes of every page.
pub(super) const CAPTURE_PATTERN: &[u8] = b"OggS";

const HEADER_BYTES: usize = 27;
const FIRST: u8 = 0x02;
const LAST: u8 = 0x04;
/// The granule position of a page on which no packet ends.
const NONE: u64 = u64::MAX;

/// The contents of a file's pages.
#[derive(Debug)]
pub(super) struct Pages {
    /// The bytes of each chain of streams: concatenated files have several.
    pub(super) links: Vec<Range<u64>>,
    /// The codec of the first sound that is not decoded, if no other sound is.
    pub(super) foreign: Option<&'static str>,
    pub(super) notes: Vec<Note>,
}

/// One stream of a link while its pages are read.
struct Stream {
    serial: u32,
    sequence: u32,
    granule: u64,
    rate: u32,
    is_sound: bool,
    ended: bool,
}

/// The kind of a stream, by its first packet.
enum Codec {
    /// Decoded; samples a second.
    Sound(u32),
    Foreign(&'static str),
    Other,
}

fn codec_of(packet: &[u8]) -> Codec {
    let rate = |at: usize| packet.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
    if packet.starts_with(b"\x01vorbis") {
        Codec::Sound(rate(12))
    } else if packet.starts_with(b"OpusHead") {
        Codec::Sound(48_000)
    } else if packet.starts_with(b"\x7fFLAC") {
        // 20 bits of the stream information block, which begins at byte 17.
        let bytes = packet.get(27..30).map_or([0; 3], |bytes| [bytes[0], bytes[1], bytes[2]]);
        Codec::Sound(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) >> 4)
    } else if packet.starts_with(b"Speex   ") {
        Codec::Foreign("Speex")
    } else if packet.starts_with(b"CELT    ") {
        Codec::Foreign("CELT")
    } else if packet.starts_with(b"PCM     ") {
        Codec::Foreign("OggPCM")
    } else {
        Codec::Other
    }
}

/// Walks all pages of `file`, which has `length` bytes.
///
/// # Errors
/// [`Fault::Damage`] with the position of the first damaged page, [`Fault::Short`] when the file ends before its
/// streams do.
pub(super) fn check(file: &mut File, length: u64) -> Result<Pages, Fault> {
    file.seek(SeekFrom::Start(0))?;
    let mut input = BufReader::with_capacity(1 << 16, file);
    let (mut position, mut number) = (0u64, 0usize);
    let mut streams: Vec<Stream> = Vec::new();
    let mut pages = Pages { links: Vec::new(), foreign: None, notes: Vec::new() };
    let (mut foreign, mut decoded) = (None, false);
    let mut page = Vec::new();
    while position < length {
        let over = streams.iter().all(|stream| stream.ended || !stream.is_sound);
        let mut header = [0; HEADER_BYTES];
        let left = length - position;
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(HEADER_BYTES);
        input.read_exact(&mut header[..size])?;
        if !header.starts_with(CAPTURE_PATTERN) {
            if !CAPTURE_PATTERN.starts_with(&header[..size.min(4)]) || size >= 4 {
                if over && !streams.is_empty() && !holds_page(&mut input, &header[..size])? {
                    pages.notes.push(Note::new(format!("{left} bytes after its streams are not Ogg"), "nothing"));
                    break;
                }
                return Err(damage(&streams, number, position, "is not where it should be"));
            }
            return Err(Fault::Short(None));
        }
        let segments = usize::from(header[26]);
        if (left as usize) < HEADER_BYTES + segments && left < (HEADER_BYTES + segments) as u64 {
            return Err(Fault::Short(None));
        }
        page.clear();
        page.extend_from_slice(&header);
        page.resize(HEADER_BYTES + segments, 0);
        input.read_exact(&mut page[HEADER_BYTES..])?;
        let body: usize = page[HEADER_BYTES..].iter().map(|&size| usize::from(size)).sum();
        let bytes = (HEADER_BYTES + segments + body) as u64;
        if left < bytes {
            return Err(Fault::Short(None));
        }
        page.resize(HEADER_BYTES + segments + body, 0);
        input.read_exact(&mut page[HEADER_BYTES + segments..])?;
        let long = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let granule = u64::from(long(6)) | u64::from(long(10)) << 32;
        let (flags, serial, sequence, checksum) = (header[5], long(14), long(18), long(22));
        page[22..26].fill(0);
        let mut sum = Crc32::new(0);
        sum.process_buf_bytes(&page);
        if sum.crc() != checksum {
            return Err(damage(&streams, number, position, "does not match its checksum"));
        }
        if flags & FIRST != 0 {
            if over && streams.iter().all(|stream| stream.ended || stream.sequence > 0) {
                // Everything before has ended: another file was appended.
                if let Some(link) = pages.links.last_mut() {
                    link.end = position;
                }
                pages.links.push(position..length);
                streams.clear();
            }
            if streams.len() >= limits::OGG_STREAMS {
                return Err(damage(&streams, number, position, "begins one stream more than are read"));
            }
            let codec = codec_of(&page[HEADER_BYTES + segments..]);
            let rate = match codec {
                Codec::Sound(rate) => rate,
                _ => 0,
            };
            decoded |= rate > 0;
            if let Codec::Foreign(name) = codec {
                foreign = Some(name);
            }
            streams.push(Stream { serial, sequence, granule: 0, rate, is_sound: rate > 0, ended: flags & LAST != 0 });
        } else {
            let Some(stream) = streams.iter_mut().rev().find(|stream| stream.serial == serial && !stream.ended) else {
                return Err(damage(&streams, number, position, "belongs to no stream of the file"));
            };
            if sequence != stream.sequence.wrapping_add(1) {
                let missing = sequence.wrapping_sub(stream.sequence.wrapping_add(1));
                let what = if missing < 1 << 16 { "comes after pages that are missing" } else { "is out of order" };
                return Err(damage(&streams, number, position, what));
            }
            if granule != NONE && stream.is_sound && flags & LAST == 0 && granule < stream.granule {
                return Err(damage(&streams, number, position, "goes back in time"));
            }
            stream.sequence = sequence;
            if granule != NONE {
                stream.granule = granule;
            }
            stream.ended = flags & LAST != 0;
        }
        position += bytes;
        number += 1;
        if let Some(link) = pages.links.last_mut() {
            link.end = position;
        }
    }
    if streams.iter().any(|stream| stream.is_sound && !stream.ended) {
        return Err(Fault::Short(None));
    }
    if pages.links.is_empty() {
        return Err(Fault::Damage("its first page is missing".into()));
    }
    if !decoded {
        pages.foreign = foreign;
    }
    Ok(pages)
}

/// Damage of a page, with its position in the file and in time.
fn damage(streams: &[Stream], number: usize, position: u64, what: &str) -> Fault {
    let time = streams.iter().rev().find(|stream| stream.is_sound).map_or_else(String::new, |stream| {
        format!(", after {:.2} s of its stream", stream.granule as f64 / f64::from(stream.rate))
    });
    Fault::Damage(format!("page {} (at byte {position}{time}) {what}", number + 1))
}

/// Whether a page begins anywhere in the rest.
fn holds_page(input: &mut impl Read, begun: &[u8]) -> Result<bool, Fault> {
    let mut window = begun.to_vec();
    let mut block = vec![0; 1 << 16];
    loop {
        if window.windows(4).any(|four| four == CAPTURE_PATTERN) {
            return Ok(true);
        }
        let keep = window.len().saturating_sub(3);
        window.drain(..keep);
        match input.read(&mut block)? {
            0 => return Ok(false),
            count => window.extend_from_slice(&block[..count]),
        }
    }
}
