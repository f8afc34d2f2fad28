//! Clips saved as ordinary WAV files.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{atomic, audio::SAMPLE_RATE};

/// Why a clip could not be saved or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClipError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}; check the folder and the free space", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The request is not valid.
    #[error("{0}")]
    Request(String),
    /// The sound itself cannot be used.
    #[error(transparent)]
    Audio(#[from] crate::audio::AudioError),
}

impl ClipError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// Writes 16 kHz mono samples as 32-bit float: read back, they are the same to the bit.
///
/// # Errors
/// When the folder cannot be written. A file of that name is replaced at once, never left half written.
pub(super) fn write_wav(path: &Path, samples: &[f32]) -> Result<(), ClipError> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let as_io = |error| match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    };
    replace(path, |file| {
        let mut writer = hound::WavWriter::new(file, spec).map_err(as_io)?;
        samples.iter().try_for_each(|&sample| writer.write_sample(sample)).map_err(as_io)?;
        writer.finalize().map_err(as_io)
    })
}

/// Writes a file under a temporary name beside it, then puts it in place.
pub(super) fn replace(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<&mut std::fs::File>) -> io::Result<()>,
) -> Result<(), ClipError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).and_then(|()| atomic::write(path, write)).map_err(ClipError::io(path))
}
