//! The worker: keeps the source open, hears it, and hands a window to the scoring thread each hop.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant, SystemTime},
};

use super::{
    Listener, LiveEvent, Window, Windows,
    hearing::Hearing,
    outbox::{self, Inbox, Outbox},
    scoring::Scoring,
    source::{Line, Source},
};

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
/// By how much the calendar clock must run ahead of the running time to tell that the machine slept.
const SLEPT: Duration = Duration::from_secs(3);
/// Window when nobody listens, frames.
const IDLE_WINDOW: usize = 1000;

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Seconds between two answers.
    pub hop_s: f32,
    /// Seconds of sound that are scored; `None`: what the longest listener hears at once.
    pub window_s: Option<f32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { hop_s: 0.25, window_s: None }
    }
}

/// A running pipeline. Dropping it stops it, without waiting for a driver that may hang.
#[derive(Debug)]
pub struct Pipeline {
    inbox: Inbox,
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
        let (outbox, inbox) = outbox::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let longest = listeners.iter().map(|listener| listener.frames()).max().unwrap_or(IDLE_WINDOW);
        let windows = Windows { frames: settings.window_s.map_or(longest, in_frames), hop: in_frames(settings.hop_s) };
        let names = listeners.iter().map(|listener| listener.name().to_owned()).collect();
        let scoring = Scoring::start(listeners, outbox.clone())?;
        let worker = Worker {
            source,
            outbox,
            windows,
            names,
            stop: stop.clone(),
            opened: None,
            heard_to_s: 0.0,
            dropped_before: 0,
            problem: None,
            clocks: (Instant::now(), SystemTime::now()),
        };
        let handle = thread::Builder::new().name("live-hear".into()).spawn(move || worker.run(scoring))?;
        Ok(Self { inbox, stop, worker: handle.thread().clone() })
    }

    /// What the pipeline tells.
    pub fn events(&self) -> &Inbox {
        &self.inbox
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

fn in_frames(seconds: f32) -> usize {
    (seconds * 100.0).round().max(1.0) as usize
}

/// The open source and how it does.
struct Up {
    line: Line,
    hearing: Hearing,
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
    stop: Arc<AtomicBool>,
    /// When the source was first opened: second 0 of the stream.
    opened: Option<Instant>,
    heard_to_s: f64,
    /// Samples dropped by lines that are closed.
    dropped_before: u64,
    /// The problem that was told last and holds on.
    problem: Option<String>,
    /// Running time, which stands still while the machine sleeps, and the calendar's, which does not.
    clocks: (Instant, SystemTime),
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
            let delivered = self.hear(up, &scoring, &mut deliveries);
            if !self.source.is_device() {
                scoring.finish();
                self.outbox.send(LiveEvent::Closed);
                self.outbox.close();
                return;
            }
            // A device that opens and delivers nothing is tried less and less often.
            pause = if delivered { FIRST_PAUSE } else { (pause * 2).min(LAST_PAUSE) };
            self.rest(pause);
        }
        scoring.abandon();
        self.outbox.send(LiveEvent::Closed);
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
        let hearing = Hearing::new(line.rate, base_s, self.windows)?;
        if self.opened.is_none() {
            self.opened = Some(now);
            self.problem = None;
            self.outbox.send(LiveEvent::Opened {
                source: line.name.clone(),
                rate: line.rate,
                channels: line.channels,
                window_s: self.windows.frames as f32 / 100.0,
                hop_s: self.windows.hop as f32 / 100.0,
                ears: self.names.clone(),
            });
        }
        Ok(Up { line, hearing, delivered: false, zeros_since: None, looked_round: now })
    }

    /// Hears the line until it ends, fails or is to be left; says whether it delivered anything.
    fn hear(&mut self, mut up: Up, scoring: &Scoring, delivery: &mut Vec<f32>) -> bool {
        let mut dropped = 0;
        let reason = loop {
            if self.stopped() {
                break None;
            }
            // Whether it was over is asked first: what came before the end is still in the ring then.
            let over = up.line.tap.is_over();
            delivery.clear();
            while let Some(captured) = up.line.tap.pull(delivery) {
                self.take(&mut up, delivery, captured, scoring);
                delivery.clear();
            }
            if up.line.tap.dropped() != dropped {
                dropped = up.line.tap.dropped();
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
            let rest = up.hearing.finish();
            self.tell(rest, scoring);
        }
        self.heard_to_s = up.hearing.time_s();
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
        let heard = up.hearing.push(delivery, captured);
        self.tell(heard, scoring);
    }

    fn tell(&self, (event, windows): (Option<LiveEvent>, Vec<Window>), scoring: &Scoring) {
        if let Some(event) = event {
            self.outbox.send(event);
        }
        for window in windows {
            scoring.submit(window);
        }
    }

    /// Why the device must be opened again, if it must.
    fn failing(&mut self, up: &mut Up) -> Option<String> {
        let tap = &up.line.tap;
        let patience = if up.delivered { STALLED } else { FIRST_SOUND };
        let reason = if let Some(slept) = self.slept() {
            format!("the machine slept for {} s", slept.as_secs())
        } else if let Some(failure) = tap.failure() {
            failure
        } else if tap.quiet_for() > patience && up.delivered {
            "the device stopped delivering sound".to_owned()
        } else if tap.quiet_for() > patience {
            "the device opened but delivers no sound".to_owned()
        } else if up.looked_round.elapsed() > LOOK_ROUND {
            up.looked_round = Instant::now();
            return self.source.superseded(&up.line);
        } else {
            return None;
        };
        Some(format!("{}: {reason}", up.line.name))
    }

    /// How long the machine slept since this was last asked, if it did.
    fn slept(&mut self) -> Option<Duration> {
        let (running, calendar) = std::mem::replace(&mut self.clocks, (Instant::now(), SystemTime::now()));
        let ahead = calendar.elapsed().unwrap_or_default().saturating_sub(running.elapsed());
        (ahead > SLEPT).then_some(ahead)
    }

    /// Tells a problem, once.
    fn trouble(&mut self, reason: String) {
        if self.problem.as_ref() != Some(&reason) {
            self.outbox.send(LiveEvent::Problem(reason.clone()));
            self.problem = Some(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::{
        collections::VecDeque,
        sync::mpsc::{self, Receiver, Sender},
    };

    use super::*;
    use crate::{
        audio::tap::{Feed, wire},
        infer::Score,
        live::{LiveState, LiveStatus},
    };

    /// What a scripted device does while it is open.
    type Script = Box<dyn FnOnce(&mut Feed) + Send>;

    /// A source whose every opening plays the next script; with none left it cannot be opened.
    struct Scripted {
        device: bool,
        rate: u32,
        channels: u16,
        scripts: VecDeque<Script>,
    }

    impl Source for Scripted {
        fn open(&mut self) -> Result<Line, String> {
            let script = self.scripts.pop_front().ok_or("unplugged")?;
            let (mut feed, tap) = wire(self.rate, self.channels);
            thread::spawn(move || script(&mut feed));
            Ok(Line { name: "scripted".into(), rate: self.rate, channels: self.channels, tap, kept: Box::new(()) })
        }

        fn is_device(&self) -> bool {
            self.device
        }
    }

    /// Answers with the number of frames and the first value that it got; waits for leave, if it was given a gate.
    struct Counting {
        frames: usize,
        gate: Option<Receiver<()>>,
    }

    impl Listener for Counting {
        fn name(&self) -> &str {
            "counting"
        }

        fn frames(&self) -> usize {
            self.frames
        }

        fn score(&mut self, window: &Window) -> Result<Vec<Score>, String> {
            if let Some(gate) = &self.gate {
                gate.recv().map_err(|_| "nobody opens the gate")?;
            }
            let heard = window.log_mel(self.frames);
            Ok(vec![Score { label: heard.frames.to_string(), score: heard.data[0] }])
        }
    }

    /// Feeds a tone of so many seconds as fast as there is room.
    fn tone(feed: &mut Feed, rate: u32, channels: usize, seconds: f64) {
        let frames = (f64::from(rate) * seconds) as usize;
        let sound: Vec<i16> = (0..frames)
            .flat_map(|n| {
                let sample = (8000.0 * (n as f64 * 440.0 * std::f64::consts::TAU / f64::from(rate)).sin()) as i16;
                std::iter::repeat_n(sample, channels)
            })
            .collect();
        for piece in sound.chunks(480 * channels) {
            while feed.room() < 480 {
                thread::sleep(Duration::from_millis(1));
            }
            feed.take(piece, Duration::ZERO);
        }
    }

    fn start(device: bool, format: (u32, u16), scripts: Vec<Script>, listeners: Vec<Box<dyn Listener>>) -> Pipeline {
        let source = Scripted { device, rate: format.0, channels: format.1, scripts: scripts.into() };
        Pipeline::start(Box::new(source), listeners, Settings { hop_s: 0.1, window_s: None }).unwrap()
    }

    /// Events up to and with the first that is wanted.
    fn until(pipeline: &Pipeline, wanted: impl Fn(&LiveEvent) -> bool) -> Vec<LiveEvent> {
        let mut events = Vec::new();
        loop {
            let Some(new) = pipeline.events().wait(Duration::from_secs(30)) else { panic!("ended with {events:?}") };
            assert!(!new.is_empty(), "nothing came for 30 s after {events:?}");
            let found = new.iter().any(&wanted);
            events.extend(new);
            if found {
                return events;
            }
        }
    }

    #[test]
    fn any_rate_and_channel_count_is_heard_to_the_last_sample_by_all_ears() {
        for (rate, channels) in [(48_000, 2), (44_100, 1), (8_000, 1), (16_000, 6)] {
            let script: Script = Box::new(move |feed| tone(feed, rate, usize::from(channels), 2.0));
            let ear = |frames| Box::new(Counting { frames, gate: None }) as Box<dyn Listener>;
            let pipeline = start(false, (rate, channels), vec![script], vec![ear(60), ear(40)]);
            let events = until(&pipeline, |event| *event == LiveEvent::Closed);
            assert!(pipeline.events().wait(Duration::from_secs(9)).is_none(), "nothing follows the end");

            assert!(matches!(&events[0], LiveEvent::Opened { rate: r, channels: c, window_s, hop_s, ears, .. }
                if (*r, *c, *window_s, *hop_s, ears.len()) == (rate, channels, 0.6, 0.1, 2)));
            let mut state = LiveState::default();
            events.into_iter().for_each(|event| state.apply(event));
            assert_eq!(state.time_s, 2.0);
            // 2 s give 198 frames, the last of which ends 15 ms before the end.
            assert_eq!(state.frames.len(), 198);
            assert_eq!(state.extremes.len(), 200);
            let last = (197.0 * 160.0 + 400.0) / 16_000.0;
            for (ear, frames) in state.ears.iter().zip(["60", "40"]) {
                assert_eq!((ear.time_s, ear.scores[0].label.as_str()), (last, frames));
                assert!(ear.latency_ms >= ear.compute_ms);
            }
            assert_eq!((state.dropped, state.status), (0, LiveStatus::Ended));
        }
    }

    #[test]
    fn a_slow_model_skips_windows_and_never_holds_up_hearing() {
        let (open, gate) = mpsc::channel();
        let script: Script = Box::new(|feed| tone(feed, 16_000, 1, 2.0));
        let ear = Box::new(Counting { frames: 50, gate: Some(gate) });
        let pipeline = start(false, (16_000, 1), vec![script], vec![ear]);
        // Everything is heard before the first answer is allowed.
        let events = until(&pipeline, |event| matches!(event, LiveEvent::Heard { time_s, .. } if *time_s == 2.0));
        assert!(events.iter().all(|event| !matches!(event, LiveEvent::Answer { .. })));
        for _ in 0..2 {
            open.send(()).unwrap();
        }
        let events = until(&pipeline, |event| *event == LiveEvent::Closed);
        let answers: Vec<f64> = events
            .iter()
            .filter_map(|event| if let LiveEvent::Answer { time_s, .. } = event { Some(*time_s) } else { None })
            .collect();
        // The window it was busy with, and the newest one; the others between were skipped.
        assert_eq!(answers.last(), Some(&((197.0 * 160.0 + 400.0) / 16_000.0)));
        assert_eq!(answers.len(), 2);
    }

    #[test]
    fn a_device_that_fails_stops_or_falls_silent_is_named_and_comes_back() {
        let (stop, stopped): (Sender<()>, Receiver<()>) = mpsc::channel();
        let scripts: Vec<Script> = vec![
            // Closed by the system.
            Box::new(|feed| tone(feed, 16_000, 1, 0.5)),
            // Stops calling back, without a word.
            Box::new(move |feed| {
                tone(feed, 16_000, 1, 0.5);
                let _ = stopped.recv();
            }),
            // Muted, then not.
            Box::new(|feed| {
                for _ in 0..250 {
                    feed.take(&[0i16; 160], Duration::ZERO);
                    thread::sleep(Duration::from_millis(10));
                }
                tone(feed, 16_000, 1, 0.5);
            }),
        ];
        let pipeline = start(true, (16_000, 1), scripts, vec![]);
        let problem = |event: &LiveEvent| matches!(event, LiveEvent::Problem(_));
        let recovered = |event: &LiveEvent| matches!(event, LiveEvent::Recovered { rate: 16_000, .. });
        let mut told = Vec::new();
        for wanted in ["closed", "stopped delivering", "muted", "closed", "unplugged"] {
            let events = until(&pipeline, |event| matches!(event, LiveEvent::Problem(text) if text.contains(wanted)));
            told.extend(events.into_iter().filter(|event| problem(event) || recovered(event)));
        }
        let order: Vec<bool> = told.iter().map(problem).collect();
        // Each problem is told once, and each but the last is followed by its end.
        assert_eq!(order, [true, false, true, false, true, false, true, true], "{told:?}");
        drop(stop);
        pipeline.stop();
        until(&pipeline, |event| *event == LiveEvent::Closed);
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let pipeline = start(false, (16_000, 1), vec![], vec![]);
        let events = until(&pipeline, |event| *event == LiveEvent::Closed);
        assert_eq!(events, [LiveEvent::Problem("unplugged".into()), LiveEvent::Closed]);
    }
}
