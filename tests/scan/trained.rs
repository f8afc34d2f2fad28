//! A folder in which a tiny model was trained to distinguish tones from noise, and recordings of both.

use std::{
    collections::BTreeMap,
    f64::consts::TAU,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// Frames of 10 ms that the model takes.
pub const FRAMES: usize = 48;

/// What a stretch of a recording holds.
#[derive(Clone, Copy)]
pub enum Sound {
    Tone(f64),
    Noise(u32),
}

impl Sound {
    /// So many samples at a rate.
    pub fn samples(self, rate: u32, seconds: f64) -> Vec<f32> {
        let mut state = if let Self::Noise(seed) = self { seed.wrapping_mul(2_654_435_761) | 1 } else { 0 };
        let sample = |n: usize| match self {
            Self::Tone(hz) => (0.3 * (TAU * hz * n as f64 / f64::from(rate)).sin()) as f32,
            Self::Noise(_) => {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                0.3 * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
            }
        };
        (0..(f64::from(rate) * seconds).round() as usize).map(sample).collect()
    }
}

/// Writes samples as a WAV file of 16 bits, the same on every channel.
pub fn write(path: &Path, rate: u32, channels: u16, samples: &[f32]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let spec =
        hound::WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for &sample in samples {
        (0..channels).for_each(|_| writer.write_sample((sample * 32_767.0) as i16).unwrap());
    }
    writer.finalize().unwrap();
}

/// A recording of several sounds, one after another, of so many seconds each.
pub fn recording(rate: u32, parts: &[(Sound, f64)]) -> Vec<f32> {
    parts.iter().flat_map(|(sound, seconds)| sound.samples(rate, *seconds)).collect()
}

/// A folder with a trained session called `ear`.
pub struct Trained(tempfile::TempDir);

impl Trained {
    pub fn new() -> Self {
        let trained = Self(tempfile::tempdir().unwrap());
        for class in ["tone", "noise"] {
            for clip in 0..10 {
                let sound =
                    if class == "tone" { Sound::Tone(1000.0 + 100.0 * f64::from(clip)) } else { Sound::Noise(clip) };
                let path = trained.path().join("sounds").join(class).join(format!("{clip}.wav"));
                write(&path, 16_000, 1, &sound.samples(16_000, 0.6));
            }
        }
        let line = format!(
            "train --data sounds --model tiny --method full --frames {FRAMES} --batch 4 --lr 3e-4 --epochs 4 --name ear"
        );
        let printed = trained.run(&line);
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        trained
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aat-tui"));
        command
            .args(line.split_whitespace())
            .current_dir(self.path())
            .env("AAT_TUI_SESSIONS", self.path().join("sessions"))
            .env("AAT_TUI_CACHE", "off");
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// The lines of a command that ends well.
    pub fn json(&self, line: &str) -> Vec<Value> {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        lines(&output)
    }

    /// The summary of a command that ends well.
    pub fn summary(&self, line: &str) -> Value {
        let last = self.json(line).pop().unwrap();
        assert_eq!(last["summary"], true, "{line}: {last}");
        last
    }
}

pub fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Everything that a scan wrote, but for what it keeps for itself.
pub fn results(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut all, mut folders) = (BTreeMap::new(), vec![out.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(out).unwrap().to_owned();
            if name == Path::new(".scan") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                all.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    all
}
