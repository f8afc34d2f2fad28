//! Short names of published backbones: which repository on the Hugging Face hub each means, its size, its licence, and what it
//! is good for. Nothing here is downloaded before a name is used.

use std::{collections::HashMap, sync::LazyLock};

use super::{Family, Inventory, Method, ModelConfig, Part, Pooling, Stem, specs};

/// A published backbone that has a short name.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// What `--model` calls it.
    pub name: &'static str,
    /// Its makers' repository on the hub.
    pub repository: &'static str,
    /// The licence of its weights, as the repository's page states it.
    pub license: &'static str,
    /// What it is good for, in a line.
    pub good_for: &'static str,
    sizes: Sizes,
}

/// What differs between the shapes of published models.
#[derive(Clone, Copy, Debug)]
enum Sizes {
    /// AST-base of so many frames and classes.
    Ast(usize, usize),
    /// CED of so many values, with AudioSet's 527 classes.
    Ced(usize),
    /// Dasheng's values, blocks and heads.
    Dasheng(usize, usize, usize),
    /// Whisper's values, blocks and mel bins.
    Whisper(usize, usize, usize),
}
use Sizes::{Ast, Ced, Dasheng, Whisper};

const APACHE: &str = "Apache-2.0";
const BSD: &str = "BSD-3-Clause";

const fn entry(
    name: &'static str,
    repository: &'static str,
    license: &'static str,
    sizes: Sizes,
    good_for: &'static str,
) -> Published {
    Published { name, repository, license, good_for, sizes }
}

/// All of them, each family's smallest first.
pub static PUBLISHED: [Published; 17] = [
    entry(
        "ced-tiny",
        "mispeech/ced-tiny",
        APACHE,
        Ced(192),
        "all sounds, on a laptop: its makers report 95.8 % on ESC-50, frozen",
    ),
    entry(
        "ced-mini",
        "mispeech/ced-mini",
        APACHE,
        Ced(256),
        "all sounds: 95.4 % on ESC-50, frozen; 49.0 mAP on AudioSet",
    ),
    entry(
        "ced-small",
        "mispeech/ced-small",
        APACHE,
        Ced(384),
        "all sounds: 96.0 % on ESC-50, frozen; 49.6 mAP on AudioSet",
    ),
    entry(
        "ced-base",
        "mispeech/ced-base",
        APACHE,
        Ced(768),
        "all sounds: 96.7 % on ESC-50, frozen; 50.0 mAP on AudioSet",
    ),
    entry(
        "dasheng-base",
        "mispeech/dasheng-base",
        APACHE,
        Dasheng(768, 12, 12),
        "speech, music and sounds alike, a token each 40 ms; trained without labels",
    ),
    entry("dasheng-0.6b", "mispeech/dasheng-0.6B", APACHE, Dasheng(1280, 32, 16), "the same, larger: for a GPU"),
    entry("dasheng-1.2b", "mispeech/dasheng-1.2B", APACHE, Dasheng(1536, 40, 24), "the same, largest: for a GPU"),
    entry(
        "ast-audioset",
        "MIT/ast-finetuned-audioset-10-10-0.4593",
        BSD,
        Ast(1024, 527),
        "all sounds: 45.9 mAP on AudioSet; the backbone that the paper adapts",
    ),
    entry(
        "ast-speech-commands",
        "MIT/ast-finetuned-speech-commands-v2",
        BSD,
        Ast(128, 35),
        "single spoken words: 98.1 % on Speech Commands V2",
    ),
    entry("whisper-tiny", "openai/whisper-tiny", APACHE, Whisper(384, 4, 80), "speech; its encoder is built in as box"),
    entry("whisper-base", "openai/whisper-base", APACHE, Whisper(512, 6, 80), "speech, in many languages"),
    entry(
        "whisper-small",
        "openai/whisper-small",
        APACHE,
        Whisper(768, 12, 80),
        "speech, in many languages; as large as AST-base",
    ),
    entry("whisper-medium", "openai/whisper-medium", APACHE, Whisper(1024, 24, 80), "speech: for a GPU"),
    entry("whisper-large", "openai/whisper-large", APACHE, Whisper(1280, 32, 80), "speech: for a GPU"),
    entry("whisper-large-v2", "openai/whisper-large-v2", APACHE, Whisper(1280, 32, 80), "speech: for a GPU"),
    entry(
        "whisper-large-v3",
        "openai/whisper-large-v3",
        APACHE,
        Whisper(1280, 32, 128),
        "speech: for a GPU; 128 mel bins",
    ),
    entry(
        "whisper-turbo",
        "openai/whisper-large-v3-turbo",
        APACHE,
        Whisper(1280, 32, 128),
        "speech: the encoder of large-v3 in a file half as large",
    ),
];

