//! Sound in containers that symphonia reads: FLAC, Ogg, MP4, Matroska, AIFF, CAF and AAC's own frames.

use std::{collections::VecDeque, fs::File, ops::Range};

use symphonia::core::{
    codecs::audio::{
        AudioCodecId, AudioCodecParameters,
        well_known::{
            CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_FLAC, CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_OPUS,
            CODEC_ID_VORBIS,
        },
    },
    formats::{FormatOptions, FormatReader, SeekMode, SeekTo, Track, TrackType, probe::Hint},
    meta::MetadataOptions,
    units::Timestamp,
};

use super::{
    blocks::{Blocks, Note},
    fault::Fault,
    flac,
    kinds::{self, Kind},
    matroska, mp4, ogg,
    packets::{Decoder, Form, OpusHead},
    section::Section,
};

/// The sound track of a container, and of those that follow it in the same file.
pub(super) struct Container {
    kind: Kind,
    file: File,
    /// The bytes of each container in the file.
    parts: VecDeque<Range<u64>>,
    open: Option<Open>,
    mp4: Vec<mp4::SoundTrack>,
    matroska: Vec<matroska::Times>,
    /// Frames that ended containers promised; `None` as soon as one promises nothing.
    promised: Option<u64>,
    /// Whether every stream so far matched the checksum of its samples, if it has one.
    verified: bool,
    notes: Vec<Note>,
}

/// One container being read.
struct Open {
    reader: Box<dyn FormatReader>,
    track: u32,
    decoder: Decoder,
    codec: AudioCodecId,
    trim: Trim,
    /// Interleaved samples that are padding if nothing follows.
    held: Vec<f32>,
}

/// Padding that encoders added to a sound.
#[derive(Clone, Copy, Debug, Default)]
struct Trim {
    /// Frames still to skip.
    skip: u64,
    /// Frames still to return, where that is known.
    keep: Option<u64>,
    /// Frames to leave out at the end.
    padding: u64,
}

/// Names of codecs, for messages.
fn name_of(codec: AudioCodecId) -> &'static str {
    match codec {
        CODEC_ID_AAC => "AAC",
        CODEC_ID_ALAC => "ALAC",
        CODEC_ID_FLAC => "FLAC",
        CODEC_ID_MP1 => "MPEG layer I",
        CODEC_ID_MP2 => "MPEG layer II",
        CODEC_ID_MP3 => "MP3",
        CODEC_ID_OPUS => "Opus",
        CODEC_ID_VORBIS => "Vorbis",
        _ => "sound",
    }
}

/// Opens a container of `length` bytes whose sound begins at byte `start`.
pub(super) fn open(mut file: File, kind: Kind, start: u64, length: u64) -> Result<Box<dyn Blocks>, Fault> {
    let mut notes = Vec::new();
    let parts = match kind {
        Kind::Ogg => {
            let pages = ogg::check(&mut file, length)?;
            if let Some(name) = pages.foreign {
                return Err(Fault::refused(format!("it is {name} in Ogg, which is not decoded")));
            }
            notes = pages.notes;
            pages.links.into()
        }
        Kind::Flac => {
            let (end, note) = flac::end(&mut file, length)?;
            notes.extend(note);
            std::iter::once(start..end.max(start)).collect()
        }
        _ => std::iter::once(start..length).collect(),
    };
    let mp4 = if kind == Kind::Mp4 { mp4::sound_tracks(&mut file, length)? } else { Vec::new() };
    let matroska = if kind == Kind::Matroska { matroska::times(&mut file, length)? } else { Vec::new() };
    let mut container =
        Container { kind, file, parts, open: None, mp4, matroska, promised: Some(0), verified: true, notes };
    container.advance()?;
    Ok(Box::new(container))
}

