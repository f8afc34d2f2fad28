//! MPEG audio, layers I to III: every frame, to the end of the file.
//!
//! A stream without a Xing or VBRI header does not give its length, and none is guessed. Streams may be concatenated;
//! the padding of each one's encoder is left out.

use std::ops::Range;

use symphonia::core::codecs::audio::{
    AudioCodecParameters,
    well_known::{CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3},
};

use super::{
    blocks::{Blocks, Note, packet},
    fault::Fault,
    mpeg_frame::{HEADER_BYTES, Header, Info, LARGEST_FRAME},
    packets::{Decoder, Form},
    section::Section,
    tags,
};

/// Bytes before the first frame that are searched for it.
const LEAD: usize = 64 << 10;
/// Frames in a row that make a stream.
const CONVINCING: usize = 3;
/// Frames that may be missing from the promised number: some encoders count the frame of the header itself.
const FRAME_SLACK: u64 = 1;
/// Frames that may fail to decode, besides those after a cut that need bits of frames before it.
const MOST_FAILED: u64 = 4;
/// Frames after a cut that may refer to frames before it.
const RESERVOIR: u64 = 3;

/// A file's bytes, read ahead on request.
struct Window {
    part: Section,
    bytes: Vec<u8>,
    at: usize,
}

impl Window {
    /// The next `count` bytes, or as many as are left.
    fn peek(&mut self, count: usize) -> Result<&[u8], Fault> {
        if self.bytes.len() - self.at < count && self.part.left() > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
            let have = self.bytes.len();
            self.bytes.resize(have + count.max(LEAD), 0);
            let filled = self.part.fill(&mut self.bytes[have..])?;
            self.bytes.truncate(have + filled);
        }
        let end = self.bytes.len().min(self.at + count);
        Ok(&self.bytes[self.at..end])
    }

    fn skip(&mut self, count: u64) -> Result<(), Fault> {
        let ahead = (self.bytes.len() - self.at) as u64;
        if count <= ahead {
            self.at += count as usize;
        } else {
            self.at = self.bytes.len();
            self.part.pass(count - ahead)?;
        }
        Ok(())
    }

    fn is_empty(&mut self) -> Result<bool, Fault> {
        Ok(self.peek(1)?.is_empty())
    }

    fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64 + self.part.left()
    }
}

/// One encoder's stream among those of a file.
#[derive(Default)]
struct Stream {
    /// Samples to each side that the encoder added.
    trim: Option<Trim>,
    /// Frames that its header promises.
    promised: Option<u64>,
    frames: u64,
    /// Samples of a channel.
    position: u64,
}

struct Trim {
    delay: u64,
    /// The samples after the sound, counted from the stream's start.
    padding: Range<u64>,
}

/// The frames of a file.
pub(super) struct Mpeg {
    window: Window,
    notes: Vec<Note>,
    decoder: Option<(Header, Decoder)>,
    stream: Stream,
    /// Frames since the start or since bytes were skipped.
    since_cut: u64,
    /// Frames that did not decode.
    failed: u64,
    /// Samples returned, for positions in messages.
    given: u64,
}

/// Opens a stream: it begins within the first 64 KiB of `part`.
pub(super) fn open(part: Section, notes: Vec<Note>) -> Result<Box<dyn Blocks>, Fault> {
    let mut window = Window { part, bytes: Vec::new(), at: 0 };
    while let Some(size) = tags::leading(window.peek(tags::HEADER)?) {
        window.skip(size)?;
    }
    if window.is_empty()? {
        return Err(Fault::refused("it holds no sound, only tags"));
    }
    let head = window.peek(LEAD + CONVINCING * LARGEST_FRAME)?;
    let Some(start) = (0..head.len().min(LEAD)).find(|&at| run(&head[at..], CONVINCING)) else {
        let free = head.first_chunk().is_some_and(|&bytes| Header::is_free_format(bytes));
        return Err(Fault::refused(if free {
            "it is MPEG audio of a free bit rate, which is not decoded"
        } else {
            "it is not MPEG audio: no frame begins in its first 64 KiB"
        }));
    };
    let mut mpeg = Mpeg { window, notes, decoder: None, stream: Stream::default(), since_cut: 0, failed: 0, given: 0 };
    if start > 0 {
        mpeg.notes.push(Note::new(
            format!("{start} bytes before its first frame are not sound and were skipped"),
            "nothing, unless its beginning is missing",
        ));
        mpeg.window.skip(start as u64)?;
    }
    Ok(Box::new(mpeg))
}

