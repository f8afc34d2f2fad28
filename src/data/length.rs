//! How long recordings are: from the file's header where it has the length, else decoded once per process.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::content::Stamp;
use crate::audio::{AudioError, SAMPLE_RATE, SoundFile};

static KNOWN: Mutex<Option<HashMap<PathBuf, (Stamp, u64)>>> = Mutex::new(None);

/// Samples at 16 kHz of a sound file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn samples(path: &Path) -> Result<u64, AudioError> {
    let stamp = fs::metadata(path).map(|metadata| Stamp::of(&metadata)).ok();
    let known = |stamp: &Stamp| {
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let (was, samples) = known.as_ref()?.get(path)?;
        (was == stamp).then_some(*samples)
    };
    if let Some(samples) = stamp.as_ref().and_then(known) {
        return Ok(samples);
    }
    let mut sound = SoundFile::open(path)?;
    let frames = match sound.length() {
        Some(frames) => frames,
        None => {
            let (mut frames, mut block) = (0, Vec::new());
            while sound.read(&mut block)? {
                frames += block.len() as u64;
                block.clear();
            }
            frames
        }
    };
    let samples = (u128::from(frames) * u128::from(SAMPLE_RATE)).div_ceil(u128::from(sound.rate().max(1))) as u64;
    if let Some(stamp) = stamp {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_default().insert(path.to_owned(), (stamp, samples));
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_length_is_that_of_the_decoded_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        crate::audio::testing::wav(&path, 12_345, |n| n as i16);
        assert_eq!(samples(&path).unwrap(), 12_345);
        crate::audio::testing::wav(&path, 5_000, |n| n as i16);
        assert_eq!(samples(&path).unwrap(), 5_000);
    }
}
