//! The model as operations: stem, blocks with whatever the method added, pooling, head.

use super::{
    front::LogMel,
    graph::{Builder, END, float, int, ints},
    weights::{Params, Third},
};
use crate::model::{ModelConfig, ModelError, Pooling, Stem};

/// From the normalised log-mel to one vector for each sound, (batch, D): the mean of its pooled tokens.
pub(super) fn pooled<'a>(g: &mut Builder<'a>, params: Params<'a>, mel: &LogMel) -> Result<String, ModelError> {
    let config = params.config;
    let value = bins(g, params, &mel.value);
    let mut x = stem(g, params, &value)?;
    for block in 0..config.depth {
        g.at(format!("blocks.{block}"));
        // Of the last block's tokens only those that are pooled are computed.
        let keep = (of_class_tokens(config) && block + 1 == config.depth).then(|| config.class_tokens());
        x = Block { g, params, name: format!("blocks.{block}") }.forward(&x, keep)?;
    }
    g.at("head");
    Ok(pool(g, params, &x, &mel.valid))
}

/// From pooled vectors to the head's answers, (batch, classes).
pub(super) fn head<'a>(g: &mut Builder<'a>, params: Params<'a>, pooled: &str, result: &str) -> Result<(), ModelError> {
    let x = match params.config.head_norm {
        true => norm(g, params, pooled, "head.norm", params.config.head_eps),
        false => pooled.to_owned(),
    };
    let [out, input] = params.size("head.linear")?;
    let weight = g.table("head.linear.weight", &[out, input], params.plain("head.linear.weight"));
    let bias = g.table("head.linear.bias", &[out], params.plain("head.linear.bias"));
    g.op_named("Gemm", &[&x, &weight, &bias], vec![int("transB", 1)], result);
    Ok(())
}

fn of_class_tokens(config: &ModelConfig) -> bool {
    config.pooling == Pooling::ClassTokens && config.class_tokens() > 0
}

/// Each mel bin scaled and shifted, where the family does; (batch, bins, frames) as before.
fn bins<'a>(g: &mut Builder<'a>, params: Params<'a>, mel: &str) -> String {
    if !params.config.facts().bin_norm {
        return mel.to_owned();
    }
    g.at("stem");
    let count = params.config.mel_bins();
    let [weight, bias] =
        ["bin_norm.weight", "bin_norm.bias"].map(|name| g.table(name, &[1, count, 1], params.plain(name)));
    let scaled = g.op("Mul", &[mel, &weight], Vec::new());
    g.op("Add", &[&scaled, &bias], Vec::new())
}

/// (batch, bins, frames) to tokens with their positions, (batch, tokens, D).
fn stem<'a>(g: &mut Builder<'a>, params: Params<'a>, mel: &str) -> Result<String, ModelError> {
    g.at("stem");
    let config = params.config;
    let (d, tokens) = (config.hidden, config.tokens());
    match &config.stem {
        Stem::Patches { patch, stride, .. } => {
            let image = g.unsqueeze(mel, 1);
            let kernel = g.matrix("patch.weight", &[d, 1, patch[0], patch[1]], params.plain("patch.weight"));
            let x = g.conv(&[&image, &kernel], patch, stride, 0);
            let patches = (tokens - config.class_tokens()) as i64;
            let x = g.reshape(&x, &[0, d as i64, patches]);
            let x = g.transpose(&x, &[0, 2, 1]);
            let x = match config.class_tokens() {
                0 => x,
                // Rows of zeros, which the table makes class tokens.
                first => {
                    let (pads, zero) = (g.ints(&[0, first as i64, 0, 0, 0, 0]), g.number(0.0));
                    g.op("Pad", &[&x, &pads, &zero], Vec::new())
                }
            };
            let table = g.table("stem.table", &[1, tokens, d], params.patch_table());
            Ok(g.op("Add", &[&x, &table], Vec::new()))
        }
        Stem::Convolutions { mel_bins, .. } => {
            let mut x = mel.to_owned();
            for (name, inputs, stride) in [("stem.conv1", *mel_bins, 1), ("stem.conv2", d, 2)] {
                let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
                let kernel = g.matrix(&weight, &[d, inputs, 3], params.plain(&weight));
                let bias = g.table(&bias, &[d], params.plain(&bias));
                x = g.conv(&[&x, &kernel, &bias], &[3], &[stride], 1);
                x = g.gelu(&x);
            }
            let x = g.transpose(&x, &[0, 2, 1]);
            let positions = g.table("pos_embed", &[1, tokens, d], params.plain("pos_embed"));
            Ok(g.op("Add", &[&x, &positions], Vec::new()))
        }
    }
}

