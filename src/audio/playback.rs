//! Plays sounds through the default speaker.
//!
//! A [`Player`] never waits for a device: a thread of its own opens the speaker when the first sound is played or expected,
//! resamples sounds to its rate, watches that it takes them, and closes it when it has been silent for a while. The real-time
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
    voice::{Controls, Loaded, Reports},
};

/// How often an open device is checked.
const WATCH: Duration = Duration::from_millis(100);
/// How long a device may take no sound before that is an error.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a device may take to open before that is an error: a sound server that hangs never responds.
const OPENING: Duration = Duration::from_secs(10);
/// How long a silent device stays open: the next sound begins at once.
const LINGER: Duration = Duration::from_secs(60);

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
    /// Times the driver ran out of samples while it played: each is an audible gap.
    pub gaps: u64,
}

/// The newest sound.
#[derive(Debug, Default)]
struct Newest {
    number: u64,
    /// Samples, samples a second.
    length: u64,
    rate: u32,
    /// When it was requested.
    asked: Option<Instant>,
    /// The speaker, once the sound was given to it.
    given: Option<Given>,
    /// The sample that it begins or goes on at, until the speaker reports another.
    from: u64,
    failed: Option<PlaybackError>,
}

/// The speaker that a sound was given to.
#[derive(Debug)]
struct Given {
    /// Samples a second.
    rate: u32,
    /// What its real-time thread reports.
    reports: Arc<Reports>,
    /// Gaps before this sound.
    gaps: u64,
}

/// Plays one sound at a time. Its methods return at once and may be called from any thread; dropping it closes the
/// speaker.
#[derive(Debug)]
pub struct Player {
    controls: Arc<Controls>,
    newest: Arc<Mutex<Newest>>,
    orders: Sender<Order>,
}

/// What the thread of a player is to do.
#[derive(Debug)]
enum Order {
    /// Play a sound.
    Play(ToPlay),
    /// Open the speaker: a sound is expected.
    Prepare,
}

/// A sound to play.
#[derive(Debug)]
struct ToPlay {
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
        let mut worker = Worker { controls: controls.clone(), newest: newest.clone(), speaker: None, resampled: None };
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
            asked: Some(Instant::now()),
            from: from.min(sound.samples.len() as u64),
            ..Newest::default()
        };
        let order = Order::Play(ToPlay { number, sound, from: newest.from });
        if self.orders.send(order).is_err() {
            newest.failed = Some(PlaybackError::Thread("the thread that plays is gone".to_owned()));
        }
        number
    }

    /// Opens the speaker, which takes some devices most of a second, so that the next sound begins at once. Where it cannot
    /// be opened, the next sound reports it.
    pub fn prepare(&self) {
        // Without its thread, the next sound reports that.
        let _ = self.orders.send(Order::Prepare);
    }

    /// Ends the sound that plays, with a short fade.
    pub fn stop(&self) {
        self.controls.stop(lock(&self.newest).number);
    }

    /// Goes on at this sample of the sound that plays.
    pub fn seek(&self, sample: u64) {
        let mut newest = lock(&self.newest);
        newest.from = sample.min(newest.length);
        if let Some(given) = &newest.given {
            self.controls.jump(newest.number, scaled(newest.from, newest.rate, given.rate) as usize);
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
        let mut newest = lock(&self.newest);
        let number = newest.number;
        let is_late = newest.asked.is_some_and(|asked| asked.elapsed() > OPENING);
        if is_late && newest.given.is_none() && !self.controls.is_stopped(number) {
            newest.failed.get_or_insert(PlaybackError::Hung(OPENING.as_secs()));
        }
        let given = newest.given.as_ref();
        // Until a jump is done, the speaker plays what was before.
        let is_jumping = self.controls.is_jumping(number);
        let playhead = given.filter(|_| !is_jumping).and_then(|given| Some((given.reports.playhead()?, given.rate)));
        let position = match playhead {
            Some(((of, frame), rate)) if of == number => scaled(frame as u64, rate, newest.rate).min(newest.length),
            _ => newest.from,
        };
        let state = match &newest.failed {
            Some(error) => State::Failed(error.clone()),
            None if self.controls.is_stopped(number) => State::Silent,
            None => match given {
                None => State::Opening,
                Some(given) if given.reports.ended() >= number => State::Ended,
                Some(_) => State::Playing,
            },
        };
        let position = if state == State::Ended { newest.length } else { position };
        let gaps = given.map_or(0, |given| given.reports.gaps() - given.gaps);
        Status { number, state, position, gaps }
    }
}

