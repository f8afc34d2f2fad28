//! The common interface of containers: sound block by block, and notes.

use symphonia::core::{
    codecs::audio::AudioCodecParameters,
    packet::Packet,
    units::{Duration, Timestamp},
};

use super::{
    fault::Fault,
    packets::{Decoder, Form},
    section::Section,
};

/// A note about a file that is usable.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Note {
    /// What is odd about the file.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl Note {
    pub(super) fn new(problem: impl Into<String>, remedy: &str) -> Self {
        Self { problem: problem.into(), remedy: remedy.to_owned() }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}

/// The sound of a file, block by block.
pub(super) trait Blocks: Send + Sync {
    /// Replaces `out` by the interleaved samples of the next block, which may hold none; `None` at the end.
    fn next(&mut self, out: &mut Vec<f32>) -> Result<Option<Form>, Fault>;

    /// Goes on at frame `to` without decoding what is before it; `now` is the frame at which the next block begins. Returns
    /// the frame at which it then begins: at most `to`, and `now` where the container allows no jump.
    fn jump(&mut self, _to: u64, now: u64) -> Result<u64, Fault> {
        Ok(now)
    }

    /// Frames that the file promises, known at its end at the latest.
    fn promised(&self) -> Option<u64> {
        None
    }

    /// Number of frames, if it is known before all of them are decoded.
    fn length(&self) -> Option<u64> {
        None
    }

    /// Number of frames by the headers read so far; `None` where they do not say, or others follow.
    fn declared(&self) -> Option<u64> {
        self.length()
    }

    /// Whether the samples match the file's checksum; called at its end. `true` without a checksum.
    fn is_verified(&self) -> bool {
        true
    }

    /// The notes; returned once.
    fn take_notes(&mut self) -> Vec<Note>;
}

/// A packet of one track that starts at frame `start`.
pub(super) fn packet(start: u64, frames: u64, data: Vec<u8>) -> Packet {
    let start = Timestamp::new(i64::try_from(start).unwrap_or(i64::MAX));
    Packet::new(0, start, Duration::new(frames), data)
}

/// Samples at equal distances in a file, without packets: PCM, or ADPCM in blocks of one size.
pub(super) struct Raw {
    part: Section,
    decoder: Decoder,
    layout: RawLayout,
    frames: u64,
    notes: Vec<Note>,
}

/// The layout of raw samples in their file.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawLayout {
    /// Bytes of a block: of one frame, for PCM.
    pub(super) block_bytes: usize,
    /// Frames of a block: 1 for PCM.
    pub(super) block_frames: u64,
    /// Frames from the first bytes of a block, and one more for each following `frame_bits`: ADPCM's last block may be
    /// cut.
    pub(super) head: Option<Head>,
}

/// The header of an ADPCM block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) bytes: usize,
    pub(super) frames: u64,
    /// Bits of each frame after the header.
    pub(super) frame_bits: usize,
}

/// Frames that are read at once.
const FRAMES_AT_ONCE: u64 = 4_096;

impl RawLayout {
    /// Blocks that are read at once.
    fn blocks(&self) -> usize {
        usize::try_from((FRAMES_AT_ONCE / self.block_frames).max(1)).unwrap_or(1)
    }

    /// The most frames of a packet.
    pub(super) fn packet_frames(&self) -> u64 {
        self.block_frames * self.blocks() as u64
    }

    /// Frames in so many bytes.
    pub(super) fn frames_in(&self, bytes: u64) -> u64 {
        let (blocks, rest) = (bytes / self.block_bytes as u64, bytes % self.block_bytes as u64);
        let partial = match self.head {
            Some(head) if rest >= head.bytes as u64 => {
                (head.frames + (rest - head.bytes as u64) * 8 / head.frame_bits as u64).min(self.block_frames)
            }
            _ => 0,
        };
        blocks.saturating_mul(self.block_frames).saturating_add(partial)
    }
}

impl Raw {
    pub(super) fn new(
        part: Section,
        parameters: &AudioCodecParameters,
        name: &'static str,
        layout: RawLayout,
        notes: Vec<Note>,
    ) -> Result<Self, Fault> {
        Ok(Self { part, decoder: Decoder::new(parameters, name)?, layout, frames: 0, notes })
    }
}

impl Blocks for Raw {
    fn next(&mut self, out: &mut Vec<f32>) -> Result<Option<Form>, Fault> {
        let mut data = vec![0; self.layout.block_bytes * self.layout.blocks()];
        let filled = self.part.fill(&mut data)?;
        let frames = self.layout.frames_in(filled as u64);
        if frames == 0 {
            return Ok(None);
        }
        // A block that is cut is decoded as if zeros followed, and shortened to the frames that exist.
        let whole = frames.next_multiple_of(self.layout.block_frames);
        data.truncate(usize::try_from(whole / self.layout.block_frames).unwrap_or(0) * self.layout.block_bytes);
        let form = self.decoder.decode(&packet(self.frames, whole, data), out)?;
        out.truncate(usize::try_from(frames).unwrap_or(usize::MAX).saturating_mul(form.channels));
        self.frames += frames;
        Ok(Some(form))
    }

    fn jump(&mut self, to: u64, now: u64) -> Result<u64, Fault> {
        let left = self.part.left() / self.layout.block_bytes as u64;
        let blocks = (to.saturating_sub(now) / self.layout.block_frames).min(left);
        self.part.pass(blocks * self.layout.block_bytes as u64)?;
        let frames = blocks * self.layout.block_frames;
        self.frames += frames;
        Ok(now + frames)
    }

    fn length(&self) -> Option<u64> {
        Some(self.frames + self.layout.frames_in(self.part.left()))
    }

    fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}