impl Container {
    /// Opens the next container of the file. `false` when there is none.
    fn advance(&mut self) -> Result<bool, Fault> {
        self.open = None;
        let Some(range) = self.parts.pop_front() else { return Ok(false) };
        let part = Section::new(self.file.try_clone()?, range)?;
        let name = self.kind.name();
        let reader = symphonia::default::get_probe()
            .probe(&Hint::new(), part.into_stream(), FormatOptions::default(), MetadataOptions::default())
            .map_err(|error| match Fault::of(error, name) {
                Fault::Damage(_) => Fault::Damage(format!("its {name} header cannot be read")),
                Fault::Refused { .. } => Fault::refused(format!("this kind of {name} file is not read")),
                fault => fault,
            })?;
        let track = self.sound_track(reader.as_ref())?;
        let Some(parameters) = track.codec_params.as_ref().and_then(|parameters| parameters.audio()).cloned() else {
            return Err(Fault::refused("it has no sound track"));
        };
        let codec = parameters.codec;
        if let Some(rate) = parameters.sample_rate {
            super::check_form(rate, parameters.channels.as_ref().map_or(1, |channels| channels.count()))?;
        }
        let decoder = Decoder::new(&parameters, name_of(codec))?;
        let trim = self.trim(&track, &parameters)?;
        let promise = self.promise(&track, &parameters, &trim);
        self.promised = self.promised.zip(promise).map(|(sum, frames)| sum.saturating_add(frames));
        let track = track.id;
        self.open = Some(Open { reader, track, decoder, codec, trim, held: Vec::new() });
        Ok(true)
    }

    /// The first sound track that can be decoded, with a note when there are others.
    fn sound_track(&mut self, reader: &dyn FormatReader) -> Result<Track, Fault> {
        let sound: Vec<&Track> =
            reader.tracks().iter().filter(|track| track.track_type() == Some(TrackType::Audio)).collect();
        let count = sound.len().max(self.mp4.len());
        let Some(track) = sound.first() else {
            return Err(Fault::refused(match (self.mp4.first(), self.kind) {
                (Some(track), _) => format!("its sound is {}, which is not decoded", kinds::mp4_coding(track.coding)),
                (None, Kind::Ogg | Kind::Mp4 | Kind::Matroska) => "it has no sound track that is decoded".into(),
                _ => "its encoding is not decoded".into(),
            }));
        };
        if count > 1 {
            self.notes.push(Note::new(
                format!("it has {count} sound tracks, and the first is used"),
                "if another track is meant, save it as a separate file",
            ));
        }
        Ok((*track).clone())
    }

    /// What to leave out of a track.
    fn trim(&self, track: &Track, parameters: &AudioCodecParameters) -> Result<Trim, Fault> {
        let head = parameters.extra_data.as_deref().and_then(OpusHead::parse);
        let pre_skip = head.filter(|_| parameters.codec == CODEC_ID_OPUS).map(|head| head.pre_skip);
        // Matroska may give the rate that Opus was encoded from.
        let rate = match parameters.codec {
            CODEC_ID_OPUS => 48_000,
            _ => parameters.sample_rate.unwrap_or(0),
        };
        match self.kind {
            Kind::Ogg => Ok(Trim { skip: pre_skip.unwrap_or(0), ..Trim::default() }),
            Kind::Mp4 => {
                let Some(sound) = self.mp4.iter().find(|sound| sound.id == track.id) else {
                    return Ok(Trim::default());
                };
                if parameters.codec == CODEC_ID_AAC && rate > 0 && sound.timescale() == 2 * rate {
                    return Err(Fault::refused("it is HE-AAC, of which only half the band would be decoded"));
                }
                let (skip, keep) = sound.trim(rate, track.num_frames);
                Ok(Trim { skip, keep, padding: 0 })
            }
            Kind::Matroska => {
                let track = u64::from(track.id);
                let times = self.matroska.iter().find(|times| times.track == track).copied().unwrap_or_default();
                let frames = |ns: u64| (ns.saturating_mul(rate.into()).saturating_add(500_000_000)) / 1_000_000_000;
                Ok(Trim {
                    skip: pre_skip.unwrap_or_else(|| frames(times.delay)),
                    keep: None,
                    padding: frames(times.padding),
                })
            }
            _ => Ok(Trim::default()),
        }
    }