/// The samples of a sound at this rate; those that were made last are kept.
fn at_rate(kept: &mut Option<Resampled>, sound: Sound, rate: u32) -> Result<Arc<[f32]>, String> {
    if sound.rate == rate {
        return Ok(sound.samples);
    }
    let is_same = |kept: &&Resampled| {
        (kept.of.rate, kept.rate) == (sound.rate, rate) && Arc::ptr_eq(&kept.of.samples, &sound.samples)
    };
    if let Some(kept) = kept.as_ref().filter(is_same) {
        return Ok(kept.samples.clone());
    }
    let samples: Arc<[f32]> = resample_to(&sound.samples, sound.rate, rate)?.into();
    *kept = Some(Resampled { of: sound, rate, samples: samples.clone() });
    Ok(samples)
}

/// The speaker, opened if none is.
fn opened<'s>(speaker: &'s mut Option<Speaker>, controls: &Arc<Controls>) -> Result<&'s mut Speaker, PlaybackError> {
    match speaker {
        Some(speaker) => Ok(speaker),
        none => Ok(none.insert(Speaker::open(controls)?)),
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
    /// The last sound that was resampled, while the speaker is open: it is often played again.
    resampled: Option<Resampled>,
}

/// A sound at another rate.
struct Resampled {
    of: Sound,
    rate: u32,
    samples: Arc<[f32]>,
}

