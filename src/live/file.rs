//! A sound file as a source: played once at the pace of a clock, with an overview of all of it, and jumps.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::source::{Line, MicrophoneSource, Source};
use crate::audio::{
    Note, SoundFile,
    ring::{self, RingWriter},
};

/// Length of the pieces in which a file is delivered: typical of a microphone.
const PIECE: Duration = Duration::from_millis(25);
/// Stretches of an overview, at most.
const STRETCHES: usize = 4096;
/// No jump is wanted.
const NOWHERE: u64 = u64::MAX;

/// A whole file at a glance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileOverview {
    /// Its length.
    pub seconds: f64,
    /// Least and greatest sample of equal stretches, in order.
    pub extremes: Vec<(f32, f32)>,
}

/// Extremes of stretches that grow with the file: at most twice [`STRETCHES`] are held.
#[derive(Debug)]
struct Gathered {
    size: usize,
    filled: usize,
    extremes: Vec<(f32, f32)>,
    frames: u64,
}

impl Gathered {
    fn new() -> Self {
        Self { size: 256, filled: 0, extremes: Vec::new(), frames: 0 }
    }

    fn push(&mut self, samples: &[f32]) {
        self.frames += samples.len() as u64;
        for &sample in samples {
            if self.filled == 0 {
                if self.extremes.len() == 2 * STRETCHES {
                    let pairs = self.extremes.chunks(2);
                    self.extremes = pairs
                        .map(|pair| {
                            pair.iter().fold((f32::MAX, f32::MIN), |all, one| (all.0.min(one.0), all.1.max(one.1)))
                        })
                        .collect();
                    self.size *= 2;
                }
                self.extremes.push((f32::MAX, f32::MIN));
            }
            if let Some((low, high)) = self.extremes.last_mut() {
                (*low, *high) = (low.min(sample), high.max(sample));
            }
            self.filled = (self.filled + 1) % self.size;
        }
    }

    fn overview(self, rate: u32) -> FileOverview {
        FileOverview { seconds: self.frames as f64 / f64::from(rate.max(1)), extremes: self.extremes }
    }
}

/// Where a file that is played is, and where it is to go on. Clones are of the same file.
#[derive(Clone, Debug, Default)]
pub struct FileControl(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    overview: Mutex<Option<Arc<FileOverview>>>,
    /// Microseconds from the beginning of the file: where it is, and where it is to go on.
    position: AtomicU64,
    wanted: AtomicU64,
}

impl Default for Shared {
    fn default() -> Self {
        Self { overview: Mutex::new(None), position: AtomicU64::new(0), wanted: AtomicU64::new(NOWHERE) }
    }
}

