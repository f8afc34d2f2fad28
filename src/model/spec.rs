//! The parameters of a model, from its shape and its method: names, shapes, places, beginnings.
//!
//! Names follow timm's Vision Transformer; they are the keys of the [`ParamStore`](super::ParamStore)
//! and of our own checkpoints. D is the hidden size, H the MLP's, P a patch's pixels, N the tokens
//! without prompts, A an adapter's inner size (0.25 D), n the classes; linear weights are (out, in).
//!
//! | name | shape | where |
//! |---|---|---|
//! | `bin_norm.weight`, `bin_norm.bias` | (mel bins) | families that normalise each bin: `x * weight + bias`, never trains |
//! | `patch.weight`, `patch.bias` | (D, P), (D) | patch stem; a pixel's index is row (mel) times width plus column (frame) |
//! | `cls_token`, `dist_token` | (1, 1, D) | patch stem, as many as the family has class tokens |
//! | `pos_embed` | (1, N, D) | learnt, class tokens first (AST); fixed sinusoids (Whisper) |
//! | `pos_embed.freq`, `pos_embed.time` | (1, rows, D), (1, columns, D) | learnt, of rows and columns apart (CED, Dasheng) |
//! | `stem.conv1.weight`, `stem.conv1.bias` | (D, mel bins, 3), (D) | convolutional stem |
//! | `stem.conv2.weight`, `stem.conv2.bias` | (D, D, 3), (D) | convolutional stem |
//! | `blocks.i.prompt` | (1, prompts, D) | method `prompt`: seen by block i after the class tokens |
//! | `blocks.i.norm1.weight`, `.bias` | (D) | |
//! | `blocks.i.attn.qkv.weight` | (3 D, D) | rows: queries, keys, values; head-major within each |
//! | `blocks.i.attn.qkv.bias` | (3 D) | patch stem |
//! | `blocks.i.attn.q_bias`, `blocks.i.attn.v_bias` | (D) | convolutional stem: Whisper's keys have no bias |
//! | `blocks.i.attn.proj.weight`, `.bias` | (D, D), (D) | |
//! | `blocks.i.attn.lora_q.down.weight`, `blocks.i.attn.lora_v.down.weight` | (r, D) | method `lora`, rank r: added to queries and values |
//! | `blocks.i.attn.lora_q.up.weight`, `blocks.i.attn.lora_v.up.weight` | (D, r) | |
//! | `blocks.i.spatial.down.weight`, `.bias` | (A, D), (A) | Spatial Adapter |
//! | `blocks.i.spatial.up.weight`, `.bias` | (D, A), (D) | |
//! | `blocks.i.norm2.weight`, `.bias` | (D) | |
//! | `blocks.i.mlp.fc1.weight`, `.bias` | (H, D), (H) | |
//! | `blocks.i.mlp.fc2.weight`, `.bias` | (D, H), (D) | |
//! | `blocks.i.adapter.down.weight`, `.bias` | (A, D), (A) | MLP Adapter |
//! | `blocks.i.adapter.up.weight`, `.bias` | (D, A), (D) | |
//! | `norm.weight`, `norm.bias` | (D) | after the last block |
//! | `head.norm.weight`, `head.norm.bias` | (D) | unless the head has no norm |
//! | `head.linear.weight`, `head.linear.bias` | (n, D), (n) | |

use super::{Extras, Init, LowRank, Method, ModelConfig, ParamSpec, Part, Positions, Stem};

/// Standard deviation of a backbone's random weights (timm) and of an adapter's `down` (AAT's code).
const WEIGHT_STD: f32 = 0.02;
/// Standard deviation of random learnt positions: as large as the patches they are added to. At a sound's timm's 0.02
/// they would drown, and a spectrogram whose rows cannot be distinguished says little of what sounds.
const POSITION_STD: f32 = 0.3;
/// Standard deviation of the head's random weights (AAT's code).
const HEAD_STD: f32 = 0.01;

/// A family's class tokens in their order.
pub(super) const CLASS_TOKENS: [&str; 2] = ["cls_token", "dist_token"];
/// The scale and shift of each mel bin, as a layer.
pub(super) const BIN_NORM: &str = "bin_norm";
/// A learnt vector for each token, or Whisper's sinusoids.
pub(super) const POSITIONS: &str = "pos_embed";
/// Those of rows and of columns, whose sum is a token's.
pub(super) const AXES: [&str; 2] = ["pos_embed.freq", "pos_embed.time"];

/// The head's bias, one for each class.
pub const HEAD_BIAS: &str = "head.linear.bias";

/// Every parameter of a model of this shape adapted by this method, in the model's order.
pub fn specs(config: &ModelConfig, method: Method) -> Vec<ParamSpec> {
    let mut list = List { specs: Vec::new(), part: Part::Stem, block: None };
    list.stem(config);
    let extras = method.extras(config);
    for block in 0..config.depth {
        list.block(config, &extras, block);
    }
    list.block = None;
    list.part = Part::FinalNorm;
    list.norm("norm", config.hidden);
    list.part = Part::Head;
    if config.head_norm {
        list.norm("head.norm", config.hidden);
    }
    list.linear("head.linear", config.classes, config.hidden, Init::TruncatedNormal(HEAD_STD));
    for spec in &mut list.specs {
        // Whisper's sinusoids are a table and a bin's scale and shift are statistics, whatever the method.
        let fixed = spec.init == Init::Sinusoids || is_bin_norm(&spec.name);
        spec.trains = !fixed && method.trains(spec, config);
    }
    list.specs
}

