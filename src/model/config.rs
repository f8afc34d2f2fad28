//! The shape of a backbone: plain data, no tensors.

use serde::{Deserialize, Serialize};

use super::{Facts, Family, ModelError};
use crate::{audio::FrontEnd, limits};

/// How sound becomes tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// Patches of the spectrogram, projected, after the family's class tokens.
    /// Patches run along time within a frequency row (frequency-major).
    Patches {
        /// Mel bins of the input (128 for AST, 64 for CED and Dasheng).
        mel_bins: usize,
        /// Frames of 10 ms of the input.
        frames: usize,
        /// Patch height in mel bins and width in frames (16 x 16; 128 x 2 for SSAST frame models, 64 x 4 for Dasheng).
        patch: [usize; 2],
        /// Stride along mel bins and along frames (10 or 16).
        stride: [usize; 2],
    },
    /// Whisper's encoder: two 1-D convolutions (the second of stride 2) over `mel_bins` channels.
    Convolutions {
        /// Mel bins of the input (80, or 128 in large-v3 and turbo).
        mel_bins: usize,
        /// Frames of 10 ms of the input; two make a token.
        frames: usize,
    },
}

impl Stem {
    /// The same for clips of another length.
    #[must_use]
    pub fn with_frames(&self, frames: usize) -> Self {
        match *self {
            Self::Patches { mel_bins, patch, stride, .. } => Self::Patches { mel_bins, frames, patch, stride },
            Self::Convolutions { mel_bins, .. } => Self::Convolutions { mel_bins, frames },
        }
    }
}

/// How tokens become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Mean of the two class tokens (AST, AAT).
    ClassTokens,
    /// Mean of the tokens that hold sound: class tokens and padding apart.
    Mean,
    /// Mean of every token but class tokens, those of padding included: what `WhisperForAudioClassification` does.
    All,
}

/// The shape of a backbone with its head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// How sound becomes tokens.
    pub stem: Stem,
    /// The family that it is of; `None`: the first that has such a stem, AST of patches and Whisper of convolutions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Hidden size D of a token.
    pub hidden: usize,
    /// Number of Transformer blocks.
    pub depth: usize,
    /// Attention heads; D / heads is the size of each.
    pub heads: usize,
    /// Hidden size of the block's MLP (4 D).
    pub mlp_hidden: usize,
    /// LayerNorm epsilon of the blocks and the final norm.
    pub norm_eps: f64,
    /// LayerNorm epsilon of the head.
    pub head_eps: f64,
    /// Whether the head has a LayerNorm before its linear layer. Every head that is made here has one; the head of
    /// `WhisperForAudioClassification` has none.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub head_norm: bool,
    /// How tokens become one vector.
    pub pooling: Pooling,
    /// Size of the answer.
    pub classes: usize,
}

impl ModelConfig {
    /// An AST of one of DeiT's sizes: `tiny` (192 / 3 heads), `small` (384 / 6) or `base` (768 / 12).
    pub fn ast(size: &str, frames: usize, stride: [usize; 2], classes: usize) -> Option<Self> {
        let (hidden, heads) = match size {
            "tiny" => (192, 3),
            "small" => (384, 6),
            "base" => (768, 12),
            _ => return None,
        };
        Some(Self {
            stem: Stem::Patches { mel_bins: 128, frames, patch: [16, 16], stride },
            family: None,
            hidden,
            depth: 12,
            heads,
            mlp_hidden: 4 * hidden,
            norm_eps: 1e-6,
            head_eps: 1e-5,
            head_norm: true,
            pooling: Pooling::ClassTokens,
            classes,
        })
    }

    /// The family that it is of.
    pub fn family(&self) -> Family {
        self.family.unwrap_or(match self.stem {
            Stem::Patches { .. } => Family::Ast,
            Stem::Convolutions { .. } => Family::Whisper,
        })
    }

