//! The part of playback that runs on the speaker's real-time thread: it fills the driver's buffers from a sound in
//! memory. It neither locks, nor allocates, nor makes a system call; orders come as atomics and through a ring.
//!
//! Every change (another sound, a jump, a stop) fades out first, so that it does not click.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use cpal::{FromSample, SizedSample};
use rtrb::{Consumer, Producer, RingBuffer};

/// Sounds that may wait to be played: only the newest is.
const WAITING: usize = 8;
/// How long a fade takes, in fractions of a second: 4 ms.
const FADES_PER_S: u32 = 250;
/// No jump is wanted.
const NOWHERE: u64 = u64::MAX;
/// Bits of a frame's number in one atomic; the sound's number is above them.
const FRAME_BITS: u32 = 40;

/// A sound at the speaker's own rate.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    /// Its number: counted from 1, a newer sound has a greater one.
    pub number: u64,
    /// Mono samples.
    pub samples: Arc<[f32]>,
    /// The frame to begin at.
    pub from: usize,
}

/// Orders to the real-time thread, whichever speaker it fills.
#[derive(Debug)]
pub(super) struct Controls {
    /// Bits of an `f32`.
    volume: AtomicU32,
    looped: AtomicBool,
    /// Sounds up to this number are stopped.
    stopped: AtomicU64,
    /// The number of a sound and the frame of it to go on at, until that is done.
    jump: AtomicU64,
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            volume: AtomicU32::new(1.0f32.to_bits()),
            looped: AtomicBool::new(false),
            stopped: AtomicU64::new(0),
            jump: AtomicU64::new(NOWHERE),
        }
    }
}