impl Worker {
    fn run(&mut self, inbox: &Receiver<Order>) {
        loop {
            let order = match self.speaker {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => inbox.recv_timeout(WATCH),
            };
            match order {
                Ok(Order::Play(sound)) => self.play(sound),
                Ok(Order::Prepare) => self.prepare(),
                Err(RecvTimeoutError::Timeout) => self.watch(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Opens the speaker where none is open. One that is open may be playing: whether it is still the default one is asked
    /// with the next sound.
    fn prepare(&mut self) {
        match opened(&mut self.speaker, &self.controls) {
            Ok(speaker) => speaker.used = Instant::now(),
            Err(error) => tracing::debug!("playback: {error}"),
        }
    }

    fn play(&mut self, order: ToPlay) {
        // Of several sounds that were requested before the speaker is open, only the newest is played.
        if lock(&self.newest).number != order.number || self.controls.is_stopped(order.number) {
            return;
        }
        let number = order.number;
        if let Err(error) = self.begin(order) {
            self.fail(number, error);
        }
    }

    fn begin(&mut self, order: ToPlay) -> Result<(), PlaybackError> {
        let ToPlay { number, sound, from } = order;
        let rate = sound.rate;
        let is_over = |speaker: &Speaker| speaker.is_superseded() || speaker.reports.failure().is_some();
        if self.speaker.as_ref().is_some_and(is_over) {
            self.close();
        }
        let speaker = opened(&mut self.speaker, &self.controls)?;
        let unplayable = |detail: String| PlaybackError::Unsupported { name: speaker.name.clone(), detail };
        let samples = at_rate(&mut self.resampled, sound, speaker.rate).map_err(unplayable)?;
        let mut newest = lock(&self.newest);
        if newest.number != number || newest.failed.is_some() {
            return Ok(());
        }
        // The playhead may have been moved meanwhile.
        let from = if newest.from == from { from } else { newest.from };
        let from = scaled(from, rate, speaker.rate) as usize;
        let reports = speaker.reports.clone();
        newest.given = Some(Given { rate: speaker.rate, gaps: reports.gaps(), reports });
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
        let taken = speaker.reports.taken();
        if taken != speaker.taken {
            (speaker.taken, speaker.moved) = (taken, Instant::now());
        }
        let newest = lock(&self.newest).number;
        let wanted = !self.controls.is_stopped(newest) && speaker.reports.ended() < newest;
        if wanted || speaker.reports.playhead().is_some() {
            speaker.used = Instant::now();
        }
        let name = speaker.name.clone();
        if let Some(detail) = speaker.reports.failure() {
            self.close();
            if wanted {
                self.fail(newest, PlaybackError::Lost { name, detail });
            }
        } else if wanted && speaker.moved.elapsed() > PATIENCE {
            let detail = format!("none for {} s", PATIENCE.as_secs());
            self.close();
            self.fail(newest, PlaybackError::Lost { name, detail });
        } else if speaker.used.elapsed() > LINGER {
            self.close();
        }
    }

    fn close(&mut self) {
        (self.speaker, self.resampled) = (None, None);
    }

    fn fail(&self, number: u64, error: PlaybackError) {
        tracing::warn!("playback: {error}");
        let mut newest = lock(&self.newest);
        if newest.number == number {
            newest.failed = Some(error);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_sound_is_resampled_once_and_another_one_anew() {
        let sound = Sound { samples: vec![0.25; 1600].into(), rate: 16_000 };
        let mut kept = None;
        let first = at_rate(&mut kept, sound.clone(), 48_000).unwrap();
        assert_eq!(first.len(), 4800);
        assert!(Arc::ptr_eq(&first, &at_rate(&mut kept, sound.clone(), 48_000).unwrap()));
        assert!(Arc::ptr_eq(&sound.samples, &at_rate(&mut kept, sound.clone(), 16_000).unwrap()));
        let other = Sound { samples: vec![0.25; 1600].into(), rate: 16_000 };
        assert!(!Arc::ptr_eq(&first, &at_rate(&mut kept, other, 48_000).unwrap()));
        assert_eq!(at_rate(&mut kept, sound, 44_100).unwrap().len(), 4410);
    }

    /// A player whose thread hangs.
    fn hung() -> (Player, Receiver<Order>) {
        let (orders, inbox) = mpsc::channel();
        (Player { controls: Arc::default(), newest: Arc::default(), orders }, inbox)
    }

    #[test]
    fn a_speaker_that_never_opens_is_a_failure_and_a_stopped_sound_is_none() {
        let (player, _inbox) = hung();
        assert_eq!(player.status().state, State::Silent);
        player.play(Sound { samples: vec![0.0; 10].into(), rate: 16_000 }, 0);
        assert_eq!(player.status().state, State::Opening);
        lock(&player.newest).asked = Instant::now().checked_sub(OPENING + WATCH);
        let State::Failed(error) = player.status().state else { unreachable!() };
        assert!(error.to_string().contains("has not opened for 10 s"), "{error}");
        player.play(Sound { samples: vec![0.0; 10].into(), rate: 16_000 }, 0);
        player.stop();
        lock(&player.newest).asked = Instant::now().checked_sub(OPENING + WATCH);
        assert_eq!(player.status().state, State::Silent);
    }

    #[test]
    fn the_playhead_is_where_it_jumps_to_until_that_is_done() {
        let (player, _inbox) = hung();
        let number = player.play(Sound { samples: vec![0.0; 16_000].into(), rate: 16_000 }, 0);
        let reports = Arc::<Reports>::default();
        let (mut voice, mut feed) = crate::audio::voice::voice(&player.controls, &reports, 48_000);
        lock(&player.newest).given = Some(Given { rate: 48_000, reports, gaps: 0 });
        feed.play(Loaded { number, samples: vec![0.0; 48_000].into(), from: 0 });
        let mut out = [0.0f32; 2400];
        voice.fill(&mut out, 1, 0);
        voice.fill(&mut out, 1, 0);
        assert_eq!(player.status().position, 800);
        player.seek(8_000);
        assert_eq!(player.status().position, 8_000, "not back to where it plays for a moment more");
        voice.fill(&mut out, 1, 0);
        assert!((8_000..9_000).contains(&player.status().position));
    }
}
