//! The log-mels of windows over a stream of 16 kHz samples of any length: the same as for each window's own clip, to
//! the bit, with shared frames of overlapping windows computed once.
//!
//! A frame of Kaldi's filter bank depends on its own samples only. Whisper's and CED's are padded by reflection at the ends
//! of a clip and clamped below the clip's loudest bin, so there the frames at a window's ends are its own, and all others share their energies.

use super::{CentredMel, Extractor, FRAME_SHIFT, FbankStream, FrontEnd, LogMel, centred::Form};

/// A window and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Its first sample at 16 kHz, counted from the beginning of the stream.
    pub start: u64,
    /// Its frames: fewer than a window's only where the whole stream has fewer.
    pub mel: LogMel,
}

/// Windows over a stream: all of one length, one every `hop` samples, and a last one moved back so that it ends with
/// the stream.
#[derive(Debug)]
pub struct Sliding {
    front_end: FrontEnd,
    /// Frames of a window.
    frames: usize,
    /// Samples under them.
    size: u64,
    /// Samples from one window's beginning to the next.
    hop: u64,
    bank: Bank,
    /// The newest samples, as far back as a window can still begin, and the number of those discarded.
    samples: Vec<f32>,
    gone: u64,
    /// Where the next window begins, and where the last one did.
    next: u64,
    last: Option<u64>,
}

/// How frames are computed.
#[derive(Debug)]
enum Bank {
    /// From each window's samples: windows that share no frame.
    Apart(Extractor),
    /// Frames of the stream, 128 values each.
    Kaldi(Box<FbankStream>, Buffered<f32>),
    /// Logarithms of the energies of the stream's frames, in their order.
    Centred(Box<CentredMel>, Form, Buffered<f64>),
}

/// The newest rows of a stream, and the number of those discarded.
#[derive(Debug, Default)]
struct Buffered<T> {
    values: Vec<T>,
    bins: usize,
    gone: u64,
}

impl<T> Buffered<T> {
    fn of(bins: usize) -> Self {
        Self { values: Vec::new(), bins, gone: 0 }
    }

    /// One row beyond the last.
    fn end(&self) -> u64 {
        self.gone + (self.values.len() / self.bins) as u64
    }

    /// `count` rows from row `first` on.
    fn rows(&self, first: u64, count: usize) -> &[T] {
        let from = (first - self.gone) as usize * self.bins;
        &self.values[from..from + count * self.bins]
    }

    /// Discards the rows before `first`, in large steps.
    fn forget(&mut self, first: u64) {
        let count = first.saturating_sub(self.gone) as usize * self.bins;
        if count > self.values.len() / 2 {
            self.values.drain(..count);
            self.gone = first;
        }
    }
}

impl Sliding {
    /// Windows of `frames` frames of 10 ms, one every `hop` samples; both at least 1.
    pub fn new(front_end: FrontEnd, frames: usize, hop: u64) -> Self {
        let (frames, hop) = (frames.max(1), hop.max(1));
        let overlap = hop < (frames * FRAME_SHIFT) as u64 && hop.is_multiple_of(FRAME_SHIFT as u64);
        let bins = front_end.bins();
        let bank = match front_end.form() {
            None if overlap => Bank::Kaldi(Box::default(), Buffered::of(bins)),
            Some(form) if overlap => Bank::Centred(Box::new(CentredMel::new(form)), form, Buffered::of(bins)),
            _ => Bank::Apart(front_end.extractor()),
        };
        Self {
            front_end,
            frames,
            size: front_end.samples_of(frames) as u64,
            hop,
            bank,
            samples: Vec::new(),
            gone: 0,
            next: 0,
            last: None,
        }
    }

    /// Samples so far.
    pub fn taken(&self) -> u64 {
        self.gone + self.samples.len() as u64
    }

