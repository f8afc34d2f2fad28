//! `make check-decode`: some two hundred files over formats, rates, channels and encoders, decoded here and by ffmpeg.
//!
//! Prints the table of docs/decoding.md.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

use super::decode;

/// How a family of files is made and judged.
struct Family {
    name: &'static str,
    ending: &'static str,
    /// ffmpeg's arguments for the encoder.
    encode: &'static [&'static str],
    rates: &'static [u32],
    channels: &'static [u16],
    /// ffmpeg's arguments for its decoder.
    decode: &'static [&'static str],
    length: Length,
    /// The largest difference of a sample.
    within: f32,
}

/// What the length must equal.
#[derive(Clone, Copy, PartialEq)]
enum Length {
    /// The frames that were encoded, at the rate of the file.
    Source,
    /// What ffmpeg decodes: the file says nothing of its encoder's padding, or counts it (ffmpeg's Wave64).
    Ffmpeg,
}

const DETERMINISTIC: f32 = 1e-4;

const fn family(name: &'static str, ending: &'static str, encode: &'static [&'static str]) -> Family {
    Family {
        name,
        ending,
        encode,
        rates: &[8_000, 44_100],
        channels: &[1, 2],
        decode: &[],
        length: Length::Source,
        within: DETERMINISTIC,
    }
}

const ALL: &[u32] = &[8_000, 16_000, 44_100, 96_000];
const MPEG: &[u32] = &[8_000, 16_000, 22_050, 44_100, 48_000];
const OPUS: &[u32] = &[8_000, 16_000, 48_000];
const LIBOPUS: &[&str] = &["-c:a", "libopus"];

