//! Where the sound comes from: a microphone, or a file played in real time. Both are read through a [`RingReader`].

use std::{
    any::Any,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::audio::{
    Note, SoundFile,
    capture::Microphone,
    ring::{self, RingReader, RingWriter},
    server::{Standing, Watch},
};

/// Length of the pieces in which a file is delivered: typical of a microphone.
const PIECE: Duration = Duration::from_millis(25);

/// An open source.
pub struct Line {
    /// Device or file, to show.
    pub name: String,
    /// Samples a second that it delivers.
    pub rate: u32,
    /// Its channels, averaged before they are read.
    pub channels: u16,
    /// What is odd about a file's sound, though it can be played.
    pub notes: Vec<Note>,
    /// Its samples.
    pub reader: RingReader,
    /// Whatever delivers the sound until it is dropped.
    pub kept: Box<dyn Any + Send>,
}

/// Something that can be listened to.
pub trait Source: Send {
    /// Opens it, or opens it again. May take long.
    ///
    /// # Errors
    /// A message to show, with a remedy.
    fn open(&mut self) -> Result<Line, String>;

    /// Whether to open it again after it failed, and whether silence or a late delivery is a problem.
    fn is_device(&self) -> bool;

    /// Why the open source is not the right one any more, if so: the system chose another default device. A whole
    /// sentence that names the device. Called about twice a second.
    fn superseded(&mut self, _line: &Line) -> Option<String> {
        None
    }
}

/// A microphone by name, or the default one.
#[derive(Clone, Debug)]
pub struct MicrophoneSource {
    /// A name or an id from [`capture::list`](crate::audio::capture::list); `None` for the default.
    device: Option<String>,
    /// The default may change; a device that is named does not.
    server: Option<Watch>,
    /// The server's default microphone when it was opened.
    behind: Option<Standing>,
}

impl MicrophoneSource {
    /// This microphone, or the default one.
    pub fn new(device: Option<String>) -> Self {
        let server = device.is_none().then(Watch::start);
        Self { device, server, behind: None }
    }

    /// The message that the microphone in use is gone, while there is no other.
    fn unplugged(&self, now: &Standing) -> Option<String> {
        let before = self.behind.as_ref()?;
        let was_real = before.microphones.contains(&before.default);
        let gone = was_real && now.microphones.is_empty();
        gone.then(|| format!("{}: the microphone was unplugged; plug it in or connect another", before.description))
    }

    fn standing(&self) -> Option<Standing> {
        self.server.as_ref().and_then(Watch::newest)
    }
}

impl Source for MicrophoneSource {
    fn open(&mut self) -> Result<Line, String> {
        let standing = self.standing();
        if let Some(reason) = standing.as_ref().and_then(|now| self.unplugged(now)) {
            return Err(reason);
        }
        let (microphone, reader) = Microphone::open(self.device.as_deref()).map_err(|error| error.to_string())?;
        let name = standing.as_ref().map_or_else(|| microphone.name.clone(), |now| now.description.clone());
        self.behind = standing;
        Ok(Line {
            name,
            rate: microphone.delivery.rate,
            channels: microphone.delivery.channels,
            notes: Vec::new(),
            reader,
            kept: Box::new(microphone),
        })
    }

    fn is_device(&self) -> bool {
        true
    }

    fn superseded(&mut self, line: &Line) -> Option<String> {
        let microphone = line.kept.downcast_ref::<Microphone>()?;
        if microphone.is_superseded() {
            return Some(format!("{}: another microphone became the default", line.name));
        }
        let now = self.standing()?;
        match &self.behind {
            None => self.behind = Some(now),
            Some(before) if before.default != now.default => {
                let changed = || format!("{}: the default microphone is now {}", before.description, now.description);
                return Some(self.unplugged(&now).unwrap_or_else(changed));
            }
            Some(_) => {}
        }
        None
    }
}

/// A sound file, played once at the pace of a clock.
#[derive(Clone, Debug)]
pub struct FileSource {
    /// A sound file (docs/decoding.md).
    pub path: PathBuf,
}

impl Source for FileSource {
    fn open(&mut self) -> Result<Line, String> {
        // Decoded to its end before it is played, and not kept: damage is reported now, not in the middle.
        let mut block = Vec::new();
        let mut whole = SoundFile::open(&self.path).map_err(|error| error.to_string())?;
        while whole.read(&mut block).map_err(|error| error.to_string())? {
            block.clear();
        }
        let sound = SoundFile::open(&self.path).map_err(|error| error.to_string())?;
        let name = self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned();
        play(name, sound, whole.notes().to_vec()).map_err(|error| error.to_string())
    }

    fn is_device(&self) -> bool {
        false
    }
}

/// A microphone's name or a file's path, as a person gives it: an existing file is played.
pub fn source(input: Option<&str>) -> Box<dyn Source> {
    match input {
        Some(path) if Path::new(path).is_file() => Box::new(FileSource { path: path.into() }),
        device => Box::new(MicrophoneSource::new(device.map(str::to_owned))),
    }
}

/// Set when the source is dropped; the player checks it between two pieces.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn play(name: String, sound: SoundFile, notes: Vec<Note>) -> std::io::Result<Line> {
    // The channels are averaged already.
    let (mut writer, reader) = ring::pair(sound.rate(), 1);
    let stop = Arc::new(AtomicBool::new(false));
    let (rate, channels) = (sound.rate(), u16::try_from(sound.channels()).unwrap_or(u16::MAX));
    let kept = Box::new(StopOnDrop(stop.clone()));
    thread::Builder::new().name("play-file".into()).spawn(move || deliver(sound, &mut writer, &stop))?;
    Ok(Line { name, rate, channels, notes, reader, kept })
}

/// Delivers each piece when its last sample would have been captured.
fn deliver(mut sound: SoundFile, writer: &mut RingWriter, stop: &AtomicBool) {
    let start = Instant::now();
    let rate = f64::from(sound.rate());
    let piece = (rate * PIECE.as_secs_f64()).ceil().max(1.0) as usize;
    let (mut done, mut pending, mut more) = (0, Vec::new(), true);
    while more || !pending.is_empty() {
        while more && pending.len() < piece {
            more = sound.read(&mut pending).unwrap_or_else(|error| {
                // It was whole when it was opened.
                tracing::warn!("the file changed while it was played: {error}");
                false
            });
        }
        let samples = &pending[..piece.min(pending.len())];
        done += samples.len();
        let due = Duration::from_secs_f64(done as f64 / rate);
        thread::sleep(due.saturating_sub(start.elapsed()));
        if stop.load(Ordering::Relaxed) {
            return;
        }
        writer.take(samples, start.elapsed().saturating_sub(due));
        let count = samples.len();
        pending.drain(..count);
    }
}
