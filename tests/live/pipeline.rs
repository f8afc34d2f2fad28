//! The library's pipeline: it scores the sound that is played, and reports problems of the microphone.

use std::process::Command;

use aat_tui::{
    infer::Score,
    live::{Listener, LiveEvent, Pipeline, Prediction, Settings, Window, source},
};

use crate::virtual_mic::{Heard, PATIENCE, Sound, VirtualMic};

/// Names the loudest mel bin. A model that needs no training.
struct Pitch;

impl Listener for Pitch {
    fn name(&self) -> &str {
        "pitch"
    }

    fn frames(&self) -> usize {
        50
    }

    fn score(&mut self, window: &Window) -> Result<Prediction, String> {
        let heard = window.log_mel(self.frames());
        let energy =
            |bin: usize| (0..heard.frames).map(|frame| heard.row(frame)[bin]).sum::<f32>() / heard.frames as f32;
        let loudest = (0..heard.bins).max_by(|&a, &b| energy(a).total_cmp(&energy(b))).unwrap_or(0);
        let label = match (energy(loudest) > -4.0, loudest) {
            (false, _) => "nothing",
            // Bin 30 of 128 is near 500 Hz, bin 90 near 3 kHz.
            (true, ..60) => "low",
            (true, _) => "high",
        };
        Ok(vec![Score { label: label.into(), score: 1.0 }].into())
    }
}

/// The part of the test that must run with the sound server's environment: listens and prints each prediction on a
/// line.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn child() {
    let settings = Settings { hop_s: 0.1, ..Settings::default() };
    let pipeline = Pipeline::start(source(None), vec![Box::new(Pitch)], settings).unwrap();
    while let Some(events) = pipeline.events().wait(PATIENCE) {
        for event in events {
            match event {
                LiveEvent::Prediction { prediction, latency_ms, .. } => {
                    println!("\nhears {} after {latency_ms}", prediction.scores[0].label)
                }
                LiveEvent::Opened { source, rate, .. } => println!("\nopened {source} {rate}"),
                LiveEvent::Problem(problem) => println!("\nproblem {problem}"),
                LiveEvent::Recovered { source, .. } => println!("\nrecovered {source}"),
                LiveEvent::Dropped(samples) => println!("\ndropped {samples}"),
                _ => {}
            }
        }
    }
}

/// The child's process.
fn child_process() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["pipeline::child", "--exact", "--ignored", "--nocapture"]);
    command
}

#[test]
fn what_is_played_into_a_real_microphone_is_heard_and_unplugging_is_survived() {
    let Some(mic) = VirtualMic::start() else { return };
    let mut heard = Heard::start(&mic, &mut child_process());
    heard.until(&["opened", "48000"]);

    for (hz, label) in [(400.0, "hears low"), (4000.0, "hears high")] {
        let mut player = mic.play(Sound::Tone(hz), 2.0);
        heard.until(&[label]);
        player.wait().unwrap();
        heard.until(&["hears nothing"]);
    }

    mic.tell("unplug", &[]);
    heard.until(&["problem", "unplugged"]);
    mic.tell("plug", &[]);
    heard.until(&["recovered"]);
    let mut player = mic.play(Sound::Tone(400.0), 2.0);
    heard.until(&["hears low"]);
    player.wait().unwrap();

    mic.tell("mute", &["1"]);
    let mut player = mic.play(Sound::Tone(400.0), 4.0);
    heard.until(&["problem", "muted"]);
    mic.tell("mute", &["0"]);
    heard.until(&["recovered"]);
    heard.until(&["hears low"]);
    player.kill().unwrap();
    player.wait().unwrap();
    assert!(heard.seen.iter().all(|line| !line.starts_with("dropped")), "{:#?}", heard.seen);
}

#[test]
fn another_default_microphone_is_named_and_heard() {
    let Some(mic) = VirtualMic::start() else { return };
    let mut heard = Heard::start(&mic, &mut child_process());
    heard.until(&["hears"]);
    mic.pactl(&["load-module", "module-null-sink", "sink_name=desk"]);
    let description = "source_properties=device.description=Desk";
    mic.pactl(&["load-module", "module-remap-source", "source_name=other", "master=desk.monitor", description]);
    mic.pactl(&["set-default-source", "other"]);
    heard.until(&["problem", "the default microphone is now Desk"]);
    heard.until(&["recovered", "Desk"]);
    // The first microphone is no longer in use; the second is.
    mic.pactl(&["set-default-source", "mic"]);
    heard.until(&["problem", "the default microphone is now"]);
    heard.until(&["recovered"]);
    let mut player = mic.play(Sound::Tone(400.0), 3.0);
    heard.until(&["hears low"]);
    player.wait().unwrap();
}

#[test]
fn the_end_of_the_sound_server_is_named() {
    let Some(mic) = VirtualMic::start() else { return };
    let mut heard = Heard::start(&mic, &mut child_process());
    heard.until(&["hears"]);
    mic.tell("stop", &[]);
    heard.until(&["problem"]);
    assert!(heard.child.try_wait().unwrap().is_none(), "it goes on trying");
}
