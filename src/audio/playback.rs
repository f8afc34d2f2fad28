//! Plays sounds through the default speaker.
//!
//! A [`Player`] never waits for a device: a thread of its own opens the speaker when the first sound is played, resamples
//! sounds to its rate, watches that it takes them, and closes it when it has been silent for a while. The real-time
//! thread does what `audio/voice.rs` describes. A stop is silent as soon as the driver's buffer, 60 ms, is over.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use cpal::{
    BufferSize, ErrorKind, FromSample, I24, OutputCallbackInfo, SampleFormat, SizedSample, StreamConfig,
    SupportedStreamConfig, U24,
    traits::{DeviceTrait, HostTrait, StreamTrait},
};

use super::{
    device::{DRIVER_TIMEOUT, id_of, is_usable, name_of, server, system, wished_buffer},
    resample_to,
    voice::{Controls, Feed, Loaded, Voice, voice},
};

/// Callbacks per second requested from the device. Drivers hold two buffers, so 60 ms are on their way: little enough for
/// a stop, enough for a busy machine.
const CALLBACKS_PER_S: u32 = 33;
/// Buffers that a driver holds, and half a one for a callback that is late and yet in time.
const BUFFERS: f64 = 2.5;
/// How often the device is looked at while it is open.
const WATCH: Duration = Duration::from_millis(100);
/// How long a device may take no sound before that is an error.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a silent device stays open: the next sound begins at once.
const LINGER: Duration = Duration::from_secs(15);

/// Why sound cannot be played. Messages say what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaybackError {
    /// The machine has no speaker.
    #[error("no speaker was found ({0}); connect one, or check that the sound server runs")]
    Missing(String),
    /// The system forbids it.
    #[error("{name}: this program may not play sound ({detail}); {REMEDY_DENIED}")]
    Denied {
        /// The device.
        name: String,
        /// The system's message.
        detail: String,
    },
    /// Another program uses it.
    #[error("{name}: the speaker is in use ({detail}); close the program that holds it")]
    Busy {
        /// The device.
        name: String,
        /// The system's message.
        detail: String,
    },
    /// Its format of sound is not supported.
    #[error("{name}: {detail}; choose another default speaker")]
    Unsupported {
        /// The device.
        name: String,
        /// What is wrong with it.
        detail: String,
    },
    /// It went away, or stopped taking sound.
    #[error("{name}: it went away, or takes no sound any more ({detail}); check the speaker, then play again")]
    Lost {
        /// The device.
        name: String,
        /// What happened.
        detail: String,
    },
    /// It cannot be opened, for another reason.
    #[error("{name}: it cannot be opened ({detail}); check that a speaker is connected and that the sound server runs")]
    Unopened {
        /// The device.
        name: String,
        /// The system's message.
        detail: String,
    },
    /// The system cannot start a thread.
    #[error("sound cannot be played: {0}")]
    Thread(String),
}

#[cfg(target_os = "linux")]
const REMEDY_DENIED: &str = "join the group that owns /dev/snd (usually audio) and log in again";
#[cfg(not(target_os = "linux"))]
const REMEDY_DENIED: &str = "check the system's settings for sound";

impl PlaybackError {
    fn new(name: &str, error: &cpal::Error) -> Self {
        let (name, detail) = (name.to_owned(), error.to_string());
        match error.kind() {
            ErrorKind::DeviceNotAvailable | ErrorKind::HostUnavailable => Self::Missing(detail),
            ErrorKind::PermissionDenied => Self::Denied { name, detail },
            ErrorKind::DeviceBusy => Self::Busy { name, detail },
            ErrorKind::UnsupportedConfig | ErrorKind::UnsupportedOperation => Self::Unsupported { name, detail },
            _ => Self::Unopened { name, detail },
        }
    }
}

/// Mono samples to play, at any rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Full scale is 1.
    pub samples: Arc<[f32]>,
    /// Samples a second.
    pub rate: u32,
}

/// What becomes of a sound.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum State {
    /// Nothing was played yet, or it was stopped.
    #[default]
    Silent,
    /// The speaker is being opened.
    Opening,
    /// It is heard.
    Playing,
    /// It was heard to its end.
    Ended,
    /// It cannot be played, or not on.
    Failed(PlaybackError),
}

/// How a player stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The number of the newest sound, as [`Player::play`] returned it; 0 before the first.
    pub number: u64,
    /// What becomes of it.
    pub state: State,
    /// The sample of it that is heard now, as counted by the sound's own rate: a playhead.
    pub position: u64,
    /// Times the driver ran out of sound while the speaker was open: each is a gap that was heard.
    pub gaps: u64,
}

