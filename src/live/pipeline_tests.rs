//! The pipeline with scripted sources and listeners: everything but a real device and a real model.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::VecDeque,
    sync::mpsc::{self, Receiver, Sender},
};

use super::*;
use crate::{
    audio::ring::{RingWriter, pair},
    infer::Score,
    live::{LiveState, LiveStatus, Prediction},
};

/// What a scripted device does while it is open.
type Script = Box<dyn FnOnce(&mut RingWriter) + Send>;

/// A source that plays the next script each time it is opened; without one it cannot be opened.
struct Scripted {
    device: bool,
    rate: u32,
    channels: u16,
    scripts: VecDeque<Script>,
}

impl Source for Scripted {
    fn open(&mut self) -> Result<Line, String> {
        let script = self.scripts.pop_front().ok_or("unplugged")?;
        let (mut writer, reader) = pair(self.rate, self.channels);
        thread::spawn(move || script(&mut writer));
        Ok(Line {
            name: "scripted".into(),
            rate: self.rate,
            channels: self.channels,
            notes: Vec::new(),
            reader,
            kept: Box::new(()),
        })
    }

    fn is_device(&self) -> bool {
        self.device
    }
}

/// Predicts the number of frames and the first value that it got; waits for the gate, if it has one.
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

    fn score(&mut self, window: &Window) -> Result<Prediction, String> {
        if let Some(gate) = &self.gate {
            gate.recv().map_err(|_| "the gate was never opened")?;
        }
        let heard = window.log_mel(self.frames);
        Ok(vec![Score { label: heard.frames.to_string(), score: heard.data[0] }].into())
    }
}

/// Feeds a tone of so many seconds as fast as there is room.
fn tone(writer: &mut RingWriter, rate: u32, channels: usize, seconds: f64) {
    let frames = (f64::from(rate) * seconds) as usize;
    let sound: Vec<i16> = (0..frames)
        .flat_map(|n| {
            let sample = (8000.0 * (n as f64 * 440.0 * std::f64::consts::TAU / f64::from(rate)).sin()) as i16;
            std::iter::repeat_n(sample, channels)
        })
        .collect();
    for piece in sound.chunks(480 * channels) {
        while writer.room() < 480 {
            thread::sleep(Duration::from_millis(1));
        }
        writer.take(piece, Duration::ZERO);
    }
}

fn start(device: bool, format: (u32, u16), scripts: Vec<Script>, listeners: Vec<Box<dyn Listener>>) -> Pipeline {
    let source = Scripted { device, rate: format.0, channels: format.1, scripts: scripts.into() };
    Pipeline::start(Box::new(source), listeners, Settings { hop_s: 0.1, ..Settings::default() }).unwrap()
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
        let script: Script = Box::new(move |writer| tone(writer, rate, usize::from(channels), 2.0));
        let listener = |frames| Box::new(Counting { frames, gate: None }) as Box<dyn Listener>;
        let pipeline = start(false, (rate, channels), vec![script], vec![listener(60), listener(40)]);
        let events = until(&pipeline, |event| *event == LiveEvent::Closed);
        assert!(pipeline.events().wait(Duration::from_secs(9)).is_none(), "nothing follows the end");

        assert!(matches!(&events[0], LiveEvent::Opened { rate: r, channels: c, window_s, hop_s, listeners, .. }
            if (*r, *c, *window_s, *hop_s, listeners.len()) == (rate, channels, 0.6, 0.1, 2)));
        let mut state = LiveState::default();
        events.into_iter().for_each(|event| state.apply(event));
        assert_eq!(state.time_s, 2.0);
        // 2 s give 198 frames, the last of which ends 15 ms before the end.
        assert_eq!(state.frames.len(), 198);
        assert_eq!(state.extremes.len(), 200);
        let last = (197.0 * 160.0 + 400.0) / 16_000.0;
        for (listener, frames) in state.listeners.iter().zip(["60", "40"]) {
            assert_eq!((listener.time_s, listener.scores[0].label.as_str()), (last, frames));
            assert!(listener.latency_ms >= listener.compute_ms);
        }
        assert_eq!((state.dropped, state.status), (0, LiveStatus::Ended));
    }
}

