//! The worker: keeps the source open, hears it, and hands a window to the scoring thread each hop.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use super::{
    Listener, LiveEvent, Window, Windows,
    outbox::{self, Inbox, Outbox},
    recording::{Recent, Recording},
    scoring::{Scored, Scoring, ScoringQueue},
    source::{Line, Source},
    windower::Windower,
};
use crate::infer::Gains;

/// How often the ring is emptied.
const POLL: Duration = Duration::from_millis(8);
/// How long a device may be late before it is said to have stopped. What happens to it must be named within 2 s.
const STALLED: Duration = Duration::from_millis(1500);
/// How long a device may take to deliver its first sound: sound servers wake sleeping hardware.
const FIRST_SOUND: Duration = Duration::from_secs(4);
/// How long there may be nothing but zeros before it is called muted: even a quiet room is not zero.
const MUTED: Duration = Duration::from_millis(1500);
/// How often the system is asked whether another device became the default.
const LOOK_ROUND: Duration = Duration::from_millis(500);
/// Pause before the first attempt to open again; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// By how much the clock that never stands still must run ahead of the running time to tell that the machine slept.
const SLEPT: Duration = Duration::from_secs(3);
/// How long nothing may be looked at before it is said that the process was stopped: what the driver has gathered
/// meanwhile is old.
const STOPPED: Duration = Duration::from_millis(1500);
/// Window when nobody listens, frames.
const IDLE_WINDOW: usize = 1000;

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Seconds between two answers.
    pub hop_s: f32,
    /// Seconds of sound that are scored; `None`: what the longest listener hears at once.
    pub window_s: Option<f32>,
    /// Whether the ears stay after a file's end, to answer its last window with other gains until they are stopped.
    pub linger: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { hop_s: 0.25, window_s: None, linger: false }
    }
}

/// A running pipeline. Dropping it stops it, without waiting for a driver that may hang.
pub struct Pipeline {
    inbox: Inbox,
    recording: Arc<Mutex<Option<Recording>>>,
    queue: Arc<ScoringQueue>,
    stop: Arc<AtomicBool>,
    worker: Thread,
}

impl Pipeline {
    /// Opens the source on a worker's thread and begins to listen. Everything that goes well or wrong from then on is
    /// told as an event.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(source: Box<dyn Source>, listeners: Vec<Box<dyn Listener>>, settings: Settings) -> io::Result<Self> {
        Self::start_by(sleepless, source, listeners, settings)
    }

    /// The same by another clock: a test has no machine to put to sleep.
    fn start_by(
        sleepless: fn() -> Duration,
        source: Box<dyn Source>,
        listeners: Vec<Box<dyn Listener>>,
        settings: Settings,
    ) -> io::Result<Self> {
        let (outbox, inbox) = outbox::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let longest = listeners.iter().map(|listener| listener.frames()).max().unwrap_or(IDLE_WINDOW);
        let windows = Windows { frames: settings.window_s.map_or(longest, in_frames), hop: in_frames(settings.hop_s) };
        let names = listeners.iter().map(|listener| listener.name().to_owned()).collect();
        let recording = Arc::new(Mutex::new(None));
        let scoring = Scoring::start(listeners, outbox.clone())?;
        let queue = scoring.queue();
        let worker = Worker {
            source,
            outbox,
            windows,
            names,
            linger: settings.linger,
            stop: stop.clone(),
            recording: recording.clone(),
            recent: Recent::default(),
            opened: None,
            heard_to_s: 0.0,
            dropped_before: 0,
            problem: None,
            sleepless,
            clocks: (Instant::now(), sleepless()),
        };
        let handle = thread::Builder::new().name("live-hear".into()).spawn(move || worker.run(scoring))?;
        Ok(Self { inbox, recording, queue, stop, worker: handle.thread().clone() })
    }

    /// What the pipeline tells.
    pub fn events(&self) -> &Inbox {
        &self.inbox
    }

    /// Turns the adapters of one ear, counted from 0; the window on the screen is answered again at once. While gains
    /// are not neutral, answers come with the untouched one beside them.
    pub fn set_gains(&self, listener: usize, gains: Gains) {
        self.queue.set_gains(listener, gains);
    }

    /// Keeps to the window that was answered last, or follows what is heard again. Windower goes on meanwhile.
    pub fn hold(&self, held: bool) {
        self.queue.hold(held);
    }

    /// The window that was answered last, with what was said of it, for a [`Bookmark`](super::Bookmark).
    pub fn scored(&self) -> Option<Scored> {
        self.queue.scored()
    }

    /// Begins to keep what is heard, for a [`Lesson`](super::Lesson); what was kept before and not taken is forgotten.
    pub fn record(&self) {
        *lock(&self.recording) = Some(Recording::default());
    }

    /// Ends the recording and gives it: 16 kHz mono, as the ears heard it, from a little before it was asked for, a
    /// second at least where so much was heard, at most ten minutes. Nothing when [`Pipeline::record`] was not called.
    pub fn recorded(&self) -> Vec<f32> {
        lock(&self.recording).take().map(Recording::end).unwrap_or_default()
    }

    /// Asks it to end: [`LiveEvent::Closed`] follows.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.worker.unpark();
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock(recording: &Mutex<Option<Recording>>) -> MutexGuard<'_, Option<Recording>> {
    recording.lock().unwrap_or_else(PoisonError::into_inner)
}

