//! Decodes sound files block by block, and says plainly why a file cannot be decoded.
//!
//! Containers, with the deviations of real writers, are read here (`wave`, `mpeg`, `ogg`, `flac`, `mp4`, `matroska`);
//! codecs are symphonia's, and Opus is opus-pure's. docs/decoding.md reports the measurements.

mod blocks;
mod chunks;
mod container;
mod fault;
mod flac;
mod kinds;
mod levels;
mod matroska;
mod mp4;
mod mpeg;
mod mpeg_frame;
mod ogg;
mod packets;
mod section;
mod tags;
mod texts;
mod wave;

use crate::{limits, regular};
use std::{
    fmt,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

pub use blocks::Note;
pub use kinds::SOUND_ENDINGS;
pub(super) use texts::{Texts, texts};

use self::{
    blocks::Blocks,
    fault::{Fault, Remedy},
    kinds::{Found, Kind},
    levels::Levels,
    packets::Form,
    section::Section,
};
use super::{AudioError, downmix::downmix};

/// Version of the decoder's output for the same bytes: part of the key of cached features.
pub const VERSION: u32 = 2;

const REPLACE: &str = "copy or download it again, or leave it out";

/// A sound file being decoded: the mean of its channels, block by block.
///
/// ```no_run
/// # fn main() -> Result<(), aat_tui::audio::AudioError> {
/// let mut sound = aat_tui::audio::SoundFile::open("dog.ogg".as_ref())?;
/// let mut samples = Vec::new();
/// while sound.read(&mut samples)? {}
/// println!("{} samples at {} Hz", samples.len(), sound.rate());
/// # Ok(()) }
/// ```
pub struct SoundFile {
    path: PathBuf,
    /// The same open file; it shares its position with the one being decoded.
    file: Option<File>,
    blocks: Box<dyn Blocks>,
    form: Form,
    /// The interleaved samples of the next block.
    interleaved: Vec<f32>,
    levels: Levels,
    frames: u64,
    notes: Vec<Note>,
    ended: bool,
    /// Whether a part of it was passed without decoding: then nothing is known of all of it.
    jumped: bool,
}

impl fmt::Debug for SoundFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoundFile").field("path", &self.path).field("frames", &self.frames).finish_non_exhaustive()
    }
}

impl SoundFile {
    /// Opens a file and decodes its first block.
    ///
    /// # Errors
    /// When the file cannot be read, is not sound, is of a kind that is not decoded, or is visibly damaged or cut
    /// short.
    pub fn open(path: &Path) -> Result<Self, AudioError> {
        let error = |fault| to_error(path, fault, 0, 0);
        let (file, length, start) = regular(path)?;
        let shared = file.try_clone().ok();
        let blocks = guarded(|| blocks_of(file, length, &start)).map_err(error)?;
        let form = Form { rate: 0, channels: 0 };
        let mut sound = Self {
            path: path.to_owned(),
            file: shared,
            blocks,
            form,
            interleaved: Vec::new(),
            levels: Levels::default(),
            frames: 0,
            notes: Vec::new(),
            ended: false,
            jumped: false,
        };
        // The first frame of an MP3 file may hold a header only.
        while sound.interleaved.is_empty() && !sound.ended {
            sound.fetch()?;
        }
        if sound.ended && sound.frames == 0 {
            let empty = Fault::Refused {
                problem: "it holds no samples".into(),
                remedy: Remedy::Words("leave it out or record it again"),
            };
            return Err(error(empty));
        }
        Ok(sound)
    }

    /// Samples a second, as the file has them.
    pub fn rate(&self) -> u32 {
        self.form.rate
    }

    /// Channels that are averaged.
    pub fn channels(&self) -> usize {
        self.form.channels
    }

    /// Appends the next samples to `mono`, full scale 1. `false` when the file has ended and was whole.
    ///
    /// # Errors
    /// When the file is damaged or cut short here, changes its rate or channels, or held values that are not numbers
    /// (reported at its end; they are returned as 0).
    pub fn read(&mut self, mono: &mut Vec<f32>) -> Result<bool, AudioError> {
        if self.ended {
            return Ok(false);
        }
        downmix(&self.interleaved, self.form.channels, mono);
        self.fetch()?;
        Ok(true)
    }

    /// Passes what is before frame `to`, counted from the file's beginning, without decoding it, as far as the kind of file
    /// allows: raw samples (WAV, AU) and FLAC. To be called before the first [`read`](Self::read). Returns the file with the
    /// frame that is read next: at most `to`, and 0 where there is no jump. What is wrong with the part before is then not
    /// noticed.
    ///
    /// # Errors
    /// When the file cannot be opened again, where a jump has failed.
    pub fn after(mut self, to: u64) -> Result<(Self, u64), AudioError> {
        match self.jump(to) {
            Ok(at) => Ok((self, at)),
            Err(error) => {
                tracing::debug!("{error}: it is decoded from its beginning");
                Ok((Self::open(&self.path)?, 0))
            }
        }
    }

