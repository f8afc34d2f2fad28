//! The forward pass of one block.

use candle_core::Tensor;

use super::{Fused, Needs, Result, weights::Weights};
use crate::{
    model::portable::{Norms, squares_of},
    ops::fused::{Added, Attended, Heads, Normed, add, add_bias, add_norm, attention, gelu},
};

/// The residual stream, and what is still to be added to it: the next LayerNorm does that on its way.
pub(super) struct Stream {
    /// (batch * tokens, D).
    pub x: Tensor,
    pub added: Added,
    pub heads: Heads,
}

impl Stream {
    /// The stream itself.
    pub fn settled(&self) -> Result<Tensor> {
        Ok(add(&self.x, &self.added)?)
    }
}

/// What a block's backward pass needs, all of it in rows.
pub(super) struct Kept {
    pub heads: Heads,
    pub needs: Needs,
    /// Before attention and before the MLP.
    pub norms: [Normed; 2],
    pub attended: Attended,
    /// Attention's result, and what proj makes of it, bias included.
    pub out: Tensor,
    pub h: Tensor,
    /// Before GELU, without biases: fc1, the MLP Adapter, the Spatial Adapter.
    pub pre: Tensor,
    pub adapter: Option<Tensor>,
    pub spatial: Option<Tensor>,
    /// What each low-rank update makes of its input on its way.
    pub low_rank: Vec<Tensor>,
}

impl Fused {
    /// One block, on the tokens that come in. The last one carries on only those that are pooled, where they come first,
    /// unless `every` one is wanted.
    pub(super) fn block(
        &self,
        weights: &mut Weights<'_>,
        block: usize,
        mut stream: Stream,
        every: bool,
        norms: Option<&mut Norms>,
    ) -> Result<(Stream, Kept)> {
        let (name, eps) = (format!("blocks.{block}"), self.config.norm_eps);
        let needs = self.needs.get(block).copied().unwrap_or_default();
        if self.extras.prompts > 0 {
            stream = self.insert_prompts(weights, &name, &stream)?;
        }
        let d = self.config.hidden;
        let mut heads = stream.heads;
        if block + 1 == self.config.depth && !every {
            heads.queries = self.queries(heads.tokens);
        }

        let before = add_norm(&stream.x, &stream.added, &weights.norm(&format!("{name}.norm1"), eps)?, weights.dtype)?;
        let qkv = weights.product(&format!("{name}.attn.qkv"), &before.norm)?;
        let mut qkv = add_bias(qkv, &self.qkv_bias(weights, &name)?)?;
        let mut low_rank = Vec::new();
        if let Some(size) = self.extras.lora {
            let mut parts = [0, 1, 2].map(|part| qkv.narrow(1, part * d, d));
            for (part, update) in [(0, "q"), (2, "v")] {
                let update = format!("{name}.attn.lora_{update}");
                let inner = weights.product(&format!("{update}.down"), &before.norm)?;
                let more = (weights.product(&format!("{update}.up"), &inner)? * size.scale())?;
                let own = std::mem::replace(&mut parts[part], Ok(more.clone()))?;
                parts[part] = own + more;
                low_rank.push(inner);
            }
            let [q, k, v] = parts;
            qkv = Tensor::cat(&[&q?, &k?, &v?], 1)?;
        }
        let (out, attended) = attention(qkv, heads)?;
        let residual = first_tokens(&before.stream, heads)?;
        let heads_after = Heads { tokens: heads.queries, ..heads };

        let mut h = weights.product(&format!("{name}.attn.proj"), &out)?;
        let bias = weights.bias(&format!("{name}.attn.proj"))?;
        let (mut spatial, mut measured) = (None, [None, None]);
        let added = if self.extras.spatial.is_some() {
            h = add_bias(h, &bias)?;
            let spatial_name = format!("{name}.spatial");
            let (pre, inner) = bottleneck(weights, &spatial_name, &h)?;
            let up = Added {
                values: vec![weights.product(&format!("{spatial_name}.up"), &inner)?],
                biases: vec![weights.bias(&format!("{spatial_name}.up"))?],
            };
            measured[0] = norms.is_some().then(|| squares(&up, &residual)).transpose()?;
            spatial = Some(pre);
            Added { values: [vec![h.clone()], up.values].concat(), biases: up.biases }
        } else {
            Added { values: vec![h.clone()], biases: vec![bias] }
        };

        let after = add_norm(&residual, &added, &weights.norm(&format!("{name}.norm2"), eps)?, weights.dtype)?;
        let pre = weights.product(&format!("{name}.mlp.fc1"), &after.norm)?;
        let inner = gelu(&pre, &weights.bias(&format!("{name}.mlp.fc1"))?)?;
        let mut values = weights.product(&format!("{name}.mlp.fc2"), &inner)?;
        let mut biases = vec![weights.bias(&format!("{name}.mlp.fc2"))?];
        let mut adapter = None;
        if self.extras.mlp.is_some() {
            let (adapter_name, up) = (format!("{name}.adapter"), format!("{name}.adapter.up"));
            let (pre, inner) = bottleneck(weights, &adapter_name, &after.norm)?;
            let bias = weights.bias(&up)?;
            if norms.is_some() {
                let alone = Added { values: vec![weights.product(&up, &inner)?], biases: vec![bias.clone()] };
                measured[1] = Some(squares(&alone, &after.stream)?);
            }
            values = weights.product_onto(values, &up, &inner)?;
            biases.push(bias);
            adapter = Some(pre);
        }
        let added = Added { values: vec![values], biases };
        if let Some(norms) = norms {
            let [spatial, mlp] = measured;
            norms.push(spatial, mlp);
        }
        let mut leaving = Stream { x: after.stream.clone(), added, heads: heads_after };
        if self.extras.prompts > 0 {
            leaving = self.drop_prompts(&leaving)?;
        }
        let norms = [before, after];
        Ok((leaving, Kept { heads, needs, norms, attended, out, h, pre, adapter, spatial, low_rank }))
    }

