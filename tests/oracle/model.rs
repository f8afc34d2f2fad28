//! The method, written plainly on candle's operations: the definition of what this project computes, and the file to
//! read first. It is slow and keeps everything; the engines are held to it.
//!
//! ```text
//! sound (batch, frames, mel bins), each bin scaled and shifted in CED -> stem -> x (batch, N tokens, D)
//! in each block:  h = attention(norm1(x))            queries and values with their low-rank updates (LoRA)
//!                 x = x + h + up(GELU(down(h)))      Spatial Adapter (AAT, arXiv 2401.10544)
//!                 n = norm2(x)
//!                 x = x + fc2(GELU(fc1(n)))
//!                       + up(GELU(down(n)))          MLP Adapter (AAT)
//! norm -> mean of the pooled tokens -> head.norm -> head.linear -> logits (batch, classes)
//! ```
//!
//! Weights may be single or double precision; everything is computed in their type. Gradients come from candle's graph.

use aat_tui::model::{BlockNorms, Extras, Features, Method, ModelConfig, ParamStore, Pooling, Positions, Stem};
use candle_core::{D, DType, Result, Tensor, backprop::GradStore};

/// A backbone and what a method adds to it, with their weights.
pub struct Oracle<'a> {
    pub config: &'a ModelConfig,
    pub extras: Extras,
    pub store: &'a ParamStore,
}

/// What one forward pass gives.
pub struct Pass {
    /// The residual stream after each block, (batch, N, D).
    pub states: Vec<Tensor>,
    /// Norms of what the adapters of each block add; none without adapters.
    pub norms: Vec<BlockNorms>,
    /// The mean of each clip's pooled tokens, (batch, D).
    pub pooled: Tensor,
    /// (batch, classes).
    pub logits: Tensor,
}

impl<'a> Oracle<'a> {
    pub fn new(config: &'a ModelConfig, method: Method, store: &'a ParamStore) -> Self {
        Self { config, extras: method.extras(config), store }
    }

    /// From normalised spectrograms to logits.
    pub fn forward(&self, input: &Features) -> Result<Pass> {
        let dtype = self.store.iter().next().map_or(DType::F32, |(_, var)| var.dtype());
        let shape = (input.batch, input.frames, input.bins);
        let sound = Tensor::from_slice(&input.data, shape, self.store.device())?.to_dtype(dtype)?;
        let sound = match self.config.facts().bin_norm {
            true => sound.broadcast_mul(&self.get("bin_norm.weight"))?.broadcast_add(&self.get("bin_norm.bias"))?,
            false => sound,
        };
        let mut x = self.stem(&sound)?;
        let (mut states, mut norms) = (Vec::new(), Vec::new());
        for block in 0..self.config.depth {
            x = self.block(&format!("blocks.{block}"), &x, &mut norms)?;
            states.push(x.clone());
        }
        let x = self.norm("norm", &x, self.config.norm_eps)?;
        let pooled = self.pool(&x, &input.valid)?;
        let logits = match self.config.head_norm {
            true => self.linear("head.linear", &self.norm("head.norm", &pooled, self.config.head_eps)?)?,
            false => self.linear("head.linear", &pooled)?,
        };
        Ok(Pass { states, norms, pooled, logits })
    }

    /// Gradients of sum(logits * towards), `towards` (batch, classes): those of any loss whose gradient this is.
    pub fn gradients(&self, input: &Features, towards: &[f32]) -> Result<(Pass, GradStore)> {
        let pass = self.forward(input)?;
        let towards = Tensor::from_slice(towards, pass.logits.dims(), self.store.device())?;
        let loss = (&pass.logits * towards.to_dtype(pass.logits.dtype())?)?.sum_all()?;
        let gradients = loss.backward()?;
        Ok((pass, gradients))
    }

    /// Tokens (batch, N, D) of sound (batch, frames, bins), positions added.
    fn stem(&self, sound: &Tensor) -> Result<Tensor> {
        let (batch, frames, bins) = sound.dims3()?;
        match self.config.stem {
            // Class tokens (AST has two, CED none), then patches, along time within a frequency row.
            Stem::Patches { patch: [height, width], stride: [down, along], .. } => {
                let spectrogram = sound.transpose(1, 2)?;
                let mut patches = Vec::new();
                for bin in (0..=bins - height).step_by(down) {
                    for frame in (0..=frames - width).step_by(along) {
                        patches.push(spectrogram.narrow(1, bin, height)?.narrow(2, frame, width)?.flatten_from(1)?);
                    }
                }
                let patches = self.linear("patch", &Tensor::stack(&patches, 1)?)?;
                let mut tokens = Vec::new();
                for name in &["cls_token", "dist_token"][..self.config.class_tokens()] {
                    tokens.push(self.get(name).broadcast_as((batch, 1, self.config.hidden))?);
                }
                tokens.push(patches);
                Tensor::cat(&tokens, 1)?.broadcast_add(&self.positions()?)
            }
            // Whisper's encoder: two convolutions along time, the second of stride 2.
            Stem::Convolutions { .. } => {
                let x = gelu(&self.convolution("stem.conv1", sound, 1)?)?;
                let x = gelu(&self.convolution("stem.conv2", &x, 2)?)?;
                x.broadcast_add(&self.get("pos_embed"))
            }
        }
    }

