//! The filter banks against torchaudio's and transformers' (tests/golden/make_fbank.py), and what is said of
//! sound that cannot be used.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::{
    f64::consts::{PI, TAU},
    fs,
    path::{Path, PathBuf},
};

use aat_tui::audio::{self, Fbank, LogMel, ced_mel, whisper_mel};
use assert_cmd::Command;

const SAMPLES: usize = 9_600;

/// A golden array of rank 2, with its shape.
fn golden(name: &str) -> LogMel {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    npy(&path)
}

fn npy(path: &Path) -> LogMel {
    let bytes = fs::read(path).unwrap();
    let array = npyz::NpyFile::new(&bytes[..]).unwrap();
    let (rows, columns) = (array.shape()[0] as usize, array.shape()[1] as usize);
    let fortran = array.order() == npyz::Order::Fortran;
    let values: Vec<f32> = array.into_vec().unwrap();
    let data = if fortran {
        (0..rows * columns).map(|i| values[(i % columns) * rows + i / columns]).collect()
    } else {
        values
    };
    LogMel { frames: rows, bins: columns, data }
}

fn shared(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(file);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
    }
    path.exists().then_some(path)
}

/// The largest difference over the first `bins` mel bins.
fn worst(ours: &LogMel, golden: &LogMel, bins: usize) -> f32 {
    assert_eq!((ours.frames, ours.bins), (golden.frames, golden.bins));
    let rows = (0..ours.frames).map(|frame| (&ours.row(frame)[..bins], &golden.row(frame)[..bins]));
    rows.flat_map(|(ours, golden)| ours.iter().zip(golden)).fold(0.0, |worst, (a, b)| worst.max((a - b).abs()))
}

/// The mean difference over the first `bins` mel bins.
fn mean_difference(ours: &LogMel, golden: &LogMel, bins: usize) -> f32 {
    let rows = (0..ours.frames).map(|frame| (&ours.row(frame)[..bins], &golden.row(frame)[..bins]));
    let sum: f32 = rows.flat_map(|(ours, golden)| ours.iter().zip(golden)).map(|(a, b)| (a - b).abs()).sum();
    sum / (ours.frames * bins) as f32
}

/// As in make_fbank.py.
fn synthetic() -> Vec<f32> {
    let mut state = 1u32;
    (0..SAMPLES)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(state >> 8) / f64::from(1 << 23) - 1.0;
            let t = n as f64 / 16_000.0;
            (0.3 * (TAU * (100.0 * t + 4_000.0 * t * t)).sin() + 0.01 * noise * t) as f32
        })
        .collect()
}

/// As in make_fbank.py.
fn at_44_1_khz(samples: &[f32]) -> Vec<f32> {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    (0..samples.len() * 441 / 160)
        .map(|m| {
            let at = m as f64 * 160.0 / 441.0;
            let middle = at.floor() as usize;
            let around = middle.saturating_sub(63)..samples.len().min(middle + 65);
            around
                .map(|k| {
                    let d = at - k as f64;
                    f64::from(samples[k]) * sinc(d) * (0.5 + 0.5 * (PI * d / 65.0).cos())
                })
                .sum::<f64>() as f32
        })
        .collect()
}

fn write_wav(path: &Path, rate: u32, samples: &[f32]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
}

#[test]
fn a_synthetic_sound_has_kaldis_filter_bank() {
    let difference = worst(&Fbank::new().compute(&synthetic()), &golden("fbank_synthetic.npy"), 128);
    assert!(difference < 1e-4, "{difference}");
}

#[test]
fn a_real_recording_at_16_khz_has_kaldis_filter_bank() {
    let Some(path) = shared("esc10/audio/1-17367-A-10.ogg") else { return };
    let samples = audio::load(&path).unwrap();
    let difference = worst(&Fbank::new().compute(&samples[..SAMPLES]), &golden("fbank_16k.npy"), 128);
    assert!(difference < 1e-4, "{difference}");
}

