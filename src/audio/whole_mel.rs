//! The log-mel of a whole sound file of any length, piece by piece: the same values as of all its samples at once, to
//! the bit.
//!
//! A short file is decoded once and held. A longer one is decoded twice: before the first frame is passed on, the number
//! of frames is known, and for Whisper's and CED's features the loudest bin, below which the whole file is cut.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use super::{AudioError, Extractor, FRAME_LENGTH, FRAME_SHIFT, FrontEnd, Note, SAMPLE_RATE, each_block, frames_of};

/// Samples that are held at once: ten minutes, 38 MB.
const HELD: usize = 600 * SAMPLE_RATE as usize;
/// Frames that are computed at once: a minute, enough work for every core.
const PIECE: usize = 6_000;

/// A sound file of which the size of the log-mel is known.
pub struct WholeMel {
    path: PathBuf,
    front_end: FrontEnd,
    frames: usize,
    notes: Vec<Note>,
    /// The samples, where they are few enough.
    held: Option<Vec<f32>>,
    /// The greatest logarithm of an energy, where the front end cuts below it.
    loudest: f64,
    piece: usize,
}

impl WholeMel {
    /// Decodes a file to its end.
    ///
    /// # Errors
    /// As [`each_block`].
    pub fn open(path: &Path, front_end: FrontEnd) -> Result<Self, AudioError> {
        Self::within(path, front_end, HELD, PIECE)
    }

    fn within(path: &Path, front_end: FrontEnd, most: usize, piece: usize) -> Result<Self, AudioError> {
        let mut held = Some(Vec::new());
        let mut pieces = Pieces::new(front_end, piece);
        let mut loudest = f64::NEG_INFINITY;
        let mut measure = |logs: Logs<'_>| {
            if let Logs::Centred(logs) = logs {
                loudest = logs.iter().fold(loudest, |most, &log| most.max(log));
            }
        };
        let whole = each_block(path, &mut |block| {
            match &mut held {
                Some(samples) => {
                    samples.extend_from_slice(block);
                    if samples.len() > most {
                        // Only a front end that cuts below its loudest bin has to be computed to be measured.
                        if front_end.form().is_some() {
                            pieces.push(samples, &mut measure);
                        }
                        held = None;
                    }
                }
                None if front_end.form().is_some() => pieces.push(block, &mut measure),
                None => {}
            }
            ControlFlow::Continue(())
        })?
        .unwrap_or_default();
        if held.is_none() && front_end.form().is_some() {
            pieces.finish(&mut measure);
        }
        let frames = front_end.frames_of(whole.samples as usize);
        Ok(Self { path: path.to_owned(), front_end, frames, notes: whole.notes, held, loudest, piece })
    }

    /// Frames of 10 ms.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Mel bins of a frame.
    pub fn bins(&self) -> usize {
        self.front_end.bins()
    }

    /// Notes about what is odd about the file, though it is usable.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Passes on every frame, in order, some at a time; whatever `pass` returns ends it.
    ///
    /// # Errors
    /// The error of `pass`; and when the file cannot be read a second time, or changed meanwhile.
    pub fn each<E: From<AudioError>>(&self, mut pass: impl FnMut(&[f32]) -> Result<(), E>) -> Result<(), E> {
        if let Some(samples) = &self.held {
            return pass(&self.front_end.extractor().compute_wide(samples).data);
        }
        let (mut pieces, mut outcome, mut passed) = (Pieces::new(self.front_end, self.piece), Ok(()), 0);
        let (form, loudest) = (self.front_end.form(), self.loudest);
        let mut take = |logs: Logs<'_>| {
            let features;
            let rows = match (logs, form) {
                (Logs::Kaldi(rows), _) => rows,
                (Logs::Centred(logs), Some(form)) => {
                    features = form.features_below(loudest, logs);
                    &features
                }
                (Logs::Centred(_), None) => &[][..],
            };
            passed += rows.len();
            if outcome.is_ok() {
                outcome = pass(rows);
            }
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let mut go_on = ControlFlow::Continue(());
        let whole = each_block(&self.path, &mut |block| {
            pieces.push(block, &mut |logs| go_on = take(logs));
            go_on
        })?;
        if whole.is_some() {
            pieces.finish(&mut |logs| go_on = take(logs));
        }
        outcome?;
        if passed == self.frames * self.bins() {
            return Ok(());
        }
        Err(E::from(AudioError::Unusable {
            path: self.path.clone(),
            problem: "it changed while it was read".to_owned(),
            remedy: "try again when nothing writes it".to_owned(),
        }))
    }
}