    /// Positions (1, N, D): of each token, or the sum of its row's and its column's.
    fn positions(&self) -> Result<Tensor> {
        if self.config.facts().positions != Positions::Axes {
            return Ok(self.get("pos_embed"));
        }
        let ([rows, columns], d) = (self.config.grid(), self.config.hidden);
        let of_rows = self.get("pos_embed.freq").reshape((rows, 1, d))?;
        let of_columns = self.get("pos_embed.time").reshape((1, columns, d))?;
        of_rows.broadcast_add(&of_columns)?.reshape((1, rows * columns, d))
    }

    /// Three taps along time, zeros beyond both ends.
    fn convolution(&self, name: &str, x: &Tensor, stride: usize) -> Result<Tensor> {
        let padded = x.pad_with_zeros(1, 1, 1)?;
        let window = |at: usize| padded.narrow(1, at, 3)?.transpose(1, 2)?.flatten_from(1);
        let windows = (0..x.dim(1)?).step_by(stride).map(window).collect::<Result<Vec<_>>>()?;
        let kernel = self.get(&format!("{name}.weight")).flatten_from(1)?;
        linear(&Tensor::stack(&windows, 1)?, &kernel, Some(&self.get(&format!("{name}.bias"))))
    }

    /// One pre-norm block on x (batch, N, D).
    fn block(&self, name: &str, x: &Tensor, norms: &mut Vec<BlockNorms>) -> Result<Tensor> {
        let (eps, first, tokens) = (self.config.norm_eps, self.config.class_tokens(), x.dim(1)?);
        let mut x = x.clone();
        if self.extras.prompts > 0 {
            // VPT-deep: each block sees the class tokens, its own prompts, then every other token.
            let prompt = self.get(&format!("{name}.prompt"));
            let prompt = prompt.broadcast_as((x.dim(0)?, self.extras.prompts, self.config.hidden))?;
            x = join(&[x.narrow(1, 0, first)?, prompt, x.narrow(1, first, tokens - first)?])?;
        }
        let mut measured = BlockNorms::default();

        let mut h = self.attention(&format!("{name}.attn"), &self.norm(&format!("{name}.norm1"), &x, eps)?)?;
        if self.extras.spatial.is_some() {
            let added = self.bottleneck(&format!("{name}.spatial"), &h)?;
            (measured.spatial, measured.spatial_ratio) = sizes(&added, &x)?;
            h = (h + added)?;
        }
        x = (x + h)?;

        let n = self.norm(&format!("{name}.norm2"), &x, eps)?;
        let mut out = self.linear(&format!("{name}.mlp.fc2"), &gelu(&self.linear(&format!("{name}.mlp.fc1"), &n)?)?)?;
        if self.extras.mlp.is_some() {
            let added = self.bottleneck(&format!("{name}.adapter"), &n)?;
            (measured.mlp, measured.mlp_ratio) = sizes(&added, &x)?;
            out = (out + added)?;
        }
        x = (x + out)?;

        if self.extras.prompts > 0 {
            let rest = x.narrow(1, first + self.extras.prompts, tokens - first)?;
            x = join(&[x.narrow(1, 0, first)?, rest])?;
        }
        if self.extras.spatial.is_some() || self.extras.mlp.is_some() {
            norms.push(measured);
        }
        Ok(x)
    }

