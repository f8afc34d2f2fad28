//! The chunks of RIFF, RIFX, RF64, BW64 and Wave64: finds the format, and where the samples really end.

use crate::limits;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
};

use super::{blocks::Note, fault::Fault};

/// The variant of WAV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Little-endian sizes of 32 bits; RF64 and BW64 store larger ones in a separate chunk.
    Riff,
    /// Big-endian.
    Rifx,
    /// Sony Wave64: GUIDs and sizes of 64 bits.
    Wave64,
}

impl Dialect {
    pub(super) fn is_big_endian(self) -> bool {
        self == Self::Rifx
    }

    pub(super) fn short(self, bytes: [u8; 2]) -> u16 {
        if self.is_big_endian() { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    pub(super) fn long(self, bytes: [u8; 4]) -> u32 {
        if self.is_big_endian() { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// Bytes of a chunk's header.
    fn header(self) -> u64 {
        if self == Self::Wave64 { 24 } else { 8 }
    }
}

/// The position of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Data {
    /// Their first byte.
    pub(super) start: u64,
    /// Bytes from there to the end of the file.
    pub(super) there: u64,
    /// Bytes that the header promises; `None` when its value is not plausible.
    pub(super) promised: Option<u64>,
    /// Bytes to read, no more than exist.
    pub(super) used: u64,
}

impl Data {
    /// One byte beyond the last that is read.
    pub(super) fn end(&self) -> u64 {
        self.start + self.used.min(self.there)
    }
}

/// The contents of the chunks.
pub(super) struct Layout {
    /// The body of the format chunk.
    pub(super) format: Option<Vec<u8>>,
    pub(super) data: Data,
    pub(super) notes: Vec<Note>,
}

/// First 16 bytes of a Wave64 file: the GUID of its outer chunk.
pub(super) const WAVE64: &[u8; 16] = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00";

/// The most bytes of a format chunk that are read.
const FORMAT_BYTES: u64 = 64;

/// One chunk's header.
struct Header {
    id: [u8; 4],
    /// Bytes of its body, as written.
    size: u64,
}

struct Reader<'f> {
    file: &'f mut File,
    length: u64,
    dialect: Dialect,
}

impl Reader<'_> {
    /// `N` bytes at a position; `None` where the file ends before.
    fn bytes<const N: usize>(&mut self, at: u64) -> Result<Option<[u8; N]>, Fault> {
        if at.checked_add(N as u64).is_none_or(|end| end > self.length) {
            return Ok(None);
        }
        let mut bytes = [0; N];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn header(&mut self, at: u64) -> Result<Option<Header>, Fault> {
        if self.dialect == Dialect::Wave64 {
            let Some(bytes) = self.bytes::<24>(at)? else { return Ok(None) };
            let (id, rest) = bytes.split_at(4);
            let size = rest.last_chunk::<8>().map_or(0, |size| u64::from_le_bytes(*size));
            Ok(Some(Header { id: [id[0], id[1], id[2], id[3]], size: size.saturating_sub(24) }))
        } else {
            let Some([a, b, c, d, size @ ..]) = self.bytes::<8>(at)? else { return Ok(None) };
            Ok(Some(Header { id: [a, b, c, d], size: self.dialect.long(size).into() }))
        }
    }

    /// The start of the chunk after one that ends at `end`: some writers omit the padding byte of an odd size.
    fn after(&mut self, end: u64) -> Result<u64, Fault> {
        let padded = match self.dialect {
            Dialect::Wave64 => end.next_multiple_of(8),
            _ => end.next_multiple_of(2),
        };
        if padded == end {
            return Ok(end);
        }
        let is_chunk = |header: Option<Header>| header.is_some_and(|header| is_name(header.id));
        if !is_chunk(self.header(padded)?) && is_chunk(self.header(end)?) {
            return Ok(end);
        }
        Ok(padded)
    }

    /// Whether chunks with plausible names fill the file from `at` to its end.
    fn is_tiled_from(&mut self, mut at: u64) -> Result<bool, Fault> {
        for _ in 0..limits::WAV_CHUNKS {
            if at >= self.length {
                return Ok(at <= self.length + 1);
            }
            match self.header(at)? {
                Some(header) if is_name(header.id) => {
                    let Some(end) = at.checked_add(self.dialect.header() + header.size) else { return Ok(false) };
                    if end > self.length {
                        return Ok(false);
                    }
                    at = self.after(end)?;
                }
                _ => return Ok(false),
            }
        }
        Ok(false)
    }
}

/// Whether four bytes can be a chunk's name.
fn is_name(id: [u8; 4]) -> bool {
    id.iter().all(|byte| (0x20..0x7F).contains(byte)) && id[0] != b' '
}

/// A size left by a writer that could not return to the header: 0 depends on what follows.
fn is_unknown(size: u64, dialect: Dialect) -> bool {
    let is_small = dialect != Dialect::Wave64
        && ((0x7FFF_0000..=0x8000_0FFF).contains(&size) || (0xFFFF_0000..=0xFFFF_FFFF).contains(&size));
    is_small || size >= i64::MAX as u64 - 0xFFFF
}

/// Reads the chunks of a WAV file up to its samples.
pub(super) fn read(file: &mut File, length: u64) -> Result<(Layout, Dialect), Fault> {
    let mut reader = Reader { file, length, dialect: Dialect::Riff };
    let start = reader.bytes::<4>(0)?.ok_or(Fault::Short(None))?;
    reader.dialect = match &start {
        b"RIFX" => Dialect::Rifx,
        b"riff" => Dialect::Wave64,
        _ => Dialect::Riff,
    };
    let dialect = reader.dialect;
    let (mut format, mut large) = (None, None);
    let mut at = if dialect == Dialect::Wave64 { 40 } else { 12 };
    for _ in 0..limits::WAV_CHUNKS {
        let Some(header) = reader.header(at)? else { break };
        let body = at + dialect.header();
        match &header.id {
            b"fmt " => {
                let size = header.size.min(FORMAT_BYTES).min(length - body);
                reader.file.seek(SeekFrom::Start(body))?;
                let mut bytes = Vec::new();
                (&mut *reader.file).take(size).read_to_end(&mut bytes)?;
                format = Some(bytes);
            }
            b"ds64" => large = reader.bytes::<8>(body + 8)?.map(u64::from_le_bytes),
            b"data" => {
                let size = match large {
                    Some(large) if header.size >= u64::from(u32::MAX) => large,
                    _ => header.size,
                };
                let (data, notes) = measure(&mut reader, body, size)?;
                return Ok((Layout { format, data, notes }, dialect));
            }
            _ => {}
        }
        let Some(end) = body.checked_add(header.size).filter(|&end| end <= length) else { break };
        at = reader.after(end)?;
    }
    Err(Fault::Damage("its header ends without a chunk of samples".into()))
}

/// The chunks of a WAV file in order, as far as they are valid: name, and bytes of the body.
///
/// `None` where it is not a WAV file.
pub(super) fn all(file: &mut File) -> Option<Vec<([u8; 4], Range<u64>)>> {
    let length = file.metadata().ok()?.len();
    let mut reader = Reader { file, length, dialect: Dialect::Riff };
    match &reader.bytes::<4>(0).ok()?? {
        b"RIFX" => reader.dialect = Dialect::Rifx,
        b"riff" => reader.dialect = Dialect::Wave64,
        b"RIFF" | b"RF64" | b"BW64" => {}
        _ => return None,
    }
    let (mut at, mut large, mut chunks) = (if reader.dialect == Dialect::Wave64 { 40 } else { 12 }, None, Vec::new());
    while chunks.len() < limits::WAV_CHUNKS
        && let Ok(Some(header)) = reader.header(at)
    {
        let body = at + reader.dialect.header();
        if &header.id == b"ds64" {
            large = reader.bytes::<8>(body + 8).ok()?.map(u64::from_le_bytes);
        }
        let size = match large {
            Some(large) if &header.id == b"data" && header.size >= u64::from(u32::MAX) => large,
            _ => header.size,
        };
        let Some(end) = body.checked_add(size).filter(|&end| end <= length) else { break };
        chunks.push((header.id, body..end));
        let Ok(next) = reader.after(end) else { break };
        at = next;
    }
    Some(chunks)
}

/// Where samples that begin at `start`, and are `size` bytes long by their header, end.
fn measure(reader: &mut Reader<'_>, start: u64, size: u64) -> Result<(Data, Vec<Note>), Fault> {
    let there = reader.length - start;
    let unknown = if size == 0 {
        there > 0 && !reader.is_tiled_from(start)?
    } else {
        size > there && is_unknown(size, reader.dialect)
    };
    if unknown {
        return Ok((Data { start, there, promised: None, used: there }, Vec::new()));
    }
    let mut notes = Vec::new();
    if size < there {
        let after = reader.after(start + size)?;
        let rest = reader.length.saturating_sub(after);
        if rest > 0 && !reader.is_tiled_from(after)? {
            notes.push(Note::new(
                format!("{rest} bytes follow the samples that its header counts, and were not read"),
                "export it again if they are sound",
            ));
        }
    }
    Ok((Data { start, there, promised: Some(size), used: size.min(there) }, notes))
}
