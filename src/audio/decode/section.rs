//! A section of a file, read as if it were a whole file.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

use symphonia::core::io::{MediaSource, MediaSourceStream};

/// The bytes `range` of a file.
#[derive(Debug)]
pub(super) struct Section {
    file: File,
    range: Range<u64>,
    position: u64,
}

impl Section {
    /// Bytes `range` of `file`, from their first.
    pub(super) fn new(mut file: File, range: Range<u64>) -> io::Result<Self> {
        file.seek(SeekFrom::Start(range.start))?;
        Ok(Self { file, position: range.start, range })
    }

    /// Bytes in all.
    pub(super) fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Bytes not read yet.
    pub(super) fn left(&self) -> u64 {
        self.range.end.saturating_sub(self.position)
    }

    /// Fills as much of `buffer` as the rest of the section has; fewer bytes only at its end.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Skips bytes, to the end at most.
    pub(super) fn pass(&mut self, count: u64) -> io::Result<()> {
        let target = self.position.saturating_add(count).min(self.range.end);
        self.file.seek(SeekFrom::Start(target))?;
        self.position = target;
        Ok(())
    }

    /// The section as symphonia's source.
    pub(super) fn into_stream(self) -> MediaSourceStream<'static> {
        MediaSourceStream::new(Box::new(self), Default::default())
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left()).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read(&mut buffer[..room])?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => self.range.start.checked_add(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.range.end.checked_add_signed(offset),
        };
        let target = target
            .filter(|&target| target >= self.range.start)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a position before the start"))?;
        self.file.seek(SeekFrom::Start(target))?;
        self.position = target;
        Ok(target - self.range.start)
    }
}

impl MediaSource for Section {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len())
    }
}