/// The newest sound.
#[derive(Debug, Default)]
struct Newest {
    number: u64,
    /// Samples, samples a second.
    length: u64,
    rate: u32,
    /// The speaker's rate, once the sound was given to it.
    device_rate: Option<u32>,
    /// The sample that it begins or goes on at, until the speaker reports another.
    from: u64,
    failed: Option<PlaybackError>,
}

/// Plays one sound at a time. Its methods return at once and may be called from any thread; dropping it closes the
/// speaker.
#[derive(Debug)]
pub struct Player {
    controls: Arc<Controls>,
    newest: Arc<Mutex<Newest>>,
    orders: Sender<Order>,
}

/// A sound to play.
#[derive(Debug)]
struct Order {
    number: u64,
    sound: Sound,
    from: u64,
}

impl Player {
    /// Starts the thread of a player. No device is opened yet.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub fn new() -> std::io::Result<Self> {
        let (controls, newest) = (Arc::new(Controls::default()), Arc::<Mutex<Newest>>::default());
        let (orders, inbox) = mpsc::channel();
        let mut worker = Worker { controls: controls.clone(), newest: newest.clone(), speaker: None };
        thread::Builder::new().name("playback".into()).spawn(move || worker.run(&inbox))?;
        Ok(Self { controls, newest, orders })
    }

    /// Plays a sound from this sample on, in place of the one before. Returns its number.
    pub fn play(&self, sound: Sound, from: u64) -> u64 {
        let mut newest = lock(&self.newest);
        let number = newest.number + 1;
        *newest = Newest {
            number,
            length: sound.samples.len() as u64,
            rate: sound.rate,
            from: from.min(sound.samples.len() as u64),
            ..Newest::default()
        };
        let order = Order { number, sound, from: newest.from };
        if self.orders.send(order).is_err() {
            newest.failed = Some(PlaybackError::Thread("the thread that plays is gone".to_owned()));
        }
        number
    }

    /// Ends the sound that plays, with a short fade.
    pub fn stop(&self) {
        self.controls.stop(lock(&self.newest).number);
    }

    /// Goes on at this sample of the sound that plays.
    pub fn seek(&self, sample: u64) {
        let mut newest = lock(&self.newest);
        newest.from = sample.min(newest.length);
        if let Some(rate) = newest.device_rate {
            self.controls.jump(scaled(newest.from, newest.rate, rate) as usize);
        }
    }

    /// Sets the volume: 1 leaves samples as they are, 0 is silence.
    pub fn set_volume(&self, volume: f32) {
        self.controls.set_volume(volume);
    }

    /// Plays again and again, or once.
    pub fn set_looped(&self, looped: bool) {
        self.controls.set_looped(looped);
    }

    /// How it stands now.
    pub fn status(&self) -> Status {
        let newest = lock(&self.newest);
        let heard = self.controls.heard().filter(|(number, _)| *number == newest.number);
        let position = match (heard, newest.device_rate) {
            (Some((_, frame)), Some(rate)) => scaled(frame as u64, rate, newest.rate).min(newest.length),
            _ => newest.from,
        };
        let state = match &newest.failed {
            Some(error) => State::Failed(error.clone()),
            None if self.controls.is_stopped(newest.number) => State::Silent,
            None if self.controls.ended() >= newest.number => State::Ended,
            None if newest.device_rate.is_none() => State::Opening,
            None => State::Playing,
        };
        let position = if state == State::Ended { newest.length } else { position };
        Status { number: newest.number, state, position, gaps: self.controls.gaps() }
    }
}

/// A number of samples at one rate as samples at another.
fn scaled(samples: u64, rate: u32, to: u32) -> u64 {
    (u128::from(samples) * u128::from(to) / u128::from(rate.max(1))) as u64
}

fn lock(newest: &Mutex<Newest>) -> std::sync::MutexGuard<'_, Newest> {
    newest.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread of a player.
struct Worker {
    controls: Arc<Controls>,
    newest: Arc<Mutex<Newest>>,
    speaker: Option<Speaker>,
}

