//! Playback on a real sound server, recorded from its speaker's monitor.

use std::{
    f64::consts::TAU,
    fs::File,
    ops::Range,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use aat_tui::audio::{
    playback::{Player, Sound, State, Status},
    resample_to,
};

use crate::virtual_mic::{Heard, PATIENCE, VirtualMic, signal};

/// The clip's rate, that of every model here.
const RATE: u32 = 16_000;
/// The rate that is recorded: that of the server's speaker.
const RECORDED: u32 = 48_000;
/// Samples beyond this are sound.
const LOUD: f32 = 1e-3;
/// When the last sound may be recorded, ms behind where the playhead was at the stop: no sooner, since nothing is cut off, and
/// no later than the driver's buffer and a fade.
const LATE_MS: Range<f64> = -50.0..100.0;
/// Attempts on a machine that is too busy for the driver.
const ATTEMPTS: u32 = 5;

/// A clip of 1.5 s that is nowhere like itself: a rising tone over noise. Its highest frequency is far below the filter's
/// edge, so that all of it can be played.
fn clip() -> Vec<f32> {
    let (mut state, mut smooth) = (7u32, 0.0);
    (0..RATE * 3 / 2)
        .map(|n| {
            let t = f64::from(n) / f64::from(RATE);
            // The constants of Numerical Recipes' generator.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            smooth += 0.2 * (f64::from(state >> 8) / f64::from(1 << 23) - 1.0 - smooth);
            (0.3 * (TAU * (200.0 * t + 500.0 * t * t)).sin() + 0.3 * smooth) as f32
        })
        .collect()
}

/// Waits until the player stands so.
fn until(player: &Player, is_so: impl Fn(&Status) -> bool) -> Status {
    let begun = Instant::now();
    loop {
        let status = player.status();
        if is_so(&status) || matches!(status.state, State::Failed(_)) || begun.elapsed() > PATIENCE {
            return status;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The part of the tests that must run with the sound server's environment.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn child() {
    let Ok(task) = std::env::var("PLAY") else { return };
    let player = Player::new().unwrap();
    let sound = Sound { samples: clip().into(), rate: RATE };
    match &*task {
        // Once to the end, then in a loop until the second round.
        "record" => {
            player.play(sound.clone(), 0);
            let status = until(&player, |status| status.state == State::Ended);
            println!("\nonce {:?}", status.state);
            player.set_looped(true);
            player.play(sound, 0);
            until(&player, |status| status.state == State::Playing && status.position > 20_000);
            until(&player, |status| status.position < 20_000);
            until(&player, |status| status.position > 6_000);
            let status = player.status();
            player.stop();
            // Silence that is recorded too.
            thread::sleep(Duration::from_millis(600));
            println!("\nstopped {} {} {:?}", status.position, status.gaps, player.status().state);
        }
        _ => {
            player.set_looped(true);
            player.play(sound, 0);
            let status = until(&player, |status| status.state == State::Playing && status.position > 4_000);
            println!("\nstands {:?}", status.state);
            let status = until(&player, |status| matches!(status.state, State::Failed(_)));
            match status.state {
                State::Failed(error) => println!("\nlost: {error}"),
                other => println!("\nstill {other:?}"),
            }
        }
    }
}

/// The child's process.
fn child_process(task: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["playback::child", "--exact", "--ignored", "--nocapture"]).env("PLAY", task);
    command
}

/// Records what the speaker plays, mono.
struct Recorder {
    child: Child,
    file: tempfile::NamedTempFile,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Recorder {
    fn start(mic: &VirtualMic) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let rate = RECORDED.to_string();
        let words = ["--device=speaker.monitor", "--format=float32le", "--channels=1", "--latency-msec=20", "--rate"];
        let child = Command::new("parec")
            .args(words)
            .arg(rate)
            .envs(&mic.env)
            .stdout(Stdio::from(File::create(file.path()).unwrap()))
            .spawn()
            .unwrap();
        let recorder = Self { child, file };
        let begun = Instant::now();
        while recorder.bytes().len() < 4096 && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        recorder
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.file.path()).unwrap()
    }

    fn stop(mut self) -> Vec<f32> {
        signal("INT", &self.child.id().to_string());
        let _ = self.child.wait();
        self.bytes().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }
}

/// Pearson's correlation.
fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt().max(1e-12)
}

/// Where the reference begins in a recording behind this sample: near the first sound, where its first 100 ms agree best.
fn place(recording: &[f32], reference: &[f32], from: usize) -> Option<usize> {
    let head = &reference[..RECORDED as usize / 10];
    let loud = from + recording.get(from..)?.iter().position(|sample| sample.abs() > LOUD)?;
    let near = loud.saturating_sub(head.len() / 4)..loud + head.len() / 4;
    let score = |at: usize| recording.get(at..at + head.len()).map_or(0.0, |heard| correlation(heard, head));
    near.max_by(|a, b| score(*a).total_cmp(&score(*b)))
}