    fn jump(&mut self, to: u64) -> Result<u64, AudioError> {
        let (held, path) = (self.frames, &self.path);
        if self.ended || to <= held {
            return Ok(0);
        }
        let rate = self.form.rate;
        let at = guarded(|| self.blocks.jump(to, held)).map_err(|fault| to_error(path, fault, held, rate))?;
        if at <= held {
            return Ok(0);
        }
        self.interleaved.clear();
        (self.frames, self.jumped) = (at, true);
        self.fetch()?;
        Ok(at)
    }

    /// Bytes of the file read so far, for progress. A little ahead of the samples returned.
    pub fn position(&self) -> u64 {
        self.file.as_ref().and_then(|mut file| file.stream_position().ok()).unwrap_or(0)
    }

    /// Number of frames, if the file declares it, as WAV files do.
    pub fn length(&self) -> Option<u64> {
        self.blocks.length()
    }

    /// Number of frames by the file's header, which may be wrong, if it says one: for a person, before anything is decoded.
    pub fn declared(&self) -> Option<u64> {
        self.blocks.declared()
    }

    /// Notes about the file so far; all of them once [`read`](Self::read) returned `false`.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Decodes one more block.
    fn fetch(&mut self) -> Result<(), AudioError> {
        let next = guarded(|| self.blocks.next(&mut self.interleaved));
        self.notes.extend(self.blocks.take_notes());
        let result = match next {
            Ok(Some(form)) => self.accept(form),
            Ok(None) => self.end(),
            Err(fault) => Err(fault),
        };
        result.map_err(|fault| {
            self.ended = true;
            to_error(&self.path, fault, self.frames, self.form.rate)
        })
    }

    fn accept(&mut self, form: Form) -> Result<(), Fault> {
        check_form(form.rate, form.channels)?;
        if self.form.channels == 0 {
            self.form = form;
        }
        let before = self.form;
        if before != form && !self.interleaved.is_empty() {
            let seconds = self.frames as f64 / f64::from(before.rate);
            let change = if before.channels == form.channels {
                format!("{} Hz to {} Hz", before.rate, form.rate)
            } else {
                format!("{} to {} channels", before.channels, form.channels)
            };
            return Err(Fault::Refused {
                problem: format!("it changes from {change} at {seconds:.2} s"),
                remedy: Remedy::Words("convert it to one format throughout"),
            });
        }
        self.levels.take(&mut self.interleaved, form.channels);
        self.frames += (self.interleaved.len() / form.channels) as u64;
        Ok(())
    }

    /// Checks that all promised samples came, and that they are plausible.
    fn end(&mut self) -> Result<(), Fault> {
        self.ended = true;
        self.interleaved.clear();
        if let Some(promised) = self.blocks.promised().filter(|&promised| self.frames < promised) {
            return Err(Fault::Short(Some(promised)));
        }
        // A file that is cut short fails its checksum, too, so this comes second.
        if !self.jumped && !self.blocks.is_verified() {
            return Err(Fault::Damage("its samples do not match its checksum".into()));
        }
        if let Some((bad, first)) = self.levels.bad() {
            let (all, seconds) = (self.frames * self.form.channels as u64, first as f64 / f64::from(self.form.rate));
            return Err(Fault::Refused {
                problem: format!(
                    "{bad} of {all} samples are not numbers (NaN or infinite), the first at {seconds:.3} s"
                ),
                remedy: Remedy::Words("export it again from its source"),
            });
        }
        if !self.jumped {
            self.notes.extend(self.levels.notes(self.form.channels));
        }
        Ok(())
    }
}

/// Runs a decoder. A panic on unforeseen bytes counts as damage and does not stop training.
fn guarded<T>(run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let gave_up = |_| Err(Fault::Damage("the decoder cannot continue from there".into()));
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(gave_up)
}

/// Refuses rates and channels out of bounds.
fn check_form(rate: u32, channels: usize) -> Result<(), Fault> {
    if !limits::SAMPLE_RATES.contains(&rate) {
        let (least, most) = (limits::SAMPLE_RATES.start(), limits::SAMPLE_RATES.end());
        return Err(Fault::Refused {
            problem: format!("its header gives {rate} samples a second; {least} to {most} are read"),
            remedy: Remedy::Words("correct the rate in its header, or export it again"),
        });
    }
    if !limits::CHANNELS.contains(&channels) {
        return Err(Fault::Refused {
            problem: format!("its header gives {channels} channels; 1 to {} are read", limits::CHANNELS.end()),
            remedy: Remedy::Words("export it again"),
        });
    }
    Ok(())
}

/// A file that ends too early, in frames.
fn short(there: u64, promised: Option<u64>, rate: u32) -> Fault {
    let seconds = |frames: u64| frames as f64 / f64::from(rate.max(1));
    let problem = match promised.filter(|&promised| promised > there) {
        Some(promised) => format!(
            "it is cut short: {there} of {promised} frames are there ({:.2} s of {:.2} s)",
            seconds(there),
            seconds(promised)
        ),
        None if there > 0 => format!("it is cut short after {there} frames ({:.2} s)", seconds(there)),
        None => "it is cut short: it does not reach its end".into(),
    };
    Fault::Refused { problem, remedy: Remedy::Words(REPLACE) }
}