fn in_frames(seconds: f32) -> usize {
    (seconds * 100.0).round().max(1.0) as usize
}

/// The open source and how it does.
struct Up {
    line: Line,
    windower: Windower,
    delivered: bool,
    /// Since when there have been nothing but zeros.
    zeros_since: Option<Instant>,
    looked_round: Instant,
}

struct Worker {
    source: Box<dyn Source>,
    outbox: Outbox,
    windows: Windows,
    names: Vec<String>,
    linger: bool,
    stop: Arc<AtomicBool>,
    /// What is being recorded, while someone wants it.
    recording: Arc<Mutex<Option<Recording>>>,
    recent: Recent,
    /// When the source was first opened: second 0 of the stream.
    opened: Option<Instant>,
    heard_to_s: f64,
    /// Samples dropped by lines that are closed.
    dropped_before: u64,
    /// The problem that was told last and holds on.
    problem: Option<String>,
    sleepless: fn() -> Duration,
    /// Running time, which stands still while the machine sleeps, and that of the clock that does not.
    clocks: (Instant, Duration),
}

impl Worker {
    fn run(mut self, scoring: Scoring) {
        let mut pause = FIRST_PAUSE;
        let mut deliveries = Vec::new();
        while !self.stopped() {
            let up = match self.open() {
                Ok(up) => up,
                Err(reason) => {
                    self.trouble(reason);
                    if !self.source.is_device() {
                        break;
                    }
                    self.rest(pause);
                    pause = (pause * 2).min(LAST_PAUSE);
                    continue;
                }
            };
            let delivered = self.receive(up, &scoring, &mut deliveries);
            if !self.source.is_device() {
                return self.end(scoring);
            }
            // A device that opens and delivers nothing is tried less and less often.
            pause = if delivered { FIRST_PAUSE } else { (pause * 2).min(LAST_PAUSE) };
            self.rest(pause);
        }
        scoring.abandon();
        self.outbox.send(LiveEvent::Closed);
        self.outbox.close();
    }

