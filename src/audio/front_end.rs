//! Which log-mel a backbone hears, behind one name.

use serde::{Deserialize, Serialize};

use super::{Fbank, LogMel, MEL_BINS, Normalisation, Tables, WHISPER_BINS, WhisperMel, fbank, whisper_mel};

/// The kind of log-mel spectrogram that a backbone was trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrontEnd {
    /// The Kaldi filter bank of AST and SSAST: 128 bins, natural logarithm.
    #[default]
    Kaldi,
    /// Whisper's: 80 bins, scaled logarithm to base 10.
    Whisper,
}

impl FrontEnd {
    /// The front end of a backbone that takes so many mel bins.
    pub fn for_bins(bins: usize) -> Option<Self> {
        match bins {
            MEL_BINS => Some(Self::Kaldi),
            WHISPER_BINS => Some(Self::Whisper),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kaldi => "kaldi",
            Self::Whisper => "whisper",
        }
    }

    /// Mel bins of a frame.
    pub fn bins(self) -> usize {
        match self {
            Self::Kaldi => MEL_BINS,
            Self::Whisper => WHISPER_BINS,
        }
    }

    /// The normalisation that is part of the front end itself, where there is one: Whisper's features are used as
    /// they are, so mean 0 and std 0.5 make (x - mean) / (2 std) the identity.
    pub fn normalisation(self) -> Option<Normalisation> {
        match self {
            Self::Kaldi => None,
            Self::Whisper => Some(Normalisation { mean: 0.0, std: 0.5 }),
        }
    }

    /// The value, before normalisation, of what lies behind the end of a clip: 0 for the Kaldi bank, as the published
    /// recipes pad; for Whisper what silence gets beside this clip, eight decades below its loudest bin.
    pub fn padding(self, mel: &LogMel) -> f32 {
        match self {
            Self::Kaldi => 0.0,
            Self::Whisper => mel.data.iter().fold(f32::NEG_INFINITY, |most, &value| most.max(value)) - 2.0,
        }
    }

    /// Its linear part as two matrices, for a runtime that has products and no filter bank.
    pub fn tables(self) -> Tables {
        match self {
            Self::Kaldi => fbank::tables(),
            Self::Whisper => whisper_mel::tables(),
        }
    }

    /// Kind and mel bins, as files name them: `kaldi-fbank-128`, `whisper-log-mel-80`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Kaldi => "kaldi-fbank-128",
            Self::Whisper => "whisper-log-mel-80",
        }
    }

    /// Its tables and buffers: make one for each thread.
    pub fn extractor(self) -> Extractor {
        match self {
            Self::Kaldi => Extractor::Kaldi(Box::default()),
            Self::Whisper => Extractor::Whisper(Box::default()),
        }
    }
}

/// A front end ready to compute.
#[derive(Debug)]
pub enum Extractor {
    /// The Kaldi filter bank.
    Kaldi(Box<Fbank>),
    /// Whisper's.
    Whisper(Box<WhisperMel>),
}

impl Extractor {
    /// Log-mel frames of mono samples at 16 kHz.
    pub fn compute(&mut self, samples: &[f32]) -> LogMel {
        match self {
            Self::Kaldi(fbank) => fbank.compute(samples),
            Self::Whisper(mel) => mel.compute(samples),
        }
    }

    /// The same, on every core where the front end can.
    pub fn compute_wide(&mut self, samples: &[f32]) -> LogMel {
        match self {
            Self::Kaldi(fbank) => fbank.compute_wide(samples),
            Self::Whisper(mel) => mel.compute(samples),
        }
    }
}
