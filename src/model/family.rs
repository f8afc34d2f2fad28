//! Families of backbones: what a model's sizes do not say, one entry for each.

use serde::{Deserialize, Serialize};

use crate::audio::FrontEnd;

/// The family that a backbone is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// AST, SSAST and distilled DeiT.
    Ast,
    /// Whisper's encoder.
    Whisper,
    /// CED and Dasheng.
    Ced,
}

/// How a family codes where a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// A learnt vector for each token. A shorter clip takes those around the middle along each axis, a longer one
    /// interpolates (Gong's rule).
    Tokens,
    /// Fixed sinusoids of time, counted from the clip's beginning.
    Sinusoids,
    /// The sum of a learnt vector of the row and one of the column. A shorter clip takes the first columns, a longer one
    /// interpolates them.
    Axes,
}

/// What is the same in every model of a family.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Its name in a sentence.
    pub title: &'static str,
    /// Class tokens before the patches.
    pub class_tokens: usize,
    /// How it codes where a token stands.
    pub positions: Positions,
    /// Whether keys have a bias of their own.
    pub key_bias: bool,
    /// Whether each mel bin is scaled and shifted before anything else: a batch norm in eval mode, which never trains here.
    pub bin_norm: bool,
    /// Whether another stride than its own would no longer be what its makers trained.
    pub own_stride: bool,
    /// Whether its makers give it clips as short as they are; the others are filled with silence to their own length.
    pub any_length: bool,
    /// Its log-mel with so many bins, where there is one.
    pub front_end: fn(usize) -> Option<FrontEnd>,
    /// The numbers of bins that there are.
    pub bins: &'static str,
}

impl Family {
    /// What is the same in all of it.
    pub fn facts(self) -> &'static Facts {
        match self {
            Self::Ast => &Facts {
                title: "AST",
                class_tokens: 2,
                positions: Positions::Tokens,
                key_bias: true,
                bin_norm: false,
                own_stride: false,
                any_length: false,
                front_end: FrontEnd::kaldi,
                bins: "128",
            },
            Self::Whisper => &Facts {
                title: "Whisper",
                class_tokens: 0,
                positions: Positions::Sinusoids,
                key_bias: false,
                bin_norm: false,
                own_stride: true,
                any_length: false,
                front_end: FrontEnd::whisper,
                bins: "80 and 128",
            },
            Self::Ced => &Facts {
                title: "CED",
                class_tokens: 0,
                positions: Positions::Axes,
                key_bias: true,
                bin_norm: true,
                own_stride: true,
                any_length: true,
                front_end: FrontEnd::ced,
                bins: "64",
            },
        }
    }
}