/// Mel bins whose triangles end below this frequency.
fn bins_below(hz: f64) -> usize {
    let mel = |hz: f64| 1127.0 * (hz / 700.0f64).ln_1p();
    let step = (mel(8_000.0) - mel(20.0)) / 129.0;
    ((mel(hz) - mel(20.0)) / step) as usize - 1
}

#[test]
fn a_real_recording_at_8_khz_agrees_below_the_band_edge() {
    let Some(path) = shared("digits/seven/george_nohash_7.flac") else { return };
    let (ours, golden) = (Fbank::new().compute(&audio::load(&path).unwrap()), golden("fbank_8k.npy"));
    // Two resamplers, both flat to here. Quiet bins beside loud ones show what each leaves of the images above 4 kHz.
    let bins = bins_below(3_500.0);
    let (mean, worst) = (mean_difference(&ours, &golden, bins), worst(&ours, &golden, bins));
    eprintln!("8 kHz: mean {mean}, worst {worst} over {bins} bins");
    assert!(mean < 1e-4 && worst < 0.05, "mean {mean}, worst {worst}");
}

#[test]
fn a_real_recording_at_44_1_khz_agrees_below_the_band_edge() {
    let Some(path) = shared("esc10/audio/1-100032-A-0.ogg") else { return };
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("44k.wav");
    write_wav(&wav, 44_100, &at_44_1_khz(&audio::load(&path).unwrap()[..SAMPLES]));
    let (ours, golden) = (Fbank::new().compute(&audio::load(&wav).unwrap()), golden("fbank_44k.npy"));
    let bins = bins_below(7_000.0);
    let (mean, worst) = (mean_difference(&ours, &golden, bins), worst(&ours, &golden, bins));
    eprintln!("44.1 kHz: mean {mean}, worst {worst} over {bins} bins");
    assert!(mean < 1e-5 && worst < 1e-3, "mean {mean}, worst {worst}");
}

#[test]
fn whispers_features_are_those_of_its_own_extractor() {
    for (bins, name) in [(80, "whisper"), (128, "whisper128")] {
        let computed = |samples: &[f32]| whisper_mel(bins).compute(samples);
        let difference = worst(&computed(&synthetic()), &golden(&format!("{name}_synthetic.npy")), bins);
        assert!(difference < 1e-5, "{bins}: {difference}");
        let Some(path) = shared("esc10/audio/1-17367-A-10.ogg") else { return };
        let samples = audio::load(&path).unwrap();
        let difference = worst(&computed(&samples[..SAMPLES]), &golden(&format!("{name}_16k.npy")), bins);
        // Two Vorbis decoders stand between the file and the samples; filters of a single FFT bin average nothing out.
        assert!(difference < 2e-5, "{bins}: {difference}");
    }
}

/// In decibels: torchaudio's at the settings of CED and Dasheng, in double precision. Slaney's filters or natural logarithms
/// would be off by whole decibels.
#[test]
fn ceds_features_are_those_of_its_makers_settings() {
    for length in [SAMPLES, 4_001, 16_000] {
        let sound: Vec<f32> = synthetic().into_iter().cycle().take(length).collect();
        let difference = worst(&ced_mel().compute(&sound), &golden(&format!("ced_{length}.npy")), 64);
        assert!(difference < 1e-4, "{length} samples: {difference} dB");
    }
}

/// The same for recorded speech, whose samples are taken at 16 kHz, as in make_ced.py.
#[test]
fn ceds_features_of_recorded_speech_are_those_of_its_makers_settings() {
    let files = (0..12).map(|i| shared(&format!("digits/seven/george_nohash_{i}.flac")));
    let Some(files) = files.collect::<Option<Vec<_>>>() else { return };
    let speech: Vec<f32> = files.iter().flat_map(|file| audio::decode(file).unwrap().samples).collect();
    for length in [4_001, SAMPLES, 16_000] {
        let golden = golden(&format!("ced_recording_{length}.npy"));
        let difference = worst(&ced_mel().compute(&speech[..length]), &golden, 64);
        eprintln!("{length} samples: {difference:.1e} dB");
        assert!(difference < 1e-4, "{length} samples: {difference} dB");
    }
}

