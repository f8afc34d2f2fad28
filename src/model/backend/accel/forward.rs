//! The forward pass of one block.

use candle_core::Tensor;

use super::{Accel, Needs, Result, norms::squares_of, weights::Weight, weights::norm};
use crate::ops::{
    block::{Adapter, Block},
    fused::{Added, Attended, Heads, Normed, add, add_bias, add_norm, attention, gelu},
};

/// The residual stream, and what is still to be added to it: the next LayerNorm does that on its way.
pub(in crate::model) struct Stream {
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
pub(in crate::model) struct Kept {
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

impl Accel {
    /// One block, on the tokens that come in, of which it carries on the first `keep`. With `measure`, leaves sums of
    /// squares of what adapters add.
    pub(super) fn forward(
        &mut self,
        weights: &Block<Weight>,
        needs: Needs,
        mut stream: Stream,
        keep: Option<usize>,
        measure: bool,
    ) -> Result<(Stream, Kept)> {
        let (eps, d) = (self.config.norm_eps, self.config.hidden);
        if let Some(prompt) = &weights.prompt {
            stream = self.insert_prompts(prompt, &stream)?;
        }
        let mut heads = stream.heads;
        heads.queries = keep.unwrap_or(heads.tokens);
        let dtype = self.activations(&stream.x);

        let before = add_norm(&stream.x, &stream.added, &norm(&weights.norm1, eps), dtype)?;
        let mut qkv = add_bias(weights.qkv.weight.times(&before.norm)?, &weights.qkv.bias.kept)?;
        let mut low_rank = Vec::new();
        if let (Some(size), Some(lora)) = (self.extras.lora, &weights.lora) {
            let mut parts = [0, 1, 2].map(|part| qkv.narrow(1, part * d, d));
            for (part, update) in [(0, &lora.q), (2, &lora.v)] {
                let inner = update.down.times(&before.norm)?;
                let more = (update.up.times(&inner)? * size.scale())?;
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

        let mut h = weights.proj.weight.times(&out)?;
        let bias = &weights.proj.bias.kept;
        let (mut spatial, mut measured) = (None, [None, None]);
        let added = if let Some(adapter) = &weights.spatial {
            h = add_bias(h, bias)?;
            let (pre, inner) = bottleneck(adapter, &h)?;
            let up =
                Added { values: vec![adapter.up.weight.times(&inner)?], biases: vec![adapter.up.bias.kept.clone()] };
            measured[0] = measure.then(|| squares(&up, &residual)).transpose()?;
            spatial = Some(pre);
            Added { values: [vec![h.clone()], up.values].concat(), biases: up.biases }
        } else {
            Added { values: vec![h.clone()], biases: vec![bias.clone()] }
        };

        let after = add_norm(&residual, &added, &norm(&weights.norm2, eps), dtype)?;
        let pre = weights.fc1.weight.times(&after.norm)?;
        let inner = gelu(&pre, &weights.fc1.bias.kept)?;
        let mut values = weights.fc2.weight.times(&inner)?;
        let mut biases = vec![weights.fc2.bias.kept.clone()];
        let mut adapter = None;
        if let Some(own) = &weights.adapter {
            let (pre, inner) = bottleneck(own, &after.norm)?;
            let bias = own.up.bias.kept.clone();
            if measure {
                let alone = Added { values: vec![own.up.weight.times(&inner)?], biases: vec![bias.clone()] };
                measured[1] = Some(squares(&alone, &after.stream)?);
            }
            values = own.up.weight.times_onto(values, &inner)?;
            biases.push(bias);
            adapter = Some(pre);
        }
        let added = Added { values: vec![values], biases };
        if measure {
            let [spatial, mlp] = measured;
            self.norms.push(spatial, mlp);
        }
        let mut leaving = Stream { x: after.stream.clone(), added, heads: heads_after };
        if self.extras.prompts > 0 {
            leaving = self.drop_prompts(&leaving)?;
        }
        let norms = [before, after];
        Ok((leaving, Kept { heads, needs, norms, attended, out, h, pre, adapter, spatial, low_rank }))
    }

    /// Each block sees the class tokens, its own prompts, then every other token.
    fn insert_prompts(&self, prompt: &Weight, stream: &Stream) -> Result<Stream> {
        let (Heads { batch, tokens, .. }, d) = (stream.heads, self.config.hidden);
        let (first, prompts) = (self.config.class_tokens(), self.extras.prompts);
        let x = stream.settled()?.reshape((batch, tokens, d))?;
        let prompt = prompt.kept.broadcast_as((batch, prompts, d))?.contiguous()?;
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
fn bottleneck(adapter: &Adapter<Weight>, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let pre = adapter.down.weight.times(x)?;
    let inner = gelu(&pre, &adapter.down.bias.kept)?;
    Ok((pre, inner))
}
