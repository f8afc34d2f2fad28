//! Sound files become mono clips at 16 kHz.
//!
//! A damaged file is refused, not repaired: a clip that silently lost its end would train a model on silence.

use std::{
    fs::File,
    io::{self, Read, Seek},
    path::Path,
};

use symphonia::core::{
    codecs::audio::{AudioDecoder, AudioDecoderOptions, well_known::CODEC_ID_MP3},
    errors::Error as SymphoniaError,
    formats::{FormatOptions, FormatReader, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
};

use super::{AudioError, FRAME_LENGTH, SAMPLE_RATE, ogg, resample};

/// Frames an MP3 header may promise beyond what decodes: encoders count their padding differently.
const MP3_SLACK: u64 = 4 * 1152;

/// A decoded file: the mean of its channels at its own rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Samples a second, as the file has them.
    pub rate: u32,
    /// Channels that were averaged.
    pub channels: usize,
    /// One value for each sample time; full scale is 1.
    pub samples: Vec<f32>,
}

/// Decodes a file (WAV, FLAC, Ogg Vorbis, MP3), averages its channels and resamples it to [`SAMPLE_RATE`].
///
/// # Errors
/// When the file cannot be read, is not sound, is damaged or cut short, holds values that are not numbers,
/// or is shorter than one frame of the filter bank (25 ms).
pub fn load(path: &Path) -> Result<Vec<f32>, AudioError> {
    let sound = decode(path)?;
    let samples = resample(&sound.samples, sound.rate).map_err(|problem| AudioError::Unusable {
        path: path.to_owned(),
        problem,
        remedy: "convert it to a common sample rate".into(),
    })?;
    if samples.len() < FRAME_LENGTH {
        let ms = 1e3 * samples.len() as f64 / f64::from(SAMPLE_RATE);
        return Err(AudioError::Unusable {
            path: path.to_owned(),
            problem: format!("{ms:.0} ms of sound, and the filter bank needs 25 ms"),
            remedy: "leave it out or use a longer recording".into(),
        });
    }
    Ok(samples)
}

/// Decodes a file and averages its channels, at the file's own rate.
///
/// # Errors
/// As [`load`], but for the length.
pub fn decode(path: &Path) -> Result<Sound, AudioError> {
    let unusable = |problem: String, remedy: &str| AudioError::Unusable {
        path: path.to_owned(),
        problem,
        remedy: remedy.to_owned(),
    };
    let file = open(path)?;
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(Box::new(file), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|error| unusable(format!("not a sound file that can be read ({error})"), CONVERT))?;
    let track =
        format.default_track(TrackType::Audio).ok_or_else(|| unusable("it has no audio track".into(), CONVERT))?;
    let (track_id, promised) = (track.id, track.num_frames);
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or_else(|| unusable("it has no audio track".into(), CONVERT))?;
    let is_mp3 = parameters.codec == CODEC_ID_MP3;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|error| unusable(format!("its encoding is not supported ({error})"), CONVERT))?;

    let decoded = read_all(format.as_mut(), decoder.as_mut(), track_id, is_mp3);
    let (sound, fault) = decoded;
    let seconds = |frames: u64| frames as f64 / f64::from(sound.rate.max(1));
    let have = sound.samples.len() as u64;
    match fault {
        Some(Fault::End) => return Err(cut_short(path, seconds(have), promised.map(seconds))),
        Some(Fault::Damage(error)) => {
            return Err(unusable(format!("it is damaged at {:.2} s ({error})", seconds(have)), REPLACE));
        }
        Some(Fault::Channels(before, after)) => {
            let problem = format!("it changes from {before} to {after} channels at {:.2} s", seconds(have));
            return Err(unusable(problem, "convert it to one format throughout"));
        }
        Some(Fault::Rate(before, after)) => {
            let problem = format!("it changes from {before} Hz to {after} Hz at {:.2} s", seconds(have));
            return Err(unusable(problem, "convert it to one format throughout"));
        }
        None => {}
    }
    // Lengths near 2^32 are what a writer to a pipe leaves in a header that it cannot return to.
    if let Some(promised) = promised.filter(|&frames| frames < u64::from(u32::MAX) / 16)
        && have + if is_mp3 { MP3_SLACK } else { 0 } < promised
    {
        return Err(cut_short(path, seconds(have), Some(seconds(promised))));
    }
    if sound.samples.is_empty() {
        return Err(unusable("it holds no samples".into(), "leave it out or record it again"));
    }
    if let Some(at) = sound.samples.iter().position(|sample| !sample.is_finite()) {
        let bad = sound.samples.iter().filter(|sample| !sample.is_finite()).count();
        let problem = format!(
            "{bad} of {have} samples are not numbers (NaN or infinite), the first at {:.3} s",
            seconds(at as u64)
        );
        return Err(unusable(problem, "export it again from its source"));
    }
    Ok(sound)
}