/// Whether this is the scale or the shift of each mel bin.
fn is_bin_norm(name: &str) -> bool {
    name.strip_prefix(BIN_NORM).is_some_and(|rest| rest.starts_with('.'))
}

/// The list while it grows, with the place of what comes next.
struct List {
    specs: Vec<ParamSpec>,
    part: Part,
    block: Option<usize>,
}

impl List {
    fn push(&mut self, name: impl Into<String>, shape: &[usize], init: Init) {
        let name = match self.block {
            Some(block) => format!("blocks.{block}.{}", name.into()),
            None => name.into(),
        };
        self.specs.push(ParamSpec {
            name,
            shape: shape.to_vec(),
            part: self.part,
            block: self.block,
            trains: false,
            init,
        });
    }

    fn linear(&mut self, name: &str, out: usize, input: usize, init: Init) {
        self.push(format!("{name}.weight"), &[out, input], init);
        self.push(format!("{name}.bias"), &[out], Init::Zeros);
    }

    fn norm(&mut self, name: &str, size: usize) {
        self.push(format!("{name}.weight"), &[size], Init::Ones);
        self.push(format!("{name}.bias"), &[size], Init::Zeros);
    }

    fn stem(&mut self, config: &ModelConfig) {
        let d = config.hidden;
        // A convolution's weights and bias start as PyTorch's: uniform within 1 / sqrt(fan in).
        let bound = |fan_in: usize| Init::Uniform(1.0 / (fan_in as f32).sqrt());
        if config.facts().bin_norm {
            self.norm(BIN_NORM, config.mel_bins());
        }
        match &config.stem {
            Stem::Patches { patch, .. } => {
                let pixels = patch[0] * patch[1];
                self.push("patch.weight", &[d, pixels], bound(pixels));
                self.push("patch.bias", &[d], bound(pixels));
                for name in &CLASS_TOKENS[..config.class_tokens()] {
                    self.push(*name, &[1, 1, d], Init::TruncatedNormal(WEIGHT_STD));
                }
            }
            Stem::Convolutions { mel_bins, .. } => {
                self.push("stem.conv1.weight", &[d, *mel_bins, 3], bound(3 * mel_bins));
                self.push("stem.conv1.bias", &[d], bound(3 * mel_bins));
                self.push("stem.conv2.weight", &[d, d, 3], bound(3 * d));
                self.push("stem.conv2.bias", &[d], bound(3 * d));
            }
        }
        match config.facts().positions {
            Positions::Tokens => self.push(POSITIONS, &[1, config.tokens(), d], Init::TruncatedNormal(POSITION_STD)),
            Positions::Sinusoids => self.push(POSITIONS, &[1, config.tokens(), d], Init::Sinusoids),
            Positions::Axes => {
                for (name, count) in AXES.into_iter().zip(config.grid()) {
                    self.push(name, &[1, count, d], Init::TruncatedNormal(POSITION_STD));
                }
            }
        }
    }

    fn block(&mut self, config: &ModelConfig, extras: &Extras, block: usize) {
        let d = config.hidden;
        let weights = Init::TruncatedNormal(WEIGHT_STD);
        self.block = Some(block);
        if extras.prompts > 0 {
            self.part = Part::Prompt;
            // VPT's bound, sqrt(6 / (patch values + D)), at the size where both are equal (D = 768, RGB patches of 16).
            self.push("prompt", &[1, extras.prompts, d], Init::Uniform((6.0 / (2 * d) as f32).sqrt()));
        }
        self.part = Part::Block;
        self.norm("norm1", d);
        self.push("attn.qkv.weight", &[3 * d, d], weights);
        if config.key_bias() {
            self.push("attn.qkv.bias", &[3 * d], Init::Zeros);
        } else {
            self.push("attn.q_bias", &[d], Init::Zeros);
            self.push("attn.v_bias", &[d], Init::Zeros);
        }
        self.linear("attn.proj", d, d, weights);
        if let Some(LowRank { rank, .. }) = extras.lora {
            self.part = Part::Lora;
            for name in ["attn.lora_q", "attn.lora_v"] {
                // LoRA's own code: Kaiming's uniform with a = sqrt 5, whose bound is 1 / sqrt(fan in); `up` at zero.
                self.push(format!("{name}.down.weight"), &[rank, d], Init::Uniform(1.0 / (d as f32).sqrt()));
                self.push(format!("{name}.up.weight"), &[d, rank], Init::Zeros);
            }
        }
        if let Some(inner) = extras.spatial {
            self.adapter(Part::Spatial, "spatial", d, inner);
        }
        self.part = Part::Block;
        self.norm("norm2", d);
        self.linear("mlp.fc1", config.mlp_hidden, d, weights);
        self.linear("mlp.fc2", d, config.mlp_hidden, weights);
        if let Some(inner) = extras.mlp {
            self.adapter(Part::Mlp, "adapter", d, inner);
        }
    }

