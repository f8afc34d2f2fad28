//! Bounds on the values in a sound file, checked before anything is allocated.

use std::ops::RangeInclusive;

/// Samples a second of a recording: telemetry at 1 kHz to ultrasound at 1 MHz.
pub(super) const RATES: RangeInclusive<u32> = 1_000..=1_000_000;

/// Channels of a recording: libsndfile's bound.
pub(super) const CHANNELS: RangeInclusive<usize> = 1..=1_024;

/// Hours of one clip that is held whole in memory (1.4 GB at 16 kHz).
pub(super) const HOURS_IN_MEMORY: u64 = 6;