    /// Samples of a window.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes samples and appends the windows that they finish to `out`.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<Window>) {
        self.samples.extend_from_slice(samples);
        match &mut self.bank {
            Bank::Apart(_) => {}
            Bank::Kaldi(stream, kept) => {
                stream.push(samples, &mut kept.values);
            }
            Bank::Centred(mel, form, kept) => {
                let (half, end) = (form.size as u64 / 2, self.gone + self.samples.len() as u64);
                // The stream's own first frames are reflected, and belong to no window.
                while kept.end() * (FRAME_SHIFT as u64) < half {
                    kept.values.extend(std::iter::repeat_n(f64::NAN, kept.bins));
                }
                while kept.end() * FRAME_SHIFT as u64 + half <= end {
                    let from = (kept.end() * FRAME_SHIFT as u64 - half - self.gone) as usize;
                    mel.logs(&self.samples[from..from + 2 * half as usize], half as usize, &mut kept.values);
                }
            }
        }
        while self.next + self.size <= self.taken() {
            out.push(self.window(self.next));
            self.last = Some(self.next);
            self.next += self.hop;
        }
        self.forget();
    }

    /// Ends the stream: appends the window that ends with it unless another does, or the only one of a stream that is
    /// shorter than a window. The stream is then over; use another for the next.
    pub fn finish(&mut self, out: &mut Vec<Window>) {
        let Some(last) = self.last else {
            let mel = match &mut self.bank {
                Bank::Apart(extractor) => extractor.compute(&self.samples),
                Bank::Kaldi(_, kept) => {
                    LogMel { frames: kept.values.len() / kept.bins, bins: kept.bins, data: kept.values.clone() }
                }
                Bank::Centred(mel, ..) => mel.compute(&self.samples),
            };
            out.push(Window { start: 0, mel });
            return;
        };
        let taken = self.taken();
        // As when a whole file is classified: the last window begins a whole number of frames after the first.
        let frames = self.front_end.frames_of(taken as usize) as u64;
        let back = (frames - self.frames as u64) * FRAME_SHIFT as u64;
        if self.next < taken && back > last {
            out.push(self.window(back));
            self.last = Some(back);
        }
    }

    /// The window that begins at a sample; all of it is available.
    fn window(&mut self, start: u64) -> Window {
        let from = (start - self.gone) as usize;
        let samples = &self.samples[from..from + self.size as usize];
        let first = start / FRAME_SHIFT as u64;
        let mel = match &mut self.bank {
            Bank::Apart(extractor) => extractor.compute(samples),
            Bank::Kaldi(_, kept) => {
                LogMel { frames: self.frames, bins: kept.bins, data: kept.rows(first, self.frames).to_vec() }
            }
            Bank::Centred(mel, form, kept) => {
                let (mut logs, half) = (Vec::with_capacity(self.frames * kept.bins), form.size / 2);
                for frame in 0..self.frames {
                    let centre = frame * FRAME_SHIFT;
                    if centre >= half && centre + half <= samples.len() {
                        logs.extend_from_slice(kept.rows(first + frame as u64, 1));
                    } else {
                        mel.logs(samples, centre, &mut logs);
                    }
                }
                form.features(self.frames, &logs)
            }
        };
        Window { start, mel }
    }

    /// Discards what no later window needs, in large steps: moving memory at every block would cost more.
    fn forget(&mut self) {
        // Frames of the last window begin up to a frame's length earlier than its size suggests; more are for a centred one.
        let back = self.taken().saturating_sub(self.size + 4 * FRAME_SHIFT as u64);
        let first = self.next.min(back) / FRAME_SHIFT as u64;
        let sample = first * FRAME_SHIFT as u64;
        let count = sample.saturating_sub(self.gone) as usize;
        if count > self.samples.len() / 2 {
            self.samples.drain(..count);
            self.gone = sample;
        }
        match &mut self.bank {
            Bank::Apart(_) => {}
            Bank::Kaldi(_, kept) => kept.forget(first),
            Bank::Centred(_, _, kept) => kept.forget(first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(samples: usize) -> Vec<f32> {
        let mut state = 7u32;
        let next = |i: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Loud and soft stretches: Whisper's floor differs from window to window.
            let level = if (i / 5_000).is_multiple_of(2) { 0.7 } else { 1e-5 };
            level * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
        };
        (0..samples).map(next).collect()
    }

    fn slide(front_end: FrontEnd, frames: usize, hop: u64, sound: &[f32], piece: usize) -> Vec<Window> {
        let mut sliding = Sliding::new(front_end, frames, hop);
        let mut windows = Vec::new();
        for piece in sound.chunks(piece) {
            sliding.push(piece, &mut windows);
        }
        sliding.finish(&mut windows);
        windows
    }

    #[test]
    fn each_window_gets_what_its_own_clip_gets_to_the_bit() {
        let sound = noise(40_123);
        for front_end in FrontEnd::ALL {
            for (frames, hop) in [(50, 1_600), (50, 160), (50, 8_000), (50, 1_601), (50, 12_345), (2, 160), (3, 320)] {
                let size = front_end.samples_of(frames);
                let windows = slide(front_end, frames, hop, &sound, 777);
                let mut starts: Vec<u64> =
                    (0..).map(|k| k * hop).take_while(|start| start + size as u64 <= sound.len() as u64).collect();
                let back = ((front_end.frames_of(sound.len()) - frames) * FRAME_SHIFT) as u64;
                let next = starts.len() as u64 * hop;
                if next < sound.len() as u64 && starts.last().is_some_and(|last| back > *last) {
                    starts.push(back);
                }
                let found: Vec<u64> = windows.iter().map(|window| window.start).collect();
                assert_eq!(found, starts, "{front_end:?} {frames} {hop}");
                for window in &windows {
                    let from = window.start as usize;
                    let alone = front_end.extractor().compute(&sound[from..from + size]);
                    assert_eq!(window.mel, alone, "{front_end:?} {frames} {hop} at {from}");
                }
            }
        }
    }

    #[test]
    fn a_stream_shorter_than_a_window_is_one_window() {
        let sound = noise(3_000);
        for front_end in FrontEnd::ALL {
            for hop in [160, 999, 90_000] {
                let windows = slide(front_end, 50, hop, &sound, 100);
                assert_eq!(windows, [Window { start: 0, mel: front_end.extractor().compute(&sound) }]);
            }
        }
    }

    /// A window on every tenth second of two minutes, and windows that overlap in all but 10 ms: neither holds more
    /// than a few windows' sound.
    #[test]
    fn memory_does_not_grow_with_the_stream() {
        for front_end in FrontEnd::ALL {
            for hop in [160, 16_000, 160_000] {
                let mut sliding = Sliding::new(front_end, 100, hop);
                let (block, mut windows, mut most) = (noise(4_000), Vec::new(), 0);
                for _ in 0..480 {
                    sliding.push(&block, &mut windows);
                    windows.clear();
                    let frames = match &sliding.bank {
                        Bank::Apart(_) => 0,
                        Bank::Kaldi(_, kept) => kept.values.len() / kept.bins,
                        Bank::Centred(_, _, kept) => kept.values.len() / kept.bins,
                    };
                    most = most.max(sliding.samples.len()).max(frames * FRAME_SHIFT);
                }
                assert!(most < 5 * 16_000, "{front_end:?} {hop}: {most}");
            }
        }
    }
}