const CONVERT: &str = "convert it to WAV, FLAC, Ogg Vorbis or MP3, or leave it out";
const REPLACE: &str = "copy or download it again, or leave it out";

/// Opens a file and refuses what is plainly no sound, with the plainest reason.
fn open(path: &Path) -> Result<File, AudioError> {
    let io_error = |source| AudioError::Io { path: path.to_owned(), source };
    let unusable = |problem: &str, remedy: &str| AudioError::Unusable {
        path: path.to_owned(),
        problem: problem.into(),
        remedy: remedy.into(),
    };
    let mut file = File::open(path).map_err(io_error)?;
    let metadata = file.metadata().map_err(io_error)?;
    if metadata.is_dir() {
        return Err(unusable("it is a folder", "give a sound file"));
    }
    if metadata.len() == 0 {
        return Err(unusable("it is empty (0 bytes)", REPLACE));
    }
    let mut start = Vec::with_capacity(256);
    file.by_ref().take(256).read_to_end(&mut start).map_err(io_error)?;
    if start.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Err(unusable("it is a Git LFS pointer, not the sound itself", "run `git lfs pull` in its repository"));
    }
    if std::str::from_utf8(&start).is_ok_and(|text| !text.contains('\0')) {
        return Err(unusable("it holds text, not sound", CONVERT));
    }
    file.rewind().map_err(io_error)?;
    if start.starts_with(ogg::CAPTURE_PATTERN) {
        if !ogg::is_complete(&mut file).map_err(io_error)? {
            return Err(cut_short(path, f64::NAN, None));
        }
        file.rewind().map_err(io_error)?;
    }
    Ok(file)
}

fn cut_short(path: &Path, have: f64, promised: Option<f64>) -> AudioError {
    let problem = match promised {
        Some(promised) => format!("it is cut short: {have:.2} s of {promised:.2} s are there"),
        None if have.is_finite() => format!("it is cut short after {have:.2} s"),
        None => "it is cut short: the stream does not reach its end".into(),
    };
    AudioError::Unusable { path: path.to_owned(), problem, remedy: REPLACE.into() }
}

/// Why decoding stopped before the end.
enum Fault {
    End,
    Damage(String),
    Channels(usize, usize),
    Rate(u32, u32),
}

/// Decodes every packet of a track and averages its channels: what came out, and what stopped it early.
fn read_all(
    format: &mut dyn FormatReader,
    decoder: &mut dyn AudioDecoder,
    track: u32,
    is_mp3: bool,
) -> (Sound, Option<Fault>) {
    let mut sound = Sound { rate: 0, channels: 0, samples: Vec::new() };
    let mut interleaved: Vec<f32> = Vec::new();
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) if packet.track_id == track => packet,
            Ok(Some(_)) => continue,
            Ok(None) => return (sound, None),
            Err(SymphoniaError::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return (sound, Some(Fault::End));
            }
            Err(error) => return (sound, Some(Fault::Damage(error.to_string()))),
        };
        let buffer = match decoder.decode(&packet) {
            Ok(buffer) => buffer,
            // The first MP3 packets may point into a bit reservoir that a cut removed.
            Err(SymphoniaError::DecodeError(_)) if is_mp3 => continue,
            Err(error) => return (sound, Some(Fault::Damage(error.to_string()))),
        };
        let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
        if channels == 0 || rate == 0 {
            return (sound, Some(Fault::Damage("a packet without channels".into())));
        }
        if sound.channels == 0 {
            (sound.rate, sound.channels) = (rate, channels);
        } else if sound.channels != channels {
            let before = sound.channels;
            return (sound, Some(Fault::Channels(before, channels)));
        } else if sound.rate != rate {
            let before = sound.rate;
            return (sound, Some(Fault::Rate(before, rate)));
        }
        interleaved.clear();
        buffer.copy_to_vec_interleaved(&mut interleaved);
        downmix(&interleaved, channels, &mut sound.samples);
    }
}

/// Appends the mean of each group of `channels` interleaved samples.
pub(super) fn downmix(interleaved: &[f32], channels: usize, mono: &mut Vec<f32>) {
    match channels {
        0 => {}
        1 => mono.extend_from_slice(interleaved),
        _ => {
            let scale = 1.0 / channels as f32;
            mono.extend(interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * scale));
        }
    }
}