fn norm<'a>(g: &mut Builder<'a>, params: Params<'a>, x: &str, name: &str, eps: f64) -> String {
    let d = params.config.hidden;
    let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
    let weight = g.table(&weight, &[d], params.plain(&weight));
    let bias = g.table(&bias, &[d], params.plain(&bias));
    g.op("LayerNormalization", &[x, &weight, &bias], vec![int("axis", -1), float("epsilon", eps as f32)])
}

/// The mean of the pooled tokens after the final norm, (batch, D).
fn pool<'a>(g: &mut Builder<'a>, params: Params<'a>, x: &str, valid: &str) -> String {
    let config = params.config;
    if of_class_tokens(config) {
        let x = norm(g, params, x, "norm", config.norm_eps);
        return g.op("ReduceMean", &[&x], vec![ints("axes", &[1]), int("keepdims", 0)]);
    }
    // Tokens that begin within the sound: every column up to valid / hop, rounded up. A slice stops at the last by itself.
    let (grid, hop) = match &config.stem {
        Stem::Patches { stride, .. } => {
            let [rows, columns] = config.grid();
            let patches = g.slice(x, config.class_tokens() as i64, END, 1);
            let rows = g.reshape(&patches, &[0, rows as i64, columns as i64, config.hidden as i64]);
            (Some(rows), stride[1] as i64)
        }
        // Two frames make a token.
        Stem::Convolutions { .. } => (None, 2),
    };
    let (all, axes): (_, &[i64]) = match grid {
        Some(rows) => (rows, &[1, 2]),
        None => (x.to_owned(), &[1]),
    };
    let x = match config.pooling {
        // Those of padding count as well.
        Pooling::All => all,
        Pooling::Mean | Pooling::ClassTokens => {
            let (all_but_one, hop) = (g.ints(&[hop - 1]), g.ints(&[hop]));
            let up = g.op("Add", &[valid, &all_but_one], Vec::new());
            let columns = g.op("Div", &[&up, &hop], Vec::new());
            g.slice_to(&all, 0, &columns, axes.len() as i64)
        }
    };
    let x = norm(g, params, &x, "norm", config.norm_eps);
    g.op("ReduceMean", &[&x], vec![ints("axes", axes), int("keepdims", 0)])
}

/// One pre-norm Transformer block.
struct Block<'g, 'a> {
    g: &'g mut Builder<'a>,
    params: Params<'a>,
    name: String,
}

impl Block<'_, '_> {
    fn forward(&mut self, x: &str, keep: Option<usize>) -> Result<String, ModelError> {
        let normed = self.norm(x, "norm1");
        let (asking, x) = match keep {
            Some(tokens) => (self.g.slice(&normed, 0, tokens as i64, 1), self.g.slice(x, 0, tokens as i64, 1)),
            None => (normed.clone(), x.to_owned()),
        };
        let mixed = self.attention(&asking, &normed);
        let attended = self.linear(&mixed, "attn.proj")?;
        let spatial = self.adapter(&attended, "spatial")?;
        let x = self.sum(&x, &attended, spatial.as_deref());
        let normed = self.norm(&x, "norm2");
        let inner = self.linear(&normed, "mlp.fc1")?;
        let inner = self.g.gelu(&inner);
        let out = self.linear(&inner, "mlp.fc2")?;
        let parallel = self.adapter(&normed, "adapter")?;
        Ok(self.sum(&x, &out, parallel.as_deref()))
    }