    /// The tokens of a clip that the last block carries on: those that are pooled, if they come first.
    fn queries(&self, tokens: usize) -> usize {
        let pooled = self.config.pooled_tokens(None);
        if pooled.len() == self.config.class_tokens() { pooled.len() } else { tokens }
    }

    /// (3 D): Whisper's keys have none.
    fn qkv_bias(&self, weights: &Weights<'_>, name: &str) -> Result<Tensor> {
        if self.config.key_bias() {
            return weights.bias(&format!("{name}.attn.qkv"));
        }
        let [q, v] = ["q", "v"].map(|part| weights.get(&format!("{name}.attn.{part}_bias")));
        let q = q?;
        Ok(Tensor::cat(&[&q, &q.zeros_like()?, &v?], 0)?)
    }

    /// Each block sees the class tokens, its own prompts, then every other token.
    fn insert_prompts(&self, weights: &Weights<'_>, name: &str, stream: &Stream) -> Result<Stream> {
        let (Heads { batch, tokens, .. }, d) = (stream.heads, self.config.hidden);
        let (first, prompts) = (self.config.class_tokens(), self.extras.prompts);
        let x = stream.settled()?.reshape((batch, tokens, d))?;
        let prompt = weights.get(&format!("{name}.prompt"))?.broadcast_as((batch, prompts, d))?.contiguous()?;
        let parts = [x.narrow(1, 0, first)?, prompt, x.narrow(1, first, tokens - first)?];
        let parts: Vec<_> = parts.iter().filter(|part| part.dims()[1] > 0).collect();
        let x = Tensor::cat(&parts, 1)?.reshape((batch * (tokens + prompts), d))?;
        let heads = Heads { tokens: tokens + prompts, queries: tokens + prompts, ..stream.heads };
        Ok(Stream { x, added: Added::default(), heads })
    }

    /// The stream without them; the last block may have left the class tokens alone.
    fn drop_prompts(&self, stream: &Stream) -> Result<Stream> {
        let Heads { batch, tokens, .. } = stream.heads;
        let first = self.config.class_tokens();
        if first > 0 && tokens == first {
            let heads = Heads { queries: first, ..stream.heads };
            return Ok(Stream { x: stream.settled()?, added: Added::default(), heads });
        }
        let (d, prompts) = (self.config.hidden, self.extras.prompts);
        let x = stream.settled()?.reshape((batch, tokens, d))?;
        let parts = [x.narrow(1, 0, first)?, x.narrow(1, first + prompts, tokens - first - prompts)?];
        let parts: Vec<_> = parts.iter().filter(|part| part.dims()[1] > 0).collect();
        let x = Tensor::cat(&parts, 1)?.reshape((batch * (tokens - prompts), d))?;
        let heads = Heads { tokens: tokens - prompts, queries: tokens - prompts, ..stream.heads };
        Ok(Stream { x, added: Added::default(), heads })
    }
}

/// Sums of squares of what an adapter adds and of the stream it is added to, on the device.
fn squares(added: &Added, stream: &Tensor) -> Result<[Tensor; 2]> {
    squares_of(&add(&stream.zeros_like()?, added)?, stream)
}

/// The rows of the tokens that ask.
fn first_tokens(x: &Tensor, Heads { batch, tokens, queries, .. }: Heads) -> Result<Tensor> {
    if queries == tokens {
        return Ok(x.clone());
    }
    let d = x.dim(1)?;
    Ok(x.reshape((batch, tokens, d))?.narrow(1, 0, queries)?.contiguous()?.reshape((batch * queries, d))?)
}

/// An adapter's down(x) without its bias, and GELU of it with that.
fn bottleneck(weights: &mut Weights<'_>, name: &str, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let pre = weights.product(&format!("{name}.down"), x)?;
    let inner = gelu(&pre, &weights.bias(&format!("{name}.down"))?)?;
    Ok((pre, inner))
}
