//! The worker thread: keeps the source open, reads it, and passes a window to the scoring thread every hop.

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
/// How late a delivery may be before the device counts as stopped. A failure must be reported within 2 s.
const STALLED: Duration = Duration::from_millis(1500);
/// How long a device may take to deliver its first sound: sound servers wake sleeping hardware.
const FIRST_SOUND: Duration = Duration::from_secs(4);
/// How long there may be only zeros before the device counts as muted: even a quiet room is not zero.
const MUTED: Duration = Duration::from_millis(1500);
/// How often the system is asked whether the default device has changed.
const LOOK_ROUND: Duration = Duration::from_millis(500);
/// Pause before the first attempt to open again; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// How far the clock that runs during sleep must be ahead of the one that does not to show that the machine slept.
const SLEPT: Duration = Duration::from_secs(3);
/// A gap between two polls from which the process counts as stopped: what the driver has buffered meanwhile is old.
const STOPPED: Duration = Duration::from_millis(1500);
/// Frames of a window when there is no listener.
const IDLE_WINDOW: usize = 1000;

/// Settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Seconds between two predictions.
    pub hop_s: f32,
    /// Seconds of sound that are scored; `None`: the longest window of any listener.
    pub window_s: Option<f32>,
    /// Whether the listeners stay after a file's end, to score its last window with other gains until they are stopped.
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
    /// Opens the source on a worker thread and begins to listen. From then on, success and failure are reported as
    /// events.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(source: Box<dyn Source>, listeners: Vec<Box<dyn Listener>>, settings: Settings) -> io::Result<Self> {
        Self::start_by(sleepless, source, listeners, settings)
    }

    /// The same with another clock, for tests.
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

    /// The pipeline's events.
    pub fn events(&self) -> &Inbox {
        &self.inbox
    }

    /// Sets the gains of one listener, counted from 0, and scores the last window again at once. While gains are not
    /// neutral, predictions carry the scores with neutral gains beside them.
    pub fn set_gains(&self, listener: usize, gains: Gains) {
        self.queue.set_gains(listener, gains);
    }

    /// Keeps scoring the last window, or follows the sound again. Sound is still read meanwhile.
    pub fn hold(&self, held: bool) {
        self.queue.hold(held);
    }

    /// The last scored window with its predictions, for a [`Bookmark`](super::Bookmark).
    pub fn scored(&self) -> Option<Scored> {
        self.queue.scored()
    }

    /// Begins to record for a [`Lesson`](super::Lesson); an earlier recording that was not taken is discarded.
    pub fn record(&self) {
        *lock(&self.recording) = Some(Recording::default());
    }

    /// Ends the recording and returns it: 16 kHz mono, as the listeners got it, from a little before the call, at least
    /// a second where so much was captured, at most ten minutes. Nothing when [`Pipeline::record`] was not called.
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

/// The open source and its condition.
struct Up {
    line: Line,
    windower: Windower,
    delivered: bool,
    /// Since when there have been only zeros.
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
    /// The current recording, if any.
    recording: Arc<Mutex<Option<Recording>>>,
    recent: Recent,
    /// When the source was first opened: second 0 of the stream.
    opened: Option<Instant>,
    heard_to_s: f64,
    /// Samples dropped by sources that are closed.
    dropped_before: u64,
    /// The last reported problem, while it lasts.
    problem: Option<String>,
    sleepless: fn() -> Duration,
    /// Running time, which stops while the machine sleeps, and time that does not.
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
            // A device that opens and delivers nothing is retried less and less often.
            pause = if delivered { FIRST_PAUSE } else { (pause * 2).min(LAST_PAUSE) };
            self.rest(pause);
        }
        scoring.abandon();
        self.outbox.send(LiveEvent::Closed);
        self.outbox.close();
    }

    /// The end of a file: its last window is scored, and again whenever gains change.
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

    /// Reads the source until it ends, fails or is to be left; returns whether it delivered anything.
    fn receive(&mut self, mut up: Up, scoring: &Scoring, delivery: &mut Vec<f32>) -> bool {
        let mut dropped = 0;
        // Do not count the time spent opening and waiting.
        self.clocks = (Instant::now(), (self.sleepless)());
        let reason = loop {
            if self.stopped() {
                break None;
            }
            // Check for the end first: what came before the end is still in the ring then.
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

    /// Why the device must be opened again, if so.
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

    /// Why nothing was polled since the last call, if so: the machine slept, or the process was stopped.
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

    /// Reports a problem, once.
    fn trouble(&mut self, reason: String) {
        if self.problem.as_ref() != Some(&reason) {
            self.outbox.send(LiveEvent::Problem(reason.clone()));
            self.problem = Some(reason);
        }
    }
}

/// Time of a clock that also runs while the machine sleeps.
fn sleepless() -> Duration {
    #[cfg(target_os = "linux")]
    if let Ok(time) = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME) {
        return time.into();
    }
    // Elsewhere it is the calendar's: setting it forward reopens the microphone once without need.
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