    /// Frames that a track's header promises, after what is left out.
    fn promise(&self, track: &Track, parameters: &AudioCodecParameters, trim: &Trim) -> Option<u64> {
        let frames = track.num_frames?;
        match self.kind {
            Kind::Flac | Kind::Aiff => Some(frames),
            // In packets, symphonia counts the whole last one.
            Kind::Caf => (parameters.codec != CODEC_ID_ALAC && parameters.codec != CODEC_ID_AAC).then_some(frames),
            // Symphonia counts Opus from before what is left out.
            Kind::Ogg => Some(frames.saturating_sub(trim.skip)),
            Kind::Mp4 => {
                let ticks = track.time_base.map(|base| (base.numer.get(), base.denom.get()));
                let left = frames.saturating_sub(trim.skip);
                (ticks == Some((1, parameters.sample_rate?))).then(|| trim.keep.map_or(left, |keep| keep.min(left)))
            }
            _ => None,
        }
    }
}

impl Blocks for Container {
    fn next(&mut self, out: &mut Vec<f32>) -> Result<Option<Form>, Fault> {
        out.clear();
        let (kind, name) = (self.kind, self.kind.name());
        loop {
            let Some(open) = &mut self.open else { return Ok(None) };
            let mut packet = match open.reader.next_packet() {
                Ok(Some(packet)) if packet.track_id == open.track => packet,
                Ok(Some(_)) => continue,
                Ok(None) => {
                    self.verified &= open.decoder.is_verified();
                    if self.advance()? {
                        continue;
                    }
                    return Ok(None);
                }
                Err(error) => return Err(Fault::of(error, name)),
            };
            // Opus is trimmed here; symphonia's decoders trim by themselves, where a container gives the amount. The
            // amount for AAC's own frames is an estimate.
            let trim_end = packet.trim_end.get();
            if kind == Kind::Adts {
                packet.trim_end = Default::default();
            }
            let form = open.decoder.decode(&packet, out)?;
            let mut frames = (out.len() / form.channels.max(1)) as u64;
            if open.codec == CODEC_ID_OPUS {
                frames = frames.saturating_sub(trim_end);
            }
            let trim = &mut open.trim;
            let skipped = frames.min(trim.skip);
            trim.skip -= skipped;
            let kept = (frames - skipped).min(trim.keep.unwrap_or(u64::MAX));
            trim.keep = trim.keep.map(|keep| keep - kept);
            out.truncate((skipped + kept) as usize * form.channels);
            out.drain(..skipped as usize * form.channels);
            if trim.padding > 0 {
                open.held.append(out);
                let padding = usize::try_from(trim.padding).unwrap_or(usize::MAX).saturating_mul(form.channels);
                out.extend(open.held.drain(..open.held.len().saturating_sub(padding)));
            }
            return Ok(Some(form));
        }
    }

    /// FLAC alone: its frames depend on nothing before them, and each has its number.
    fn jump(&mut self, to: u64, now: u64) -> Result<u64, Fault> {
        let name = self.kind.name();
        let (Kind::Flac, Some(open), true) = (self.kind, &mut self.open, self.parts.is_empty()) else {
            return Ok(now);
        };
        let ts = Timestamp::new(i64::try_from(to).unwrap_or(i64::MAX));
        let track_id = open.track;
        let reached = open.reader.seek(SeekMode::Accurate, SeekTo::Timestamp { ts, track_id });
        let at = reached.map_err(|error| Fault::of(error, name))?.actual_ts.get();
        let at = u64::try_from(at).ok().filter(|at| *at <= to);
        at.ok_or_else(|| Fault::Damage(format!("the {name} frame there was not found")))
    }

    fn promised(&self) -> Option<u64> {
        self.promised.filter(|&frames| frames > 0)
    }

    fn declared(&self) -> Option<u64> {
        self.promised().filter(|_| self.parts.is_empty())
    }

    fn is_verified(&self) -> bool {
        self.verified
    }

    fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}
