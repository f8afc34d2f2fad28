//! Finds the end of a FLAC stream: symphonia's reader takes what follows it, a tag or padding, for part of the last
//! frame, whose checksum then fails.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use symphonia::core::{checksum::Crc16Ansi, io::Monitor};

use super::{blocks::Note, fault::Fault, tags};

/// Bytes from the end that are searched for the last frame: more than FLAC's frames are long in practice.
const TAIL: u64 = 1 << 20;

/// One byte beyond the last frame of a file of `length` bytes, and a note about what follows it.
pub(super) fn end(file: &mut File, length: u64) -> Result<(u64, Option<Note>), Fault> {
    let start = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(length - start).read_to_end(&mut tail)?;
    let tagged = usize::try_from(tags::at_end(&tail)).unwrap_or(0);
    let bytes = &tail[..tail.len() - tagged];
    let end = length - tagged as u64;
    // The checksum over a whole frame, its own checksum included, is zero.
    let Some(frame) = frame_starts(bytes).find(|&at| ends(&bytes[at..]).next().is_some()) else {
        return Ok((end, None));
    };
    // Trailing zeros leave the checksum at zero: the first length of the last run is the right one.
    let mut size = 0;
    let mut last = None;
    for length in ends(&bytes[frame..]) {
        if last != Some(length - 1) {
            size = length;
        }
        last = Some(length);
    }
    let rest = bytes.len() - frame - size;
    if rest == 0 {
        return Ok((end, None));
    }
    let note = Note::new(format!("{rest} bytes after its last frame are not sound"), "nothing");
    Ok((end - rest as u64, Some(note)))
}

/// Positions of frame headers, the last first: the synchronisation code with a valid checksum.
fn frame_starts(bytes: &[u8]) -> impl Iterator<Item = usize> {
    (0..bytes.len().saturating_sub(5)).rev().filter(|&at| is_header(&bytes[at..]))
}

/// Whether a frame header is here (RFC 9639, section 9.1).
fn is_header(bytes: &[u8]) -> bool {
    let [0xFF, 0xF8 | 0xF9, sizes, channels, number, ..] = bytes else { return false };
    if sizes >> 4 == 0 || sizes & 15 == 15 || channels >> 4 > 10 || channels & 1 != 0 {
        return false;
    }
    // The frame's number in UTF-8's encoding, then sizes and rates that are not in the table.
    let ones = number.leading_ones() as usize;
    let number = if ones == 0 { 1 } else { ones };
    let block = match sizes >> 4 {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    let rate = match sizes & 15 {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    let size = 4 + number + block + rate;
    ones != 1 && bytes.get(..size + 1).is_some_and(|header| crc8(header) == 0)
}

/// FLAC's checksum of headers: x^8 + x^2 + x + 1.
fn crc8(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0, |sum, byte| (0..8).fold(sum ^ byte, |sum, _| if sum & 0x80 == 0 { sum << 1 } else { sum << 1 ^ 0x07 }))
}

/// Lengths at which the frame that begins here may end, by its checksum.
fn ends(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut sum = Crc16Ansi::new(0);
    bytes.iter().enumerate().filter_map(move |(at, &byte)| {
        sum.process_byte(byte);
        (sum.crc() == 0).then_some(at + 1)
    })
}
