//! Bounds on what is read from a file, checked before anything is allocated: a number in a damaged or hostile file may be
//! anything. Each is far beyond what is in use, and a value beyond it is an error that names the file, or is counted as
//! damage where a line of a log may be left out.

use std::ops::RangeInclusive;

// Sounds.

/// Samples a second of a recording: telemetry at 1 kHz to ultrasound at 1 MHz.
pub const SAMPLE_RATES: RangeInclusive<u32> = 1_000..=1_000_000;
/// Channels of a recording: libsndfile's bound.
pub const CHANNELS: RangeInclusive<usize> = 1..=1_024;
/// Hours of one clip that is held whole in memory (1.4 GB at 16 kHz). Longer ones are streamed.
pub const HOURS_IN_MEMORY: u64 = 6;
/// Bytes of an MP4 file's index.
pub const MP4_INDEX: u64 = 256 << 20;
/// Chunks before a WAV file's samples.
pub const WAV_CHUNKS: usize = 10_000;
/// Bytes of a text that a recorder wrote into a sound file.
pub const RECORDER_TEXT: u64 = 1 << 20;
/// Tracks of a Matroska file.
pub const MATROSKA_TRACKS: usize = 1_000;
/// Streams of one link of an Ogg file's chain: sound, pictures, subtitles.
pub const OGG_STREAMS: usize = 64;

// Data sets.

/// Bytes of a table of clips, marks or tasks: a list of ten million clips is smaller.
pub const TABLE: u64 = 1 << 30;
/// Bytes of a label; a longer one is a sentence.
pub const LABEL: usize = 500;

// Models and checkpoints.

/// Clips of a training step or of a prediction.
pub const BATCH: usize = 1 << 16;
/// Frames of 10 ms that a model takes at once: an hour of sound.
pub const FRAMES: usize = 360_000;
/// Mel bins.
pub const MEL_BINS: usize = 4_096;
/// Blocks of a model.
pub const BLOCKS: usize = 1_024;
/// A model's hidden size, and its heads.
pub const WIDTH: usize = 1 << 16;
/// Hidden units of an MLP.
pub const MLP_WIDTH: usize = 1 << 20;
/// Classes of a model.
pub const CLASSES: usize = 1 << 20;
/// Bytes of a safetensors file's header: the format's own bound.
pub const SAFETENSORS_HEADER: u64 = 100_000_000;
/// Bytes of a header in which a checkpoint's checksum is looked for.
pub const SEALED_HEADER: u64 = 64 << 20;
/// Bytes of a pickle: a state dict's is a few hundred kilobytes.
pub const PICKLE: u64 = 64 << 20;
/// Tensors of a pickle.
pub const PICKLE_TENSORS: usize = 100_000;
/// Bytes of a tensor's name.
pub const TENSOR_NAME: usize = 1_024;
/// Bytes of the index of a checkpoint in parts.
pub const CHECKPOINT_INDEX: u64 = 64 << 20;
/// Parts of a checkpoint.
pub const CHECKPOINT_PARTS: usize = 1_000;
/// Bytes of a file of settings: beside a checkpoint (AudioSet's labels are the largest), a recipe, a theme, keys, gains,
/// thresholds, a sweep.
pub const SETTINGS: u64 = 16 << 20;
/// Bytes of a licence.
pub const LICENSE: u64 = 64 << 10;

// Sessions.

/// Bytes of a line of a session's log; a longer one is not an event, and is never held in memory whole.
pub const LOG_LINE: usize = 1 << 24;
/// Bytes of a log's first line where a session is to be deleted: ten times a configuration with all of AudioSet's labels.
pub const FIRST_LOG_LINE: u64 = 1 << 20;
/// Bytes of a log in which its configuration is looked for.
pub const LOG_BEGINNING: u64 = 64 << 20;
/// Bytes of a session's notes.
pub const NOTES: u64 = 1 << 16;