/// Whether `wanted` frames of one kind follow each other, or fewer up to the very end.
fn run(bytes: &[u8], wanted: usize) -> bool {
    let (mut at, mut first) = (0, None::<Header>);
    for count in 0..wanted {
        let Some(header) = bytes.get(at..).and_then(|rest| rest.first_chunk()).and_then(|&bytes| Header::parse(bytes))
        else {
            return count > 0 && at == bytes.len();
        };
        if first.is_some_and(|first| !first.is_like(&header)) {
            return false;
        }
        first = Some(header);
        at += header.bytes;
    }
    at <= bytes.len()
}

impl Mpeg {
    /// Skips bytes that are not a frame. `false` at the end of the file.
    fn synchronise(&mut self) -> Result<bool, Fault> {
        let mut passed = 0u64;
        let mut zeros = true;
        loop {
            let ahead = self.window.peek(tags::HEADER)?;
            if ahead.is_empty() {
                break;
            }
            if let Some(size) = tags::leading(ahead).or_else(|| tags::trailing(ahead)) {
                self.window.skip(size)?;
                continue;
            }
            let ahead = self.window.peek(LARGEST_FRAME + HEADER_BYTES)?;
            if let Some(header) = ahead.first_chunk().and_then(|&bytes| Header::parse(bytes)) {
                let known = self.decoder.as_ref().is_some_and(|(before, _)| before.is_like(&header));
                let next = ahead.get(header.bytes..).unwrap_or_default();
                let follows = next.is_empty()
                    || next
                        .first_chunk()
                        .and_then(|&bytes| Header::parse(bytes))
                        .is_some_and(|next| next.is_like(&header))
                    || tags::leading(next).or_else(|| tags::trailing(next)).is_some();
                // In the middle of a stream, at the end of a frame, another of its kind begins.
                if follows || (passed == 0 && known && self.since_cut > 0) {
                    if ahead.len() < header.bytes {
                        let left = self.window.left();
                        self.notes.push(Note::new(
                            format!("its last frame is cut off: {left} of {} bytes", header.bytes),
                            "nothing, unless its end is missing",
                        ));
                        self.window.skip(left)?;
                        break;
                    }
                    return self.passed(passed, zeros, false).map(|()| true);
                }
            }
            zeros &= ahead.first() == Some(&0);
            self.window.skip(1)?;
            passed += 1;
            if passed > LARGEST_FRAME as u64 && !zeros {
                return self.passed(passed, zeros, false).map(|()| true);
            }
        }
        self.passed(passed, zeros, true).map(|()| false)
    }

    /// Handles bytes that are not frames.
    fn passed(&mut self, passed: u64, zeros: bool, at_end: bool) -> Result<(), Fault> {
        if passed == 0 {
            return Ok(());
        }
        if passed > LARGEST_FRAME as u64 && !(zeros && at_end) {
            return Err(Fault::Damage("the bytes there are not MPEG audio".into()));
        }
        self.since_cut = 0;
        let place = match &self.decoder {
            _ if at_end => "at its end".to_owned(),
            Some((header, _)) => format!("at {:.2} s", self.given as f64 / f64::from(header.rate)),
            None => "at its start".to_owned(),
        };
        self.notes.push(Note::new(
            format!("{passed} bytes {place} are not sound and were skipped"),
            "nothing, unless sound is missing there",
        ));
        Ok(())
    }

    /// Ends a stream: it must have held the frames that its header promised.
    fn end_stream(&mut self) -> Result<(), Fault> {
        let stream = std::mem::take(&mut self.stream);
        let Some((promised, (header, _))) = stream.promised.zip(self.decoder.as_ref()) else { return Ok(()) };
        if stream.frames + FRAME_SLACK < promised {
            let missing = (promised - stream.frames) * header.samples;
            return Err(Fault::Short(Some(self.given + missing)));
        }
        Ok(())
    }