impl FileControl {
    /// All of the file, once it was read.
    pub fn overview(&self) -> Option<Arc<FileOverview>> {
        self.0.overview.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Seconds from the beginning of the file to what was delivered last, or to where it jumps.
    pub fn position_s(&self) -> f64 {
        let position = self.wanted().unwrap_or_else(|| self.0.position.load(Ordering::Acquire));
        position as f64 / 1e6
    }

    /// Goes on at so many seconds from the beginning. The windows that are scored next hold sound from before and after.
    /// Until that is done the position is where it jumps to.
    pub fn seek(&self, seconds: f64) {
        self.0.wanted.store((seconds.max(0.0) * 1e6) as u64, Ordering::Release);
    }

    /// Where it is to go on, microseconds from the beginning.
    fn wanted(&self) -> Option<u64> {
        let wanted = self.0.wanted.load(Ordering::Acquire);
        (wanted != NOWHERE).then_some(wanted)
    }

    /// A jump is done, unless another one is wanted meanwhile.
    fn was_done(&self, wanted: u64, position_s: f64) {
        self.0.position.store((position_s * 1e6) as u64, Ordering::Release);
        let _ = self.0.wanted.compare_exchange(wanted, NOWHERE, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// A sound file, played once at the pace of a clock.
#[derive(Clone, Debug)]
pub struct FileSource {
    /// A sound file (docs/decoding.md).
    pub path: PathBuf,
    /// Where it is, and where it is to go on.
    pub control: FileControl,
}

impl FileSource {
    /// Plays this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), control: FileControl::default() }
    }
}

impl Source for FileSource {
    fn open(&mut self) -> Result<Line, String> {
        // Decoded to its end before it is played, and not kept: damage is reported now, not in the middle.
        let (mut block, mut gathered) = (Vec::new(), Gathered::new());
        let mut whole = SoundFile::open(&self.path).map_err(|error| error.to_string())?;
        while whole.read(&mut block).map_err(|error| error.to_string())? {
            gathered.push(&block);
            block.clear();
        }
        let overview = Arc::new(gathered.overview(whole.rate()));
        *self.control.0.overview.lock().unwrap_or_else(PoisonError::into_inner) = Some(overview);
        let sound = SoundFile::open(&self.path).map_err(|error| error.to_string())?;
        let name = self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned();
        play(name, sound, &self.path, &self.control, whole.notes().to_vec()).map_err(|error| error.to_string())
    }

    fn is_device(&self) -> bool {
        false
    }
}

/// Set when the source is dropped; the player checks it between two pieces.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn play(name: String, sound: SoundFile, path: &Path, control: &FileControl, notes: Vec<Note>) -> std::io::Result<Line> {
    // The channels are averaged already.
    let (mut writer, reader) = ring::pair(sound.rate(), 1);
    let stop = Arc::new(AtomicBool::new(false));
    let (rate, channels) = (sound.rate(), u16::try_from(sound.channels()).unwrap_or(u16::MAX));
    let kept = Box::new(StopOnDrop(stop.clone()));
    let (path, control) = (path.to_owned(), control.clone());
    let work = move || deliver(sound, &path, &control, &mut writer, &stop);
    thread::Builder::new().name("play-file".into()).spawn(work)?;
    Ok(Line { name, rate, channels, notes, reader, kept })
}

/// Delivers each piece when its last sample would have been captured.
fn deliver(mut sound: SoundFile, path: &Path, control: &FileControl, writer: &mut RingWriter, stop: &AtomicBool) {
    let mut start = Instant::now();
    // Where in the file the current count began.
    let mut from_s = 0.0;
    let rate = f64::from(sound.rate());
    let piece = (rate * PIECE.as_secs_f64()).ceil().max(1.0) as usize;
    let (mut done, mut pending, mut more) = (0, Vec::new(), true);
    while more || !pending.is_empty() {
        if let Some(wanted) = control.wanted() {
            let seconds = wanted as f64 / 1e6;
            // Far inside a long file this takes a while: a jump that is wanted meanwhile is done in its place.
            let go_on = || !stop.load(Ordering::Relaxed) && control.wanted() == Some(wanted);
            let position_s = match opened_at(path, seconds, &go_on) {
                Ok(Some(there)) => {
                    (sound, pending) = there;
                    (start, from_s, done, more) = (Instant::now(), seconds, 0, true);
                    seconds
                }
                Ok(None) if stop.load(Ordering::Relaxed) => return,
                Ok(None) => continue,
                Err(problem) => {
                    tracing::warn!("{problem}: it goes on where it was");
                    from_s + done as f64 / rate
                }
            };
            control.was_done(wanted, position_s);
        }
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
        control.0.position.store(((from_s + due.as_secs_f64()) * 1e6) as u64, Ordering::Release);
        let count = samples.len();
        pending.drain(..count);
    }
}

/// The file, decoded up to so many seconds, with the samples behind them that are decoded already; `None` once `go_on`
/// returns `false`.
fn opened_at(path: &Path, seconds: f64, go_on: &dyn Fn() -> bool) -> Result<Option<(SoundFile, Vec<f32>)>, String> {
    let sound = SoundFile::open(path).map_err(|error| error.to_string())?;
    let wanted = (seconds * f64::from(sound.rate())).round() as u64;
    let (mut sound, mut passed) = sound.after(wanted).map_err(|error| error.to_string())?;
    let mut block = Vec::new();
    while go_on() {
        block.clear();
        if !sound.read(&mut block).map_err(|error| error.to_string())? {
            return Err(format!("{}: it ends before {seconds:.1} s", path.display()));
        }
        passed += block.len() as u64;
        if let Some(behind) = passed.checked_sub(wanted).filter(|behind| *behind > 0) {
            let samples = block.split_off(block.len() - (behind as usize).min(block.len()));
            return Ok(Some((sound, samples)));
        }
    }
    Ok(None)
}

/// A microphone's name or a file's path, as a person gives it: an existing file is played.
pub fn source(input: Option<&str>) -> Box<dyn Source> {
    match input {
        Some(path) if Path::new(path).is_file() => Box::new(FileSource::new(path)),
        device => Box::new(MicrophoneSource::new(device.map(str::to_owned))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::audio::testing::wav;

    #[test]
    fn an_overview_is_bounded_however_long_the_file_is() {
        for frames in [0usize, 1, 255, 256, 257, 2_000_000, 9_000_001] {
            let mut gathered = Gathered::new();
            let sound: Vec<f32> = (0..frames).map(|n| if n == frames / 2 { 0.9 } else { -0.1 }).collect();
            sound.chunks(1000).for_each(|piece| gathered.push(piece));
            let overview = gathered.overview(16_000);
            assert!(overview.extremes.len() <= 2 * STRETCHES, "{frames}");
            assert!((overview.seconds - frames as f64 / 16_000.0).abs() < 1e-9);
            if frames > 0 {
                let size = frames.div_ceil(overview.extremes.len());
                let loudest = overview.extremes.iter().position(|(_, high)| *high == 0.9).unwrap();
                assert!((frames / 2 / size.next_power_of_two().max(256)).abs_diff(loudest) <= 1, "{frames}");
            }
        }
    }

    #[test]
    fn a_jump_goes_on_at_that_very_sample() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        wav(&path, 40_000, |n| (n % 30_000) as i16);
        for wanted in [0u32, 1, 4095, 4096, 5000, 29_999, 39_999] {
            let found = opened_at(&path, f64::from(wanted) / 16_000.0, &|| true).unwrap();
            let (mut sound, mut samples) = found.unwrap();
            while sound.read(&mut samples).unwrap() {}
            assert_eq!(samples.len(), 40_000 - wanted as usize);
            assert_eq!((samples[0] * 32_768.0).round() as u32, wanted % 30_000);
        }
        assert!(opened_at(&path, 2.5, &|| true).unwrap_err().contains("it ends before 2.5 s"));
        assert!(opened_at(&path, 2.0, &|| false).unwrap().is_none(), "another jump is wanted");
    }

    #[test]
    fn until_a_jump_is_done_the_position_is_where_it_leads() {
        let control = FileControl::default();
        control.seek(5.0);
        assert_eq!(control.position_s(), 5.0);
        // The piece of before was just delivered.
        control.0.position.store(1_000_000, Ordering::Release);
        assert_eq!(control.position_s(), 5.0);
        control.seek(7.0);
        control.was_done(5_000_000, 5.0);
        assert_eq!((control.position_s(), control.wanted()), (7.0, Some(7_000_000)), "the second one is not lost");
        control.was_done(7_000_000, 7.0);
        assert_eq!((control.position_s(), control.wanted()), (7.0, None));
    }

    #[test]
    fn a_jump_goes_on_there_and_the_position_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        // A step in each second: its level says where it is.
        wav(&path, 10 * 16_000, |n| (n / 16_000) as i16 * 1000 + 500);
        let mut source = FileSource::new(&path);
        let mut line = source.open().unwrap();
        let control = source.control.clone();
        assert_eq!(control.overview().unwrap().seconds, 10.0);
        let level = |line: &mut Line| {
            let mut samples = Vec::new();
            while samples.is_empty() {
                line.reader.pull(&mut samples);
                thread::sleep(Duration::from_millis(1));
            }
            (samples[samples.len() - 1] * 32.768) as usize
        };
        assert_eq!(level(&mut line), 0);
        control.seek(7.25);
        // What was on its way comes first.
        while level(&mut line) != 7 {}
        assert!(control.position_s() > 7.2, "{}", control.position_s());
        control.seek(99.0);
        assert!(level(&mut line) >= 7, "behind the end it goes on as it was");
        control.seek(2.0);
        while level(&mut line) != 2 {}
    }
}