/// What [`Published::parameters`] answers, counted once: the workbench draws it.
static COUNTS: LazyLock<HashMap<&str, usize>> = LazyLock::new(|| {
    let count = |published: &Published| {
        let counted = specs(&published.shape(), Method::full());
        Inventory::of(counted.iter().filter(|spec| spec.part != Part::Head)).trainable
    };
    PUBLISHED.iter().map(|published| (published.name, count(published))).collect()
});

impl Published {
    /// The one of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PUBLISHED.iter().find(|published| published.name == name)
    }

    /// What it is, as its makers call it.
    pub fn kind(&self) -> &'static str {
        match self.sizes {
            Ast(..) => "AST",
            Ced(..) => "CED",
            Dasheng(..) => "Dasheng",
            Whisper(..) => "Whisper encoder",
        }
    }

    /// Its shape at its own length; `classes` is 0 where it has no head.
    pub fn shape(&self) -> ModelConfig {
        let (stem, family, [hidden, depth, heads], classes) = match self.sizes {
            Ast(frames, classes) => (
                Stem::Patches { mel_bins: 128, frames, patch: [16, 16], stride: [10, 10] },
                None,
                [768, 12, 12],
                classes,
            ),
            Ced(hidden) => {
                let stem = Stem::Patches { mel_bins: 64, frames: 1012, patch: [16, 16], stride: [16, 16] };
                (stem, Some(Family::Ced), [hidden, 12, hidden / 64], 527)
            }
            Dasheng(hidden, depth, heads) => {
                let stem = Stem::Patches { mel_bins: 64, frames: 1008, patch: [64, 4], stride: [64, 4] };
                (stem, Some(Family::Ced), [hidden, depth, heads], 0)
            }
            Whisper(hidden, depth, mel_bins) => {
                (Stem::Convolutions { mel_bins, frames: 3000 }, None, [hidden, depth, hidden / 64], 0)
            }
        };
        let ast = matches!(self.sizes, Ast(..));
        ModelConfig {
            stem,
            family,
            hidden,
            depth,
            heads,
            mlp_hidden: 4 * hidden,
            norm_eps: if ast {
                1e-12
            } else if family.is_some() {
                1e-6
            } else {
                1e-5
            },
            head_eps: if ast { 1e-12 } else { 1e-5 },
            head_norm: true,
            pooling: if ast { Pooling::ClassTokens } else { Pooling::Mean },
            classes,
        }
    }

    /// Parameters of its backbone, without a head. Tables that no method trains do not count.
    pub fn parameters(&self) -> usize {
        COUNTS.get(self.name).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sizes_are_the_published_ones() {
        for (at, published) in PUBLISHED.iter().enumerate() {
            assert!(PUBLISHED.iter().skip(at + 1).all(|other| other.name != published.name), "{}", published.name);
            assert!(published.shape().check_backbone().is_ok() && published.shape().front_end().is_ok());
        }
        let count = |name| Published::find(name).map(Published::parameters);
        // As counted on the makers' own classes.
        assert_eq!(count("ced-tiny"), Some(5_400_960));
        assert_eq!(count("dasheng-0.6b"), Some(630_333_440));
        assert_eq!(count("whisper-turbo"), Some(635_048_960));
        assert_eq!(count("ast-audioset"), Some(85_254_912 + 768 * 1214));
    }
}