    /// Softmax attention of all heads, before its projection, (batch, asking tokens, D).
    fn attention(&mut self, asking: &str, normed: &str) -> String {
        let (d, heads) = (self.params.config.hidden, self.params.config.heads);
        let size = d / heads;
        // Keys are laid out so that queries multiply them as they are.
        let [query, mut key, mut value] = Third::ALL.map(|third| {
            let input = if third == Third::Query { asking } else { normed };
            let (name, block) = (format!("{}.attn.{}", self.name, third.name()), self.name.as_str());
            let weight = self.g.matrix(format!("{name}.weight"), &[d, d], self.params.attention(block, third));
            let bias = self.g.table(format!("{name}.bias"), &[d], self.params.attention_bias(block, third));
            let product = self.g.op("MatMul", &[input, &weight], Vec::new());
            let whole = self.g.op("Add", &[&product, &bias], Vec::new());
            let split = self.g.reshape(&whole, &[0, 0, heads as i64, size as i64]);
            self.g.transpose(&split, if third == Third::Key { &[0, 2, 3, 1] } else { &[0, 2, 1, 3] })
        });
        let prompts = self.params.method.extras(self.params.config).prompts;
        if prompts > 0 {
            let batch = self.g.op("Shape", &["waveform"], vec![int("start", 0), int("end", 1)]);
            let ones = self.g.ints(&[1; 3]);
            let each = self.g.op("Concat", &[&batch, &ones], vec![int("axis", 0)]);
            let shapes = [[1, heads, size, prompts], [1, heads, prompts, size]];
            for ((third, shape), (value, axis)) in
                [Third::Key, Third::Value].into_iter().zip(shapes).zip([(&mut key, 3), (&mut value, 2)])
            {
                let name = format!("{}.prompt.{}", self.name, third.name());
                let more = self.g.matrix(name, &shape, self.params.prompts(&self.name, third));
                let more = self.g.op("Expand", &[&more, &each], Vec::new());
                *value = self.g.op("Concat", &[value, &more], vec![int("axis", axis)]);
            }
        }
        let scores = self.g.op("MatMul", &[&query, &key], Vec::new());
        let shares = self.g.op("Softmax", &[&scores], vec![int("axis", -1)]);
        let mixed = self.g.op("MatMul", &[&shares, &value], Vec::new());
        let mixed = self.g.transpose(&mixed, &[0, 2, 1, 3]);
        self.g.reshape(&mixed, &[0, 0, d as i64])
    }

    /// `up(GELU(down(x)))`, where the method added such an adapter.
    fn adapter(&mut self, x: &str, name: &str) -> Result<Option<String>, ModelError> {
        if !self.params.has(&format!("{}.{name}.up.weight", self.name)) {
            return Ok(None);
        }
        let inner = self.linear(x, &format!("{name}.down"))?;
        let inner = self.g.gelu(&inner);
        self.linear(&inner, &format!("{name}.up")).map(Some)
    }

    /// The residual stream with what a part of the block adds to it.
    fn sum(&mut self, x: &str, part: &str, adapter: Option<&str>) -> String {
        match adapter {
            Some(adapter) => {
                let both = self.g.op("Add", &[part, adapter], Vec::new());
                self.g.op("Add", &[x, &both], Vec::new())
            }
            None => self.g.op("Add", &[x, part], Vec::new()),
        }
    }

    fn norm(&mut self, x: &str, name: &str) -> String {
        norm(self.g, self.params, x, &format!("{}.{name}", self.name), self.params.config.norm_eps)
    }

    fn linear(&mut self, x: &str, name: &str) -> Result<String, ModelError> {
        let layer = format!("{}.{name}", self.name);
        let [out, input] = self.params.size(&layer)?;
        let weight = self.g.matrix(format!("{layer}.weight"), &[input, out], self.params.turned(&layer)?);
        let bias = format!("{layer}.bias");
        let bias = self.g.table(&bias, &[out], self.params.plain(&bias));
        let product = self.g.op("MatMul", &[x, &weight], Vec::new());
        Ok(self.g.op("Add", &[&product, &bias], Vec::new()))
    }
}