    /// The end of a file: its last window is answered, and with other gains as often as somebody likes.
    fn end(&self, scoring: Scoring) {
        if self.linger {
            scoring.settle();
            self.outbox.send(LiveEvent::Closed);
            while !self.stopped() {
                thread::park();
            }
            scoring.abandon();
        } else {
            scoring.finish();
            self.outbox.send(LiveEvent::Closed);
        }
        self.outbox.close();
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sleeps, but wakes when asked to stop.
    fn rest(&self, pause: Duration) {
        let end = Instant::now() + pause;
        while !self.stopped() && Instant::now() < end {
            thread::park_timeout(end.saturating_duration_since(Instant::now()));
        }
    }

    fn open(&mut self) -> Result<Up, String> {
        let line = self.source.open()?;
        let now = Instant::now();
        let base_s = match self.opened {
            Some(opened) => self.heard_to_s.max(opened.elapsed().as_secs_f64()),
            None => 0.0,
        };
        let windower = Windower::new(line.rate, base_s, self.windows)?;
        if self.opened.is_none() {
            self.opened = Some(now);
            self.problem = None;
            self.outbox.send(LiveEvent::Opened {
                source: line.name.clone(),
                rate: line.rate,
                channels: line.channels,
                window_s: self.windows.frames as f32 / 100.0,
                hop_s: self.windows.hop as f32 / 100.0,
                listeners: self.names.clone(),
            });
            for note in &line.notes {
                self.outbox.send(LiveEvent::Note(format!("{}: {note}", line.name)));
            }
        }
        Ok(Up { line, windower, delivered: false, zeros_since: None, looked_round: now })
    }

    /// Hears the line until it ends, fails or is to be left; says whether it delivered anything.
    fn receive(&mut self, mut up: Up, scoring: &Scoring, delivery: &mut Vec<f32>) -> bool {
        let mut dropped = 0;
        // Opening and resting took as long as they did.
        self.clocks = (Instant::now(), (self.sleepless)());
        let reason = loop {
            if self.stopped() {
                break None;
            }
            // Whether it was over is asked first: what came before the end is still in the ring then.
            let over = up.line.reader.is_over();
            delivery.clear();
            while let Some(captured) = up.line.reader.pull(delivery) {
                self.take(&mut up, delivery, captured, scoring);
                delivery.clear();
            }
            if up.line.reader.dropped() != dropped {
                dropped = up.line.reader.dropped();
                self.outbox.send(LiveEvent::Dropped(self.dropped_before + dropped));
            }
            if over {
                let closed = || format!("{}: the device was closed", up.line.name);
                break self.source.is_device().then(closed);
            }
            if self.source.is_device()
                && let Some(reason) = self.failing(&mut up)
            {
                break Some(reason);
            }
            thread::park_timeout(POLL);
        };
        if let Some(reason) = reason {
            self.trouble(reason);
        } else if !self.stopped() {
            let rest = up.windower.finish();
            self.emit(rest, scoring);
        }
        self.heard_to_s = up.windower.time_s();
        self.dropped_before += dropped;
        up.delivered
    }

    fn take(&mut self, up: &mut Up, delivery: &[f32], captured: Instant, scoring: &Scoring) {
        let is_silent = self.source.is_device() && delivery.iter().all(|&sample| sample == 0.0);
        up.zeros_since = if is_silent { up.zeros_since.or(Some(Instant::now())) } else { None };
        let muted = up.zeros_since.is_some_and(|since| since.elapsed() > MUTED);
        if muted {
            self.trouble(format!("{}: nothing but zeros; is the microphone muted?", up.line.name));
        } else if self.problem.is_some() && (!is_silent || !up.delivered) {
            self.problem = None;
            self.outbox.send(LiveEvent::Recovered {
                source: up.line.name.clone(),
                rate: up.line.rate,
                channels: up.line.channels,
            });
        }
        up.delivered = true;
        let heard = up.windower.push(delivery, captured);
        let fresh = up.windower.fresh();
        if let Some(recording) = &mut *lock(&self.recording) {
            recording.push(&self.recent, fresh);
        }
        self.recent.push(fresh);
        self.emit(heard, scoring);
    }

    fn emit(&self, (event, windows): (Option<LiveEvent>, Vec<Window>), scoring: &Scoring) {
        if let Some(event) = event {
            self.outbox.send(event);
        }
        for window in windows {
            scoring.submit(window);
        }
    }

    /// Why the device must be opened again, if it must.
    fn failing(&mut self, up: &mut Up) -> Option<String> {
        let reader = &up.line.reader;
        let patience = if up.delivered { STALLED } else { FIRST_SOUND };
        let reason = if let Some(reason) = self.absent() {
            reason
        } else if let Some(failure) = reader.failure() {
            failure
        } else if reader.quiet_for() > patience && up.delivered {
            "the device stopped delivering sound".to_owned()
        } else if reader.quiet_for() > patience {
            "the device opened but delivers no sound".to_owned()
        } else if up.looked_round.elapsed() > LOOK_ROUND {
            up.looked_round = Instant::now();
            return self.source.superseded(&up.line);
        } else {
            return None;
        };
        Some(format!("{}: {reason}", up.line.name))
    }

    /// Why nobody was here since this was last asked, if so: the machine slept, or the process was stopped.
    fn absent(&mut self) -> Option<String> {
        let now = (Instant::now(), (self.sleepless)());
        let (running, sleepless) = std::mem::replace(&mut self.clocks, now);
        let ran = now.0 - running;
        let ahead = now.1.saturating_sub(sleepless).saturating_sub(ran);
        if ahead > SLEPT {
            Some(format!("the machine slept for {} s", ahead.as_secs()))
        } else {
            (ran > STOPPED).then(|| format!("this program was stopped for {:.1} s", ran.as_secs_f64()))
        }
    }

    /// Tells a problem, once.
    fn trouble(&mut self, reason: String) {
        if self.problem.as_ref() != Some(&reason) {
            self.outbox.send(LiveEvent::Problem(reason.clone()));
            self.problem = Some(reason);
        }
    }
}

/// Time of a clock that runs on while the machine sleeps.
fn sleepless() -> Duration {
    #[cfg(target_os = "linux")]
    if let Ok(time) = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME) {
        return time.into();
    }
    // The calendar's, elsewhere: when it is set forward, the microphone is opened once more for nothing.
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