#[test]
fn a_slow_model_skips_windows_and_never_blocks_the_sound() {
    let (open, gate) = mpsc::channel();
    let script: Script = Box::new(|writer| tone(writer, 16_000, 1, 2.0));
    let listener = Box::new(Counting { frames: 50, gate: Some(gate) });
    let pipeline = start(false, (16_000, 1), vec![script], vec![listener]);
    // All sound is read before the first prediction may finish.
    let events = until(&pipeline, |event| matches!(event, LiveEvent::Sound { time_s, .. } if *time_s == 2.0));
    assert!(events.iter().all(|event| !matches!(event, LiveEvent::Prediction { .. })));
    for _ in 0..50 {
        open.send(()).unwrap();
    }
    let events = until(&pipeline, |event| *event == LiveEvent::Closed);
    let answers: Vec<f64> = events
        .iter()
        .filter_map(|event| if let LiveEvent::Prediction { time_s, .. } = event { Some(*time_s) } else { None })
        .collect();
    // Of twenty windows: the one it was busy with, the newest at that time and the last of all.
    assert_eq!(answers.last(), Some(&((197.0 * 160.0 + 400.0) / 16_000.0)));
    assert!((2..=3).contains(&answers.len()), "{answers:?}");
}

/// Panics at every window and at every change of gains.
struct Panicking;

impl Listener for Panicking {
    fn name(&self) -> &str {
        "panicking"
    }

    fn frames(&self) -> usize {
        40
    }

    fn score(&mut self, _window: &Window) -> Result<Prediction, String> {
        panic!("index 2 out of range")
    }

    fn set_gains(&mut self, _gains: &Gains) -> Result<(), String> {
        panic!("no such block")
    }
}

