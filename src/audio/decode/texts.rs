//! Texts that recorders store in WAV files beside the sound.

use crate::limits;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use super::chunks;

/// The texts of a recorder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::audio) struct Texts {
    /// GUANO's lines, `Key: value`.
    pub(in crate::audio) guano: Option<String>,
    /// The comment of a LIST INFO chunk (`ICMT`).
    pub(in crate::audio) comment: Option<String>,
}

/// The texts of a WAV file, before and after its samples; `None` where it is none, or its chunks are invalid.
pub(in crate::audio) fn texts(file: &mut File) -> Option<Texts> {
    let mut texts = Texts::default();
    for (id, body) in chunks::all(file)? {
        match &id {
            b"guan" => texts.guano = texts.guano.or(text(file, body.start, body.end - body.start)),
            b"LIST" if body.end - body.start >= 4 => {
                texts.comment = texts.comment.or(comment(file, body.start, body.end));
            }
            _ => {}
        }
    }
    Some(texts)
}

/// The comment among the entries of a LIST chunk.
fn comment(file: &mut File, start: u64, end: u64) -> Option<String> {
    let mut kind = [0; 4];
    file.seek(SeekFrom::Start(start)).ok()?;
    file.read_exact(&mut kind).ok()?;
    if &kind != b"INFO" {
        return None;
    }
    let mut at = start + 4;
    while at + 8 <= end {
        let mut header = [0; 8];
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut header).ok()?;
        let [a, b, c, d, size @ ..] = header;
        let size = u64::from(u32::from_le_bytes(size));
        if [a, b, c, d] == *b"ICMT" {
            return text(file, at + 8, size.min(end - at - 8));
        }
        at += 8 + size.next_multiple_of(2);
    }
    None
}

/// So many bytes as text, up to the first that is zero.
fn text(file: &mut File, at: u64, size: u64) -> Option<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at)).ok()?;
    file.take(size.min(limits::RECORDER_TEXT)).read_to_end(&mut bytes).ok()?;
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = [id.as_slice(), &(body.len() as u32).to_le_bytes(), body].concat();
        if body.len() % 2 == 1 {
            bytes.push(0);
        }
        bytes
    }

    #[test]
    fn texts_are_found_on_both_sides_of_the_samples() {
        let comment = b"Recorded at 19:22:55 14/12/2020 (UTC) by AudioMoth\0\0";
        let list = [b"INFO".as_slice(), &chunk(b"IART", b"AudioMoth"), &chunk(b"ICMT", comment)].concat();
        let format = [1u8, 0, 1, 0, 0x80, 0x3E, 0, 0, 0, 0x7D, 0, 0, 2, 0, 16, 0];
        let body = [
            chunk(b"fmt ", &format),
            chunk(b"LIST", &list),
            chunk(b"data", &[1, 2, 3]),
            chunk(b"guan", "GUANO|Version: 1.0\nTimestamp: 2024-05-01T04:00:00\n".as_bytes()),
        ]
        .concat();
        let wave = [b"RIFF".as_slice(), &(body.len() as u32 + 4).to_le_bytes(), b"WAVE", &body].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            texts(&mut File::open(&path).unwrap())
        };
        let found = of(&wave).unwrap();
        assert!(found.comment.unwrap().ends_with("by AudioMoth"));
        assert!(found.guano.unwrap().contains("Timestamp: 2024"));
        // Whatever is cut off or wrong gives less, and never a panic.
        for end in 0..wave.len() {
            of(&wave[..end]);
        }
        for at in 0..wave.len() {
            let mut bytes = wave.clone();
            bytes[at] ^= 0xFF;
            of(&bytes);
        }
        assert_eq!(of(b"OggS and more of it"), None);
    }
}