/// Frames as they are computed, row-major.
enum Logs<'a> {
    /// Kaldi's: features already.
    Kaldi(&'a [f32]),
    /// Logarithms of energies, which become features below the whole file's loudest.
    Centred(&'a [f64]),
}

/// Frames of a stream of samples, many at a time on all cores.
struct Pieces {
    extractor: Extractor,
    /// Frames at a time.
    piece: usize,
    /// The newest samples, from the first that a frame still needs, and the number of those discarded.
    samples: Vec<f32>,
    gone: u64,
    /// The next frame.
    next: u64,
}

impl Pieces {
    fn new(front_end: FrontEnd, piece: usize) -> Self {
        Self { extractor: front_end.extractor(), piece, samples: Vec::new(), gone: 0, next: 0 }
    }

    /// Takes samples, and passes on frames where enough are complete.
    fn push(&mut self, samples: &[f32], pass: &mut dyn FnMut(Logs<'_>)) {
        self.samples.extend_from_slice(samples);
        let taken = self.gone + self.samples.len() as u64;
        // Frames that the end of the stream does not change.
        let complete = match &self.extractor {
            Extractor::Kaldi(_) => frames_of(taken as usize) as u64,
            Extractor::Centred(mel) => taken.saturating_sub(mel.half() as u64) / FRAME_SHIFT as u64,
        };
        if complete >= self.next + self.piece as u64 {
            self.compute(complete, pass);
        }
    }

    /// Passes on the last frames.
    fn finish(&mut self, pass: &mut dyn FnMut(Logs<'_>)) {
        let taken = (self.gone + self.samples.len() as u64) as usize;
        let end = match &self.extractor {
            Extractor::Kaldi(_) => frames_of(taken),
            Extractor::Centred(mel) => mel.frames_of(taken),
        };
        self.compute(end as u64, pass);
    }

    /// Computes the frames before `end`, in pieces, and discards the samples that no later one needs.
    fn compute(&mut self, end: u64, pass: &mut dyn FnMut(Logs<'_>)) {
        while self.next < end {
            let count = (end - self.next).min(self.piece as u64) as usize;
            let start = (self.next * FRAME_SHIFT as u64 - self.gone) as usize;
            match &mut self.extractor {
                Extractor::Kaldi(fbank) => {
                    let samples = &self.samples[start..start + (count - 1) * FRAME_SHIFT + FRAME_LENGTH];
                    pass(Logs::Kaldi(&fbank.compute_wide(samples).data));
                }
                Extractor::Centred(mel) => pass(Logs::Centred(&mel.logs_wide(&self.samples, start, count))),
            }
            self.next += count as u64;
        }
        let back = match &self.extractor {
            Extractor::Kaldi(_) => 0,
            // As far as the next frame reaches back, also where the stream's end is reflected.
            Extractor::Centred(mel) => 2 * mel.half() as u64,
        };
        let first = (self.next * FRAME_SHIFT as u64).saturating_sub(back) / FRAME_SHIFT as u64 * FRAME_SHIFT as u64;
        let count = first.saturating_sub(self.gone) as usize;
        self.samples.drain(..count.min(self.samples.len()));
        self.gone += count as u64;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::audio::{load, testing::wav};

    /// Loud, then silent, then soft: what is cut below the loudest is known only after all of it.
    #[test]
    fn pieces_are_the_whole_files_frames_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        for length in [400, 1_000, 16_000, 16_001, 50_123, 80_000] {
            let noise = |n: u32| (n.wrapping_mul(2_654_435_761) >> 16) as i16;
            wav(&path, length, |n| match n * 5 / length {
                0 => noise(n) / 1_000,
                1 => 0,
                2 => noise(n) / 30_000,
                3 => noise(n),
                _ => noise(n) / 300,
            });
            let samples = load(&path).unwrap();
            for front_end in FrontEnd::ALL {
                let all = front_end.extractor().compute(&samples);
                for (most, piece) in [(usize::MAX, 100), (0, 1), (0, 7), (5_000, 50), (0, 100_000)] {
                    let whole = WholeMel::within(&path, front_end, most, piece).unwrap();
                    let mut data = Vec::new();
                    whole
                        .each::<AudioError>(|rows| {
                            data.extend_from_slice(rows);
                            Ok(())
                        })
                        .unwrap();
                    assert_eq!((whole.frames(), whole.bins()), (all.frames, all.bins), "{front_end:?} {length}");
                    assert!(data == all.data, "{front_end:?}, {length} samples, {most} held, pieces of {piece}");
                }
            }
        }
    }

    #[test]
    fn an_error_of_the_receiver_ends_it_and_a_changed_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        wav(&path, 100_000, |n| (n % 77) as i16);
        let whole = WholeMel::within(&path, FrontEnd::Kaldi, 0, 50).unwrap();
        let mut calls = 0;
        let full = || AudioError::Io { path: "out.npy".into(), source: std::io::ErrorKind::StorageFull.into() };
        let outcome = whole.each(|_| {
            calls += 1;
            Err(full())
        });
        assert!(outcome.unwrap_err().to_string().contains("out.npy") && calls == 1);
        wav(&path, 90_000, |n| (n % 77) as i16);
        let outcome = whole.each::<AudioError>(|_| Ok(())).unwrap_err().to_string();
        assert!(outcome.contains("a.wav") && outcome.contains("changed while it was read"), "{outcome}");
    }

    /// An hour's worth of blocks: never more than a few pieces' samples are held.
    #[test]
    fn memory_does_not_grow_with_the_stream() {
        for front_end in FrontEnd::ALL {
            let mut pieces = Pieces::new(front_end, 100);
            let (block, mut most, mut rows) = (vec![0.1; 4_000], 0, 0);
            for _ in 0..400 {
                pieces.push(&block, &mut |logs| {
                    rows += match logs {
                        Logs::Kaldi(values) => values.len(),
                        Logs::Centred(values) => values.len(),
                    }
                });
                most = most.max(pieces.samples.len());
            }
            assert!(most < 40_000, "{front_end:?}: {most}");
            assert!(rows / front_end.bins() > 9_800, "{front_end:?}");
        }
    }
}