impl Worker {
    fn run(&mut self, inbox: &Receiver<Order>) {
        loop {
            let order = match self.speaker {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => inbox.recv_timeout(WATCH),
            };
            match order {
                Ok(order) => self.play(order),
                Err(RecvTimeoutError::Timeout) => self.watch(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn play(&mut self, order: Order) {
        // Whoever asks again before the speaker is open wants the newest only.
        if lock(&self.newest).number != order.number || self.controls.is_stopped(order.number) {
            return;
        }
        let number = order.number;
        if let Err(error) = self.begin(order) {
            self.fail(number, error);
        }
    }

    fn begin(&mut self, order: Order) -> Result<(), PlaybackError> {
        if self.speaker.as_ref().is_some_and(|speaker| speaker.is_superseded() || self.controls.has_failed()) {
            self.speaker = None;
            let _ = self.controls.take_failure();
        }
        let speaker = match self.speaker.take() {
            Some(speaker) => speaker,
            None => Speaker::open(&self.controls)?,
        };
        let speaker = self.speaker.insert(speaker);
        let Order { number, sound, from } = order;
        let unplayable = |detail: String| PlaybackError::Unsupported { name: speaker.name.clone(), detail };
        let samples = match sound.rate == speaker.rate {
            true => sound.samples,
            false => resample_to(&sound.samples, sound.rate, speaker.rate).map_err(unplayable)?.into(),
        };
        let mut newest = lock(&self.newest);
        if newest.number != number {
            return Ok(());
        }
        // It may have been sought meanwhile.
        let from = if newest.from == from { from } else { newest.from };
        let from = scaled(from, sound.rate, speaker.rate) as usize;
        newest.device_rate = Some(speaker.rate);
        if !speaker.feed.play(Loaded { number, samples, from }) {
            let detail = "it does not fetch what waits".to_owned();
            return Err(PlaybackError::Lost { name: speaker.name.clone(), detail });
        }
        (speaker.moved, speaker.used) = (Instant::now(), Instant::now());
        Ok(())
    }

    /// Looks whether the speaker is still there and takes sound.
    fn watch(&mut self) {
        let Some(speaker) = &mut self.speaker else { return };
        speaker.feed.tidy();
        let taken = self.controls.taken();
        if taken != speaker.taken {
            (speaker.taken, speaker.moved) = (taken, Instant::now());
        }
        let newest = lock(&self.newest).number;
        let wanted = !self.controls.is_stopped(newest) && self.controls.ended() < newest;
        if wanted || self.controls.heard().is_some() {
            speaker.used = Instant::now();
        }
        let name = speaker.name.clone();
        if let Some(detail) = self.controls.take_failure() {
            self.speaker = None;
            if wanted {
                self.fail(newest, PlaybackError::Lost { name, detail });
            }
        } else if wanted && speaker.moved.elapsed() > PATIENCE {
            let detail = format!("none for {} s", PATIENCE.as_secs());
            self.speaker = None;
            self.fail(newest, PlaybackError::Lost { name, detail });
        } else if speaker.used.elapsed() > LINGER {
            self.speaker = None;
        }
    }

    fn fail(&self, number: u64, error: PlaybackError) {
        tracing::warn!("playback: {error}");
        let mut newest = lock(&self.newest);
        if newest.number == number {
            newest.failed = Some(error);
        }
    }
}

/// An open speaker. Dropping it closes the device, on a thread of its own because drivers may hang.
struct Speaker {
    name: String,
    id: String,
    rate: u32,
    feed: Feed,
    stream: Option<cpal::Stream>,
    /// Buffers that the driver had taken, and when that last changed.
    taken: u64,
    moved: Instant,
    /// When it last had something to play.
    used: Instant,
}

impl Speaker {
    /// Opens the default speaker: the sound server's where one runs, else the system's. The server is asked itself, since
    /// ALSA's device for it now and then fails in its first moments ("I/O error" of `snd_pcm_avail_delay`) and says nothing
    /// when the server runs out of sound.
    fn open(controls: &Arc<Controls>) -> Result<Self, PlaybackError> {
        let mut missing = None;
        for host in [server(), Some(system())].into_iter().flatten() {
            let Some(device) = host.default_output_device() else {
                missing.get_or_insert_with(|| PlaybackError::Missing(format!("{} lists none", host.id().name())));
                continue;
            };
            match Self::of(&device, controls) {
                Ok(speaker) => return Ok(speaker),
                // The first error is that of the device that was meant.
                Err(error) => missing = missing.or(Some(error)),
            }
        }
        Err(missing.unwrap_or_else(|| PlaybackError::Missing("there is no sound system".to_owned())))
    }

    fn of(device: &cpal::Device, controls: &Arc<Controls>) -> Result<Self, PlaybackError> {
        let name = name_of(device);
        let failed = |error: cpal::Error| PlaybackError::new(&name, &error);
        let config = device.default_output_config().map_err(failed)?;
        if !is_usable(&config) {
            let (channels, format, rate) = (config.channels(), config.sample_format(), config.sample_rate());
            let detail = format!("it takes {channels} channels of {format} at {rate} Hz, which are not supported");
            return Err(PlaybackError::Unsupported { name, detail });
        }
        let rate = config.sample_rate();
        let start = |buffer: BufferSize| {
            let (voice, feed) = voice(controls, rate);
            let stream = build(device, &config, buffer, voice, controls)?;
            stream.play()?;
            Ok((stream, feed))
        };
        let (stream, feed) = match wished_buffer(&config, CALLBACKS_PER_S) {
            // A device may refuse a size inside the range that it reported.
            Some(frames) => start(BufferSize::Fixed(frames)).or_else(|_| start(BufferSize::Default)),
            None => start(BufferSize::Default),
        }
        .map_err(failed)?;
        let (id, now) = (id_of(device), Instant::now());
        Ok(Self { name, id, rate, feed, stream: Some(stream), taken: controls.taken(), moved: now, used: now })
    }

    /// Whether another speaker has since become the default.
    fn is_superseded(&self) -> bool {
        let default = [server(), Some(system())].into_iter().flatten().find_map(|host| host.default_output_device());
        default.is_some_and(|device| id_of(&device) != self.id)
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            // Without a thread it must be closed here: dropping the closure drops its contents.
            let _ = thread::Builder::new().name("close-speaker".into()).spawn(move || drop(stream));
        }
    }
}

fn build(
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    buffer_size: BufferSize,
    voice: Voice,
    controls: &Arc<Controls>,
) -> Result<cpal::Stream, cpal::Error> {
    let stream = StreamConfig { buffer_size, ..config.config() };
    match config.sample_format() {
        SampleFormat::I8 => build_as::<i8>(device, stream, voice, controls),
        SampleFormat::I16 => build_as::<i16>(device, stream, voice, controls),
        SampleFormat::I24 => build_as::<I24>(device, stream, voice, controls),
        SampleFormat::I32 => build_as::<i32>(device, stream, voice, controls),
        SampleFormat::I64 => build_as::<i64>(device, stream, voice, controls),
        SampleFormat::U8 => build_as::<u8>(device, stream, voice, controls),
        SampleFormat::U16 => build_as::<u16>(device, stream, voice, controls),
        SampleFormat::U24 => build_as::<U24>(device, stream, voice, controls),
        SampleFormat::U32 => build_as::<u32>(device, stream, voice, controls),
        SampleFormat::U64 => build_as::<u64>(device, stream, voice, controls),
        SampleFormat::F32 => build_as::<f32>(device, stream, voice, controls),
        SampleFormat::F64 => build_as::<f64>(device, stream, voice, controls),
        other => Err(cpal::Error::with_message(ErrorKind::UnsupportedConfig, format!("sample format {other}"))),
    }
}

fn build_as<T: SizedSample + FromSample<f32>>(
    device: &cpal::Device,
    config: StreamConfig,
    mut voice: Voice,
    controls: &Arc<Controls>,
) -> Result<cpal::Stream, cpal::Error> {
    let (rate, channels) = (f64::from(config.sample_rate.max(1)), usize::from(config.channels.max(1)));
    let (controls, late) = (controls.clone(), controls.clone());
    let mut last: Option<Instant> = None;
    device.build_output_stream::<T, _, _>(
        config,
        move |data, info| {
            let (now, buffer_s) = (Instant::now(), (data.len() / channels) as f64 / rate);
            // Sound servers play silence without a word when they run out of sound: so much is in the driver at most.
            let since_s = last.replace(now).map_or(0.0, |last| now.duration_since(last).as_secs_f64());
            if since_s > BUFFERS * buffer_s.max(1.0 / f64::from(CALLBACKS_PER_S)) {
                late.gap();
            }
            voice.fill(data, channels, (delay(info).as_secs_f64() * rate) as usize);
        },
        // Called by the driver's thread on an error, at worst again and again without pause.
        move |error| match error.kind() {
            ErrorKind::Xrun => controls.gap(),
            ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
            _ => controls.fail(|| error.to_string()),
        },
        Some(DRIVER_TIMEOUT),
    )
}

/// How long until the first frame of a buffer is heard, as far as the driver reports.
fn delay(info: &OutputCallbackInfo) -> Duration {
    let stamp = info.timestamp();
    stamp.playback.duration_since(stamp.callback)
}
