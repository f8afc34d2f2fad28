//! The scores of one recording, kept: windows one after another, each its first sample and its values.
//!
//! A part is written under a temporary name and renamed when it is whole; the journal's line about it says how many windows
//! it holds and their checksum.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::{atomic, regular};

/// Bytes of a window's first sample.
const PLACE: usize = 8;

/// A part being written.
pub(super) struct Writer {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
    hash: crc32fast::Hasher,
    windows: u64,
}

impl Writer {
    /// Begins the part that will be at `path`, whose folder is made.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let file = BufWriter::new(atomic::temporary(folder, ".partial-")?);
        Ok(Self { file, path, hash: crc32fast::Hasher::new(), windows: 0 })
    }

    /// Appends a window: its first sample, and its values in any number of pieces.
    pub(super) fn push(&mut self, start: u64, values: [&[f32]; 2]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(PLACE + 4 * (values[0].len() + values[1].len()));
        bytes.extend(start.to_le_bytes());
        values.into_iter().flatten().for_each(|value| bytes.extend(value.to_le_bytes()));
        self.hash.update(&bytes);
        self.windows += 1;
        self.file.write_all(&bytes)
    }

    /// Gives the part its name: the number of its windows and their checksum.
    pub(super) fn finish(self) -> io::Result<(u64, u32)> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok((self.windows, self.hash.finalize()))
    }
}

/// A part being read.
pub(super) struct Reader {
    file: BufReader<File>,
    bytes: Vec<u8>,
    hash: crc32fast::Hasher,
    left: u64,
    crc: u32,
}

impl Reader {
    /// Opens a part of so many windows of `values` values each, with this checksum.
    pub(super) fn open(path: &Path, values: usize, windows: u64, crc: u32) -> io::Result<Self> {
        let file = regular::open(path)?;
        let size = PLACE + 4 * values;
        if file.metadata()?.len() != windows * size as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it has another length than its journal says"));
        }
        Ok(Self {
            file: BufReader::with_capacity(1 << 16, file),
            bytes: vec![0; size],
            hash: crc32fast::Hasher::new(),
            left: windows,
            crc,
        })
    }

    /// Replaces `values` by the next window's and gives its first sample; `None` after the last, when the checksum of all
    /// was right.
    pub(super) fn next(&mut self, values: &mut Vec<f32>) -> io::Result<Option<u64>> {
        values.clear();
        if self.left == 0 {
            return match self.hash.clone().finalize() == self.crc {
                true => Ok(None),
                false => Err(io::Error::new(io::ErrorKind::InvalidData, "it does not match its checksum")),
            };
        }
        self.file.read_exact(&mut self.bytes)?;
        self.hash.update(&self.bytes);
        self.left -= 1;
        let (place, rest) = self.bytes.split_at(PLACE);
        values.extend(rest.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        let place = place.first_chunk::<PLACE>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Ok(Some(place))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(path: &Path, windows: u64, crc: u32) -> io::Result<Vec<(u64, Vec<f32>)>> {
        let mut reader = Reader::open(path, 3, windows, crc)?;
        let (mut all, mut values) = (Vec::new(), Vec::new());
        while let Some(start) = reader.next(&mut values)? {
            all.push((start, values.clone()));
        }
        Ok(all)
    }

    #[test]
    fn a_part_reads_as_it_was_written_and_one_flipped_bit_shows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ab/part");
        let mut writer = Writer::new(path.clone()).unwrap();
        writer.push(0, [&[0.1, 0.2], &[3.0]]).unwrap();
        writer.push(1 << 40, [&[f32::NAN, 0.0], &[-1.0]]).unwrap();
        assert!(!path.exists());
        let (windows, crc) = writer.finish().unwrap();
        let all = read(&path, windows, crc).unwrap();
        assert_eq!((all.len(), all[0].clone(), all[1].0), (2, (0, vec![0.1, 0.2, 3.0]), 1 << 40));
        assert!(all[1].1[0].is_nan());

        let whole = std::fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[30] ^= 1;
        std::fs::write(&path, flipped).unwrap();
        assert!(read(&path, windows, crc).is_err());
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(read(&path, windows, crc).is_err());
    }
}
