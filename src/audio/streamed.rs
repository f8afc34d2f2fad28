//! A sound file as windows: decoded, resampled and passed through the filter bank block by block.

use std::path::{Path, PathBuf};

use super::{AudioError, FrontEnd, MonoStream, Note, SAMPLE_RATE, Sliding, SoundFile, Window, clip::long_enough};

/// The windows of a sound file of any length, in constant memory.
#[derive(Debug)]
pub struct Streamed {
    path: PathBuf,
    sound: SoundFile,
    mono: MonoStream,
    sliding: Sliding,
    block: Vec<f32>,
    samples: Vec<f32>,
    over: bool,
}

impl Streamed {
    /// Opens a file whose windows have `frames` frames of 10 ms and begin `hop` samples at 16 kHz apart.
    ///
    /// # Errors
    /// As [`SoundFile::open`], and for a rate that cannot be resampled.
    pub fn open(path: &Path, front_end: FrontEnd, frames: usize, hop: u64) -> Result<Self, AudioError> {
        let sound = SoundFile::open(path)?;
        let mono = MonoStream::new(sound.rate(), 1).map_err(|problem| AudioError::Unusable {
            path: path.to_owned(),
            problem,
            remedy: "convert it to a common sample rate".to_owned(),
        })?;
        let sliding = Sliding::new(front_end, frames, hop);
        Ok(Self { path: path.to_owned(), sound, mono, sliding, block: Vec::new(), samples: Vec::new(), over: false })
    }

    /// Appends the windows that the next block of the file completes; `false` once it has ended and was whole.
    ///
    /// # Errors
    /// As [`SoundFile::read`], and at the end where all of it is shorter than a frame of the filter bank (25 ms).
    pub fn next(&mut self, out: &mut Vec<Window>) -> Result<bool, AudioError> {
        if self.over {
            return Ok(false);
        }
        self.block.clear();
        self.samples.clear();
        if self.sound.read(&mut self.block)? {
            self.mono.push(&self.block, &mut self.samples);
            self.sliding.push(&self.samples, out);
            return Ok(true);
        }
        self.mono.finish(&mut self.samples);
        self.sliding.push(&self.samples, out);
        long_enough(&self.path, self.sliding.taken())?;
        self.sliding.finish(out);
        self.over = true;
        Ok(true)
    }

    /// Samples at 16 kHz so far; of the whole file once [`next`](Self::next) returned `false`.
    pub fn samples(&self) -> u64 {
        self.sliding.taken()
    }

    /// Seconds so far.
    pub fn seconds(&self) -> f64 {
        self.samples() as f64 / f64::from(SAMPLE_RATE)
    }

    /// Bytes of the file read so far.
    pub fn position(&self) -> u64 {
        self.sound.position()
    }

    /// Samples a second, as the file has them.
    pub fn rate(&self) -> u32 {
        self.sound.rate()
    }

    /// Notes about the file so far.
    pub fn notes(&self) -> &[Note] {
        self.sound.notes()
    }
}