/// A fault in one model is reported once, and neither the other model nor the gains stop working.
#[test]
fn a_model_that_panics_is_named_and_the_others_go_on() {
    let script: Script = Box::new(|writer| tone(writer, 16_000, 1, 1.5));
    let listeners: Vec<Box<dyn Listener>> = vec![Box::new(Panicking), Box::new(Counting { frames: 40, gate: None })];
    let pipeline = start(false, (16_000, 1), vec![script], listeners);
    pipeline.set_gains(0, Gains::default());
    let events = until(&pipeline, |event| *event == LiveEvent::Closed);
    let problem = |event: &LiveEvent| match event {
        LiveEvent::Problem(reason) => Some(reason.clone()),
        _ => None,
    };
    let mut problems: Vec<String> = events.iter().filter_map(problem).collect();
    problems.sort();
    assert_eq!(problems.len(), 2, "{problems:?}");
    for (problem, message) in problems.iter().zip(["index 2 out of range", "no such block"]) {
        assert!(problem.starts_with("panicking: ") && problem.contains(message), "{problem}");
    }
    let last = (147.0 * 160.0 + 400.0) / 16_000.0;
    let is_last =
        |event: &LiveEvent| matches!(event, LiveEvent::Prediction { listener: 1, time_s, .. } if *time_s == last);
    assert!(events.iter().any(is_last), "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, LiveEvent::Prediction { listener: 0, .. })));
}

#[test]
fn a_device_that_fails_stops_or_falls_silent_is_named_and_comes_back() {
    let (stop, stopped): (Sender<()>, Receiver<()>) = mpsc::channel();
    let scripts: Vec<Script> = vec![
        // Closed by the system.
        Box::new(|writer| tone(writer, 16_000, 1, 0.5)),
        // Stops calling back, without an error.
        Box::new(move |writer| {
            tone(writer, 16_000, 1, 0.5);
            let _ = stopped.recv();
        }),
        // Muted, then not.
        Box::new(|writer| {
            for _ in 0..250 {
                writer.take(&[0i16; 160], Duration::ZERO);
                thread::sleep(Duration::from_millis(10));
            }
            tone(writer, 16_000, 1, 0.5);
        }),
    ];
    let pipeline = start(true, (16_000, 1), scripts, vec![]);
    let problem = |event: &LiveEvent| matches!(event, LiveEvent::Problem(_));
    let recovered = |event: &LiveEvent| matches!(event, LiveEvent::Recovered { rate: 16_000, .. });
    let mut reported = Vec::new();
    for wanted in ["closed", "stopped delivering", "muted", "closed", "unplugged"] {
        let events = until(&pipeline, |event| matches!(event, LiveEvent::Problem(text) if text.contains(wanted)));
        reported.extend(events.into_iter().filter(|event| problem(event) || recovered(event)));
    }
    let order: Vec<bool> = reported.iter().map(problem).collect();
    // Each problem is reported once, and each but the last is followed by its end.
    assert_eq!(order, [true, false, true, false, true, false, true, true], "{reported:?}");
    drop(stop);
    pipeline.stop();
    until(&pipeline, |event| *event == LiveEvent::Closed);
}

/// Predicts its gain; refuses blocks beyond the first.
struct Turned(f32);

impl Listener for Turned {
    fn name(&self) -> &str {
        "turned"
    }

    fn frames(&self) -> usize {
        50
    }

    fn score(&mut self, _: &Window) -> Result<Prediction, String> {
        Ok(vec![Score { label: "gain".into(), score: self.0 }].into())
    }

    fn set_gains(&mut self, gains: &Gains) -> Result<(), String> {
        self.0 = gains.strip(0).spatial;
        Ok(())
    }
}

#[test]
fn a_change_of_gains_scores_the_same_window_again() {
    let (stop, stopped): (Sender<()>, Receiver<()>) = mpsc::channel();
    let script: Script = Box::new(move |writer| {
        tone(writer, 16_000, 1, 1.0);
        let _ = stopped.recv();
    });
    let pipeline = start(false, (16_000, 1), vec![script], vec![Box::new(Turned(1.0)), Box::new(Turned(1.0))]);
    let last = |events: &[LiveEvent], of: usize| {
        events.iter().rev().find_map(|event| match event {
            LiveEvent::Prediction { listener, time_s, prediction, .. } if *listener == of => {
                Some((*time_s, prediction.scores[0].score))
            }
            _ => None,
        })
    };
    let end = (89.0 * 160.0 + 400.0) / 16_000.0;
    let answered = |of: usize| move |event: &LiveEvent| matches!(event, LiveEvent::Prediction { listener, time_s, .. } if (*listener, *time_s) == (of, end));
    until(&pipeline, answered(1));
    let mut gains = Gains::default();
    gains.strip_mut(0).spatial = 0.25;
    pipeline.set_gains(1, gains);
    let events = until(&pipeline, answered(1));
    assert_eq!((last(&events, 0), last(&events, 1)), (Some((end, 1.0)), Some((end, 0.25))));
    drop(stop);
    until(&pipeline, |event| *event == LiveEvent::Closed);
}

/// Seconds by which this test's clock that runs during sleep is ahead.
static AHEAD_S: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn ahead() -> Duration {
    sleepless() + Duration::from_secs(AHEAD_S.load(Ordering::Relaxed))
}

#[test]
fn a_machine_that_slept_opens_its_microphone_again() {
    let (stop, stopped): (Sender<()>, Receiver<()>) = mpsc::channel();
    let before: Script = Box::new(move |writer| {
        tone(writer, 16_000, 1, 0.5);
        let _ = stopped.recv();
    });
    let after: Script = Box::new(|writer| tone(writer, 16_000, 1, 0.5));
    let source = Scripted { device: true, rate: 16_000, channels: 1, scripts: [before, after].into() };
    let settings = Settings { hop_s: 0.1, ..Settings::default() };
    let pipeline = Pipeline::start_by(ahead, Box::new(source), vec![], settings).unwrap();
    until(&pipeline, |event| matches!(event, LiveEvent::Sound { .. }));
    AHEAD_S.store(90, Ordering::Relaxed);
    until(&pipeline, |event| matches!(event, LiveEvent::Problem(text) if text.contains("the machine slept for")));
    until(&pipeline, |event| matches!(event, LiveEvent::Recovered { .. }));
    drop(stop);
}

#[test]
fn ears_stay_after_a_file_and_answer_its_last_window_with_other_gains() {
    let script: Script = Box::new(|writer| tone(writer, 16_000, 1, 1.0));
    let source = Scripted { device: false, rate: 16_000, channels: 1, scripts: [script].into() };
    let settings = Settings { hop_s: 0.1, linger: true, ..Settings::default() };
    let pipeline = Pipeline::start(Box::new(source), vec![Box::new(Turned(1.0))], settings).unwrap();
    until(&pipeline, |event| *event == LiveEvent::Closed);
    let scored = pipeline.scored().unwrap();
    let end = (97.0 * 160.0 + 400.0) / 16_000.0;
    assert_eq!((scored.window.end_s, scored.predictions[0].0.as_str()), (end, "turned"));
    for gain in [0.5, 0.25] {
        let mut gains = Gains::default();
        gains.strip_mut(0).spatial = gain;
        pipeline.set_gains(0, gains);
        let again = |event: &LiveEvent| {
            matches!(event, LiveEvent::Prediction { time_s, prediction, .. }
            if (*time_s, prediction.scores[0].score) == (end, gain))
        };
        until(&pipeline, again);
        assert_eq!(pipeline.scored().unwrap().predictions[0].1.scores[0].score, gain);
    }
    pipeline.stop();
    assert!(pipeline.events().wait(Duration::from_secs(9)).is_none());
}

#[test]
fn a_held_window_stays_while_sound_is_still_read() {
    let (go, gone): (Sender<()>, Receiver<()>) = mpsc::channel();
    let script: Script = Box::new(move |writer| {
        for _ in 0..3 {
            tone(writer, 16_000, 1, 1.0);
            let _ = gone.recv();
        }
    });
    let pipeline = start(false, (16_000, 1), vec![script], vec![Box::new(Turned(1.0))]);
    let answer = |event: &LiveEvent| matches!(event, LiveEvent::Prediction { .. });
    let heard =
        |until_s: f64| move |event: &LiveEvent| matches!(event, LiveEvent::Sound { time_s, .. } if *time_s >= until_s);
    let end = (89.0 * 160.0 + 400.0) / 16_000.0;
    until(&pipeline, |event| matches!(event, LiveEvent::Prediction { time_s, .. } if *time_s == end));
    pipeline.hold(true);
    go.send(()).unwrap();
    let events = until(&pipeline, heard(2.0));
    assert!(!events.iter().any(answer), "{events:?}");
    assert_eq!(pipeline.scored().unwrap().window.end_s, end);
    pipeline.set_gains(0, Gains::read("0.spatial=0.5", 1).unwrap());
    let events = until(&pipeline, answer);
    assert!(matches!(events.last(), Some(LiveEvent::Prediction { time_s, .. }) if *time_s == end));
    pipeline.hold(false);
    go.send(()).unwrap();
    until(&pipeline, |event| matches!(event, LiveEvent::Prediction { time_s, .. } if *time_s > 2.0));
    drop(go);
    until(&pipeline, |event| *event == LiveEvent::Closed);
}

#[test]
fn a_recording_holds_the_sound_that_listeners_get() {
    let (go, gone): (Sender<()>, Receiver<()>) = mpsc::channel();
    let script: Script = Box::new(move |writer| {
        let _ = gone.recv();
        tone(writer, 48_000, 2, 1.0);
    });
    let pipeline = start(false, (48_000, 2), vec![script], vec![]);
    assert!(pipeline.recorded().is_empty());
    pipeline.record();
    go.send(()).unwrap();
    until(&pipeline, |event| *event == LiveEvent::Closed);
    let recorded = pipeline.recorded();
    // The resampler's last block comes with the end of the stream, which is not recorded.
    assert!((15_000..=16_000).contains(&recorded.len()), "{}", recorded.len());
    assert!(recorded[8_000..8_036].iter().any(|sample| sample.abs() > 0.2));
}

#[test]
fn what_cannot_be_opened_says_why() {
    let pipeline = start(false, (16_000, 1), vec![], vec![]);
    let events = until(&pipeline, |event| *event == LiveEvent::Closed);
    assert_eq!(events, [LiveEvent::Problem("unplugged".into()), LiveEvent::Closed]);
}

#[test]
fn notes_about_a_file_are_reported_when_it_is_played() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quiet.wav");
    crate::audio::testing::wav(&path, 4_800, |_| 0);
    let pipeline = Pipeline::start(crate::live::source(path.to_str()), vec![], Settings::default()).unwrap();
    let events = until(&pipeline, |event| *event == LiveEvent::Closed);
    let notes: Vec<_> = events.iter().filter(|event| matches!(event, LiveEvent::Note(_))).collect();
    let note = "quiet.wav: every sample is zero; leave it out, unless silence is meant";
    assert_eq!(notes, [&LiveEvent::Note(note.into())]);
}