    /// What its family's models have in common.
    pub fn facts(&self) -> &'static Facts {
        self.family().facts()
    }

    /// Patch rows and columns (frequency, time); one row for a convolutional stem.
    pub fn grid(&self) -> [usize; 2] {
        match &self.stem {
            Stem::Patches { mel_bins, frames, patch, stride } => {
                [(mel_bins.saturating_sub(patch[0])) / stride[0] + 1, (frames.saturating_sub(patch[1])) / stride[1] + 1]
            }
            Stem::Convolutions { frames, .. } => [1, frames.div_ceil(2)],
        }
    }

    /// Pixels of one patch; 0 for a convolutional stem.
    pub fn patch_pixels(&self) -> usize {
        match self.stem {
            Stem::Patches { patch, .. } => patch[0] * patch[1],
            Stem::Convolutions { .. } => 0,
        }
    }

    /// Class tokens before the patches: AST's class and distillation token, or none.
    pub fn class_tokens(&self) -> usize {
        self.facts().class_tokens
    }

    /// The tokens whose mean the head is given, ascending: the class tokens, or those that begin within the `valid`
    /// frames of a clip, the first column's where there are none.
    pub fn pooled_tokens(&self, valid: Option<usize>) -> Vec<usize> {
        let first = self.class_tokens();
        if self.pooling == Pooling::ClassTokens && first > 0 {
            return (0..first).collect();
        }
        let [rows, columns] = self.grid();
        let hop = match self.stem {
            Stem::Patches { stride, .. } => stride[1],
            // Two frames make a token.
            Stem::Convolutions { .. } => 2,
        };
        let valid = valid.filter(|_| self.pooling != Pooling::All);
        let valid_columns = valid.map_or(columns, |frames| frames.div_ceil(hop).clamp(1, columns));
        (0..rows).flat_map(|row| (0..valid_columns).map(move |column| first + row * columns + column)).collect()
    }

    /// What each of `tokens` tokens is of its clip's pooled vector, (batch, tokens), for clips of so many `valid` frames.
    pub fn pooled_shares(&self, batch: usize, valid: &[usize], tokens: usize) -> Vec<f32> {
        let mut shares = vec![0f32; batch * tokens];
        for (clip, shares) in shares.chunks_mut(tokens.max(1)).enumerate() {
            let places = self.pooled_tokens(valid.get(clip).copied());
            places.iter().for_each(|place| shares[*place] = 1.0 / places.len() as f32);
        }
        shares
    }

    /// Whether a model of this shape can be.
    ///
    /// # Errors
    /// A sentence on what does not fit.
    pub fn check(&self) -> Result<(), ModelError> {
        if self.classes == 0 {
            return Err(ModelError::Shape("a model needs at least one class".into()));
        }
        self.check_backbone()
    }

    /// The same without its head, which a pretrained backbone need not have.
    ///
    /// # Errors
    /// A sentence on what does not fit.
    pub fn check_backbone(&self) -> Result<(), ModelError> {
        let fail = |problem: String| Err(ModelError::Shape(problem));
        if self.hidden == 0 || self.heads == 0 || !self.hidden.is_multiple_of(self.heads) {
            return fail(format!("a hidden size of {} does not divide into {} heads", self.hidden, self.heads));
        }
        if self.depth == 0 || self.mlp_hidden == 0 {
            return fail("a model needs at least one block with an MLP".into());
        }
        if self.frames() > limits::FRAMES || self.mel_bins() > limits::MEL_BINS {
            let (frames, bins) = (self.frames(), self.mel_bins());
            return fail(format!("{frames} frames of {bins} mel bins are more than a model can take at once"));
        }
        let bounded = [
            ("blocks", self.depth, limits::BLOCKS),
            ("heads", self.heads, limits::WIDTH),
            ("dimensions", self.hidden, limits::WIDTH),
            ("hidden units in an MLP", self.mlp_hidden, limits::MLP_WIDTH),
            ("classes", self.classes, limits::CLASSES),
        ];
        if let Some((what, count, most)) = bounded.into_iter().find(|(_, count, most)| count > most) {
            return fail(format!("a model of {count} {what} cannot be; at most {most} are read"));
        }
        match &self.stem {
            Stem::Patches { stride: [0, _] | [_, 0], .. } | Stem::Patches { patch: [0, _] | [_, 0], .. } => {
                fail("patches and strides must be at least 1".into())
            }
            Stem::Patches { mel_bins, frames, patch, .. } if *mel_bins < patch[0] || *frames < patch[1] => {
                fail(format!(
                    "{frames} frames of {mel_bins} mel bins are smaller than one patch of {} bins by {} frames",
                    patch[0], patch[1]
                ))
            }
            Stem::Convolutions { frames: 0, .. } | Stem::Convolutions { mel_bins: 0, .. } => {
                fail("a model needs at least one frame and one mel bin".into())
            }
            _ => Ok(()),
        }
    }

    /// The log-mel that it takes. The family says whose it is, and nobody else asks for bins.
    ///
    /// # Errors
    /// When that family has no filter bank of so many bins here.
    pub fn front_end(&self) -> Result<FrontEnd, ModelError> {
        let (Facts { title, front_end, bins: known, .. }, bins) = (self.facts(), self.mel_bins());
        front_end(bins).ok_or_else(|| {
            ModelError::Shape(format!("{title}'s filter bank here has no form with {bins} mel bins, only {known}"))
        })
    }

    /// Whether keys have a bias of their own: everywhere but in Whisper.
    pub fn key_bias(&self) -> bool {
        self.facts().key_bias
    }

    /// Tokens of one clip, without prompts.
    pub fn tokens(&self) -> usize {
        let [rows, columns] = self.grid();
        self.class_tokens() + rows * columns
    }

    /// Frames of 10 ms that the model takes.
    pub fn frames(&self) -> usize {
        match self.stem {
            Stem::Patches { frames, .. } | Stem::Convolutions { frames, .. } => frames,
        }
    }

    /// Mel bins that the model takes.
    pub fn mel_bins(&self) -> usize {
        match self.stem {
            Stem::Patches { mel_bins, .. } | Stem::Convolutions { mel_bins, .. } => mel_bins,
        }
    }
}