#[test]
fn frames_count_as_kaldi_counts() {
    let frames = |samples: usize| Fbank::new().compute(&vec![0.1; samples]).frames;
    assert_eq!([399, 400, 16_000, 80_000, 160_000].map(frames), [0, 1, 98, 498, 998]);
    let silence = Fbank::new().compute(&[0.25; 400]);
    let floor = 1.192_092_9e-7f32.ln();
    assert!(silence.data.iter().all(|value| (value - floor).abs() < 1e-5), "a constant is silence");
}

/// What `load` says of these bytes.
fn said(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let message = audio::load(&path).unwrap_err().to_string();
    assert!(message.contains(name), "names the file: {message}");
    message
}

#[test]
fn sound_that_cannot_be_used_is_named_with_a_remedy() {
    let empty = said("empty.wav", b"");
    assert!(empty.contains("0 bytes") && empty.contains("download it again"), "{empty}");
    let text = said("text.wav", b"This is not sound at all.\n");
    assert!(text.contains("holds text") && text.contains("leave it out"), "{text}");
    let pointer = said("lfs.wav", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n");
    assert!(pointer.contains("git lfs pull"), "{pointer}");
    let noise = said("noise.flac", &[0x80, 0x00, 0xff, 0x12].repeat(500));
    assert!(noise.contains("not a sound file"), "{noise}");

    let folder = tempfile::tempdir().unwrap();
    let wav = |name: &str, samples: &[f32]| {
        let path = folder.path().join(name);
        write_wav(&path, 16_000, samples);
        fs::read(path).unwrap()
    };
    let mut samples = synthetic();
    samples[160] = f32::NAN;
    samples[161] = f32::INFINITY;
    let nan = said("nan.wav", &wav("nan.wav", &samples));
    assert!(nan.contains("2 of 9600 samples") && nan.contains("0.010 s"), "{nan}");
    let short = said("short.wav", &wav("short.wav", &[0.1; 160]));
    assert!(short.contains("10 ms") && short.contains("25 ms"), "{short}");
    let none = said("none.wav", &wav("none.wav", &[]));
    assert!(none.contains("no samples"), "{none}");
    let whole = wav("whole.wav", &synthetic());
    let cut = said("cut.wav", &whole[..whole.len() / 2]);
    assert!(cut.contains("cut short") && cut.contains("0.60 s"), "{cut}");
    let missing = audio::load(&folder.path().join("gone.wav")).unwrap_err().to_string();
    assert!(missing.contains("gone.wav"), "{missing}");
}

#[test]
fn files_cut_short_are_refused_wherever_they_are_cut() {
    for file in ["esc10/audio/1-100032-A-0.ogg", "digits/seven/george_nohash_7.flac"] {
        let Some(path) = shared(file) else { return };
        let whole = fs::read(&path).unwrap();
        let name = format!("cut.{}", path.extension().unwrap().to_str().unwrap());
        for share in [0.3, 0.5, 0.9, 0.999] {
            let message = said(&name, &whole[..(whole.len() as f64 * share) as usize]);
            assert!(message.contains("cut short"), "{file} at {share}: {message}");
        }
    }
}

#[test]
fn channels_are_averaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stereo.wav");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for n in 0..1_000i16 {
        writer.write_sample(n).unwrap();
        writer.write_sample(-3 * n).unwrap();
    }
    writer.finalize().unwrap();
    let samples = audio::load(&path).unwrap();
    assert_eq!((samples.len(), samples[100]), (1_000, -100.0 / 32_768.0));
}

#[test]
fn the_features_command_writes_npy_and_goes_on_past_a_bad_file() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad, out) = (folder.path().join("good.wav"), folder.path().join("bad.wav"), folder.path().join("out"));
    write_wav(&good, 16_000, &synthetic());
    fs::write(&bad, "no sound").unwrap();
    let mut command = Command::cargo_bin("aat-tui").unwrap();
    let run = command.args(["features", "--out"]).args([&out, &bad, &good]).assert().code(1);
    let complaint = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(complaint.contains("bad.wav"), "{complaint}");
    let written = npy(&out.join("good.npy"));
    assert_eq!(written, Fbank::new().compute(&synthetic()));
}
