//! The checksum of a checkpoint: over every byte of the file, header included, and kept in its metadata.
//!
//! A safetensors file ends with its last tensor; nothing can follow it. Its metadata therefore holds eight hexadecimal
//! digits, which count as zeros in the sum: CRC-32, as in zip and PNG, which finds every single error of up to 32
//! neighbouring bits and misses others one time in four thousand million.

use crate::limits;
use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    ops::Range,
};

/// Key of the checksum in a file's metadata.
pub(super) const KEY: &str = "aat_tui_checksum";
/// The placeholder until the sum is known.
pub(super) const OPEN: &str = "crc32:00000000";
/// The digits alone.
const DIGITS: &str = "00000000";

/// Puts the checksum into a file that was written with [`OPEN`] in its place.
///
/// # Errors
/// When the file cannot be read or written, or has no place for it.
pub(super) fn seal(file: &mut File) -> io::Result<()> {
    let mut header = vec![0; 8];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut header)?;
    let length = header.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)).min(limits::SEALED_HEADER);
    file.take(length).read_to_end(&mut header)?;
    let digits = place(&header).ok_or_else(|| io::Error::other("the file has no place for its checksum"))?;
    file.seek(SeekFrom::Start(0))?;
    let (mut sum, mut reader) = (crc32fast::Hasher::new(), BufReader::with_capacity(1 << 20, &mut *file));
    io::copy(&mut reader, &mut Summing(&mut sum))?;
    file.seek(SeekFrom::Start(digits.start as u64))?;
    file.write_all(format!("{:08x}", sum.finalize()).as_bytes())
}

/// Whether a file's bytes match its checksum; `None` for an older file without one.
pub(super) fn agrees(bytes: &[u8]) -> Option<bool> {
    let digits = place(header(bytes)?)?;
    let mut sum = crc32fast::Hasher::new();
    sum.update(&bytes[..digits.start]);
    sum.update(DIGITS.as_bytes());
    sum.update(&bytes[digits.end..]);
    Some(bytes[digits] == *format!("{:08x}", sum.finalize()).as_bytes())
}

/// Length and header of a file.
fn header(bytes: &[u8]) -> Option<&[u8]> {
    let length = u64::from_le_bytes(*bytes.first_chunk()?);
    bytes.get(..usize::try_from(length).ok()?.checked_add(8)?)
}

/// The position of the digits in a file with this header.
fn place(header: &[u8]) -> Option<Range<usize>> {
    let before = format!("\"{KEY}\":\"crc32:");
    let start = header.windows(before.len()).position(|window| window == before.as_bytes())? + before.len();
    (start + DIGITS.len() <= header.len()).then(|| start..start + DIGITS.len())
}

struct Summing<'a>(&'a mut crc32fast::Hasher);

impl Write for Summing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