/// Plays, records and compares: how well they agree, and how many ms behind the stop there is silence; or what is wrong.
fn attempt(mic: &VirtualMic, reference: &[f32]) -> Result<(f64, f64), String> {
    let recorder = Recorder::start(mic);
    let mut child = Heard::start(mic, &mut child_process("record"));
    assert_eq!(child.until(&["once"]), "once Ended");
    let stopped = child.until(&["stopped"]);
    let recording = recorder.stop();
    let words: Vec<_> = stopped.split(' ').collect();
    let (position, gaps): (usize, u32) = (words[1].parse().unwrap(), words[2].parse().unwrap());
    assert_eq!(words[3], "Silent");
    if gaps > 0 {
        return Err(format!("the driver ran out of sound {gaps} times"));
    }
    // Each 10 ms agrees with its own 10 ms of the clip: there is no gap and no jump.
    let piece = RECORDED as usize / 100;
    let agrees = |at: usize, part: &[f32], what: &str| {
        for (n, part) in part.chunks_exact(piece).enumerate() {
            let heard = recording.get(at + n * piece..at + (n + 1) * piece).unwrap_or_default();
            let agreement = correlation(heard, part);
            if agreement < 0.98 {
                return Err(format!("{what}, {} ms: {agreement}", 10 * n));
            }
        }
        Ok(())
    };
    let missing = || "the clip is not in the recording".to_owned();
    let first = place(&recording, reference, 0).ok_or_else(missing)?;
    agrees(first, reference, "once")?;
    let once = correlation(&recording[first..first + reference.len()], reference);
    let second = place(&recording, reference, first + reference.len() + piece).ok_or_else(missing)?;
    agrees(second, reference, "the first round of the loop")?;
    // The loop goes on with its beginning at once.
    let round = second + reference.len();
    agrees(round, &reference[..RECORDED as usize / 4], "the second round of the loop")?;
    let last = recording.iter().rposition(|sample| sample.abs() > LOUD).unwrap_or(0);
    let stop = round + position * (RECORDED / RATE) as usize;
    let late_ms = 1e3 * (last as f64 - stop as f64) / f64::from(RECORDED);
    if recording.len() - last < RECORDED as usize / 4 {
        return Err("no silence was recorded".to_owned());
    }
    if !LATE_MS.contains(&late_ms) {
        return Err(format!("silent {late_ms:.1} ms behind the stop"));
    }
    Ok((once, late_ms))
}

/// A machine that is too busy makes gaps; a fault of the program makes them each time.
#[test]
fn a_clip_is_heard_as_it_is_without_a_gap_and_a_stop_is_silent_at_once() {
    let reference = resample_to(&clip(), RATE, RECORDED).unwrap();
    let mut problems = Vec::new();
    for _ in 0..ATTEMPTS {
        let Some(mic) = VirtualMic::start() else { return };
        match attempt(&mic, &reference) {
            Ok((once, late_ms)) => {
                println!("correlation {once:.6}, silent {late_ms:.1} ms behind the stop; before: {problems:?}");
                assert!(once > 0.99, "{once}");
                return;
            }
            Err(problem) => problems.push(problem),
        }
    }
    panic!("{problems:#?}");
}

#[test]
fn a_speaker_that_goes_away_is_named_in_a_sentence() {
    let Some(mic) = VirtualMic::start() else { return };
    let mut child = Heard::start(&mic, &mut child_process("loop"));
    assert_eq!(child.until(&["stands"]), "stands Playing");
    mic.pactl(&["unload-module", "module-null-sink"]);
    let failed = child.until(&["lost:"]);
    println!("{failed}");
    assert!(failed.contains("it went away") && failed.contains("play again"), "{failed}");
    // Another sound on a server without a speaker.
    let mut child = Heard::start(&mic, &mut child_process("loop"));
    let failed = child.until(&["lost:"]);
    println!("{failed}");
    assert!(failed.contains("no speaker was found"), "{failed}");
}

#[test]
fn a_server_that_hangs_is_reported_and_nothing_waits_for_it() {
    let Some(mic) = VirtualMic::start() else { return };
    let mut child = Heard::start(&mic, &mut child_process("loop"));
    child.until(&["stands"]);
    mic.signal("STOP");
    let failed = child.until(&["lost:"]);
    mic.signal("CONT");
    println!("{failed}");
    assert!(failed.contains("takes no sound any more") && failed.contains("play again"), "{failed}");
}

#[test]
fn without_a_speaker_a_sentence_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("asound.conf");
    std::fs::write(&empty, "").unwrap();
    let nowhere = Path::new("/nonexistent/pulse");
    let output = child_process("loop")
        .env("ALSA_CONFIG_PATH", &empty)
        .env("PULSE_SERVER", format!("unix:{}", nowhere.display()))
        .env("XDG_RUNTIME_DIR", folder.path())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let failed = printed.lines().find(|line| line.starts_with("lost:")).unwrap_or_else(|| panic!("{printed}"));
    println!("{failed}");
    assert!(failed.contains("no speaker was found") && failed.contains("connect one"), "{failed}");
}