impl Controls {
    /// Sets the volume: 1 leaves samples as they are.
    pub fn set_volume(&self, volume: f32) {
        self.volume.store(volume.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
    }

    /// Plays a sound again and again, or once.
    pub fn set_looped(&self, looped: bool) {
        self.looped.store(looped, Ordering::Relaxed);
    }

    /// Stops every sound up to this number, also one that still waits.
    pub fn stop(&self, number: u64) {
        self.stopped.fetch_max(number, Ordering::Relaxed);
    }

    /// Whether this sound was stopped.
    pub fn is_stopped(&self, number: u64) -> bool {
        self.stopped.load(Ordering::Relaxed) >= number
    }

    /// Goes on at this frame of this sound.
    pub fn jump(&self, number: u64, frame: usize) {
        self.jump.store(packed(number, frame as u64), Ordering::Release);
    }

    /// Whether a jump in this sound is not done yet.
    pub fn is_jumping(&self, number: u64) -> bool {
        self.wished_jump().is_some_and(|jump| unpacked(jump).0 == number)
    }

    fn wished_jump(&self) -> Option<u64> {
        let jump = self.jump.load(Ordering::Acquire);
        (jump != NOWHERE).then_some(jump)
    }

    /// Removes a jump that is done, unless another one is wanted meanwhile.
    fn was_jumped(&self, jump: u64) {
        let _ = self.jump.compare_exchange(jump, NOWHERE, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// What the real-time thread of one speaker reports. Each speaker has its own: one that is being closed may still write.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// The number of the sound that plays and the frame of it that leaves the speaker.
    playhead: AtomicU64,
    /// The number of the last sound that was played to its end.
    ended: AtomicU64,
    /// Buffers that the driver has taken.
    taken: AtomicU64,
    /// Times the driver ran out of samples while a sound played.
    gaps: AtomicU64,
    /// Why the driver failed, if it did. Written by its error callback, never by the data callback.
    failure: Mutex<Option<String>>,
}

impl Reports {
    /// The number of the sound that plays, and the frame that leaves the speaker; `None` in silence.
    pub fn playhead(&self) -> Option<(u64, usize)> {
        let playhead = self.playhead.load(Ordering::Relaxed);
        (playhead != 0).then(|| unpacked(playhead)).map(|(number, frame)| (number, frame as usize))
    }

    /// The number of the last sound that was played to its end.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Buffers that the driver has taken so far.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Times the driver ran out of samples while a sound played: each is an audible gap.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }

    /// Counts a time when the driver ran out of samples, unless there was silence.
    pub fn gap(&self) {
        if self.playhead.load(Ordering::Relaxed) != 0 {
            self.gaps.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records the first failure of the driver.
    pub fn fail(&self, reason: impl FnOnce() -> String) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(reason);
    }

    /// Why the driver failed, if it did.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A sound's number and a frame in one atomic.
fn packed(number: u64, frame: u64) -> u64 {
    (number << FRAME_BITS) | frame.min((1 << FRAME_BITS) - 1)
}

fn unpacked(packed: u64) -> (u64, u64) {
    (packed >> FRAME_BITS, packed & ((1 << FRAME_BITS) - 1))
}

/// What the real-time thread does at the end of a fade.
#[derive(Debug)]
enum Turn {
    /// As [`Controls`] has it.
    Jump(u64),
    Begin(Loaded),
    Stop,
}

/// Fills the driver's buffers.
#[derive(Debug)]
pub(super) struct Voice {
    controls: Arc<Controls>,
    reports: Arc<Reports>,
    waiting: Consumer<Loaded>,
    /// Sounds that are done: their memory is freed elsewhere.
    done: Producer<Loaded>,
    playing: Option<Loaded>,
    /// The number of the newest sound that was given.
    newest: u64,
    /// The next frame of the sound.
    at: usize,
    /// The frame that would have been first if it had played without an end; negative after the first round of a loop.
    origin: i64,
    /// Frames filled since then.
    filled: i64,
    turn: Option<Turn>,
    gain: f32,
    /// The most that the gain changes from one frame to the next.
    step: f32,
}

/// The other end of a [`Voice`].
#[derive(Debug)]
pub(super) struct Feed {
    waiting: Producer<Loaded>,
    done: Consumer<Loaded>,
}

/// Both ends, for a speaker of this rate.
pub(super) fn voice(controls: &Arc<Controls>, reports: &Arc<Reports>, rate: u32) -> (Voice, Feed) {
    let (waiting_in, waiting) = RingBuffer::new(WAITING);
    // Those that wait, the one that plays and the one that is next: there is always room.
    let (done, done_out) = RingBuffer::new(WAITING + 2);
    let voice = Voice {
        controls: controls.clone(),
        reports: reports.clone(),
        waiting,
        done,
        playing: None,
        newest: 0,
        at: 0,
        origin: 0,
        filled: 0,
        turn: None,
        gain: 0.0,
        step: FADES_PER_S as f32 / rate.max(1) as f32,
    };
    (voice, Feed { waiting: waiting_in, done: done_out })
}

impl Feed {
    /// Gives the next sound to play in place of the one before. `false` when too many wait already.
    pub fn play(&mut self, sound: Loaded) -> bool {
        self.tidy();
        self.waiting.push(sound).is_ok()
    }

    /// Frees the memory of sounds that are done.
    pub fn tidy(&mut self) {
        while self.done.pop().is_ok() {}
    }
}

impl Voice {
    /// Fills a buffer of interleaved channels, whose first frame leaves the speaker `delay` frames from now.
    pub fn fill<T: SizedSample + FromSample<f32>>(&mut self, interleaved: &mut [T], channels: usize, delay: usize) {
        self.reports.taken.fetch_add(1, Ordering::Relaxed);
        let volume = f32::from_bits(self.controls.volume.load(Ordering::Relaxed));
        let looped = self.controls.looped.load(Ordering::Relaxed);
        self.read_orders();
        self.report(delay, looped);
        for frame in interleaved.chunks_mut(channels.max(1)) {
            frame.fill(T::from_sample(self.next(volume, looped)));
        }
    }

    /// Reads what is wanted now.
    fn read_orders(&mut self) {
        while let Ok(sound) = self.waiting.pop() {
            self.newest = sound.number;
            if let Some(Turn::Begin(before)) = self.turn.replace(Turn::Begin(sound)) {
                self.retire(before);
            }
        }
        if let Some(jump) = self.controls.wished_jump() {
            let (number, frame) = unpacked(jump);
            match (&mut self.turn, &self.playing) {
                // It has not begun yet: it begins there.
                (Some(Turn::Begin(next)), _) if next.number == number => {
                    next.from = frame as usize;
                    self.controls.was_jumped(jump);
                }
                (None | Some(Turn::Jump(_)), Some(playing)) if playing.number == number => {
                    self.turn = Some(Turn::Jump(jump));
                }
                // A sound of before; one that is newer waits in the ring.
                _ if number <= self.newest => self.controls.was_jumped(jump),
                _ => {}
            }
        }
        if let Some(Turn::Begin(next)) = &self.turn
            && self.controls.is_stopped(next.number)
            && let Some(Turn::Begin(next)) = self.turn.take()
        {
            self.retire(next);
        }
        let stopped = self.playing.as_ref().is_some_and(|playing| self.controls.is_stopped(playing.number));
        if stopped && !matches!(self.turn, Some(Turn::Begin(_))) {
            self.turn = Some(Turn::Stop);
        }
    }

    /// Publishes which frame leaves the speaker: those before it are out of the driver's buffer.
    fn report(&mut self, delay: usize, looped: bool) {
        let Some(playing) = &self.playing else {
            self.reports.playhead.store(0, Ordering::Relaxed);
            return;
        };
        let (number, length) = (playing.number, playing.samples.len() as i64);
        let mut leaving = self.origin + (self.filled - delay as i64).max(0);
        if looped || leaving < 0 {
            leaving = leaving.rem_euclid(length.max(1));
        }
        let is_left = matches!(self.turn, Some(Turn::Jump(_)));
        if leaving >= length && self.at >= playing.samples.len() && !is_left {
            self.reports.ended.fetch_max(number, Ordering::Relaxed);
            self.reports.playhead.store(0, Ordering::Relaxed);
            if let Some(playing) = self.playing.take() {
                self.retire(playing);
            }
            return;
        }
        let frame = leaving.clamp(0, length) as u64;
        self.reports.playhead.store(packed(number, frame), Ordering::Relaxed);
    }

    /// The next sample.
    fn next(&mut self, volume: f32, looped: bool) -> f32 {
        if self.turn.is_some() && (self.gain <= 0.0 || self.is_over()) {
            self.take_turn(volume);
        }
        let target = if self.turn.is_some() { 0.0 } else { volume };
        self.gain += (target - self.gain).clamp(-self.step, self.step);
        let Some(playing) = &self.playing else { return 0.0 };
        self.filled += 1;
        if self.at >= playing.samples.len() {
            if !looped || playing.samples.is_empty() {
                return 0.0;
            }
            self.origin -= playing.samples.len() as i64;
            self.at = 0;
        }
        let sample = playing.samples[self.at];
        self.at += 1;
        sample * self.gain
    }

    fn is_over(&self) -> bool {
        self.playing.as_ref().is_none_or(|playing| self.at >= playing.samples.len())
    }

    fn take_turn(&mut self, volume: f32) {
        let turn = self.turn.take();
        let jump = if let Some(Turn::Jump(jump)) = &turn { Some(*jump) } else { None };
        let from = match turn {
            None => return,
            Some(Turn::Stop) => {
                if let Some(playing) = self.playing.take() {
                    self.retire(playing);
                }
                return;
            }
            Some(Turn::Jump(jump)) => unpacked(jump).1 as usize,
            Some(Turn::Begin(sound)) => {
                let from = sound.from;
                if let Some(before) = self.playing.replace(sound) {
                    self.retire(before);
                }
                from
            }
        };
        let length = self.playing.as_ref().map_or(0, |playing| playing.samples.len());
        self.at = from.min(length);
        (self.origin, self.filled) = (self.at as i64, 0);
        if let (Some(jump), Some(playing)) = (jump, &self.playing) {
            // The playhead is there as soon as the jump counts as done.
            self.reports.playhead.store(packed(playing.number, self.at as u64), Ordering::Relaxed);
            self.controls.was_jumped(jump);
        }
        // A sound begins as it is; from its middle it fades in.
        self.gain = if self.at == 0 { volume } else { 0.0 };
    }

    fn retire(&mut self, sound: Loaded) {
        // There is room: it has as many places as there can be sounds.
        let _ = self.done.push(sound);
    }
}

#[cfg(test)]
#[path = "voice_tests.rs"]
mod tests;
