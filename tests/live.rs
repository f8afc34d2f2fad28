//! The live pipeline on a real sound server: PulseAudio with a virtual microphone, opened through cpal as ALSA's default
//! device.
//!
//! Skipped, saying so, where `../shared/tools/virtual-mic` or its packages (`pulseaudio`, `pulseaudio-utils`,
//! `libasound2-plugins`, `sox`; `virtual-mic install` brings them) are absent.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

use std::{
    collections::HashMap,
    f64::consts::TAU,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use aat_tui::{
    infer::Score,
    live::{Listener, LiveEvent, Pipeline, Settings, Window, source},
};

/// The longest that anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sound server of the test's own.
struct VirtualMic {
    tool: PathBuf,
    folder: tempfile::TempDir,
    env: HashMap<String, String>,
}

impl VirtualMic {
    /// Starts it, or says why this test is skipped.
    fn start() -> Option<Self> {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tools/virtual-mic");
        let has = |program: &str| {
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
        };
        let missing = ["pulseaudio", "pactl", "paplay", "sox"].into_iter().find(|program| !has(program));
        if !tool.is_file() || missing.is_some() {
            let missing = missing.map_or_else(|| tool.display().to_string(), str::to_owned);
            eprintln!("skipped: {missing} is not here");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let started = Command::new(&tool).arg("start").arg(folder.path()).output().unwrap();
        let exports = String::from_utf8(started.stdout).unwrap();
        let env = exports
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
            .collect();
        Some(Self { tool, folder, env })
    }

    fn command(&self, verb: &str, rest: &[&str]) -> Command {
        let mut command = Command::new(&self.tool);
        command.arg(verb).arg(self.folder.path()).args(rest);
        command
    }

    fn tell(&self, verb: &str, rest: &[&str]) {
        assert!(self.command(verb, rest).status().unwrap().success(), "virtual-mic {verb} {rest:?}");
    }

    /// Plays a steady tone of so many seconds, in the background.
    fn play_tone(&self, hz: f64, seconds: f64) -> Child {
        let path = self.folder.path().join(format!("{hz}.wav"));
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 44_100,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for n in 0..(44_100.0 * seconds) as usize {
            writer.write_sample((12_000.0 * (TAU * hz * n as f64 / 44_100.0).sin()) as i16).unwrap();
        }
        writer.finalize().unwrap();
        self.command("play", &[path.to_str().unwrap()]).spawn().unwrap()
    }
}

impl Drop for VirtualMic {
    fn drop(&mut self) {
        let _ = self.command("stop", &[]).status();
    }
}

/// Hears which mel bin is loudest, in words. A model that needs no training.
struct Pitch;

impl Listener for Pitch {
    fn name(&self) -> &str {
        "pitch"
    }

    fn frames(&self) -> usize {
        50
    }

    fn score(&mut self, window: &Window) -> Result<Vec<Score>, String> {
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
        Ok(vec![Score { label: label.into(), score: 1.0 }])
    }
}

/// The part of the test that must run with the sound server's environment: listens and says what it hears, a line each.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn child() {
    let settings = Settings { hop_s: 0.1, window_s: None };
    let pipeline = Pipeline::start(source(None), vec![Box::new(Pitch)], settings).unwrap();
    while let Some(events) = pipeline.events().wait(PATIENCE) {
        for event in events {
            match event {
                LiveEvent::Answer { scores, latency_ms, .. } => {
                    println!("\nhears {} after {latency_ms}", scores[0].label)
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

/// The child's lines.
struct Heard {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Heard {
    fn start(mic: &VirtualMic) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--ignored", "--nocapture"])
            .envs(&mic.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for a line with all these words.
    fn until(&mut self, wanted: &[&str]) {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else { panic!("no {wanted:?} after {:#?}", self.seen) };
            let found = wanted.iter().all(|word| line.contains(word));
            self.seen.push(line);
            if found {
                return;
            }
        }
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_played_into_a_real_microphone_is_heard_and_unplugging_is_survived() {
    let Some(mic) = VirtualMic::start() else { return };
    let mut heard = Heard::start(&mic);
    heard.until(&["opened", "48000"]);

    for (hz, label) in [(400.0, "hears low"), (4000.0, "hears high")] {
        let mut player = mic.play_tone(hz, 2.0);
        heard.until(&[label]);
        player.wait().unwrap();
        heard.until(&["hears nothing"]);
    }

    mic.tell("unplug", &[]);
    heard.until(&["problem", "unplugged"]);
    mic.tell("plug", &[]);
    heard.until(&["recovered"]);
    let mut player = mic.play_tone(400.0, 2.0);
    heard.until(&["hears low"]);
    player.wait().unwrap();

    mic.tell("mute", &["1"]);
    let mut player = mic.play_tone(400.0, 4.0);
    heard.until(&["problem", "muted"]);
    mic.tell("mute", &["0"]);
    heard.until(&["recovered"]);
    heard.until(&["hears low"]);
    player.kill().unwrap();
    player.wait().unwrap();
    assert!(heard.seen.iter().all(|line| !line.starts_with("dropped")), "{:#?}", heard.seen);
}

#[test]
fn the_end_of_the_sound_server_is_named() {
    let Some(mic) = VirtualMic::start() else { return };
    let mut heard = Heard::start(&mic);
    heard.until(&["hears"]);
    mic.tell("stop", &[]);
    heard.until(&["problem"]);
    assert!(heard.child.try_wait().unwrap().is_none(), "it goes on trying");
}