/// Every family. AAC is encoded without noise substitution, whose noise each decoder draws for itself.
fn families() -> Vec<Family> {
    let pcm = |codec: &'static [&'static str]| Family { rates: ALL, ..family("PCM in WAV", "wav", codec) };
    let opus = |encode| Family { rates: OPUS, decode: LIBOPUS, ..family("Opus in Ogg", "opus", encode) };
    let ffmpeg = |family: Family| Family { length: Length::Ffmpeg, ..family };
    let more = |channels, family: Family| Family { channels, rates: &[48_000], ..family };
    vec![
        pcm(&["-c:a", "pcm_u8"]),
        pcm(&["-c:a", "pcm_s16le"]),
        pcm(&["-c:a", "pcm_s24le"]),
        pcm(&["-c:a", "pcm_s32le"]),
        pcm(&["-c:a", "pcm_f32le"]),
        pcm(&["-c:a", "pcm_f64le"]),
        family("A-law, mu-law", "wav", &["-c:a", "pcm_alaw"]),
        family("A-law, mu-law", "wav", &["-c:a", "pcm_mulaw"]),
        more(&[3, 6, 8, 16], pcm(&["-c:a", "pcm_s16le"])),
        ffmpeg(family("Wave64", "w64", &["-c:a", "pcm_s16le"])),
        family("RF64", "wav", &["-c:a", "pcm_s24le", "-rf64", "always"]),
        ffmpeg(family("ADPCM in WAV", "wav", &["-c:a", "adpcm_ima_wav"])),
        ffmpeg(family("ADPCM in WAV", "wav", &["-c:a", "adpcm_ms"])),
        family("AIFF", "aiff", &["-c:a", "pcm_s16be"]),
        family("AIFF", "aiff", &["-c:a", "pcm_s24be"]),
        family("AIFF", "aiff", &["-c:a", "pcm_f32be"]),
        family("CAF", "caf", &["-c:a", "pcm_s16le"]),
        family("CAF", "caf", &["-c:a", "pcm_f32be"]),
        family("AU", "au", &["-c:a", "pcm_s16be"]),
        family("AU", "au", &["-c:a", "pcm_mulaw"]),
        Family { rates: ALL, ..family("FLAC", "flac", &["-sample_fmt", "s16"]) },
        family("FLAC", "flac", &["-sample_fmt", "s32", "-compression_level", "12"]),
        more(&[6], family("FLAC", "flac", &["-sample_fmt", "s16"])),
        family("FLAC in Ogg", "ogg", &["-c:a", "flac", "-sample_fmt", "s16"]),
        family("ALAC in MP4", "m4a", &["-c:a", "alac", "-sample_fmt", "s16p"]),
        family("ALAC in MP4", "m4a", &["-c:a", "alac", "-sample_fmt", "s32p"]),
        Family { rates: MPEG, ..family("MP3, LAME", "mp3", &["-c:a", "libmp3lame", "-b:a", "64k"]) },
        Family { rates: MPEG, ..family("MP3, LAME", "mp3", &["-c:a", "libmp3lame", "-q:a", "4"]) },
        ffmpeg(family("MP3 without a header", "mp3", &["-c:a", "libmp3lame", "-q:a", "5", "-write_xing", "0"])),
        Family {
            rates: &[44_100],
            ..ffmpeg(family("MP3 without a header", "mp3", &["-c:a", "libshine", "-b:a", "128k", "-write_xing", "0"]))
        },
        Family {
            rates: &[16_000, 22_050, 44_100],
            ..ffmpeg(family("MPEG layer II", "mp2", &["-c:a", "mp2", "-b:a", "128k"]))
        },
        Family { rates: MPEG, ..family("Vorbis in Ogg", "ogg", &["-c:a", "libvorbis", "-q:a", "1"]) },
        Family { rates: MPEG, ..family("Vorbis in Ogg", "ogg", &["-c:a", "libvorbis", "-q:a", "7"]) },
        ffmpeg(family("Vorbis in WebM", "webm", &["-c:a", "libvorbis"])),
        opus(&["-c:a", "libopus", "-b:a", "16k", "-application", "voip"]),
        opus(&["-c:a", "libopus", "-b:a", "96k"]),
        opus(&["-c:a", "libopus", "-b:a", "24k", "-frame_duration", "60"]),
        opus(&["-c:a", "libopus", "-b:a", "96k", "-frame_duration", "2.5"]),
        more(&[6], opus(&["-c:a", "libopus", "-b:a", "256k"])),
        Family { name: "Opus in WebM", ending: "webm", ..opus(&["-c:a", "libopus", "-b:a", "48k"]) },
        Family {
            rates: &[16_000, 44_100, 48_000],
            ..family("AAC in MP4", "m4a", &["-c:a", "aac", "-aac_pns", "0", "-b:a", "96k"])
        },
        family("AAC in MP4", "mov", &["-c:a", "aac", "-aac_pns", "0", "-b:a", "48k"]),
        ffmpeg(family("AAC alone", "aac", &["-c:a", "aac", "-aac_pns", "0", "-b:a", "96k"])),
        ffmpeg(family("AAC in Matroska", "mkv", &["-c:a", "aac", "-aac_pns", "0", "-b:a", "96k"])),
        family("video: MP4", "mp4", &["-c:a", "aac", "-aac_pns", "0", "-c:v", "mpeg4"]),
        ffmpeg(family("video: Matroska", "mkv", &["-c:a", "libvorbis", "-c:v", "mpeg4"])),
    ]
}

/// One file that was compared.
struct Row {
    family: &'static str,
    file: String,
    problem: Option<String>,
    difference: f32,
    same_as_source: bool,
    same_as_ffmpeg: bool,
}