    /// The decoder of frames like this one.
    fn decoder_of(&mut self, header: Header) -> Result<&mut Decoder, Fault> {
        if !self.decoder.as_ref().is_some_and(|(before, _)| before.is_like(&header)) {
            super::check_form(header.rate, header.channels)?;
            if header.is_forbidden() {
                let (kbits, channels) = (header.kbits, header.channels);
                let what = if channels == 1 { "one channel" } else { "two channels" };
                let problem = format!("it is MPEG layer II of {kbits} kbit/s in {what}, which is not decoded");
                return Err(Fault::refused(problem));
            }
            let (codec, name) = match header.layer {
                1 => (CODEC_ID_MP1, "MPEG layer I"),
                2 => (CODEC_ID_MP2, "MPEG layer II"),
                _ => (CODEC_ID_MP3, "MP3"),
            };
            let mut parameters = AudioCodecParameters::new();
            parameters.for_codec(codec).with_sample_rate(header.rate);
            self.decoder = Some((header, Decoder::new(&parameters, name)?));
            self.since_cut = 0;
        }
        match &mut self.decoder {
            Some((_, decoder)) => Ok(decoder),
            None => Err(Fault::refused("no decoder")),
        }
    }
}

impl Blocks for Mpeg {
    fn next(&mut self, out: &mut Vec<f32>) -> Result<Option<Form>, Fault> {
        out.clear();
        if !self.synchronise()? {
            self.end_stream()?;
            return Ok(None);
        }
        let bytes = self.window.peek(LARGEST_FRAME)?;
        let Some(header) = bytes.first_chunk().and_then(|&bytes| Header::parse(bytes)) else {
            return Err(Fault::Damage("the bytes there are not MPEG audio".into()));
        };
        let frame = bytes.get(..header.bytes).ok_or(Fault::Short(None))?.to_vec();
        self.window.skip(header.bytes as u64)?;
        let form = Form { rate: header.rate, channels: header.channels };
        if let Some(info) = Info::parse(&frame, &header) {
            self.end_stream()?;
            self.decoder = None;
            self.decoder_of(header)?;
            let total = info.frames.unwrap_or(0) * header.samples;
            let trim = info
                .trim
                .filter(|_| info.frames.is_some())
                .map(|(delay, padding)| Trim { delay, padding: total.saturating_sub(padding)..total });
            self.stream = Stream { trim, promised: info.frames, ..Stream::default() };
            return Ok(Some(form));
        }
        let start = self.stream.position;
        let decoded = self.decoder_of(header)?.decode(&packet(start, header.samples, frame), out);
        if let Err(fault) = decoded {
            out.clear();
            out.resize(header.samples as usize * header.channels, 0.0);
            if self.since_cut >= RESERVOIR {
                self.failed += 1;
                if self.failed > MOST_FAILED {
                    return Err(fault);
                }
                let seconds = self.given as f64 / f64::from(header.rate);
                let ms = 1e3 * header.samples as f64 / f64::from(header.rate);
                self.notes.push(Note::new(
                    format!("the frame at {seconds:.2} s does not decode: {ms:.0} ms of silence are put in its place"),
                    "copy or download it again",
                ));
            }
        }
        let end = start + header.samples;
        self.stream.position = end;
        self.stream.frames += 1;
        self.since_cut += 1;
        if let Some(trim) = &self.stream.trim {
            let cut = |range: Range<u64>| {
                let within = |at: u64| (at.clamp(start, end) - start) as usize * header.channels;
                within(range.start)..within(range.end).max(within(range.start))
            };
            let padding = cut(trim.padding.clone());
            out.drain(padding.start.min(out.len())..padding.end.min(out.len()));
            let delay = cut(0..trim.delay);
            out.drain(..delay.end.min(out.len()));
        }
        self.given += (out.len() / header.channels) as u64;
        Ok(Some(form))
    }

    fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}