    /// Multi-head self-attention of n (batch, N, D).
    fn attention(&self, name: &str, n: &Tensor) -> Result<Tensor> {
        let (batch, tokens, d) = n.dims3()?;
        let (heads, size) = (self.config.heads, d / self.config.heads);
        let bias = if self.config.key_bias() {
            self.get(&format!("{name}.qkv.bias"))
        } else {
            // Whisper's keys have none.
            let (q, v) = (self.get(&format!("{name}.q_bias")), self.get(&format!("{name}.v_bias")));
            Tensor::cat(&[&q, &v.zeros_like()?, &v], 0)?
        };
        let qkv = linear(n, &self.get(&format!("{name}.qkv.weight")), Some(&bias))?;
        let part = |i: usize, update: Option<&str>| -> Result<Tensor> {
            let mut part = qkv.narrow(2, i * d, d)?;
            if let (Some(lora), Some(update)) = (self.extras.lora, update) {
                let [down, up] = ["down", "up"].map(|layer| self.get(&format!("{name}.{update}.{layer}.weight")));
                part = (part + (linear(&linear(n, &down, None)?, &up, None)? * lora.scale())?)?;
            }
            part.reshape((batch, tokens, heads, size))?.transpose(1, 2)?.contiguous()
        };
        let (q, k, v) = (part(0, Some("lora_q"))?, part(1, None)?, part(2, Some("lora_v"))?);
        let scores = (q.matmul(&k.transpose(2, 3)?.contiguous()?)? / (size as f64).sqrt())?;
        let mixed = softmax(&scores)?.matmul(&v)?;
        self.linear(&format!("{name}.proj"), &mixed.transpose(1, 2)?.reshape((batch, tokens, d))?)
    }

    /// up(GELU(down(x))).
    fn bottleneck(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        self.linear(&format!("{name}.up"), &gelu(&self.linear(&format!("{name}.down"), x)?)?)
    }

    /// Mean of each clip's pooled tokens: the class tokens, or those of columns that begin within the clip's `valid`
    /// frames, of which the first column always counts.
    fn pool(&self, x: &Tensor, valid: &[usize]) -> Result<Tensor> {
        let (first, tokens) = (self.config.class_tokens(), x.dim(1)?);
        if self.config.pooling == Pooling::ClassTokens && first > 0 {
            return x.narrow(1, 0, first)?.mean(1);
        }
        let [_, columns] = self.config.grid();
        let hop = match self.config.stem {
            Stem::Patches { stride: [_, along], .. } => along,
            Stem::Convolutions { .. } => 2,
        };
        let clip = |(clip, frames): (usize, &usize)| -> Result<Tensor> {
            let all = self.config.pooling == Pooling::All;
            let sound = |token: &usize| all || (token - first) % columns * hop < (*frames).max(1);
            let pooled =
                (first..tokens).filter(sound).map(|token| x.get(clip)?.get(token)).collect::<Result<Vec<_>>>()?;
            Tensor::stack(&pooled, 0)?.mean(0)
        };
        Tensor::stack(&valid.iter().enumerate().map(clip).collect::<Result<Vec<_>>>()?, 0)
    }

    fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.get(&format!("{name}.weight")), Some(&self.get(&format!("{name}.bias"))))
    }

    /// (x - mean) / sqrt(variance + eps) * weight + bias over the last axis.
    fn norm(&self, name: &str, x: &Tensor, eps: f64) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
        let normal = centred.broadcast_div(&deviation)?;
        normal.broadcast_mul(&self.get(&format!("{name}.weight")))?.broadcast_add(&self.get(&format!("{name}.bias")))
    }

    fn get(&self, name: &str) -> Tensor {
        self.store.get(name).unwrap_or_else(|| panic!("there is no parameter {name}")).as_tensor().clone()
    }
}

/// x (.., in) times weight (out, in) transposed, plus bias (out).
fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (out, input) = weight.dims2()?;
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = out;
    }
    let y = x.reshape(((), input))?.matmul(&weight.t()?)?.reshape(shape)?;
    bias.map_or(Ok(y.clone()), |bias| y.broadcast_add(bias))
}

/// exp(x) over its sum along the last axis.
fn softmax(x: &Tensor) -> Result<Tensor> {
    let raised = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    raised.broadcast_div(&raised.sum_keepdim(D::Minus1)?)
}

/// x times the normal distribution's share below x. By erf, whose gradient candle has exactly.
fn gelu(x: &Tensor) -> Result<Tensor> {
    (x * ((x / std::f64::consts::SQRT_2)?.erf()? + 1.0)?)? / 2.0
}

/// Tokens one after another; of some there may be none.
fn join(parts: &[Tensor]) -> Result<Tensor> {
    let parts: Vec<_> = parts.iter().filter(|part| part.dims()[1] > 0).collect();
    Tensor::cat(&parts, 1)
}

/// Root mean square of what is added, and its ratio to that of the stream.
fn sizes(added: &Tensor, stream: &Tensor) -> Result<(f32, f32)> {
    let rms = |t: &Tensor| t.detach().sqr()?.mean_all()?.sqrt()?.to_dtype(DType::F64)?.to_scalar::<f64>();
    let (added, stream) = (rms(added)?, rms(stream)?);
    Ok((added as f32, (added / stream) as f32))
}
