//! Reads what Matroska and WebM declare about encoder padding, which symphonia's reader ignores: the delay of each
//! track and the padding of its last block.

use crate::limits;
use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
};

use super::fault::Fault;

const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_AE6B;
const TRACK_ENTRY: u32 = 0xAE;
const TRACK_NUMBER: u32 = 0xD7;
const CODEC_DELAY: u32 = 0x56AA;
const CLUSTER: u32 = 0x1F43_B675;
const BLOCK_GROUP: u32 = 0xA0;
const BLOCK: u32 = 0xA1;
const DISCARD_PADDING: u32 = 0x75A2;

/// Padding of one track, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) track: u64,
    /// At its start.
    pub(super) delay: u64,
    /// At its end.
    pub(super) padding: u64,
}

/// The padding of all tracks of a file of `length` bytes. Stops without an error where the structure ends: the reader
/// reports it.
pub(super) fn times(file: &mut File, length: u64) -> Result<Vec<Times>, Fault> {
    file.seek(SeekFrom::Start(0))?;
    let mut input = BufReader::new(file);
    let mut times: Vec<Times> = Vec::new();
    let (mut at, mut block_track) = (0u64, 0u64);
    while at < length {
        let Some((id, id_bytes)) = number(&mut input, true)? else { break };
        let Some((size, size_bytes)) = number(&mut input, false)? else { break };
        at += u64::from(id_bytes + size_bytes);
        match u32::try_from(id).unwrap_or(0) {
            // Their children come next, whatever their size: streams leave it open.
            SEGMENT | TRACKS | CLUSTER | BLOCK_GROUP => continue,
            TRACK_ENTRY => {
                if times.len() == limits::MATROSKA_TRACKS {
                    break;
                }
                times.push(Times::default());
                continue;
            }
            _ => {}
        }
        if at.checked_add(size).is_none_or(|end| end > length) {
            break;
        }
        let mut body = [0; 8];
        let wanted = usize::try_from(size).unwrap_or(8).min(8);
        input.read_exact(&mut body[..wanted])?;
        let value = body[..wanted].iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        match u32::try_from(id).unwrap_or(0) {
            TRACK_NUMBER => set(&mut times, |times| times.track = value),
            CODEC_DELAY => set(&mut times, |times| times.delay = value),
            BLOCK => block_track = number(&mut body.as_slice(), false)?.map_or(0, |(track, _)| track),
            DISCARD_PADDING => {
                if let Some(times) = times.iter_mut().find(|times| times.track == block_track) {
                    // A negative one, which would lengthen the sound, has its highest bit set.
                    let is_positive = body[0] & 0x80 == 0;
                    times.padding = if is_positive { times.padding.saturating_add(value) } else { times.padding };
                }
            }
            _ => {}
        }
        let rest = i64::try_from(size - wanted as u64).map_err(|_| Fault::Short(None))?;
        input.seek_relative(rest)?;
        at += size;
    }
    Ok(times)
}

fn set(times: &mut [Times], change: impl FnOnce(&mut Times)) {
    if let Some(last) = times.last_mut() {
        change(last);
    }
}

/// An EBML number and its bytes: `with_marker` as identifiers are written. `None` where there is none.
fn number(input: &mut impl Read, with_marker: bool) -> Result<Option<(u64, u32)>, Fault> {
    let mut first = [0];
    if input.read(&mut first)? == 0 {
        return Ok(None);
    }
    let zeros = first[0].leading_zeros();
    if zeros >= 8 {
        return Ok(None);
    }
    let mut value = u64::from(if with_marker { first[0] } else { first[0] & !(0x80 >> zeros) });
    let mut rest = [0; 7];
    let rest = &mut rest[..zeros as usize];
    match input.read_exact(rest) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    for &byte in rest.iter() {
        value = value << 8 | u64::from(byte);
    }
    Ok(Some((value, zeros + 1)))
}