/// The error of a file after so many frames.
fn to_error(path: &Path, fault: Fault, frames: u64, rate: u32) -> AudioError {
    let unusable = |problem: String, remedy: String| AudioError::Unusable { path: path.to_owned(), problem, remedy };
    match fault {
        Fault::Io(source) => AudioError::Io { path: path.to_owned(), source },
        Fault::Short(promised) => to_error(path, short(frames, promised, rate), frames, rate),
        Fault::Damage(what) if frames > 0 => {
            let seconds = frames as f64 / f64::from(rate.max(1));
            unusable(format!("it is damaged at {seconds:.2} s: {what}"), REPLACE.into())
        }
        Fault::Damage(what) => unusable(format!("it is damaged: {what}"), REPLACE.into()),
        Fault::Refused { problem, remedy: Remedy::Words(words) } => unusable(problem, words.into()),
        Fault::Refused { problem, remedy: Remedy::Convert } => unusable(problem, convert(path)),
    }
}

/// The command that converts a file.
fn convert(path: &Path) -> String {
    let quoted = |path: &Path| {
        let name = path.to_string_lossy();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte) || byte >= 0x80;
        if name.bytes().all(is_plain) { name.into_owned() } else { format!("'{}'", name.replace('\'', r"'\''")) }
    };
    let mut wav = path.with_extension("wav");
    if wav == path {
        wav = path.with_extension("converted.wav");
    }
    format!("convert it: ffmpeg -i {} {}", quoted(path), quoted(&wav))
}

/// Opens a regular file that may be sound: its length and first bytes.
fn regular(path: &Path) -> Result<(File, u64, Vec<u8>), AudioError> {
    let io_error = |source| AudioError::Io { path: path.to_owned(), source };
    let unusable = |problem: &str, remedy: &str| AudioError::Unusable {
        path: path.to_owned(),
        problem: problem.into(),
        remedy: remedy.into(),
    };
    // Checked before opening: a pipe without a writer would block.
    let metadata = fs::metadata(path).map_err(io_error)?;
    if metadata.is_dir() {
        return Err(unusable("it is a folder", "give a sound file"));
    }
    if !metadata.is_file() {
        return Err(unusable(
            "it is a pipe or device, and a sound is read from a file",
            "write it to a file first, and give that",
        ));
    }
    if metadata.len() == 0 {
        return Err(unusable("it is empty (0 bytes)", REPLACE));
    }
    let mut file = regular::open(path).map_err(io_error)?;
    let mut start = Vec::with_capacity(kinds::LOOK);
    file.by_ref().take(kinds::LOOK as u64).read_to_end(&mut start).map_err(io_error)?;
    if start.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Err(unusable("it is a Git LFS pointer, not the sound itself", "run `git lfs pull` in its repository"));
    }
    let text = match std::str::from_utf8(&start) {
        Ok(text) => Some(text),
        // A character may be cut at the end of the bytes.
        Err(error) if start.len() - error.valid_up_to() < 4 && start.len() == kinds::LOOK => {
            std::str::from_utf8(&start[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    if let Some(text) = text.filter(|text| !text.contains('\0') && !text.starts_with("NIST_1A")) {
        let is_page = text.trim_start().to_ascii_lowercase().starts_with("<!doctype html")
            || text.trim_start().to_ascii_lowercase().starts_with("<html");
        return Err(if is_page {
            unusable("it holds a web page, not sound", "download it again, from the address of the sound itself")
        } else {
            unusable("it holds text, not sound", "give a sound file, or leave it out")
        });
    }
    Ok((file, metadata.len(), start))
}

/// The decoder of an opened file, chosen by its first bytes.
fn blocks_of(mut file: File, length: u64, start: &[u8]) -> Result<Box<dyn Blocks>, Fault> {
    // Players' tools put ID3 tags before any format.
    let mut after = Vec::new();
    let skip = tags::leading(start).filter(|&size| size < length);
    if let Some(size) = skip {
        file.seek(SeekFrom::Start(size))?;
        file.by_ref().take(kinds::LOOK as u64).read_to_end(&mut after)?;
    }
    match kinds::find(start, skip.map(|size| (size, after.as_slice()))) {
        Found::Kind(Kind::Wave, 0) => wave::open(file, length),
        Found::Kind(Kind::Wave, _) => Err(Fault::refused("it is a WAV file behind an ID3 tag")),
        Found::Kind(Kind::Au, _) => wave::open_au(file, length),
        Found::Kind(Kind::Mpeg, _) => mpeg::open(Section::new(file, 0..length)?, Vec::new()),
        Found::Kind(kind, start) => container::open(file, kind, start, length),
        Found::Sound(name) => Err(Fault::refused(format!("it is {name}, which is not decoded"))),
        Found::Other(name) => Err(Fault::Refused {
            problem: format!("it is {name}"),
            remedy: Remedy::Words("give a sound file, or leave it out"),
        }),
        // A stream that was cut may begin in the middle of a frame.
        Found::Unknown => mpeg::open(Section::new(file, 0..length)?, Vec::new())
            .map_err(|_| Fault::refused("it is not a sound file of a known kind")),
    }
}
