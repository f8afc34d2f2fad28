//! Whether an Ogg file reaches its end: a decoder alone stops quietly where a cut file does.

use std::io::{self, Read, Seek, SeekFrom};

/// First bytes of every page (RFC 3533, section 6).
pub(super) const CAPTURE_PATTERN: &[u8] = b"OggS";

const HEADER_BYTES: usize = 27;
const END_OF_STREAM: u8 = 0x04;

/// Walks the page headers from the start of `file`: true when the last page is whole and ends its stream.
pub(super) fn is_complete(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    let length = file.seek(SeekFrom::End(0))?;
    let (mut position, mut ended) = (0, false);
    while position < length {
        file.seek(SeekFrom::Start(position))?;
        let mut header = [0; HEADER_BYTES];
        if length - position < HEADER_BYTES as u64 {
            return Ok(false);
        }
        file.read_exact(&mut header)?;
        if !header.starts_with(CAPTURE_PATTERN) {
            // Something else follows the stream, such as a tag that a tool appended.
            return Ok(ended);
        }
        let mut segments = vec![0; usize::from(header[26])];
        if length - position < (HEADER_BYTES + segments.len()) as u64 {
            return Ok(false);
        }
        file.read_exact(&mut segments)?;
        let body: u64 = segments.iter().map(|&size| u64::from(size)).sum();
        position += HEADER_BYTES as u64 + segments.len() as u64 + body;
        ended = header[5] & END_OF_STREAM != 0;
    }
    Ok(ended && position == length)
}
