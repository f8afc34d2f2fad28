//! One transformer block and what methods add to it.

use candle_core::Tensor;

use super::{Norms, Portable, Result, Weights, norms::squares_of};
use crate::ops::portable::{attention, gelu};

impl Portable {
    /// One pre-norm block on x (batch, tokens, D), with the method's additions; what they measure is left in `norms`.
    pub(super) fn block(
        &self,
        weights: &Weights<'_>,
        name: &str,
        x: &Tensor,
        norms: Option<&mut Norms>,
    ) -> Result<Tensor> {
        let eps = self.config.norm_eps;
        let (measure, mut of_spatial, mut of_mlp) = (norms.is_some(), None, None);
        let mut stream = x.clone();
        if self.extras.prompts > 0 {
            stream = self.insert_prompts(&weights.get(&format!("{name}.prompt"))?, &stream)?;
        }

        let n = weights.norm(&format!("{name}.norm1"), &stream, eps)?;
        let mut h = self.attention(weights, &format!("{name}.attn"), &n)?;
        if self.extras.spatial.is_some() {
            let added = weights.bottleneck(&format!("{name}.spatial"), &h)?;
            if measure {
                of_spatial = Some(squares_of(&added, &stream)?);
            }
            h = (h + added)?;
        }
        stream = (stream + h)?;

        let n = weights.norm(&format!("{name}.norm2"), &stream, eps)?;
        let inner = gelu(&weights.linear(&format!("{name}.mlp.fc1"), &n)?)?;
        let mut out = weights.linear(&format!("{name}.mlp.fc2"), &inner)?;
        if self.extras.mlp.is_some() {
            let added = weights.bottleneck(&format!("{name}.adapter"), &n)?;
            if measure {
                of_mlp = Some(squares_of(&added, &stream)?);
            }
            out = (out + added)?;
        }
        stream = (stream + out)?;

        if self.extras.prompts > 0 {
            stream = self.drop_prompts(&stream)?;
        }
        if let Some(norms) = norms {
            norms.push(of_spatial, of_mlp);
        }
        Ok(stream)
    }

    /// Multi-head self-attention of n (batch, tokens, D).
    fn attention(&self, weights: &Weights<'_>, name: &str, n: &Tensor) -> Result<Tensor> {
        let (batch, tokens, hidden) = n.dims3()?;
        let (heads, size) = (self.config.heads, hidden / self.config.heads);
        let bias = if self.config.key_bias() {
            weights.get(&format!("{name}.qkv.bias"))?
        } else {
            let q = weights.get(&format!("{name}.q_bias"))?;
            let v = weights.get(&format!("{name}.v_bias"))?;
            Tensor::cat(&[&q, &q.detach().zeros_like()?, &v], 0)?
        };
        let qkv = weights.linear_with(&format!("{name}.qkv"), n, &bias)?;
        // (batch, tokens, D) to (batch, heads, tokens, D / heads), with the method's update.
        let part = |i: usize, update: &str| -> Result<Tensor> {
            let mut part = qkv.narrow(2, i * hidden, hidden)?;
            if let Some(size) = self.extras.lora.filter(|_| !update.is_empty()) {
                part = (part + (weights.low_rank(&format!("{name}.{update}"), n)? * size.scale())?)?;
            }
            Ok(part.reshape((batch, tokens, heads, size))?.transpose(1, 2)?.contiguous()?)
        };
        let (q, k, v) = (part(0, "lora_q")?, part(1, "")?, part(2, "lora_v")?);
        let mixed = attention(&q, &k, &v)?;
        let mixed = mixed.transpose(1, 2)?.reshape((batch, tokens, hidden))?;
        weights.linear(&format!("{name}.proj"), &mixed)
    }

    /// Each block sees the class tokens, its own prompts, then every other token.
    fn insert_prompts(&self, prompt: &Tensor, x: &Tensor) -> Result<Tensor> {
        let (batch, tokens, hidden) = x.dims3()?;
        let first = self.config.class_tokens();
        let prompts = prompt.broadcast_as((batch, self.extras.prompts, hidden))?;
        if first == 0 {
            return Ok(Tensor::cat(&[&prompts, x], 1)?);
        }
        Ok(Tensor::cat(&[&x.narrow(1, 0, first)?, &prompts, &x.narrow(1, first, tokens - first)?], 1)?)
    }

    fn drop_prompts(&self, x: &Tensor) -> Result<Tensor> {
        let (first, prompts) = (self.config.class_tokens(), self.extras.prompts);
        let rest = x.narrow(1, first + prompts, x.dim(1)? - first - prompts)?;
        if first == 0 {
            return Ok(rest);
        }
        Ok(Tensor::cat(&[&x.narrow(1, 0, first)?, &rest], 1)?)
    }
}
