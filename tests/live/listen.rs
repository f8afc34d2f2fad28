//! `aat-tui listen`, with a session that was really trained.

use std::{
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

use aat_tui::audio;
use serde_json::Value;

use crate::virtual_mic::{Heard, Sound, VirtualMic, signal};

/// A folder in which a tiny model was trained to distinguish tones from noise.
struct Trained(tempfile::TempDir);

impl Trained {
    fn new() -> Self {
        let trained = Self(tempfile::tempdir().unwrap());
        for class in ["tone", "noise"] {
            let folder = trained.0.path().join("sounds").join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for clip in 0..10 {
                let sound = match class {
                    "tone" => Sound::Tone(1000.0 + 100.0 * f64::from(clip)),
                    _ => Sound::Noise(clip),
                };
                sound.write(&folder.join(format!("{clip}.wav")), 16_000, 1, 0.6);
            }
        }
        let printed = trained.run(
            "train --data sounds --model tiny --method full --frames 48 --batch 4 --lr 3e-4 --epochs 4 --name ear",
        );
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        trained
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aat-tui"));
        command
            .args(line.split_whitespace())
            .current_dir(self.path())
            .env("AAT_TUI_SESSIONS", self.path().join("sessions"))
            .env("AAT_TUI_CACHE", "off");
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    fn json(&self, line: &str) -> Vec<Value> {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// How long a process is stopped: longer than any stream is late.
const STOPPED: Duration = Duration::from_secs(4);

fn top(answer: &Value) -> Vec<(String, f64)> {
    let score = |top: &Value| (top["label"].as_str().unwrap().to_owned(), top["score"].as_f64().unwrap());
    answer["top"].as_array().unwrap().iter().map(score).collect()
}

#[test]
fn a_trained_session_hears_a_file_as_classify_does_and_then_the_microphone() {
    let trained = Trained::new();

    // 0.6 s at 44.1 kHz, stereo: the last window of the stream is the same sound as the last 48 frames of the clip.
    Sound::Tone(1_250.0).write(&trained.path().join("clip.wav"), 44_100, 2, 0.6);
    let samples = audio::load(&trained.path().join("clip.wav")).unwrap();
    let frames = audio::frames_of(samples.len());
    let end = (frames - 1) * audio::FRAME_SHIFT + audio::FRAME_LENGTH;
    let start = end - (47 * audio::FRAME_SHIFT + audio::FRAME_LENGTH);
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: audio::SAMPLE_RATE,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut window = hound::WavWriter::create(trained.path().join("window.wav"), spec).unwrap();
    samples[start..end].iter().for_each(|&sample| window.write_sample(sample).unwrap());
    window.finalize().unwrap();

    let printed =
        trained.json("listen ear --input clip.wav --hop 0.1 --threshold 0.5 --debounce 1 --labels labels.txt --json");
    let answers: Vec<_> = printed.iter().filter(|line| line["top"].is_array()).collect();
    let last = answers.last().unwrap();
    for key in ["time", "latency_ms", "dropped"] {
        assert!(last[key].is_number(), "{key}");
    }
    assert_eq!(last["time"].as_f64().unwrap(), end as f64 / 16_000.0);
    let classified = trained.json("classify ear window.wav --json");
    for ((heard, a), (expected, b)) in top(last).iter().zip(top(&classified[0])) {
        assert!(*heard == expected && (a - b).abs() < 1e-4, "{heard} {a} and {expected} {b}");
    }
    assert_eq!(top(last)[0].0, "tone");
    assert_eq!(printed.last().unwrap()["summary"], true);
    let labels = std::fs::read_to_string(trained.path().join("labels.txt")).unwrap();
    assert!(labels.lines().any(|line| line.ends_with("\ttone") && line.split('\t').count() == 3), "{labels:?}");

    let Some(mic) = VirtualMic::start() else { return };
    let mut heard = Heard::start(&mic, &mut trained.command("listen ear --hop 0.1 --json"));
    heard.until(&["\"event\":\"opened\""]);
    for (sound, label) in [(Sound::Noise(99), "noise"), (Sound::Tone(1_250.0), "tone"), (Sound::Noise(98), "noise")] {
        let mut player = mic.play(sound, 3.0);
        heard.until(&[&format!("\"top\":[{{\"label\":\"{label}\"")]);
        player.wait().unwrap();
    }
    mic.tell("unplug", &[]);
    heard.until(&["\"event\":\"problem\"", "unplugged"]);
    mic.tell("plug", &[]);
    heard.until(&["\"event\":\"recovered\""]);
    let answer: Value = serde_json::from_str(&heard.until(&["\"top\""])).unwrap();
    assert_eq!(answer["dropped"], 0);

    // As Ctrl-Z and fg; as a laptop's lid does to everything that runs.
    let pid = heard.child.id().to_string();
    signal("STOP", &pid);
    thread::sleep(STOPPED);
    signal("CONT", &pid);
    heard.until(&["\"event\":\"problem\"", "this program was stopped for"]);
    heard.until(&["\"event\":\"recovered\""]);
    heard.until(&["\"top\""]);

    // The sound server is stopped for a while.
    mic.signal("STOP");
    heard.until(&["\"event\":\"problem\"", "stopped delivering"]);
    thread::sleep(STOPPED);
    mic.signal("CONT");
    heard.until(&["\"event\":\"recovered\""]);
    heard.until(&["\"top\""]);

    // Ctrl-C ends it with its summary and 130.
    signal("INT", &pid);
    heard.until(&["\"summary\":true"]);
    assert_eq!(heard.child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_cannot_be_listened_to_is_a_sentence_and_not_chatter() {
    let folder = tempfile::tempdir().unwrap();
    let run = |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aat-tui"));
        command.args(line.split_whitespace()).current_dir(folder.path()).env("AAT_TUI_SESSIONS", folder.path());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (line, code, words) in [
        ("listen nobody --input missing.wav", 1, "there is no such file"),
        ("listen nobody --hop 0", 2, "--hop"),
        ("listen nobody --threshold 2", 2, "--threshold"),
        ("listen nobody", 1, "nobody"),
    ] {
        let (status, said) = run(line);
        assert_eq!(status, Some(code), "{line}: {said}");
        assert!(said.contains(words) && !said.contains("ALSA lib"), "{line}: {said}");
    }
    let (status, said) = run("devices");
    assert_eq!((status, said.as_str()), (Some(0), ""));
}