fn ffmpeg(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-threads", "1"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is not installed: make check-decode installs it");
    assert!(output.status.success(), "ffmpeg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Tones that rise, and some noise, as raw 32-bit floats: channels differ.
fn source(path: &Path, rate: u32, channels: u16) -> usize {
    let frames = rate as usize * 11 / 10 + 7;
    let mut state = 1u32;
    let mut bytes = Vec::new();
    for n in 0..frames {
        let t = n as f32 / rate as f32;
        for channel in 0..channels {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let hz = 200.0 + 150.0 * f32::from(channel) + 700.0 * t;
            let fade = (t * 5.0).min(1.0);
            let sample = fade * (0.3 * (std::f32::consts::TAU * hz * t).sin() + 0.03 * noise);
            bytes.extend(sample.to_le_bytes());
        }
    }
    fs::write(path, bytes).unwrap();
    frames
}

fn compare(folder: &Path, family: &Family, rate: u32, channels: u16, number: usize) -> Row {
    let base = folder.join(format!("{number}-{rate}-{channels}"));
    let source_path = base.with_extension("raw");
    let path = base.with_extension(family.ending);
    let frames = source(&source_path, rate, channels);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (source_name, name) = (text(&source_path), text(&path));
    let (hz, count) = (rate.to_string(), channels.to_string());
    let mut arguments = vec!["-f", "f32le", "-ar", hz.as_str(), "-ac", count.as_str(), "-i", source_name.as_str()];
    if family.name.starts_with("video") {
        arguments.extend(["-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1.1"]);
    }
    arguments.extend(family.encode);
    arguments.extend(["-strict", "-2", name.as_str()]);
    ffmpeg(&arguments);
    let decoded = ffmpeg(&[family.decode, &["-i", name.as_str(), "-map", "0:a:0", "-f", "f32le", "-"]].concat());
    let interleaved: Vec<f32> = decoded.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let theirs: Vec<f32> = interleaved
        .chunks_exact(channels.into())
        .map(|frame| frame.iter().sum::<f32>() / f32::from(channels))
        .collect();
    let mut row = Row {
        family: family.name,
        file: format!("{} {rate} Hz {channels} ch {:?}", family.name, family.encode),
        problem: None,
        difference: 0.0,
        same_as_source: false,
        same_as_ffmpeg: false,
    };
    match decode(&path) {
        Ok(decoded) => {
            let ours = &decoded.samples;
            // Opus is decoded at 48 kHz, whatever went in.
            let encoded = (frames as u64 * u64::from(decoded.rate)).div_ceil(rate.into()) as usize;
            row.same_as_source = ours.len() == encoded;
            row.same_as_ffmpeg = ours.len() == theirs.len();
            row.difference = ours.iter().zip(&theirs).fold(0.0, |worst, (a, b)| worst.max((a - b).abs()));
            let expected = if family.length == Length::Source { encoded } else { theirs.len() };
            if ours.len() != expected {
                row.problem = Some(format!("{} frames, not {expected} (ffmpeg {})", ours.len(), theirs.len()));
            } else if row.difference > family.within {
                row.problem = Some(format!("differs by {}", row.difference));
            } else if !decoded.notes.is_empty() {
                row.problem = Some(decoded.notes);
            }
        }
        Err(error) => row.problem = Some(error.to_string()),
    }
    for path in [source_path, path] {
        let _ = fs::remove_file(path);
    }
    row
}

#[test]
#[ignore = "needs ffmpeg: make check-decode"]
fn decoding_agrees_with_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let families = families();
    let mut jobs: Vec<(usize, u32, u16)> = Vec::new();
    for (place, family) in families.iter().enumerate() {
        let pairs = family.rates.iter().flat_map(|&rate| family.channels.iter().map(move |&channels| (rate, channels)));
        jobs.extend(pairs.map(|(rate, channels)| (place, rate, channels)));
    }
    let total = jobs.len();
    let (jobs, rows) = (Mutex::new(jobs.into_iter().enumerate()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((number, (place, rate, channels))) = jobs.lock().unwrap().next() else { break };
                    let row = compare(folder.path(), &families[place], rate, channels, number);
                    rows.lock().unwrap().push(row);
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    assert_eq!(rows.len(), total);
    println!("| format | files | as long as the source | as long as ffmpeg's | largest difference |");
    println!("|---|---|---|---|---|");
    let mut names: Vec<&str> = Vec::new();
    for family in &families {
        if !names.contains(&family.name) {
            names.push(family.name);
        }
    }
    for name in names {
        let of: Vec<&Row> = rows.iter().filter(|row| row.family == name).collect();
        let count = |fits: fn(&Row) -> bool| of.iter().filter(|row| fits(row)).count();
        let worst = of.iter().fold(0.0f32, |worst, row| worst.max(row.difference));
        let (source, theirs) = (count(|row| row.same_as_source), count(|row| row.same_as_ffmpeg));
        println!("| {name} | {} | {source} | {theirs} | {worst:.1e} |", of.len());
    }
    println!("{total} files");
    let problems: Vec<String> =
        rows.iter().filter_map(|row| row.problem.as_ref().map(|problem| format!("{}: {problem}", row.file))).collect();
    assert!(problems.is_empty(), "{} of {total} files:\n{}", problems.len(), problems.join("\n"));
}
