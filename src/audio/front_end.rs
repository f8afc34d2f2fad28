//! Which log-mel a backbone takes, behind one name.
//!
//! A front end belongs to the format of a backbone, never to a number of bins: 128 bins are Kaldi's in AST and another
//! bank in Whisper large-v3. [`ModelConfig::front_end`](crate::model::ModelConfig::front_end) says which one a model takes.

use serde::{Deserialize, Serialize};

use super::{
    CED_BINS, CentredMel, FRAME_LENGTH, FRAME_SHIFT, Fbank, LogMel, MEL_BINS, Normalisation, Tables, WHISPER_128_BINS,
    WHISPER_BINS, ced_mel, centred::Form, fbank, frames_of, whisper_mel,
};

/// Rounding of a logarithm: a value that is no farther from the lowest one counts as the lowest.
const ROUNDING: f32 = 1e-5;

/// The kind of log-mel spectrogram that a backbone was trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrontEnd {
    /// The Kaldi filter bank of AST and SSAST: 128 bins, natural logarithm.
    #[default]
    Kaldi,
    /// Whisper's: 80 bins, scaled logarithm to base 10.
    Whisper,
    /// That of Whisper large-v3 and turbo: the same with 128 bins.
    Whisper128,
    /// That of CED and Dasheng: 64 bins, in decibels.
    Ced,
}

impl FrontEnd {
    /// Every front end there is.
    pub const ALL: [Self; 4] = [Self::Kaldi, Self::Whisper, Self::Whisper128, Self::Ced];

    /// Kaldi's with so many bins, where there is one.
    pub fn kaldi(bins: usize) -> Option<Self> {
        (bins == MEL_BINS).then_some(Self::Kaldi)
    }

    /// Whisper's with so many bins, where there is one.
    pub fn whisper(bins: usize) -> Option<Self> {
        [Self::Whisper, Self::Whisper128].into_iter().find(|front_end| front_end.bins() == bins)
    }

    /// CED's with so many bins, where there is one.
    pub fn ced(bins: usize) -> Option<Self> {
        (bins == CED_BINS).then_some(Self::Ced)
    }

