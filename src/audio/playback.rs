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

pub use super::speaker::PlaybackError;
use super::{
    resample_to,
    speaker::Speaker,
    voice::{Controls, Loaded},
};

/// How often an open device is checked.
const WATCH: Duration = Duration::from_millis(100);
/// How long a device may take no sound before that is an error.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a silent device stays open: the next sound begins at once.
const LINGER: Duration = Duration::from_secs(15);

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
    /// It plays.
    Playing,
    /// It was played to its end.
    Ended,
    /// It cannot be played, or cannot be played on.
    Failed(PlaybackError),
}

/// State of a player.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The number of the newest sound, as [`Player::play`] returned it; 0 before the first.
    pub number: u64,
    /// What becomes of it.
    pub state: State,
    /// The sample of it that leaves the speaker now, counted at the sound's own rate: a playhead.
    pub position: u64,
    /// Times the driver ran out of samples while the speaker was open: each is an audible gap.
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

    /// The newest sound's state and position.
    pub fn status(&self) -> Status {
        let newest = lock(&self.newest);
        let playhead = self.controls.playhead().filter(|(number, _)| *number == newest.number);
        let position = match (playhead, newest.device_rate) {
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
        // Of several sounds that were requested before the speaker is open, only the newest is played.
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
        // The playhead may have been moved meanwhile.
        let from = if newest.from == from { from } else { newest.from };
        let from = scaled(from, sound.rate, speaker.rate) as usize;
        newest.device_rate = Some(speaker.rate);
        if !speaker.feed.play(Loaded { number, samples, from }) {
            let detail = "it takes no further sound".to_owned();
            return Err(PlaybackError::Lost { name: speaker.name.clone(), detail });
        }
        (speaker.moved, speaker.used) = (Instant::now(), Instant::now());
        Ok(())
    }

    /// Checks that the speaker is still there and takes samples.
    fn watch(&mut self) {
        let Some(speaker) = &mut self.speaker else { return };
        speaker.feed.tidy();
        let taken = self.controls.taken();
        if taken != speaker.taken {
            (speaker.taken, speaker.moved) = (taken, Instant::now());
        }
        let newest = lock(&self.newest).number;
        let wanted = !self.controls.is_stopped(newest) && self.controls.ended() < newest;
        if wanted || self.controls.playhead().is_some() {
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
