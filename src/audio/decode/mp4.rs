//! Reads MP4's edit list: where the sound of a track begins in the decoded samples, and how long it is.
//!
//! AAC encoders put some thousand samples before the sound; symphonia's reader ignores edits.

use crate::limits;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
};

use super::fault::Fault;

/// One sound track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SoundTrack {
    pub(super) id: u32,
    /// The four letters of its encoding.
    pub(super) coding: [u8; 4],
    /// Ticks a second of its times.
    timescale: u32,
    /// The first edit that plays something: its start in the track's ticks and its length in the movie's.
    edit: Option<(u64, u64)>,
    /// Edits that play something.
    edits: usize,
    movie_timescale: u32,
    is_sound: bool,
}

impl SoundTrack {
    /// Frames to leave out at the start, and frames to keep after them, at `rate` frames a second, of `total`.
    pub(super) fn trim(&self, rate: u32, total: Option<u64>) -> (u64, Option<u64>) {
        let Some((start, length)) = self.edit.filter(|_| self.edits == 1) else { return (0, None) };
        let scaled = |ticks: u64, scale: u32| {
            let scale = u128::from(scale.max(1));
            u64::try_from((u128::from(ticks) * u128::from(rate) + scale / 2) / scale).unwrap_or(u64::MAX)
        };
        let skip = scaled(start, self.timescale);
        let mut keep = (length > 0).then(|| scaled(length, self.movie_timescale));
        // The edit's length is in the movie's ticks, often milliseconds; the track's own length is exact.
        let tick = scaled(1, self.movie_timescale) + 1;
        if let (Some(frames), Some(left)) = (keep, total.and_then(|total| total.checked_sub(skip)))
            && frames.abs_diff(left) <= tick
        {
            keep = Some(left);
        }
        (skip, keep)
    }

    /// Ticks a second of the track's times: the rate of its sound, except for AAC that doubles it.
    pub(super) fn timescale(&self) -> u32 {
        self.timescale
    }
}

/// The sound tracks of an MP4 file of `length` bytes, in order. A file without its index is cut short.
pub(super) fn sound_tracks(file: &mut File, length: u64) -> Result<Vec<SoundTrack>, Fault> {
    let mut at = 0u64;
    while let Some((kind, body)) = atom(file, at, length)? {
        if &kind == b"moov" {
            let size = body.end - body.start;
            if size > limits::MP4_INDEX {
                return Ok(Vec::new());
            }
            file.seek(SeekFrom::Start(body.start))?;
            let mut bytes = Vec::new();
            file.take(size).read_to_end(&mut bytes)?;
            return Ok(tracks(&bytes));
        }
        at = body.end;
    }
    // A recording or a download that was not completed.
    Err(Fault::Short(None))
}

/// An atom's kind, and the position of its body.
type Place = ([u8; 4], Range<u64>);

/// The atom at a place of the file; `None` where there is none.
fn atom(file: &mut File, at: u64, length: u64) -> Result<Option<Place>, Fault> {
    if at + 8 > length {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    let mut header = [0; 16];
    let have = usize::try_from(length - at).unwrap_or(16).min(16);
    file.read_exact(&mut header[..have])?;
    let [a, b, c, d, kind @ ..] = header;
    let kind = [kind[0], kind[1], kind[2], kind[3]];
    let (start, size) = match u32::from_be_bytes([a, b, c, d]) {
        0 => (8, length - at),
        1 if have == 16 => (16, header.last_chunk::<8>().map_or(0, |size| u64::from_be_bytes(*size))),
        size => (8, size.into()),
    };
    match at.checked_add(size) {
        Some(end) if size >= start && end <= length => Ok(Some((kind, at + start..end))),
        _ => Ok(None),
    }
}

/// The atoms within a body.
fn atoms(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (size, rest) = bytes.split_first_chunk::<4>()?;
        let (kind, _) = rest.split_first_chunk::<4>()?;
        let size = match u32::from_be_bytes(*size) as usize {
            0 => bytes.len(),
            size => size,
        };
        let body = bytes.get(8..size)?;
        bytes = &bytes[size..];
        Some((*kind, body))
    })
}

/// The body of the first atom down a path.
fn descend<'b>(bytes: &'b [u8], path: &[&[u8; 4]]) -> Option<&'b [u8]> {
    path.iter().try_fold(bytes, |bytes, kind| atoms(bytes).find(|(found, _)| found == *kind).map(|(_, body)| body))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn double(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The timescale in the body of an `mvhd` or `mdhd`.
fn timescale(body: &[u8]) -> Option<u32> {
    long(body, if body.first() == Some(&1) { 20 } else { 12 })
}

fn tracks(moov: &[u8]) -> Vec<SoundTrack> {
    let movie_timescale = descend(moov, &[b"mvhd"]).and_then(timescale).unwrap_or(0);
    let sound = atoms(moov).filter(|(kind, _)| kind == b"trak").filter_map(|(_, trak)| track(trak));
    sound.filter(|track| track.is_sound).map(|track| SoundTrack { movie_timescale, ..track }).collect()
}

fn track(trak: &[u8]) -> Option<SoundTrack> {
    let tkhd = descend(trak, &[b"tkhd"])?;
    let id = long(tkhd, if tkhd.first() == Some(&1) { 20 } else { 12 })?;
    let is_sound = descend(trak, &[b"mdia", b"hdlr"])?.get(8..12)? == b"soun";
    let timescale = descend(trak, &[b"mdia", b"mdhd"]).and_then(timescale)?;
    let stsd = descend(trak, &[b"mdia", b"minf", b"stbl", b"stsd"]).unwrap_or_default();
    let coding = stsd.get(12..16).and_then(|coding| coding.try_into().ok()).unwrap_or_default();
    let mut track = SoundTrack { id, coding, timescale, is_sound, ..SoundTrack::default() };
    if let Some(elst) = descend(trak, &[b"edts", b"elst"]) {
        let wide = elst.first() == Some(&1);
        let size = if wide { 20 } else { 12 };
        for entry in elst.get(8..).unwrap_or_default().chunks_exact(size) {
            let (length, start) = if wide {
                (double(entry, 0)?, double(entry, 8)?.cast_signed())
            } else {
                (long(entry, 0)?.into(), long(entry, 4)?.cast_signed().into())
            };
            // -1 stands for silence before the sound.
            if let Ok(start) = u64::try_from(start) {
                track.edit.get_or_insert((start, length));
                track.edits += 1;
            }
        }
    }
    Some(track)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_in_milliseconds_is_made_exact_by_the_tracks_length() {
        let track = |length| SoundTrack {
            timescale: 44_100,
            edit: Some((1_024, length)),
            edits: 1,
            movie_timescale: 1_000,
            ..SoundTrack::default()
        };
        assert_eq!(track(1_100).trim(44_100, Some(49_541)), (1_024, Some(48_517)));
        assert_eq!(track(500).trim(44_100, Some(49_541)), (1_024, Some(22_050)), "a part of the track");
        assert_eq!(SoundTrack { edits: 2, ..track(500) }.trim(44_100, None), (0, None), "several are left alone");
    }
}