    /// Its name, also part of the key of cached features.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kaldi => "kaldi",
            Self::Whisper => "whisper",
            Self::Whisper128 => "whisper128",
            Self::Ced => "ced",
        }
    }

    /// Its name in a sentence.
    pub fn title(self) -> &'static str {
        match self {
            Self::Kaldi => "Kaldi's filter bank",
            Self::Whisper | Self::Whisper128 => "Whisper's filter bank",
            Self::Ced => "CED's filter bank, in decibels",
        }
    }

    /// Its name and bins as the card of a checkpoint of ours has them.
    pub fn card(self) -> &'static str {
        match self {
            Self::Kaldi => "kaldi-fbank-128",
            Self::Whisper => "whisper-log-mel-80",
            Self::Whisper128 => "whisper-log-mel-128",
            Self::Ced => "ced-log-mel-64",
        }
    }

    /// What is computed, where frames are centred and reflect at the clip's ends; `None` of Kaldi's.
    pub(super) fn form(self) -> Option<Form> {
        match self {
            Self::Kaldi => None,
            Self::Whisper => Some(whisper_mel::form(WHISPER_BINS)),
            Self::Whisper128 => Some(whisper_mel::form(WHISPER_128_BINS)),
            Self::Ced => Some(ced_mel::FORM),
        }
    }

    /// Mel bins of a frame.
    pub fn bins(self) -> usize {
        self.form().map_or(MEL_BINS, |form| form.bins)
    }

    /// The normalisation that is part of the front end itself, where there is one: features that are centred frames' are
    /// used as they are, Whisper's because its scale does it, CED's because its model normalises each bin.
    pub fn normalisation(self) -> Option<Normalisation> {
        self.form().map(|_| Normalisation::NONE)
    }

    /// Whole frames of so many samples at 16 kHz.
    pub fn frames_of(self, samples: usize) -> usize {
        self.form().map_or_else(|| frames_of(samples), |form| form.frames_of(samples))
    }

    /// Samples at 16 kHz under so many frames, at least one.
    pub fn samples_of(self, frames: usize) -> usize {
        match self.form() {
            None => frames.saturating_sub(1) * FRAME_SHIFT + FRAME_LENGTH,
            Some(form) => form.samples_of(frames),
        }
    }

    /// The feature of no energy.
    pub fn lowest(self) -> f32 {
        // Kaldi's are natural logarithms of power, cut at f32's epsilon.
        self.form().map_or(f32::EPSILON.ln(), |form| form.lowest())
    }

    /// The log-mel of the same sound, louder by this many decibels (softer where they are negative): what this front
    /// end computes of the samples times `10^(decibels / 20)`.
    ///
    /// A value at the front end's lowest says only that there was no more energy than that; it stays there, as digital
    /// silence does at any level.
    #[must_use]
    pub fn louder(self, mel: &LogMel, decibels: f32) -> LogMel {
        let (lowest, form) = (self.lowest(), self.form());
        let step = form.map_or(decibels * std::f32::consts::LN_10 / 10.0, |form| form.step(decibels));
        let moved = |value: &f32| if *value <= lowest + ROUNDING { lowest } else { (value + step).max(lowest) };
        let mut data: Vec<f32> = mel.data.iter().map(moved).collect();
        if let Some(form) = form {
            let floor = loudest(&data) - form.range();
            data.iter_mut().for_each(|value| *value = value.max(floor));
        }
        LogMel { data, ..*mel }
    }

    /// The value, before normalisation, of what is behind the end of a clip: 0 for the Kaldi bank, as the published
    /// recipes pad; else what silence gets beside this clip: Whisper's eight decades and CED's 120 dB below its loudest
    /// bin, or the lowest value there is.
    pub fn padding(self, mel: &LogMel) -> f32 {
        self.form().map_or(0.0, |form| (loudest(&mel.data) - form.range()).max(form.lowest()))
    }

    /// How far below the loudest feature of a clip it is cut, where it is.
    pub fn range(self) -> Option<f32> {
        self.form().map(|form| form.range())
    }

    /// What the logarithm to base 10 of an energy is multiplied by, and what is added to it, before the clip's own floor;
    /// `None` of Kaldi's natural logarithms.
    pub fn scale(self) -> Option<[f32; 2]> {
        self.form().map(|form| [form.scale as f32, form.shift as f32])
    }

    /// Whether the sample behind the last one also centres a frame.
    pub fn has_frame_at_end(self) -> bool {
        self.form().is_some_and(|form| form.both_ends)
    }

    /// Its linear part as two matrices, for a runtime that has products and no filter bank.
    pub fn tables(self) -> Tables {
        self.form().map_or_else(fbank::tables, |form| form.tables())
    }

    /// Its tables and buffers: make one for each thread.
    pub fn extractor(self) -> Extractor {
        match self.form() {
            None => Extractor::Kaldi(Box::default()),
            Some(form) => Extractor::Centred(Box::new(CentredMel::new(form))),
        }
    }
}

fn loudest(values: &[f32]) -> f32 {
    values.iter().fold(f32::NEG_INFINITY, |most, &value| most.max(value))
}

/// A front end ready to compute.
#[derive(Debug)]
pub enum Extractor {
    /// The Kaldi filter bank.
    Kaldi(Box<Fbank>),
    /// Whisper's and CED's.
    Centred(Box<CentredMel>),
}

impl Extractor {
    /// Log-mel frames of mono samples at 16 kHz.
    pub fn compute(&mut self, samples: &[f32]) -> LogMel {
        match self {
            Self::Kaldi(fbank) => fbank.compute(samples),
            Self::Centred(mel) => mel.compute(samples),
        }
    }