    /// `up` starts at zero, so that training starts exactly at the frozen backbone.
    fn adapter(&mut self, part: Part, name: &str, d: usize, inner: usize) {
        self.part = part;
        self.linear(&format!("{name}.down"), inner, d, Init::TruncatedNormal(WEIGHT_STD));
        self.linear(&format!("{name}.up"), d, inner, Init::Zeros);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;
    use crate::model::{Inventory, Pooling};

    fn trainable(method: &str, frames: usize, classes: usize) -> usize {
        let config = ModelConfig::ast("base", frames, [10, 10], classes).unwrap();
        Inventory::of(&specs(&config, method.parse().unwrap())).trainable
    }

    /// The table of the paper's methods on AST-base.
    #[test]
    fn counts_are_the_papers() {
        let table: [(usize, [usize; 5]); 5] = [
            (10, [9_226, 42_536_458, 119_818, 3_559_690, 7_110_154]),
            (20, [16_916, 42_544_148, 127_508, 3_567_380, 7_117_844]),
            (30, [24_606, 42_551_838, 135_198, 3_575_070, 7_125_534]),
            (35, [28_451, 42_555_683, 139_043, 3_578_915, 7_129_379]),
            (50, [39_986, 42_567_218, 150_578, 3_590_450, 7_140_914]),
        ];
        for (classes, counts) in table {
            for (method, count) in ["head", "partial", "prompt", "aat-m", "aat"].into_iter().zip(counts) {
                assert_eq!(trainable(method, 1024, classes), count, "{method} with {classes} classes");
            }
        }
    }

    /// Full fine-tuning at every recipe's length: frames, tokens, classes.
    #[test]
    fn full_counts_every_length() {
        for (frames, tokens, classes) in
            [(512, 602, 50), (400, 470, 10), (128, 146, 30), (128, 146, 35), (3000, 3590, 10), (1024, 1214, 20)]
        {
            let config = ModelConfig::ast("base", frames, [10, 10], classes).unwrap();
            assert_eq!(config.tokens(), tokens);
            let head = 1_536 + 769 * classes;
            assert_eq!(trainable("full", frames, classes), 85_254_912 + 768 * tokens + head);
        }
        // The authors' printed 87.295 M for ESC-50 counts two unused heads of 1000 ways besides.
        assert_eq!(trainable("full", 512, 50) + 1_538_000, 87_295_234);
    }

    /// Two updates of 2 r D in each of 12 blocks; 11 D biases in a block, the stem's and the final norm's.
    #[test]
    fn low_rank_updates_and_biases_are_counted() {
        let head = 1_536 + 769 * 50;
        assert_eq!(trainable("lora", 512, 50), 12 * 2 * 2 * 8 * 768 + head);
        assert_eq!(trainable("lora-r4", 512, 50), 12 * 2 * 2 * 4 * 768 + head);
        // In a block: two norms, qkv 3 D, proj D, fc1 4 D, fc2 D.
        assert_eq!(trainable("bitfit", 512, 50), 768 * (12 * 11 + 2) + head);
    }

    #[test]
    fn names_are_unique_and_order_does_not_depend_on_the_method() {
        let config = ModelConfig::ast("tiny", 128, [16, 16], 3).unwrap();
        let backbone: Vec<String> = specs(&config, Method::full()).into_iter().map(|spec| spec.name).collect();
        for method in Method::all() {
            let names: Vec<String> = specs(&config, method).into_iter().map(|spec| spec.name).collect();
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
            let shared: Vec<&String> = names.iter().filter(|name| backbone.contains(name)).collect();
            assert!(shared.into_iter().eq(backbone.iter()), "{method}");
        }
    }

    #[test]
    fn sinusoids_never_train_and_keys_have_no_bias() {
        let config = ModelConfig {
            stem: Stem::Convolutions { mel_bins: 80, frames: 500 },
            hidden: 384,
            depth: 4,
            heads: 6,
            mlp_hidden: 1536,
            norm_eps: 1e-5,
            head_eps: 1e-5,
            head_norm: true,
            family: None,
            pooling: Pooling::Mean,
            classes: 10,
        };
        let specs = specs(&config, Method::full());
        let fixed: Vec<_> = specs.iter().filter(|spec| !spec.trains).map(|spec| spec.name.as_str()).collect();
        assert_eq!(fixed, ["pos_embed"]);
        assert!(specs.iter().any(|spec| spec.name == "blocks.3.attn.v_bias"));
        assert!(specs.iter().all(|spec| !spec.name.ends_with("qkv.bias")));
        let biases = super::specs(&config, "bitfit".parse().unwrap());
        let count = biases.iter().filter(|spec| spec.trains && spec.part != Part::Head).map(ParamSpec::count);
        // A key bias less than AST has, and two convolutions' for the patches'.
        assert_eq!(count.sum::<usize>(), 384 * (4 * 10 + 3));
    }
}