/// What a shape written before heads could lack a norm means.
fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_yes(value: &bool) -> bool {
    *value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tokens_of_padding_are_not_pooled() {
        let config = ModelConfig::ast("tiny", 64, [16, 16], 2).unwrap();
        assert_eq!(config.pooled_tokens(Some(40)), [0, 1]);
        let config = ModelConfig { pooling: Pooling::Mean, ..config };
        // Eight rows of four columns after two class tokens; the third column begins at frame 32.
        let of_row = |row: usize, columns: usize| (0..columns).map(move |column| 2 + 4 * row + column);
        let tokens = |columns: usize| (0..8).flat_map(|row| of_row(row, columns)).collect::<Vec<_>>();
        assert_eq!(config.pooled_tokens(None), tokens(4));
        for (valid, columns) in [(64, 4), (49, 4), (48, 3), (40, 3), (1, 1), (0, 1), (1000, 4)] {
            assert_eq!(config.pooled_tokens(Some(valid)), tokens(columns), "{valid}");
        }
    }

    #[test]
    fn the_family_says_whose_filter_bank_it_is() {
        let ast = ModelConfig::ast("tiny", 64, [16, 16], 2).unwrap();
        let whisper = |mel_bins| ModelConfig { stem: Stem::Convolutions { mel_bins, frames: 64 }, ..ast.clone() };
        assert_eq!(ast.front_end().unwrap(), FrontEnd::Kaldi);
        assert_eq!(whisper(80).front_end().unwrap(), FrontEnd::Whisper);
        assert_eq!(whisper(128).front_end().unwrap(), FrontEnd::Whisper128);
        let ced = ModelConfig { family: Some(Family::Ced), ..ast.clone() };
        assert!(ced.front_end().unwrap_err().to_string().contains("CED"));
        let stem = Stem::Patches { mel_bins: 64, frames: 64, patch: [16, 16], stride: [16, 16] };
        assert_eq!(ModelConfig { stem, ..ced }.front_end().unwrap(), FrontEnd::Ced);
        let why = whisper(96).front_end().unwrap_err().to_string();
        assert!(why.contains("96 mel bins") && why.contains("80 and 128"), "{why}");
    }

    #[test]
    fn pooling_of_all_tokens_takes_padding_in() {
        let stem = Stem::Convolutions { mel_bins: 80, frames: 20 };
        let config = ModelConfig { stem, pooling: Pooling::All, ..ModelConfig::ast("tiny", 64, [16, 16], 2).unwrap() };
        assert_eq!(config.pooled_tokens(Some(5)), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn shapes_of_old_files_have_a_norm_in_the_head() {
        let config = ModelConfig::ast("tiny", 64, [16, 16], 2).unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert!(!text.contains("head_norm"), "{text}");
        assert_eq!(serde_json::from_str::<ModelConfig>(&text).unwrap(), config);
    }
}
