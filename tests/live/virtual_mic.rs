//! A sound server of the test's own, and a process that listens to it.

use std::{
    collections::HashMap,
    f64::consts::TAU,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    time::Duration,
};

/// The longest wait on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a process a signal.
pub fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), pid]).status().unwrap().success(), "kill -{name} {pid}");
}

/// A sound server of the test's own.
pub struct VirtualMic {
    tool: PathBuf,
    folder: tempfile::TempDir,
    pub env: HashMap<String, String>,
}

impl VirtualMic {
    /// Starts it, or returns why this test is skipped.
    pub fn start() -> Option<Self> {
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

    pub fn tell(&self, verb: &str, rest: &[&str]) {
        assert!(self.command(verb, rest).status().unwrap().success(), "virtual-mic {verb} {rest:?}");
    }

    /// Sends the server a signal.
    pub fn signal(&self, name: &str) {
        signal(name, std::fs::read_to_string(self.folder.path().join("pid")).unwrap().trim());
    }

    /// Asks the server itself for something.
    pub fn pactl(&self, words: &[&str]) {
        assert!(Command::new("pactl").args(words).envs(&self.env).status().unwrap().success(), "pactl {words:?}");
    }

    /// Plays a sound of so many seconds, in the background.
    pub fn play(&self, sound: Sound, seconds: f64) -> Child {
        let path = self.folder.path().join(format!("{sound:?}.wav"));
        sound.write(&path, 44_100, 1, seconds);
        self.command("play", &[path.to_str().unwrap()]).spawn().unwrap()
    }
}

/// Sounds that are easily distinguished.
#[derive(Clone, Copy, Debug)]
pub enum Sound {
    /// A steady tone, Hz.
    Tone(f64),
    /// White noise from this seed.
    Noise(u32),
}

impl Sound {
    /// Writes so many seconds of it as 16-bit wav, the same on every channel.
    pub fn write(self, path: &Path, rate: u32, channels: u16, seconds: f64) {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        let mut state = if let Self::Noise(seed) = self { seed } else { 0 };
        for n in 0..(f64::from(rate) * seconds) as usize {
            // The constants of Numerical Recipes' generator.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let wave = match self {
                Self::Tone(hz) => (TAU * hz * n as f64 / f64::from(rate)).sin(),
                Self::Noise(_) => f64::from(state >> 8) / f64::from(1 << 23) - 1.0,
            };
            for _ in 0..channels {
                writer.write_sample((12_000.0 * wave) as i16).unwrap();
            }
        }
        writer.finalize().unwrap();
    }
}

impl Drop for VirtualMic {
    fn drop(&mut self) {
        // A stopped one would not receive the signal to end.
        if let Ok(pid) = std::fs::read_to_string(self.folder.path().join("pid")) {
            let _ = Command::new("kill").args(["-CONT", pid.trim()]).status();
        }
        let _ = self.command("stop", &[]).status();
    }
}

/// A process that listens, and its lines.
pub struct Heard {
    pub child: Child,
    lines: Receiver<String>,
    pub seen: Vec<String>,
}

impl Heard {
    /// Starts it, with the sound server's environment.
    pub fn start(mic: &VirtualMic, command: &mut Command) -> Self {
        let mut child =
            command.envs(&mic.env).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
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

    /// Waits for a line with all these words, and returns it.
    pub fn until(&mut self, wanted: &[&str]) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else { panic!("no {wanted:?} after {:#?}", self.seen) };
            let found = wanted.iter().all(|word| line.contains(word));
            self.seen.push(line.clone());
            if found {
                return line;
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