    /// The same to the bit, on every core.
    pub fn compute_wide(&mut self, samples: &[f32]) -> LogMel {
        match self {
            Self::Kaldi(fbank) => fbank.compute_wide(samples),
            Self::Centred(mel) => mel.compute_wide(samples),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two seconds: noise that fades, a second of it over digital silence.
    fn sound() -> Vec<f32> {
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..32_000).map(|i| if i < 16_000 { 0.05 * noise() * (-(i as f32) / 2_000.0).exp() } else { 0.0 }).collect()
    }

    /// What the log-mel of a louder or softer recording is, whatever it is computed from.
    #[test]
    fn louder_is_what_is_computed_of_louder_samples() {
        let sound = sound();
        for front_end in FrontEnd::ALL {
            let mel = front_end.extractor().compute(&sound);
            for decibels in [-24.0f32, -3.0, 0.0, 6.0, 12.0] {
                let factor = 10f32.powf(decibels / 20.0);
                let samples: Vec<f32> = sound.iter().map(|sample| sample * factor).collect();
                let computed = front_end.extractor().compute(&samples);
                let moved = front_end.louder(&mel, decibels);
                assert_eq!((moved.frames, moved.bins), (computed.frames, computed.bins));
                // What was below the lowest value is unknown: it may be higher by the gain at most.
                let unknown = mel.data.iter().map(|value| *value <= front_end.lowest() + ROUNDING);
                let pairs = moved.data.iter().zip(&computed.data).zip(unknown);
                let apart = pairs.filter(|(_, unknown)| !unknown).map(|((a, b), _)| (a - b).abs());
                let worst = apart.fold(0.0, f32::max);
                assert!(worst < 1e-3, "{front_end:?} at {decibels} dB: {worst}");
                // Silence stays silent.
                let end = moved.data.len() - moved.bins;
                let near = |(a, b): (&f32, &f32)| (a - b).abs() < ROUNDING;
                assert!(moved.data[end..].iter().zip(&computed.data[end..]).all(near), "{front_end:?}, {decibels} dB");
            }
        }
    }

    #[test]
    fn twelve_decibels_move_whispers_features_by_three_tenths() {
        let mel = LogMel { frames: 1, bins: 3, data: vec![0.5, 0.0, -1.5] };
        for (decibels, expected) in [(12.0, [0.8, 0.3, -1.2]), (-40.0, [-0.5, -1.0, -1.5])] {
            let moved = FrontEnd::Whisper.louder(&mel, decibels).data;
            assert!(moved.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{moved:?}");
        }
    }

    /// Behind a soft clip is the silence that its own extractor would have found there.
    #[test]
    fn padding_is_what_silence_gets_beside_the_clip() {
        for (front_end, loudness) in
            [FrontEnd::Whisper, FrontEnd::Ced].into_iter().flat_map(|one| [(one, 10.0), (one, 1e-3)])
        {
            let mut samples: Vec<f32> = sound()[..16_000].iter().map(|sample| sample * loudness).collect();
            let padding = front_end.padding(&front_end.extractor().compute(&samples));
            samples.resize(32_000, 0.0);
            let padded = front_end.extractor().compute(&samples);
            let silence = padded.row(padded.frames - 1)[0];
            assert!((padding - silence).abs() < ROUNDING, "{front_end:?}: {padding} and {silence}");
        }
    }

    #[test]
    fn frames_and_the_samples_under_them_fit_together() {
        for front_end in FrontEnd::ALL {
            for frames in [1, 2, 96, 512] {
                let samples = front_end.samples_of(frames);
                assert_eq!((front_end.frames_of(samples), front_end.frames_of(samples - 1)), (frames, frames - 1));
                assert_eq!(front_end.extractor().compute(&vec![0.1; samples]).frames, frames);
            }
        }
        // CED's makers count 1 + samples div 160.
        assert_eq!([16_000, 80_000, 160_000].map(|samples| FrontEnd::Ced.frames_of(samples)), [101, 501, 1001]);
    }

    /// torchaudio cuts below the loudest bin of the batch: beside a loud clip a soft one's quiet bins would be cut higher.
    #[test]
    fn a_clips_floor_is_its_own() {
        let mut extractor = FrontEnd::Ced.extractor();
        // A pure tone, whose other bins are far below it, after something louder by 80 dB.
        let tone: Vec<f32> = (0..16_000).map(|n| 1e-4 * (n as f32 * 0.5).sin()).collect();
        let alone = extractor.compute(&tone);
        let _ = extractor.compute(&tone.iter().map(|sample| sample * 1e4).collect::<Vec<_>>());
        assert_eq!(extractor.compute(&tone), alone);
        let quietest = alone.data.iter().fold(f32::INFINITY, |least, value| least.min(*value));
        let loudest = loudest(&alone.data);
        let batch_floor = loudest + 80.0 - 120.0;
        assert!(quietest < batch_floor - 10.0, "{quietest} dB below {loudest} dB");
    }
}
